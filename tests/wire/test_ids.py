"""Message ids and the protobuf switch against the installed client's own tables."""

from __future__ import annotations

import pytest
from ibapi import message as official
from ibapi.server_versions import MAX_CLIENT_VER

from ibkr_core.wire.ids import (
    ANSWER_IDS,
    REQUEST_IDS,
    answer_kinds,
    answer_protobuf_since,
    request_kinds,
    request_protobuf_since,
)
from wire.oracle import HAS_PROTOBUF

# What no client of the matrix but the oldest, or but the newest, has.
ENDED_REQUESTS = {52, 53}
ENDED_ANSWERS = {51}


def ids_of(table: type) -> set[int]:
    """The numbers of one of the client's id classes, which is an enumeration or a bare class."""
    return {int(value) for name, value in vars(table).items() if name.isupper() and not name.startswith("_")}


@pytest.mark.skipif(MAX_CLIENT_VER < 226, reason="older clients lack the newest messages")
def test_we_know_the_ids_of_the_newest_client() -> None:
    """Each request and each answer of the official client has a kind, and no other id has."""
    assert set(request_kinds()) - ENDED_REQUESTS == ids_of(official.OUT)
    assert set(answer_kinds()) - ENDED_ANSWERS == ids_of(official.IN)


def test_we_know_every_id_of_the_installed_client() -> None:
    """No message of the installed client is unknown to us."""
    assert ids_of(official.OUT) <= set(request_kinds())
    assert ids_of(official.IN) <= set(answer_kinds())


def test_ids_are_unique() -> None:
    """Two kinds with one id could not be told apart."""
    assert len(request_kinds()) == len(REQUEST_IDS)
    assert len(answer_kinds()) == len(ANSWER_IDS)


@pytest.mark.skipif(not HAS_PROTOBUF, reason="the installed ibapi has no protobuf messages")
def test_requests_switch_when_the_client_switches() -> None:
    """The client's own table of first protobuf versions is ours (wire facts 5)."""
    from ibapi import common

    since = request_protobuf_since()
    for message_id, kind in request_kinds().items():
        if message_id in {106, 107, 108, 109}:
            continue  # always protobuf, outside the client's table
        if hasattr(common, "PROTOBUF_MSG_IDS"):
            theirs = common.PROTOBUF_MSG_IDS.get(message_id, float("inf"))
        elif message_id in ENDED_REQUESTS:
            continue
        else:
            theirs = common.getServerVersionForMessage(message_id)
        assert since.get(kind, float("inf")) == theirs, kind


def test_every_protobuf_answer_of_the_client_has_a_switch() -> None:
    """A gateway must know when to send protobuf for each kind that clients can read so."""
    if not HAS_PROTOBUF:
        pytest.skip("the installed ibapi has no protobuf messages")
    from ibapi.decoder import Decoder

    readable = {int(message_id) for message_id in Decoder.msgId2handleInfoProtoBuf}
    switched = {ANSWER_IDS[kind] for kind in answer_protobuf_since()}
    assert switched - ENDED_ANSWERS == readable - ENDED_ANSWERS


# First and last kind of each group in the client's table, and the version of the group (wire facts 5).
ANSWER_GROUPS = {
    "orderStatus": 201,
    "execDetailsEnd": 201,
    "completedOrder": 204,
    "orderBound": 204,
    "contractDetails": 205,
    "contractDetailsEnd": 205,
    "tickPrice": 206,
    "tickReqParams": 206,
    "updateAccountValue": 207,
    "accountUpdateMultiEnd": 207,
    "historicalData": 208,
    "tickByTick": 208,
    "updateNewsBulletin": 209,
    "tickNews": 209,
    "scannerParameters": 210,
    "pnlSingle": 210,
    "receiveFA": 211,
    "rerouteMktDepthReq": 211,
    "securityDefinitionOptionParameter": 212,
    "userInfo": 212,
    "nextValidId": 213,
    "mktDepthExchanges": 213,
}


@pytest.mark.skipif(not HAS_PROTOBUF, reason="the installed ibapi has no protobuf messages")
def test_answers_switch_in_the_order_of_the_clients_table() -> None:
    """That table is in the order in which messages became protobuf; ends of groups pin the versions."""
    from ibapi.decoder import Decoder

    since = answer_protobuf_since()
    versions = [since[answer_kinds()[int(number)]] for number in Decoder.msgId2handleInfoProtoBuf]
    assert versions == sorted(versions)
    assert {kind: since[kind] for kind in ANSWER_GROUPS} == ANSWER_GROUPS
