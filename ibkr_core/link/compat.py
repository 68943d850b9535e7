"""Every difference between the ibapi versions that we support, in one place (design section 6).

From 9.81.1 to 10.51 callbacks gained arguments, quantities became Decimal, the commission report was
renamed, cancels take an object, and messages went from text to protobuf.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from ibapi.client import EClient
from ibapi.decoder import Decoder
from ibapi.execution import ExecutionFilter
from ibapi.server_versions import MAX_CLIENT_VER, MIN_CLIENT_VER
from ibapi.utils import BadMessage

from ibkr_core.errors import MalformedMessage, UnknownMessage

__all__ = [
    "LOWEST_SERVER_VERSION",
    "PROTOBUF_SINCE",
    "RAW_IDS_SINCE",
    "cancel_order",
    "client_versions",
    "decode",
    "execution_filter",
    "global_cancel",
    "make_decoder",
    "read_error_arguments",
]

LOWEST_SERVER_VERSION: Final = 142
"""The oldest gateway that we talk to: older ones leave out margins and fractions."""
RAW_IDS_SINCE: Final = 201
"""From this server version on, message ids are four raw bytes (wire facts 2)."""
PROTOBUF_SINCE: Final = 200
"""A raw id above this is a protobuf message, of the kind id - 200."""


def client_versions() -> tuple[int, int]:
    """Return the lowest and highest protocol version of the installed client."""
    return int(MIN_CLIENT_VER), int(MAX_CLIENT_VER)


def make_decoder(wrapper: object, server_version: int) -> Decoder:
    """Make an official decoder that calls ``wrapper``."""
    return Decoder(wrapper, server_version)


@cache
def _interpret_takes_id() -> bool:
    return "msgId" in inspect.signature(Decoder.interpret).parameters


def decode(decoder: Decoder, message_id: int, body: bytes, *, is_protobuf: bool) -> None:
    """Hand one message, without its id, to the official decoder, which calls back.

    The official decoder passes over an unknown id, and over a message with a field too few or too many,
    with no more than a line in its log. An error or a next valid id must not get lost so.

    Args:
        decoder: The decoder.
        message_id: The kind of message.
        body: Protobuf bytes, or text fields that each end in a NUL.
        is_protobuf: Which of the two it is.

    Raises:
        UnknownMessage: The installed client does not know this id.
        MalformedMessage: The message has not the fields that it should have.
    """
    table = decoder.msgId2handleInfoProtoBuf if is_protobuf else decoder.msgId2handleInfo
    info = table.get(message_id)
    if info is None:
        raise UnknownMessage(message_id + PROTOBUF_SINCE if is_protobuf else message_id)
    if is_protobuf:
        decoder.processProtoBuf(body, message_id)
        return
    fields = body.split(b"\0")[:-1]
    _check_count(info, message_id, fields)
    try:
        if _interpret_takes_id():
            decoder.interpret(tuple(fields), message_id)
        else:
            decoder.interpret((b"%d" % message_id, *fields))
    except Exception as error:
        # It means to report a BadMessage, and fails at putting the fields into words.
        if isinstance(error, BadMessage) or isinstance(error.__context__, BadMessage):
            raise MalformedMessage(f"message {message_id}", f"ends after {len(fields)} fields") from error
        raise


def _check_count(info: Any, message_id: int, fields: list[bytes]) -> None:  # noqa: ANN401 - the client's own class
    if info.wrapperMeth is None or info.wrapperParams is None:
        return  # read field by field, which notices
    wanted = len(info.wrapperParams) - 1  # without self
    found = len(fields) - 1  # without the version, which all messages of this sort begin with
    if found != wanted:
        raise MalformedMessage(f"message {message_id}", f"has {found} fields, not {wanted}")


@cache
def _order_cancel() -> Callable[[], Any] | None:
    try:
        return importlib.import_module("ibapi.order_cancel").OrderCancel  # type: ignore[no-any-return]
    except ImportError:
        return None


def cancel_order(client: EClient, order_id: int) -> None:
    """Call the official ``cancelOrder``, which takes an OrderCancel since 10.2x."""
    make = _order_cancel()
    if make is None:
        client.cancelOrder(order_id)
    else:
        client.cancelOrder(order_id, make())


def global_cancel(client: EClient) -> None:
    """Call the official ``reqGlobalCancel``."""
    make = _order_cancel()
    if make is None:
        client.reqGlobalCancel()
    else:
        client.reqGlobalCancel(make())


def execution_filter() -> ExecutionFilter:
    """Make a filter that lets every execution through."""
    return ExecutionFilter()


def read_error_arguments(arguments: tuple[Any, ...]) -> tuple[int, int, str, str, int | None]:
    """Read the arguments of an ``error`` callback of any version.

    Returns:
        Request id, code, text, advanced rejection JSON, time in ms since 1970 or None.
    """
    request_id, *rest = arguments
    # New: errorTime, errorCode, errorString[, json]. Old: errorCode, errorString[, json]. The text
    # tells them apart: it stands second in the old form and third in the new one.
    if isinstance(rest[1], str):
        code, text, *more = rest
        time_ms = None
    else:
        time_ms, code, text, *more = rest
    return int(request_id), int(code), text, (more[0] if more else "") or "", time_ms or None
