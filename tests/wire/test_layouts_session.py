"""The session tables against the official client, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.wire.codec import decode_request, encode_request
from ibkr_core.wire.registry import answers
from wire.arguments import assert_heard, heard
from wire.oracle import BOUNDARIES, OLD_CLIENT, OfficialClient, versions
from wire.values import ASCII_TEXTS, strategy

EVERY_VERSION = st.sampled_from(versions()) | st.sampled_from(versions(*BOUNDARIES))

SPECS = {
    "nextValidId": "orderId:int",
    "managedAccounts": "accountsList:str",
    "currentTime": "currentTime:long",
    "verifyMessageAPI": "apiData:str",
    "verifyAndAuthMessageAPI": "apiData:str xyzChallenge:str",
    **({} if OLD_CLIENT else {"currentTimeInMillis": "currentTimeInMillis:long"}),
    **({} if OLD_CLIENT else {"userInfo": "reqId:int whiteBrandingId:str"}),
}


@pytest.mark.parametrize("kind", SPECS)
@given(EVERY_VERSION, st.data())
def test_the_client_hears_us(kind: str, version: int, data: st.DataObject) -> None:
    """Each argument of each callback is what was given."""
    fields = data.draw(strategy(answers().by_name[kind].message))
    assert_heard(kind, fields, version, SPECS[kind])


@pytest.mark.parametrize("kind", ["verifyCompleted", "verifyAndAuthCompleted"])
@given(EVERY_VERSION, st.booleans(), ASCII_TEXTS)
def test_a_verification_is_answered_in_words(kind: str, version: int, success: bool, text: str) -> None:
    """The flag is spelled true or false in text, which the Python client does not convert."""
    ((name, arguments),) = heard(kind, {"isSuccessful": success, "errorText": text}, version)
    assert name == kind
    assert arguments[0] in {success, str(success).lower()}
    assert arguments[1] == text


REQUESTS: list[tuple[int, str, tuple[Any, ...], dict[str, Any]]] = [
    (142, "reqIds", (-1,), {"numIds": -1}),
    (142, "reqManagedAccts", (), {}),
    (142, "reqCurrentTime", (), {}),
    (142, "setServerLogLevel", (5,), {"logLevel": 5}),
    (167, "reqUserInfo", (4,), {"reqId": 4}),
    (197, "reqCurrentTimeInMillis", (), {}),
]


@pytest.mark.parametrize(("since", "method", "arguments", "fields"), REQUESTS)
def test_we_read_the_client(
    since: int, method: str, arguments: tuple[Any, ...], fields: dict[str, Any]
) -> None:
    """Each request is read at every version, and written back byte by byte."""
    for version in versions():
        if version >= since:
            body = OfficialClient(version).body(method, *arguments)
            got = decode_request(body, version)
            assert (got.kind, got.fields) == (method, fields)
            assert encode_request(got, version) == body


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("capabilities", ["", "-MSGBOX"])
def test_we_read_the_first_request(version: int, capabilities: str) -> None:
    """The first request of a session carries client id and capabilities (wire facts 3)."""
    client = OfficialClient(version)
    client.optCapab = capabilities
    body = client.body("startApi")
    got = decode_request(body, version)
    wanted = {"clientId": 7} | ({"optionalCapabilities": capabilities} if capabilities else {})
    assert (got.kind, got.fields) == ("startApi", wanted)
    assert encode_request(got, version) == body


@pytest.mark.parametrize("version", versions())
def test_we_read_verifications(version: int) -> None:
    """The verification requests of vendors, which the client sends only with extra rights."""
    client = OfficialClient(version)
    client.extraAuth = True
    got = decode_request(client.body("verifyRequest", "name", "1.0"), version)
    assert (got.kind, got.fields) == ("verifyRequest", {"apiName": "name", "apiVersion": "1.0"})
    got = decode_request(OfficialClient(version).body("verifyMessage", "data"), version)
    assert (got.kind, got.fields) == ("verifyMessage", {"apiData": "data"})
    client = OfficialClient(version)
    client.extraAuth = True
    got = decode_request(client.body("verifyAndAuthRequest", "name", "1.0", "key"), version)
    assert got.fields == {"apiName": "name", "apiVersion": "1.0", "opaqueIsvKey": "key"}
    got = decode_request(OfficialClient(version).body("verifyAndAuthMessage", "data", "xyz"), version)
    assert got.fields == {"apiData": "data", "xyzResponse": "xyz"}
