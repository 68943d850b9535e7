"""What belongs to the gateway's own screen and set-up: display groups, log level, settings, advisors.

Real answers are those of public captures of a gateway: groups ``1|2|3|4|5|6|7``, ``none`` for a group that
shows nothing, error 321 for the advisor's requests of a customer who is none. Reading the settings (219) and
changing them (221) are too new for captures; what is answered here follows the message definitions alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ibkr_core.gateway.advisors import aliases_xml, groups_xml
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import Client, Handler, request_id_of
from ibkr_core.gateway.settings import Settings
from ibkr_core.wire.message import Message

__all__ = ["Terminal"]

_GROUPS = 7
_FA_GROUPS, _FA_PROFILES, _FA_ALIASES = 1, 2, 3
_NOTHING = "none"
_LOG_LEVELS = range(1, 6)
_NO_ADVISOR = "Error validating request.-'bW' : cause - FA data operations ignored for non FA customers."
_NO_INTENT = "Intent to authenticate needs to be expressed at first."
_SETTINGS: Mapping[str, Any] = {
    "lockAndExit": {"autoLogoffTime": "11:45", "autoLogoffPeriod": "PM", "autoLogoffType": "restart"},
    "messages": [],
    "api": {
        "precautions": {"bypassOrderPrecautions": True},
        "settings": {
            "readOnlyApi": False,
            "downloadOpenOrdersOnConnection": True,
            "includeMarketDataInLogFile": False,
            "masterClientId": 0,
            "allowLocalhostOnly": True,
        },
    },
    "orders": {"smartRouting": {"seekPriceImprovement": False}},
}


class Terminal:
    """Answers requests about the gateway itself."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._venue_settings = settings if settings is not None else Settings()
        self._shown: dict[int, str] = {}
        self._watched: dict[tuple[Client, int], int] = {}

    def handlers(self) -> Mapping[str, Handler]:
        """The handler of each kind of request."""
        return {
            "queryDisplayGroups": self._groups,
            "subscribeToGroupEvents": self._subscribe,
            "updateDisplayGroup": self._update,
            "unsubscribeFromGroupEvents": self._unsubscribe,
            "setServerLogLevel": self._log_level,
            "reqConfig": self._config,
            "updateConfig": self._change_config,
            "requestFA": self._advisor,
            "replaceFA": self._change_advisor,
            "verifyRequest": self._verify,
            "verifyMessage": self._verify,
            "verifyAndAuthRequest": self._verify,
            "verifyAndAuthMessage": self._verify,
        }

    def forget(self, client: Client) -> None:
        """End everything that a client has subscribed to."""
        self._watched = {key: group for key, group in self._watched.items() if key[0] is not client}

    # -- display groups ------------------------------------------------------------------------------

    def _groups(self, client: Client, fields: Mapping[str, Any]) -> None:
        groups = "|".join(map(str, range(1, _GROUPS + 1)))
        client.send(Message("displayGroupList", {"reqId": request_id_of(fields), "groups": groups}))

    def _subscribe(self, client: Client, fields: Mapping[str, Any]) -> None:
        """What the group shows is told at once, and then each change."""
        request_id, group = request_id_of(fields), int(fields.get("groupId") or 0)
        if not 1 <= group <= _GROUPS:
            raise RefusalError.invalid(f"Invalid display group {group}")
        self._watched[client, request_id] = group
        self._tell(client, request_id, group)

    def _update(self, client: Client, fields: Mapping[str, Any]) -> None:
        """Show something else in the group that a request watches: ``8314@SMART``, ``combo`` or ``none``."""
        group = self._watched.get((client, request_id_of(fields)))
        if group is None:
            raise RefusalError.invalid("Display group is not subscribed")
        self._shown[group] = str(fields.get("contractInfo") or _NOTHING)
        for (watcher, request_id), watched in list(self._watched.items()):
            if watched == group:
                self._tell(watcher, request_id, group)

    def _unsubscribe(self, client: Client, fields: Mapping[str, Any]) -> None:
        self._watched.pop((client, request_id_of(fields)), None)

    def _tell(self, client: Client, request_id: int, group: int) -> None:
        told = {"reqId": request_id, "contractInfo": self._shown.get(group, _NOTHING)}
        client.send(Message("displayGroupUpdated", told))

    # -- the rest ------------------------------------------------------------------------------------

    def _log_level(self, client: Client, fields: Mapping[str, Any]) -> None:  # noqa: ARG002 - a handler's form
        """Nothing comes back, but for a level that there is not."""
        if fields.get("logLevel") not in _LOG_LEVELS:
            raise RefusalError(319, "Invalid log level")

    def _config(self, client: Client, fields: Mapping[str, Any]) -> None:
        client.send(Message("configResponse", {"reqId": request_id_of(fields), **_SETTINGS}))

    def _change_config(self, client: Client, fields: Mapping[str, Any]) -> None:
        """Settings of a simulation are its constructor's: nothing is changed, and the client is told."""
        told = {"reqId": request_id_of(fields), "status": "REJECTED", "message": "Settings are read only."}
        client.send(Message("updateConfigResponse", told))

    def _advisor(self, client: Client, fields: Mapping[str, Any]) -> None:
        """Groups and aliases; profiles have become groups (code 585)."""
        advisor = self._venue_settings.advisor
        kind = fields.get("faDataType")
        if advisor is None:
            raise RefusalError(321, _NO_ADVISOR)
        if kind == _FA_PROFILES:
            raise RefusalError(585, "FA Profile is not supported anymore, use FA Group instead - ")
        if kind not in {_FA_GROUPS, _FA_ALIASES}:
            raise RefusalError.invalid(f"Invalid FA data type {kind}")
        xml = groups_xml(advisor) if kind == _FA_GROUPS else aliases_xml(advisor, self._venue_settings.codes)
        client.send(Message("receiveFA", {"faDataType": kind, "xml": xml}))

    def _change_advisor(self, client: Client, fields: Mapping[str, Any]) -> None:  # noqa: ARG002 - a handler's form
        """Groups are the constructor's, like all settings of a simulation."""
        if self._venue_settings.advisor is None:
            raise RefusalError(321, _NO_ADVISOR)
        raise RefusalError.invalid("FA data are read only in a simulation")

    def _verify(self, client: Client, fields: Mapping[str, Any]) -> None:  # noqa: ARG002 - a handler's form
        """For certified programs only; what the others are told is not documented."""
        raise RefusalError.invalid(_NO_INTENT)
