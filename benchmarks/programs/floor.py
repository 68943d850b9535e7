"""The floor: framing and parsing of the same bytes, in one thread, and nothing else.

It receives into one buffer, cuts frames by memoryview, and turns the fields of each message into the values
that any client must make: whole numbers, Decimal quantities, float prices, texts. Nothing is kept, nothing is
looked up, nobody is told. With ``cut`` in its task it stops after the cutting: a mark for how little that is.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from benchmarks.programs.stage import Stage
from benchmarks.terms import CLIENT_ID, END_MARK
from ibkr_core.wire.codec import encode_request
from ibkr_core.wire.framing import frame
from ibkr_core.wire.handshake import client_hello
from ibkr_core.wire.message import Message

Parse = Callable[[memoryview], Any]

_RAW_IDS_SINCE = 201
_ROOM = 1 << 20


def parse_text_status(body: memoryview) -> tuple[Any, ...]:
    """Parse orderStatus, from its order id on."""
    f = str(body, "ascii").split("\0")
    return (
        int(f[0]), f[1], Decimal(f[2]), Decimal(f[3]), float(f[4]), int(f[5]), int(f[6]), float(f[7]),
        int(f[8]), f[9], float(f[10]),
    )  # fmt: skip


def parse_text_execution(body: memoryview) -> tuple[Any, ...]:
    """Parse execDetails, from its request id on."""
    f = str(body, "ascii").split("\0")
    return (
        int(f[0]), int(f[1]), int(f[2]), *f[3:6], float(f[6] or 0), *f[7:13], *f[13:18], Decimal(f[18]),
        float(f[19]), int(f[20]), int(f[21]), int(f[22]), Decimal(f[23]), float(f[24]), f[25], f[26],
        float(f[27] or 0), f[28], int(f[29]),
    )  # fmt: skip


def parse_text_commission(body: memoryview) -> tuple[Any, ...]:
    """Parse a commission report, from its message version on."""
    f = str(body, "ascii").split("\0")
    return f[1], float(f[2]), f[3], float(f[4] or 0), float(f[5] or 0), f[6]


def parse_text_time(body: memoryview) -> int:
    """Parse currentTime."""
    return int(str(body, "ascii").split("\0")[1])


TEXT: dict[int, Parse] = {
    3: parse_text_status,
    11: parse_text_execution,
    59: parse_text_commission,
    49: parse_text_time,
}


def protobuf_parsers() -> dict[int, Parse]:
    """Return the parsers of protobuf messages; only a client that has their classes can."""
    from ibapi.protobuf.CommissionAndFeesReport_pb2 import CommissionAndFeesReport  # noqa: PLC0415 - see above
    from ibapi.protobuf.CurrentTime_pb2 import CurrentTime  # noqa: PLC0415
    from ibapi.protobuf.ExecutionDetails_pb2 import ExecutionDetails  # noqa: PLC0415
    from ibapi.protobuf.OrderStatus_pb2 import OrderStatus  # noqa: PLC0415

    def status(body: memoryview) -> tuple[Any, ...]:
        m = OrderStatus.FromString(body)
        return (
            m.orderId, m.status, Decimal(m.filled), Decimal(m.remaining), m.avgFillPrice, m.permId,
            m.parentId, m.lastFillPrice, m.clientId, m.whyHeld, m.mktCapPrice,
        )  # fmt: skip

    def execution(body: memoryview) -> tuple[Any, ...]:
        m = ExecutionDetails.FromString(body)
        c, e = m.contract, m.execution
        return (
            m.reqId, e.orderId, c.conId, c.symbol, c.secType, c.lastTradeDateOrContractMonth, c.strike,
            c.right, c.multiplier, c.exchange, c.currency, c.localSymbol, c.tradingClass, e.execId, e.time,
            e.acctNumber, e.exchange, e.side, Decimal(e.shares), e.price, e.permId, e.clientId,
            e.isLiquidation, Decimal(e.cumQty), e.avgPrice, e.orderRef, e.evRule, e.evMultiplier,
            e.modelCode, e.lastLiquidity,
        )  # fmt: skip

    def commission(body: memoryview) -> tuple[Any, ...]:
        m = CommissionAndFeesReport.FromString(body)
        return m.execId, m.commissionAndFees, m.currency, m.realizedPNL, m.bondYield, m.yieldRedemptionDate

    def current_time(body: memoryview) -> int:
        return int(CurrentTime.FromString(body).currentTime)

    return {203: status, 211: execution, 259: commission, 249: current_time}


def parse_nothing(body: memoryview) -> None:
    """Leave a message as it is."""


def begin(port: int, version: int) -> socket.socket:
    """Open a session and read its welcome."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(client_hello(version, version))
    rest = read_frame(sock)
    del rest
    sock.sendall(frame(encode_request(Message("startApi", {"clientId": CLIENT_ID}), version)))
    for _ in ("managedAccounts", "nextValidId"):
        read_frame(sock)
    return sock


def read_frame(sock: socket.socket) -> bytes:
    """Read one frame and not a byte more."""

    def exactly(count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += sock.recv(count - len(data))
        return data

    return exactly(int.from_bytes(exactly(4), "big"))


def timed(parsers: dict[int, Parse], stage: Stage) -> dict[int, Parse]:
    """Note when executions and commissions have been parsed."""
    clock = time.perf_counter_ns

    def after(parse: Parse, place: int, notes: list[tuple[str, int]]) -> Parse:
        def both(body: memoryview) -> None:
            notes.append((parse(body)[place], clock()))

        return both

    made = dict(parsers)
    for kind, parse in parsers.items():
        if kind % 200 == 11:
            made[kind] = after(parse, 13, stage.executions)
        elif kind % 200 == 59:
            made[kind] = after(parse, 0, stage.commissions)
    return made


def read(sock: socket.socket, parsers: dict[int, Parse], times: Parse, *, is_raw: bool) -> None:
    """Receive, cut and parse until the end mark."""
    buffer = bytearray(_ROOM)
    view = memoryview(buffer)
    start = end = 0
    from_bytes, receive = int.from_bytes, sock.recv_into
    while True:
        count = receive(view[end:])
        if not count:
            raise SystemExit("the stream ended before its end mark")
        end += count
        while end - start >= 4:
            begin = start + 4
            stop = begin + from_bytes(buffer[start:begin], "big")
            if stop > end:
                break
            if is_raw:
                kind = from_bytes(buffer[begin : begin + 4], "big")
                body = begin + 4
            else:
                body = buffer.index(0, begin) + 1
                kind = int(buffer[begin : body - 1])
            start = stop
            if kind % 200 == 49:
                if times(view[body:stop]) == END_MARK:
                    return
                continue
            parsers[kind](view[body:stop])
        if start == end:
            start = end = 0
        elif end > _ROOM // 2:
            left = end - start
            buffer[:left] = buffer[start:end]
            start, end = 0, left


def main() -> None:
    """Run once."""
    stage = Stage()
    version = stage.task["version"]
    is_raw = version >= _RAW_IDS_SINCE
    full = protobuf_parsers() if is_raw else TEXT
    times = full[249 if is_raw else 49]
    nothing: dict[int, Parse] = dict.fromkeys(full, parse_nothing)
    parsers = nothing if stage.task.get("cut") else full
    if stage.task.get("timed"):
        parsers = timed(parsers, stage)
    sock = begin(stage.task["port"], version)
    stage.ready()
    read(sock, parsers, times, is_raw=is_raw)
    stage.end()
    stage.report()
    sock.close()


if __name__ == "__main__":
    main()
