"""The market scanner."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from ibkr_core.gateway.scanner import SCAN_CODES
from tests.gateway.checked import Checked
from tests.gateway.pocket import Pocket, errors, gateway, kinds
from tests.wire.oracle import versions

every_version = pytest.mark.parametrize("version", versions(157, 200, 226))
GAINERS = {"instrument": "STK", "locationCode": "STK.US.MAJOR", "scanCode": "TOP_PERC_GAIN"}


@every_version
def test_a_scan_ranks_the_movers(version: int) -> None:
    """What rose most comes first, again every half minute, until the cancel, which earns 162."""
    venue = gateway()
    venue.market("KO").set_quote(bid=200, ask=201, last=200)
    client = Checked(venue, version)
    client.ask("reqScannerSubscription", reqId=7, scannerSubscription={**GAINERS, "numberOfRows": 10})
    assert kinds(client.heard)[-1] == "scannerData"
    rows = client.of("scannerData")
    assert [args[1] for args in rows] == list(range(10))
    assert rows[0][2].contract.symbol == "KO"
    assert (rows[0][2].contract.exchange, rows[0][2].marketName) == ("SMART", "KO")
    assert client.of("scannerDataEnd") == [(7,)]
    venue.market("KO").set_quote(bid=20, ask=21, last=20)
    venue.run(31)
    client.listen()
    assert client.of("scannerData")[10][2].contract.symbol != "KO"
    assert errors(client.ask("cancelScannerSubscription", reqId=7)) == [(7, 162)]
    venue.run(60)
    assert client.listen() == []
    assert errors(client.ask("cancelScannerSubscription", reqId=7)) == [(7, 365)]


@every_version
def test_the_parameters_say_what_can_be_scanned(version: int) -> None:
    """XML with every scan code and location that a subscription takes."""
    client = Checked(gateway(), version)
    client.ask("reqScannerParameters")
    ((text,),) = client.of("scannerParameters")
    tree = ET.fromstring(text)  # noqa: S314 - our own text
    assert {one.text for one in tree.iter("scanCode")} == SCAN_CODES.keys()
    for number, location in enumerate(tree.iter("locationCode")):
        wanted = {**GAINERS, "locationCode": location.text}
        answer = client.ask("reqScannerSubscription", reqId=number, scannerSubscription=wanted)
        assert kinds(answer) == ["scannerData"]


@pytest.mark.parametrize("code", SCAN_CODES)
def test_every_scan_code_ranks(code: str) -> None:
    """All American stocks of the catalogue, each once, in an order that its rule gives."""
    client = Pocket(gateway())
    (answer,) = client.ask("reqScannerSubscription", reqId=7, scannerSubscription={"scanCode": code})
    symbols = [row["contract"]["symbol"] for row in answer.fields["scannerDataElement"]]
    assert len(symbols) == len(set(symbols)) > 20
    opposite = {"TOP_PERC_GAIN": "TOP_PERC_LOSE", "TOP_OPEN_PERC_GAIN": "TOP_OPEN_PERC_LOSE"}.get(code)
    if opposite:
        wanted = {"scanCode": opposite}
        (other,) = client.ask("reqScannerSubscription", reqId=8, scannerSubscription=wanted)
        reverse = [row["contract"]["symbol"] for row in other.fields["scannerDataElement"]]
        assert reverse[0] == symbols[-1]


def test_filters_narrow_a_scan() -> None:
    """Prices, volume, listing; nothing may be left."""
    client = Pocket(gateway())

    def symbols(**wanted: object) -> set[str]:
        asked = {"scanCode": "MOST_ACTIVE", **wanted}
        (answer,) = client.ask("reqScannerSubscription", reqId=7, scannerSubscription=asked)
        client.ask("cancelScannerSubscription", reqId=7)
        return {row["contract"]["symbol"] for row in answer.fields.get("scannerDataElement", [])}

    assert symbols(belowPrice=20.0) == {"F"}
    assert symbols(abovePrice=600.0, locationCode="STK.NASDAQ") == {"META", "QQQ"}
    assert "SPY" in symbols(locationCode="STK.ARCA")
    assert symbols(aboveVolume=2_000_000_000) == set()


def test_what_cannot_be_scanned_is_refused() -> None:
    """Unknown codes and locations, an id in use, and more than ten at a time."""
    client = Pocket(gateway())
    for change in ({"scanCode": "NOSUCH"}, {"locationCode": "FUT.EU"}, {"instrument": "BOND"}):
        wanted = {**GAINERS, **change}
        assert errors(client.ask("reqScannerSubscription", reqId=7, scannerSubscription=wanted)) == [(7, 162)]
    for number in range(10):
        assert errors(client.ask("reqScannerSubscription", reqId=number, scannerSubscription=GAINERS)) == []
    assert errors(client.ask("reqScannerSubscription", reqId=3, scannerSubscription=GAINERS)) == [(3, 385)]
    assert errors(client.ask("reqScannerSubscription", reqId=10, scannerSubscription=GAINERS)) == [(10, 162)]
