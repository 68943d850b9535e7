"""What belongs to the gateway's own screen and set-up."""

from __future__ import annotations

import pytest

from ibkr_core.gateway import Settings
from ibkr_core.gateway.advisors import Advisor, AdvisorGroup
from ibkr_core.model.account import parse_aliases, parse_groups
from tests.gateway.checked import VERSIONS, Checked
from tests.gateway.pocket import Pocket, errors, gateway, kinds
from tests.wire.oracle import versions

every_version = pytest.mark.parametrize("version", VERSIONS)


@every_version
def test_a_display_group_is_shared(version: int) -> None:
    """What one client shows in a group, every client sees that watches it."""
    venue = gateway()
    first, second = Checked(venue, version), Checked(venue, version, 2)
    first.ask("queryDisplayGroups", reqId=3)
    assert first.of("displayGroupList") == [(3, "1|2|3|4|5|6|7")]
    first.ask("subscribeToGroupEvents", reqId=4, groupId=1)
    second.ask("subscribeToGroupEvents", reqId=9, groupId=1)
    assert (first.of("displayGroupUpdated"), second.of("displayGroupUpdated")) == (
        [(4, "none")],
        [(9, "none")],
    )
    first.ask("updateDisplayGroup", reqId=4, contractInfo="8314@SMART")
    second.listen()
    assert second.of("displayGroupUpdated")[-1] == (9, "8314@SMART")
    assert second.ask("unsubscribeFromGroupEvents", reqId=9) == []
    first.ask("updateDisplayGroup", reqId=4, contractInfo="none")
    assert second.listen() == []
    second.ask("subscribeToGroupEvents", reqId=10, groupId=1)
    assert second.of("displayGroupUpdated")[-1] == (10, "none")


def test_display_groups_that_there_are_not() -> None:
    """321 for a group beyond the seventh, and for showing something in a group that is not watched."""
    client = Pocket(gateway())
    assert errors(client.ask("subscribeToGroupEvents", reqId=4, groupId=8)) == [(4, 321)]
    assert errors(client.ask("updateDisplayGroup", reqId=4, contractInfo="8314@SMART")) == [(4, 321)]


@every_version
def test_the_log_level_is_taken_in_silence(version: int) -> None:
    """1 to 5; anything else earns 319."""
    client = Checked(gateway(), version)
    assert [client.ask("setServerLogLevel", logLevel=level) for level in range(1, 6)] == [[]] * 5
    assert errors(client.ask("setServerLogLevel", logLevel=6)) == [(-1, 319)]


@every_version
def test_an_individual_is_no_advisor(version: int) -> None:
    """Reading and replacing groups earn 321; where the request has an id, under it."""
    client = Checked(gateway(), version)
    assert errors(client.ask("requestFA", faDataType=1)) == [(-1, 321)]
    assert errors(client.ask("replaceFA", reqId=58, faDataType=1, xml="<x/>"))[0][1] == 321


@pytest.mark.parametrize("version", versions(221, 226))
def test_settings_can_be_read_and_not_changed(version: int) -> None:
    """The answer has what a client may want to know; a change is turned down."""
    client = Pocket(gateway(), version=version)
    (settings,) = client.ask("reqConfig", reqId=3)
    assert settings.kind == "configResponse"
    assert settings.fields["api"]["settings"]["readOnlyApi"] is False
    (answer,) = client.ask("updateConfig", reqId=4, resetAPIOrderSequence=True)
    assert (answer.kind, answer.fields["status"]) == ("updateConfigResponse", "REJECTED")


def test_nobody_is_verified() -> None:
    """321, and the session goes on."""
    client = Pocket(gateway())
    assert errors(client.ask("verifyRequest", apiName="x", apiVersion="1")) == [(-1, 321)]
    assert kinds(client.ask("reqCurrentTime")) == ["currentTime"]


@every_version
def test_an_advisor_reads_groups_and_aliases(version: int) -> None:
    """Profiles have become groups (585), and nothing can be replaced."""
    advisor = Advisor("DF1", (AdvisorGroup("All", ("DU1", "DU2")),))
    client = Checked(gateway(settings=Settings(accounts=("DU1", "DU2"), advisor=advisor)), version)
    client.ask("requestFA", faDataType=1)
    client.ask("requestFA", faDataType=3)
    (_, groups), (_, aliases) = client.of("receiveFA")
    assert [one.accounts for one in parse_groups(groups)] == [("DU1", "DU2")]
    assert [one.account for one in parse_aliases(aliases)] == ["DF1", "DU1", "DU2"]
    assert errors(client.ask("requestFA", faDataType=2)) == [(-1, 585)]
    assert errors(client.ask("requestFA", faDataType=7))[0][1] == 321
    assert errors(client.ask("replaceFA", reqId=58, faDataType=1, xml="<x/>"))[0][1] == 321
