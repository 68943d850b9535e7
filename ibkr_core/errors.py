"""Every exception that ibkr_core raises, in one tree.

::

    IbkrError
    ├── InvalidInput (ValueError)         you asked for something impossible; nothing was sent
    │   ├── InvalidContract
    │   │   ├── UnknownContract           the broker knows no such instrument (code 200)
    │   │   └── AmbiguousContract         it knows several; lists them
    │   ├── InvalidOrder
    │   │   └── MarketClosed              it does not trade now; tells when it does
    │   ├── UnknownField                  a field that the official API does not have; names the nearest one
    │   ├── InvalidGroup                  a bracket or OCA plan that cannot work
    │   ├── InvalidStrategy               legs that do not go together
    │   └── BadPriceFile                  a file of prices to replay; names line, column and rule
    ├── OrderStateError                   a command that the order's state forbids; nothing was sent
    │   ├── UnknownOrder
    │   ├── OrderFinished
    │   ├── OrderNotOurs
    │   ├── OrderInDoubt                  the broker has not yet proved the order's fate
    │   ├── DuplicateOrder
    │   ├── ReplaceFailed                 the old order has ended, and no new one was placed
    │   └── TooManyOrders                 the broker takes 20 for each account, contract and side
    ├── TradingHalted                     new orders are refused until the halt is lifted
    ├── RiskRefused                       a risk gate of yours said no; nothing was sent
    ├── ConnectionFailed (ConnectionError)
    │   ├── GatewayUnreachable            nothing listens there
    │   ├── HandshakeFailed               something listens, but it is no TWS or it closed on us
    │   ├── ServerTooOld
    │   ├── ClientIdInUse                 code 326
    │   ├── AccountMismatch               the login is live where paper was wanted, or the other way round
    │   └── NotReady                      not connected, or not yet synchronised: refused, nothing was sent
    ├── SendFailed (ConnectionError)      the socket failed during a send: the order's fate is unknown
    ├── InquiryFailed                     the broker would not answer a question; has its code and text
    ├── RequestRefused                    the official client refused to encode; nothing was sent
    ├── WaitTimeout (TimeoutError)        a wait ran out; the order itself is untouched
    ├── WouldDeadlock                     a wait on the thread that has to bring the answer
    ├── EngineClosed
    ├── JournalError                      the journal cannot do its work; each names the file and what to do
    │   ├── JournalFailed                 writing failed: disk full, I/O error, file gone
    │   ├── JournalInUse                  another engine writes this file
    │   ├── JournalCorrupt                it is damaged; nothing in it was touched
    │   ├── JournalTooNew                 a newer ibkr_core wrote it
    │   ├── JournalReadOnly               the file or its folder cannot be written
    │   └── JournalForeign                no journal, or another client id's
    ├── MissingExtra (ImportError)        an optional part of the package is not installed; names it
    ├── StateFileError                    the file in which a simulated gateway keeps its books
    │   ├── StateFileInUse
    │   ├── StateFileDamaged
    │   └── StateFileTooNew
    ├── WireError                         bytes that are no TWS message (the peer's fault)
    │   ├── FrameTooLong
    │   ├── HandshakeError
    │   ├── UnknownMessage
    │   └── MalformedMessage
    └── InvariantViolated                 a fault of ours: please report it

Blame is in the type: :class:`InvalidInput` and :class:`OrderStateError` are the caller's,
:class:`ConnectionFailed`, :class:`SendFailed` and :class:`WireError` the other side's,
:class:`InvariantViolated` ours. A surprising callback of the broker raises nothing:
it is recorded as an :class:`~ibkr_core.model.events.AnomalyDetected` event.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

__all__ = [
    "AccountMismatch",
    "AmbiguousContract",
    "BadPriceFile",
    "ClientIdInUse",
    "ConnectionFailed",
    "DuplicateOrder",
    "EngineClosed",
    "FrameTooLong",
    "GatewayUnreachable",
    "HandshakeError",
    "HandshakeFailed",
    "IbkrError",
    "InquiryFailed",
    "InvalidContract",
    "InvalidGroup",
    "InvalidInput",
    "InvalidOrder",
    "InvalidStrategy",
    "InvariantViolated",
    "JournalCorrupt",
    "JournalError",
    "JournalFailed",
    "JournalForeign",
    "JournalInUse",
    "JournalReadOnly",
    "JournalTooNew",
    "MalformedMessage",
    "MarketClosed",
    "MissingExtra",
    "NotReady",
    "OrderFinished",
    "OrderInDoubt",
    "OrderNotOurs",
    "OrderStateError",
    "ReplaceFailed",
    "RequestRefused",
    "RiskRefused",
    "SendFailed",
    "ServerTooOld",
    "StateFileDamaged",
    "StateFileError",
    "StateFileInUse",
    "StateFileTooNew",
    "TooManyOrders",
    "TradingHalted",
    "UnknownContract",
    "UnknownField",
    "UnknownMessage",
    "UnknownOrder",
    "WaitTimeout",
    "WireError",
    "WouldDeadlock",
]


class IbkrError(Exception):
    """Base of every exception that this package raises on purpose."""


class InvalidInput(IbkrError, ValueError):
    """An argument breaks a rule. Nothing was sent.

    Attributes:
        argument: Name of the offending argument, as the caller wrote it.
        rule: The rule that it breaks, in words.
    """

    def __init__(self, argument: str, rule: str) -> None:
        self.argument = argument
        self.rule = rule
        super().__init__(f"{argument}: {rule}")


class InvalidContract(InvalidInput):
    """A contract that cannot name an instrument."""


class UnknownContract(InvalidContract):
    """The broker knows no instrument that fits (code 200)."""


class AmbiguousContract(InvalidContract):
    """The broker knows several instruments that fit; say more, such as the currency or the exchange.

    Attributes:
        candidates: Their names, with what tells them apart.
        con_ids: Their contract ids, in the same order.
    """

    def __init__(
        self, argument: str, rule: str, candidates: tuple[str, ...], con_ids: tuple[int, ...]
    ) -> None:
        self.candidates = candidates
        self.con_ids = con_ids
        super().__init__(argument, rule)


class InvalidOrder(InvalidInput):
    """An order that no broker could accept."""


class MarketClosed(InvalidOrder):
    """The instrument does not trade now, so the order would be held or refused.

    Attributes:
        opens_at: When it trades next, a datetime in UTC; None where the broker did not tell.
    """

    def __init__(self, argument: str, rule: str, opens_at: datetime | None) -> None:
        self.opens_at = opens_at
        super().__init__(argument, rule)


class UnknownField(InvalidInput):
    """A field that the official Order or Contract does not have.

    Attributes:
        nearest: The known field with the most similar name, or None.
    """

    def __init__(self, argument: str, owner: str, nearest: str | None) -> None:
        self.nearest = nearest
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(argument, f"{owner} has no such field{hint}")


class InvalidGroup(InvalidInput):
    """A bracket or OCA group whose legs contradict each other."""


class InvalidStrategy(InvalidInput):
    """Legs that do not go together: strikes out of order, one instrument twice, parts of an option."""


class BadPriceFile(InvalidInput):
    """A file of prices that a simulated gateway cannot replay.

    Attributes:
        path: The file.
        line: Which line, or row of a Parquet file, from 1; None when it is about the whole file.
        column: Which column; empty when it is about the whole line.
    """

    def __init__(self, path: str, rule: str, *, line: int | None = None, column: str = "") -> None:
        self.path = path
        self.line = line
        self.column = column
        place = [path, *([f"line {line}"] if line else []), *([f"column {column}"] if column else [])]
        super().__init__(", ".join(place), rule)


class OrderStateError(IbkrError):
    """A command that the order's state does not allow. Nothing was sent.

    Attributes:
        order_id: The order that the command named.
    """

    def __init__(self, order_id: int, message: str) -> None:
        self.order_id = order_id
        super().__init__(f"order {order_id}: {message}")


class UnknownOrder(OrderStateError):
    """No order with this id is in the book."""


class OrderFinished(OrderStateError):
    """The order is filled, cancelled or rejected already."""


class OrderNotOurs(OrderStateError):
    """The order was placed by another client or by hand; it is read-only here."""


class OrderInDoubt(OrderStateError):
    """The order's fate is unknown (``UNKNOWN``), so repeating or modifying it could trade twice.

    The broker is being asked. A cancel is taken.
    """


class DuplicateOrder(OrderStateError):
    """The client order key belongs to a different order, or one that looks like this was sent just now.

    Submitting the *same* order with its key again is no error. ``order_id`` is the first order's.
    """


class ReplaceFailed(OrderStateError):
    """A cancel-replace came halfway: the old order has ended, and no new one was placed.

    ``order_id`` is the old order's. Why the new one was not sent is in ``__cause__`` too, if there is more.

    Attributes:
        filled_quantity: What the old order had filled when it ended.
    """

    def __init__(self, order_id: int, filled_quantity: Decimal, why: str) -> None:
        self.filled_quantity = filled_quantity
        super().__init__(
            order_id, f"has ended with {filled_quantity} filled, and nothing takes its place: {why}"
        )


class TooManyOrders(OrderStateError):
    """As many orders of this account, contract and side are active as the broker takes.

    See ``EngineSettings.max_active_orders``. ``order_id`` is the new order's; nothing of it was sent.
    """


class TradingHalted(IbkrError):
    """New orders and modifications are refused until ``engine.release()``. Nothing was sent.

    A halt survives restarts where there is a journal. The message has its reason.
    """


class RiskRefused(IbkrError):
    """A risk gate said no to a new order, or to a modification that raises the risk. Nothing was sent.

    No order id was used, and book, journal and wire are as before. See ``docs/risk.md``.

    Attributes:
        gate: Which one, such as ``order size``.
        argument: What of the order broke the limit, such as ``quantity`` or ``limit_price``.
        limit: The limit, as text; empty where the gate failed.
        value: What it was compared with, as text.
        reason: All of it, in words.
    """

    def __init__(self, gate: str, argument: str, limit: str, value: str, reason: str) -> None:
        self.gate = gate
        self.argument = argument
        self.limit = limit
        self.value = value
        self.reason = reason
        super().__init__(f"risk gate {gate!r} refused {argument}: {reason}; nothing was sent")


class ConnectionFailed(IbkrError, ConnectionError):
    """There is no usable connection to TWS or IB Gateway."""


class GatewayUnreachable(ConnectionFailed):
    """Nothing accepts connections at the host and port."""


class HandshakeFailed(ConnectionFailed):
    """The peer is no TWS, or it closed the connection before the session began."""


class ServerTooOld(ConnectionFailed):
    """The peer speaks only protocol versions that are too old for us.

    Attributes:
        server_version: What the peer offered.
        required: The lowest version that we accept.
    """

    def __init__(self, server_version: int, required: int) -> None:
        self.server_version = server_version
        self.required = required
        super().__init__(f"the gateway speaks server version {server_version}; at least {required} is needed")


class ClientIdInUse(ConnectionFailed):
    """Another session holds this client id (broker code 326).

    Attributes:
        client_id: The id that was refused.
    """

    def __init__(self, client_id: int) -> None:
        self.client_id = client_id
        super().__init__(
            f"client id {client_id} is in use by another session (code 326); "
            "stop that session, or wait a moment if it has just ended"
        )


class AccountMismatch(ConnectionFailed):
    """The login's accounts are live where paper was wanted, or the other way round. Nothing was sent."""


