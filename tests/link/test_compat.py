"""The differences between the supported ibapi versions, against whichever one is installed."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from ibapi.client import EClient
from ibapi.server_versions import MAX_CLIENT_VER
from ibapi.wrapper import EWrapper

from ibkr_core.errors import MalformedMessage, UnknownMessage
from ibkr_core.link import compat, convert
from ibkr_core.wire.codec import decode_request
from tests.link.peers import VERSIONS, Recorder, Tape, hello
from tests.link.test_client import opened

TEXT = VERSIONS[0]


class Witness(EWrapper):  # type: ignore[misc]
    """Notes the callbacks that messages lead to."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def nextValidId(self, orderId: int) -> None:  # noqa: N802, N803 - official names
        self.calls.append(("nextValidId", orderId))

    def managedAccounts(self, accountsList: str) -> None:  # noqa: N802, N803 - official names
        self.calls.append(("managedAccounts", accountsList))


def test_the_offer_is_what_the_installed_client_speaks() -> None:
    """From the lowest version that it knows to the highest."""
    assert compat.client_versions() == (100, MAX_CLIENT_VER)
    assert compat.LOWEST_SERVER_VERSION >= 100


def test_the_official_decoder_is_driven_in_its_own_way() -> None:
    """Message id and fields arrive as the installed decoder wants them."""
    witness = Witness()
    decoder = compat.make_decoder(witness, TEXT)
    compat.decode(decoder, 9, b"1\0" + b"77\0", is_protobuf=False)
    compat.decode(decoder, 15, b"1\0DU1,DU2\0", is_protobuf=False)
    assert witness.calls == [("nextValidId", 77), ("managedAccounts", "DU1,DU2")]


def test_an_unknown_id_is_an_error_in_every_version() -> None:
    """Old decoders pass over it in silence, new ones tell an error of their own: here it is one exception."""
    witness = Witness()
    decoder = compat.make_decoder(witness, TEXT)
    with pytest.raises(UnknownMessage) as raised:
        compat.decode(decoder, 999, b"1\0", is_protobuf=False)
    assert raised.value.message_id == 999
    assert witness.calls == []


@pytest.mark.skipif(max(VERSIONS) < 201, reason="this ibapi has no protobuf")
def test_an_unknown_protobuf_id_is_named_as_it_stood_on_the_wire() -> None:
    """With the offset that marks protobuf."""
    decoder = compat.make_decoder(Witness(), max(VERSIONS))
    with pytest.raises(UnknownMessage) as raised:
        compat.decode(decoder, 199, b"", is_protobuf=True)
    assert raised.value.message_id == 399


@pytest.mark.parametrize(
    ("message_id", "body"), [(15, b"1\0"), (15, b"1\0DU1\0more\0"), (9, b""), (3, b"5\0")]
)
def test_a_wrong_number_of_fields_is_an_error(message_id: int, body: bytes) -> None:
    """Where ibapi logs a line and goes on, the message is reported with its id."""
    witness = Witness()
    with pytest.raises(MalformedMessage, match=f"message {message_id}"):
        compat.decode(compat.make_decoder(witness, TEXT), message_id, body, is_protobuf=False)
    assert witness.calls == []


def test_what_a_callback_raises_is_passed_on() -> None:
    """Only the decoder's own trouble is put into other words."""

    class Broken(Witness):
        def nextValidId(self, orderId: int) -> None:  # noqa: N802, N803 - official names
            raise LookupError(orderId)

    with pytest.raises(LookupError):
        compat.decode(compat.make_decoder(Broken(), TEXT), 9, b"1\0" + b"5\0", is_protobuf=False)


@pytest.mark.parametrize("version", VERSIONS)
def test_cancels_take_an_object_or_not(version: int) -> None:
    """Both forms of cancelOrder and reqGlobalCancel end in the same requests."""
    client, _, _ = opened(version=version)
    one = decode_request(client.encode(lambda: compat.cancel_order(client, 5))[4:], version)
    everything = decode_request(client.encode(lambda: compat.global_cancel(client))[4:], version)
    assert (one.kind, one.fields["orderId"]) == ("cancelOrder", 5)
    assert everything.kind == "reqGlobalCancel"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_execution_filter_lets_everything_through(version: int) -> None:
    """No field of it is set to anything that narrows."""
    client, _, _ = opened(version=version)
    request = decode_request(client.encode_executions_request(3)[4:], version)
    wanted = dict(request.fields.get("executionFilter") or {})
    assert not {name for name, value in wanted.items() if value not in ("", 0, None, [], ())}


def test_callbacks_have_the_number_of_arguments_that_we_read() -> None:
    """A version with one more argument would show here, and not as a lost fact."""

    def count(name: str) -> int:
        return len(inspect.signature(getattr(EWrapper, name)).parameters) - 1

    def read(function: Any) -> int:
        return sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in inspect.signature(function).parameters.values())

    assert count("orderStatus") == read(convert.status_fact)
    assert count("openOrder") == read(convert.open_order_fact)
    assert count("completedOrder") == read(convert.completed_order_fact)
    assert count("execDetails") == read(convert.execution_fact)
    assert count("orderBound") == 3
    assert count("error") in (3, 4, 5)
    reports = [name for name in ("commissionReport", "commissionAndFeesReport") if hasattr(EWrapper, name)]
    assert [count(name) for name in reports] == [1]


def test_the_official_client_is_not_changed() -> None:
    """Our subclass works beside a stock client in one process: nothing of ibapi is patched."""
    import ibapi.client
    import ibapi.comm
    import ibapi.decoder

    before = {name: vars(module).copy() for name, module in vars(ibapi).items() if inspect.ismodule(module)}
    methods = dict(vars(EClient)), dict(vars(EWrapper))
    tape = Tape([hello(TEXT)])
    from ibkr_core.link.client import TwsClient

    client = TwsClient(Recorder())
    client.begin(tape, 1)
    client.run()
    assert methods == (dict(vars(EClient)), dict(vars(EWrapper)))
    for name, contents in before.items():
        assert vars(vars(ibapi)[name]).keys() == contents.keys(), name
