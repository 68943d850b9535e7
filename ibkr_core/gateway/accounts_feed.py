"""Accounts as clients watch them: updates, summaries, positions, profit and loss (wire facts 6 and 8).

Every subscription tells all that there is once, and then only what changes: at each fill, and from time to
time for what the market does. A real gateway refreshes accounts every three minutes and profit and loss about
every second; so does this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ibkr_core.gateway import answers
from ibkr_core.gateway.account import Account, Position
from ibkr_core.gateway.clock import eastern
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import NOBODY, Client, Feeds, Fresh, Handler, request_id_of
from ibkr_core.gateway.summary import account_values, summary_lines
from ibkr_core.gateway.venue import Venue
from ibkr_core.wire.message import Message

__all__ = ["AccountsFeed"]

_REFRESH_S = 180.0
_PNL_S = 1.0
_MAX_SUMMARIES = 2
_CENT = Decimal("0.01")
_PRICE_STEP = Decimal("0.00000001")
_ONLY = 0  # the one account subscription of a client has no request id


def _number(value: Decimal) -> float:
    return float(value.quantize(_PRICE_STEP))


def _money(value: Decimal) -> float:
    return float(value.quantize(_CENT))


class AccountsFeed:
    """Answers requests about accounts.

    Args:
        venue: Its accounts.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._updates = Feeds(venue.later)
        self._multi = Feeds(venue.later)
        self._held = Feeds(venue.later)
        self._profits = Feeds(venue.later)
        self._summaries = Feeds(
            venue.later,
            limit=_MAX_SUMMARIES,
            full=RefusalError(
                322,
                "Error processing request.-'bN' : cause - "
                "Maximum number of account summary requests exceeded",
            ),
        )
        self._all = (self._updates, self._multi, self._held, self._profits, self._summaries)
        venue.on_position.append(self._traded)

    def handlers(self) -> Mapping[str, Handler]:
        """The handler of each kind of request."""
        return {
            "reqAccountUpdates": self._account_updates,
            "reqAccountUpdatesMulti": self._account_updates_multi,
            "cancelAccountUpdatesMulti": self._stopper(self._multi),
            "reqPositionsMulti": self._positions_multi,
            "cancelPositionsMulti": self._stopper(self._held),
            "reqAccountSummary": self._account_summary,
            "cancelAccountSummary": self._stopper(self._summaries),
            "reqPnL": self._pnl,
            "cancelPnL": self._stopper(self._profits),
            "reqPnLSingle": self._pnl_single,
            "cancelPnLSingle": self._stopper(self._profits),
        }

    def forget(self, client: Client) -> None:
        """End everything that a client has subscribed to."""
        for feeds in self._all:
            feeds.forget(client)

    def _traded(self, account: str, instrument: Instrument) -> None:
        for feeds in self._all:
            feeds.traded(account, instrument)

    def _stopper(self, feeds: Feeds) -> Handler:
        """Ending what does not run is met with silence, as at a real gateway."""

        def stop(client: Client, fields: Mapping[str, Any]) -> None:
            feeds.stop(client, request_id_of(fields))

        return stop

    def _account(self, code: str) -> Account:
        """The account that a request names; the first one where it names none."""
        accounts = self._venue.accounts
        if not code:
            return next(iter(accounts.values()))
        if code not in accounts:
            raise RefusalError.invalid(f"Invalid account code '{code}'.")
        return accounts[code]

    def _chosen(self, code: str) -> list[Account]:
        """The accounts that a request names; all of them for none and for ``All``."""
        return list(self._venue.accounts.values()) if code in {"", "All"} else [self._account(code)]

    # -- updates -----------------------------------------------------------------------------------

    def _account_updates(self, client: Client, fields: Mapping[str, Any]) -> None:
        """One account at a time: a new subscription takes the place of the old one (wire facts 6)."""
        code = str(fields.get("acctCode") or "")
        if not fields.get("subscribe"):
            if self._updates.stop(client, _ONLY):
                text = "API client has been unsubscribed from account data."
                client.send(answers.error(NOBODY, 2100, text, self._venue.now()))
            return
        account = self._account(code)
        self._updates.stop(client, _ONLY)
        fresh = Fresh(client)

        def tell() -> None:
            self._tell_account(account, fresh)

        def traded(code: str, _: Instrument) -> None:
            if code == account.code:
                tell()

        tell()
        client.send(Message("accountDownloadEnd", {"accountName": account.code}))
        self._updates.start(client, _ONLY, tell, interval_s=_REFRESH_S, traded=traded)

    def _tell_account(self, account: Account, fresh: Fresh) -> None:
        for line in account_values(account, self._venue.balances(account.code), self._venue.rate_of):
            value = {"key": line.tag, "value": line.value, "accountName": account.code}
            if line.currency:
                value["currency"] = line.currency
            fresh.send((line.tag, line.currency), Message("updateAccountValue", value))
        for held in account.positions:
            if held.quantity or fresh.knows(held.instrument.con_id):
                fresh.send(held.instrument.con_id, self._portfolio(account.code, held))
        stamp = f"{eastern(self._venue.now()):%H:%M}"
        fresh.send("time", Message("updateAccountTime", {"timeStamp": stamp}))

    def _portfolio(self, account: str, held: Position) -> Message:
        instrument = held.instrument
        price = self._venue.price_of(instrument)
        contract = instrument.contract()
        contract["primaryExch"] = instrument.primary_exchange
        value = held.value(price)
        return Message(
            "updatePortfolio",
            {
                "contract": contract,
                "position": held.quantity,
                "marketPrice": _number(price),
                "marketValue": _money(value),
                "averageCost": _number(held.average_cost),
                "unrealizedPNL": _money(value - held.cost - held.fees),
                "realizedPNL": _money(held.realized),
                "accountName": account,
            },
        )

    def _account_updates_multi(self, client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        chosen = self._chosen(str(fields.get("account") or ""))
        self._multi.check(client, request_id)
        fresh = Fresh(client)

        def tell() -> None:
            for account in chosen:
                balances = self._venue.balances(account.code)
                for line in account_values(account, balances, self._venue.rate_of):
                    value = {
                        "reqId": request_id,
                        "account": account.code,
                        "key": line.tag,
                        "value": line.value,
                    }
                    if fields.get("modelCode"):
                        value["modelCode"] = fields["modelCode"]
                    if line.currency:
                        value["currency"] = line.currency
                    key = (account.code, line.tag, line.currency)
                    fresh.send(key, Message("accountUpdateMulti", value))

        tell()
        client.send(Message("accountUpdateMultiEnd", {"reqId": request_id}))
        self._multi.start(client, request_id, tell, interval_s=_REFRESH_S, traded=lambda *_: tell())

    # -- positions ---------------------------------------------------------------------------------

    def _positions_multi(self, client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        chosen = self._chosen(str(fields.get("account") or ""))
        self._held.check(client, request_id)
        fresh = Fresh(client)

        def tell() -> None:
            for account in chosen:
                for held in account.positions:
                    key = (account.code, held.instrument.con_id)
                    if held.quantity or fresh.knows(key):
                        told = dict(answers.position(account.code, held).fields, reqId=request_id)
                        if fields.get("modelCode"):
                            told["modelCode"] = fields["modelCode"]
                        fresh.send(key, Message("positionMulti", told))

        tell()
        client.send(Message("positionMultiEnd", {"reqId": request_id}))
        self._held.start(client, request_id, tell, interval_s=_REFRESH_S, traded=lambda *_: tell())

    # -- summary -----------------------------------------------------------------------------------

    def _account_summary(self, client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        tags = [tag.strip() for tag in str(fields.get("tags") or "").split(",")]
        self._summaries.check(client, request_id)
        fresh = Fresh(client)

        def tell() -> None:
            for account in self._venue.accounts.values():
                balances = self._venue.balances(account.code)
                for line in summary_lines(tags, account, balances, self._venue.rate_of):
                    told = {
                        "reqId": request_id,
                        "account": account.code,
                        "tag": line.tag,
                        "value": line.value,
                    }
                    if line.currency:
                        told["currency"] = line.currency
                    fresh.send((account.code, line.tag, line.currency), Message("accountSummary", told))

        tell()
        client.send(Message("accountSummaryEnd", {"reqId": request_id}))
        self._summaries.start(client, request_id, tell, interval_s=_REFRESH_S)

    # -- profit and loss ---------------------------------------------------------------------------

    def _pnl(self, client: Client, fields: Mapping[str, Any]) -> None:
        """Of a whole account. The day is taken to have begun with the venue."""
        request_id = request_id_of(fields)
        account = self._account(str(fields.get("account") or ""))
        self._profits.check(client, request_id)
        fresh = Fresh(client)

        def tell() -> None:
            balances = self._venue.balances(account.code)
            told = {
                "reqId": request_id,
                "dailyPnL": _money(balances.net_liquidation - account.opening_cash),
                "unrealizedPnL": _money(balances.unrealized),
                "realizedPnL": _money(balances.realized),
            }
            fresh.send("pnl", Message("pnl", told))

        tell()
        self._profits.start(client, request_id, tell, interval_s=_PNL_S)

    def _pnl_single(self, client: Client, fields: Mapping[str, Any]) -> None:
        """Of one holding; what was never held has position 0 and no numbers."""
        request_id = request_id_of(fields)
        account = self._account(str(fields.get("account") or ""))
        instrument = self._venue.catalogue.by_id(fields.get("conId") or 0)
        if instrument is None:
            raise RefusalError.invalid(f"Invalid contract id: {fields.get('conId') or 0}")
        self._profits.check(client, request_id)
        fresh = Fresh(client)

        def tell() -> None:
            told: dict[str, Any] = {"reqId": request_id, "position": Decimal(0)}
            held = account.position(instrument)
            if held in account.positions:
                value = held.value(self._venue.price_of(instrument))
                unrealized = value - held.cost - held.fees
                told = {
                    "reqId": request_id,
                    "position": held.quantity,
                    "dailyPnL": _money(unrealized + held.realized),
                    "unrealizedPnL": _money(unrealized),
                    "realizedPnL": _money(held.realized),
                    "value": _money(value),
                }
            fresh.send("pnl", Message("pnlSingle", told))

        tell()
        self._profits.start(client, request_id, tell, interval_s=_PNL_S)