class NotReady(ConnectionFailed):
    """Refused because the engine is not connected and synchronised. Nothing was sent.

    Also for new orders while the gateway has lost the broker, or does not answer; the message tells why.
    """


class SendFailed(IbkrError, ConnectionError):
    """The socket failed while bytes were leaving, so the request's fate is unknown.

    Attributes:
        order_ids: The orders that were being sent. They are UNKNOWN in the book until the broker tells.
    """

    def __init__(self, message: str, order_ids: tuple[int, ...] = ()) -> None:
        self.order_ids = order_ids
        super().__init__(message)


class InquiryFailed(IbkrError):
    """The broker refused a question, or its answer could not be read. No order was touched.

    Attributes:
        what: What was asked for, in words.
        code: The broker's error code; 0 where there was none.
        text: The broker's words.
    """

    def __init__(self, what: str, code: int, text: str) -> None:
        self.what = what
        self.code = code
        self.text = text
        super().__init__(f"{what}: {text}" + (f" (code {code})" if code else ""))


class RequestRefused(IbkrError):
    """The official client refused to encode the request. Nothing was sent.

    Attributes:
        code: The official client's own error code.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(f"refused by the official client (code {code}): {message}")


class WaitTimeout(IbkrError, TimeoutError):
    """What was waited for did not happen in time. The order itself is untouched."""


class WouldDeadlock(IbkrError):
    """A blocking call on the thread that has to bring the answer (an inline listener)."""


class EngineClosed(IbkrError):
    """The engine was closed; make a new one."""


class JournalError(IbkrError):
    """The journal cannot do its work. The message names the file and says what to do.

    Attributes:
        path: The journal's file.
        reason: What is wrong, in words.
        advice: What to do about it, in words.
    """

    def __init__(self, path: str, reason: str, advice: str) -> None:
        self.path = path
        self.reason = reason
        self.advice = advice
        super().__init__(f"journal {path}: {reason}; {advice}")


class JournalFailed(JournalError):
    """Writing failed, so what follows would not be durable: nothing was sent. It is tried again by itself."""


class JournalInUse(JournalError):
    """Another engine holds the file.

    Attributes:
        pid: The process that holds it, None where it did not say.
    """

    def __init__(self, path: str, pid: int | None) -> None:
        self.pid = pid
        owner = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            path,
            f"is in use by the engine of {owner}",
            "stop that one first (a child that it forked may hold the file too), or give this engine another "
            "file",
        )


class JournalCorrupt(JournalError):
    """The file is damaged. Nothing in it was touched."""


class JournalTooNew(JournalError):
    """A newer ibkr_core wrote the file.

    Attributes:
        version: The schema version of the file.
        supported: The newest that this ibkr_core can read.
    """

    def __init__(self, path: str, version: int, supported: int) -> None:
        self.version = version
        self.supported = supported
        super().__init__(
            path,
            f"has the schema version {version}, and this ibkr_core knows those up to {supported}",
            "use the ibkr_core that wrote it, or a newer one",
        )


class JournalReadOnly(JournalError):
    """The file, or the folder that it lies in, cannot be written."""


class JournalForeign(JournalError):
    """The file is no journal, or that of another client id."""


class MissingExtra(IbkrError, ImportError):
    """Something that only an optional part of the package can do, and the part is not installed.

    Attributes:
        extra: Its name, as in ``pip install "ibkr-core[parquet]"``.
    """

    def __init__(self, extra: str, purpose: str) -> None:
        self.extra = extra
        super().__init__(f'{purpose} needs an optional part: pip install "ibkr-core[{extra}]"')


class StateFileError(IbkrError):
    """The file in which a simulated gateway keeps its books cannot be read or written.

    Attributes:
        path: The file.
    """

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        super().__init__(f"state file {path}: {problem}")


class StateFileInUse(StateFileError):
    """Another gateway has the file; two would overwrite each other's books."""


