"""Checking the requests of the official client: read, and written back byte by byte."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ibapi.contract import ComboLeg, Contract, DeltaNeutralContract

from ibkr_core.wire.codec import decode_request, encode_request
from ibkr_core.wire.registry import requests
from wire.oracle import OLD_CLIENT, OfficialClient, versions

CONTRACT_FIELDS = {
    "conId": 7,
    "symbol": "SYM",
    "secType": "OPT",
    "lastTradeDateOrContractMonth": "20261218",
    "strike": 105.5,
    "right": "C",
    "multiplier": 100.0,
    "exchange": "CBOE",
    "primaryExch": "NYSE",
    "currency": "USD",
    "localSymbol": "LOC",
    "tradingClass": "CLS",
    "secIdType": "ISIN",
    "secId": "US0",
    "includeExpired": True,
    "issuerId": "e123",
}

COUNTED = {"calculateImpliedVolatility", "calculateOptionPrice"}
"""Where the old client counts the options that follow; the newer ones do not."""


def sample_contract() -> Contract:
    """A contract with every field that requests carry."""
    contract = Contract()
    for name, value in CONTRACT_FIELDS.items():
        attribute = "primaryExchange" if name == "primaryExch" else name
        if hasattr(contract, attribute):
            setattr(contract, attribute, value)
    contract.multiplier = "100"
    return contract


def sample_combo() -> Contract:
    """A combination of two legs with a delta-neutral contract."""
    contract = sample_contract()
    contract.secType = "BAG"
    contract.comboLegs = []
    for number in (1, 2):
        leg = ComboLeg()
        leg.conId, leg.ratio, leg.action, leg.exchange = number, number, "BUY", "CBOE"
        contract.comboLegs.append(leg)
    contract.deltaNeutralContract = DeltaNeutralContract()
    contract.deltaNeutralContract.conId = 9
    contract.deltaNeutralContract.delta = 0.5
    contract.deltaNeutralContract.price = 101.25
    return contract


def check_request(
    method: str,
    arguments: tuple[Any, ...],
    fields: dict[str, Any],
    *,
    since: int = 142,
    contract: Iterable[str] = (),
    late: dict[str, int] | None = None,
) -> None:
    """Let the official client send a request at every version, read it, and write it again.

    Args:
        method: The client's method, and our kind.
        arguments: Its arguments.
        fields: What we should read, the contract aside.
        since: First version at which the client sends it.
        contract: Fields of the sample contract that the text form carries; none if there is no contract.
        late: First version of fields that come later, by name.
    """
    for version in (version for version in versions() if version >= since):
        body = OfficialClient(version).body(method, *arguments)
        got = decode_request(body, version)
        assert got.kind == method
        rest = {name: value for name, value in got.fields.items() if name != "contract"}
        protobuf = version >= requests().by_name[method].protobuf_since
        known = {name: value for name, value in fields.items() if version >= (late or {}).get(name, 0)}
        if protobuf:
            known = {name: value for name, value in known.items() if value is not False}
        assert rest == known, f"at {version}"
        names = list(contract)
        if names and not protobuf:
            names = [name for name in names if version >= (late or {}).get(f"contract.{name}", 0)]
            names = [name for name in names if not (OLD_CLIENT and name == "issuerId")]
            wanted = {name: CONTRACT_FIELDS[name] for name in names}
            assert got.fields["contract"] == wanted, f"at {version}"
        if names and protobuf:
            # There the whole contract travels, whatever the text form would carry.
            whole = {
                name: CONTRACT_FIELDS[name] for name in CONTRACT_FIELDS if name in got.fields["contract"]
            }
            assert got.fields["contract"] == whole, f"at {version}"
            assert set(names) <= set(whole), f"at {version}"
        again = encode_request(got, version)
        if protobuf or (OLD_CLIENT and method in COUNTED):
            assert decode_request(again, version) == got
        else:
            assert again == body