class StateFileDamaged(StateFileError):
    """What the file holds is not what a gateway has written."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(
            path, f"{problem}; put a copy of it back, or move it away to begin with fresh accounts"
        )


class StateFileTooNew(StateFileError):
    """The file's form is newer than this program."""


class WireError(IbkrError):
    """Bytes from the peer that are no TWS message."""


class FrameTooLong(WireError):
    """A frame announces more bytes than the protocol allows."""

    def __init__(self, length: int, limit: int) -> None:
        self.length = length
        self.limit = limit
        super().__init__(f"a frame announces {length} bytes; the limit is {limit}")


class HandshakeError(WireError):
    """The opening bytes are not those of a TWS session."""


class UnknownMessage(WireError):
    """A message id that the protocol does not have.

    Attributes:
        message_id: The id as it stood on the wire.
    """

    def __init__(self, message_id: int) -> None:
        self.message_id = message_id
        super().__init__(f"no message has the id {message_id}")


class MalformedMessage(WireError):
    """A message that is too short, too long, or holds a field that cannot be read.

    Attributes:
        kind: The message's name.
        field: The field at fault, or an empty string.
        index: Position of the field in the message, or -1.
    """

    def __init__(self, kind: str, reason: str, *, field: str = "", index: int = -1) -> None:
        self.kind = kind
        self.field = field
        self.index = index
        where = f", field {index} ({field})" if index >= 0 else (f", field {field}" if field else "")
        super().__init__(f"{kind}{where}: {reason}")


class InvariantViolated(IbkrError):
    """Something that must never happen did: a fault of ibkr_core itself."""
