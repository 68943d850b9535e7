// @stoqey/ib under Node, as its users write: callbacks in, orders out.
// Usage: node stoqey.mjs HOST PORT CLIENT_ID [short], beside a node_modules that has the package.
// Prints one JSON object.

import { createRequire } from "node:module";
import { IBApi } from "@stoqey/ib";

const PATIENCE_MS = 60_000; // after so long a wait has failed; nothing depends on how fast it really is
const [host, port, clientId, length = "full"] = process.argv.slice(2);
const stock = (symbol) => ({ symbol, secType: "STK", exchange: "SMART", currency: "USD" });
const AAPL = stock("AAPL");
const MSFT = stock("MSFT");
const cents = (price) => Math.round(price * 100) / 100;

const ib = new IBApi({ host, port: Number(port), maxReqPerSec: 200 });
const calls = [];
const complaints = [];
const errors = [];
const seen = {};
const orders = {};
let waiting = [];
let logged = 0;

ib.on("all", (name, args) => {
  calls.push([name, args]);
  waiting = waiting.filter((look) => !look());
});
for (const name of ["received", "sent", "server", "result"]) ib.on(name, () => (logged += 1));
ib.on("error", (error, code, id) => errors.push([id, code, error.message]));
ib.on("info", (message, code) => errors.push([-1, code, message]));
for (const level of ["log", "info", "warn", "error"]) console[level] = (...words) => complaints.push(`console: ${words}`);

const of = (name) => calls.filter(([called]) => called === name).map(([, args]) => args);

// The arguments of the first callback of a name that fits, when it has come.
function wait(name, fits = () => true, since = 0) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const last = calls.slice(-20).map(([called]) => called);
      reject(new Error(`no such ${name}: ${fits}; the last calls: ${last}; errors: ${JSON.stringify(errors)}`));
    }, PATIENCE_MS);
    const look = () => {
      const found = calls.slice(since).find(([called, args]) => called === name && fits(...args));
      if (found === undefined) return false;
      clearTimeout(timer);
      resolve(found[1]);
      return true;
    };
    if (!look()) waiting.push(look);
  });
}

let requests = 5000;

// Send a numbered request and give its answers, when they are complete.
async function get(answer, request, args, end = answer) {
  requests += 1;
  const number = requests;
  ib[request](number, ...args);
  await wait(end, (id) => Number(id) === number); // accountUpdateMultiEnd tells its id as text
  return of(answer).filter(([id]) => id === number);
}

// The same for a request without a number.
async function plainly(answer, request, args = [], end = answer) {
  const since = calls.length;
  ib[request](...args);
  await wait(end, () => true, since);
  return calls.slice(since).filter(([called]) => called === answer).map(([, got]) => got);
}

const refused = (id, code) => wait("error", (_error, got, about) => about === id && got === code);

async function lookUp() {
  const [[, details]] = await get("contractDetails", "reqContractDetails", [AAPL], "contractDetailsEnd");
  seen.con_id = details.contract.conId;
  seen.long_name = details.longName;
  seen.min_tick = details.minTick;
  const future = { symbol: "ES", secType: "FUT", exchange: "CME", currency: "USD" };
  seen.futures = (await get("contractDetails", "reqContractDetails", [future], "contractDetailsEnd")).length;
  requests += 1;
  ib.reqContractDetails(requests, stock("NOSUCH"));
  await refused(requests, 200);
  const chain = ["AAPL", "", "STK", seen.con_id];
  const end = "securityDefinitionOptionParameterEnd";
  const chains = await get("securityDefinitionOptionParameter", "reqSecDefOptParams", chain, end);
  seen.strikes = chains[0].at(-1).length;
  const [[, found]] = await get("symbolSamples", "reqMatchingSymbols", ["AAPL"]);
  seen.matches = found.map((one) => one.contract.symbol);
  const [[, rule]] = await plainly("marketRule", "reqMarketRule", [Number(details.marketRuleIds.split(",")[0])]);
  seen.rule = rule.length;
  await plainly("mktDepthExchanges", "reqMktDepthExchanges");
  await plainly("currentTime", "reqCurrentTime");
  await plainly("familyCodes", "reqFamilyCodes");
  if (ib.serverVersion >= 165) await get("userInfo", "reqUserInfo", []);
}

async function quote(contract) {
  requests += 1;
  const number = requests;
  ib.reqMktData(number, contract, "", false, false);
  const price = async (tick) => (await wait("tickPrice", (id, type, value) => id === number && type === tick && value > 0))[2];
  const prices = [await price(1), await price(2)];
  ib.cancelMktData(number);
  return prices;
}

async function watch() {
  await get("tickPrice", "reqMktData", [MSFT, "", true, false], "tickSnapshotEnd");
  const hours = [AAPL, "", "2 D", "1 hour", "TRADES", 1, 1, false];
  const finished = (date) => typeof date === "string" && date.startsWith("finished");
  requests += 1;
  const number = requests;
  ib.reqHistoricalData(number, ...hours);
  await wait("historicalData", (id, date) => id === number && finished(date));
  seen.bars = of("historicalData").filter(([id, date]) => id === number && !finished(date)).length;
  requests += 1;
  const growing = requests;
  ib.reqHistoricalData(growing, AAPL, "", "1800 S", "5 mins", "TRADES", 0, 1, true);
  await wait("historicalDataUpdate", (id) => id === growing);
  ib.cancelHistoricalData(growing);
  await refused(growing, 162);
  await get("headTimestamp", "reqHeadTimestamp", [AAPL, "TRADES", true, 1]);
  const ticks = [AAPL, "", "20261118 15:00:00 US/Eastern", 50, "TRADES", 1, true];
  seen.ticks = (await get("historicalTicksLast", "reqHistoricalTicks", ticks))[0][1].length;
  await get("histogramData", "reqHistogramData", [AAPL, true, 3, "DAY"]);
  for (const [kind, answer] of [["BidAsk", "tickByTickBidAsk"], ["MidPoint", "tickByTickMidPoint"]]) {
    await get(answer, "reqTickByTickData", [AAPL, kind, 0, false]);
    ib.cancelTickByTickData(requests);
  }
  requests += 2;
  const [five, depth] = [requests - 1, requests];
  ib.reqRealTimeBars(five, AAPL, 5, "TRADES", false);
  ib.reqMktDepth(depth, AAPL, 5, true);
  await wait("updateMktDepthL2", (id) => id === depth);
  ib.cancelMktDepth(depth, true);
  await wait("realtimeBar", (id) => id === five);
  ib.cancelRealTimeBars(five);
}

let nextId = 0;
let account = "";

function place(name, contract, order) {
  const id = nextId;
  nextId += 1;
  orders[name] = id;
  ib.placeOrder(id, contract, { tif: "DAY", account, transmit: true, ...order });
  return id;
}

const status = (name, wanted) => wait("orderStatus", (id, word) => id === orders[name] && word === wanted);

function bracket(name, contract, quantity, entry, target, stop) {
  const order = { totalQuantity: quantity, transmit: false };
  const parentId = place(`${name}entry`, contract, { ...order, action: "BUY", orderType: "LMT", lmtPrice: cents(entry) });
  const leg = { ...order, action: "SELL", parentId };
  place(`${name}target`, contract, { ...leg, orderType: "LMT", lmtPrice: cents(target) });
  place(`${name}stop`, contract, { ...leg, orderType: "STP", auxPrice: cents(stop), transmit: true });
}

async function trade() {
  const [bid, ask] = await quote(AAPL);
  const low = cents((await quote(MSFT))[0] * 0.5);
  const market = { action: "BUY", orderType: "MKT", totalQuantity: 1000 };
  const whatIf = place("what_if", AAPL, { ...market, totalQuantity: 100, whatIf: true });
  seen.what_if = (await wait("openOrder", (id) => id === whatIf))[3].initMarginChange;
  delete orders.what_if;
  place("market", AAPL, market);
  await status("market", "Filled");
  const limit = { action: "BUY", orderType: "LMT", totalQuantity: 10, lmtPrice: low };
  const id = place("limit", MSFT, limit);
  await status("limit", "Submitted");
  const more = { ...limit, totalQuantity: 20, lmtPrice: cents(low + 1), tif: "DAY", account, transmit: true };
  ib.placeOrder(id, MSFT, more);
  const [, , changed] = await wait("openOrder", (about, _contract, order) => about === id && order.totalQuantity === 20);
  seen.modified = [changed.totalQuantity, changed.lmtPrice];
  ib.cancelOrder(id);
  await status("limit", "Cancelled");
  bracket("", AAPL, 50, ask * 1.02, ask * 2, bid * 0.5);
  await status("entry", "Filled");
  await status("target", "Submitted");
  await status("stop", "PreSubmitted");
  ib.cancelOrder(orders.target);
  ib.cancelOrder(orders.stop);
  bracket("idle_", MSFT, 5, low, low * 4, low * 0.5);
  await status("idle_entry", "Submitted");
  ib.cancelOrder(orders.idle_entry);
  for (const name of ["target", "stop", "idle_entry", "idle_target", "idle_stop"]) await status(name, "Cancelled");
  const odd = { ...limit, totalQuantity: 1, lmtPrice: bid - 0.0033 };
  await refused(place("off_tick", AAPL, odd), 110);
  await refused(place("unknown", stock("NOSUCH"), { ...market, totalQuantity: 1 }), 200);
}

async function read() {
  await plainly("openOrder", "reqOpenOrders", [], "openOrderEnd");
  await plainly("openOrder", "reqAllOpenOrders", [], "openOrderEnd");
  const fills = await get("execDetails", "reqExecutions", [{}], "execDetailsEnd");
  seen.sold = (await get("execDetails", "reqExecutions", [{ side: "SELL" }], "execDetailsEnd")).length;
  const commissions = {};
  for (const [, , fill] of fills) {
    const [told] = await wait("commissionReport", (one) => one.execId === fill.execId);
    commissions[fill.execId] = told.commission;
  }
  const completed = await plainly("completedOrder", "reqCompletedOrders", [false], "completedOrdersEnd");
  const positions = await plainly("position", "reqPositions", [], "positionEnd");
  ib.cancelPositions();
  const many = await get("positionMulti", "reqPositionsMulti", [account, ""], "positionMultiEnd");
  ib.cancelPositionsMulti(requests);
  const tags = "NetLiquidation,TotalCashValue,BuyingPower,$LEDGER";
  const summary = await get("accountSummary", "reqAccountSummary", ["All", tags], "accountSummaryEnd");
  ib.cancelAccountSummary(requests);
  const values = await plainly("updateAccountValue", "reqAccountUpdates", [true, account], "accountDownloadEnd");
  const portfolio = of("updatePortfolio");
  ib.reqAccountUpdates(false, account);
  const multi = await get("accountUpdateMulti", "reqAccountUpdatesMulti", [account, "", true], "accountUpdateMultiEnd");
  ib.cancelAccountUpdatesMulti(requests);
  seen.multi = multi.length;
  seen.daily = Number.isFinite((await get("pnl", "reqPnL", [account, ""]))[0][1]);
  ib.cancelPnL(requests);
  seen.pnl_position = (await get("pnlSingle", "reqPnLSingle", [account, "", seen.con_id]))[0][1];
  ib.cancelPnLSingle(requests);
  return {
    executions: fills.map(([, , fill]) => ({
      exec_id: fill.execId,
      perm_id: fill.permId,
      side: fill.side,
      shares: String(fill.shares),
      price: fill.price,
      commission: commissions[fill.execId],
    })),
    completed: Object.fromEntries(completed.map(([, order, state]) => [order.permId, state.status])),
    positions: Object.fromEntries(positions.map(([, contract, held]) => [contract.symbol, String(held)])),
    positions_multi: Object.fromEntries(many.map(([, , , contract, held]) => [contract.symbol, String(held)])),
    portfolio: Object.fromEntries(portfolio.map(([contract, held]) => [contract.symbol, String(held)])),
    values: Object.fromEntries(values.map(([tag, value]) => [tag, value])),
    summary: Object.fromEntries(summary.map(([, , tag, value]) => [tag, value])),
  };
}

function outcome() {
  const last = {};
  for (const [name, number] of Object.entries(orders)) {
    const told = of("orderStatus").filter(([id]) => id === number).at(-1);
    const [, state, filled, , , permId] = told ?? [number, "", 0, 0, 0, 0];
    last[name] = { perm_id: permId, status: state, filled: String(filled) };
  }
  return last;
}

ib.connect(Number(clientId));
[nextId] = await wait("nextValidId");
account = (await wait("managedAccounts"))[0].split(",")[0];
await lookUp();
if (length === "full") await watch();
await trade();
const facts = await read();
const { version } = createRequire(import.meta.url)("@stoqey/ib/package.json");
const report = {
  peer: `@stoqey/ib ${version}`,
  server_version: ib.serverVersion,
  orders: outcome(),
  ...facts,
  seen,
  errors,
  log_lines: logged,
  // Its own troubles (505 and below) carry a text of its own; what the gateway said is in errors as well.
  complaints: [...complaints, ...errors.map(([id, code, text]) => `error ${code}, id ${id}: ${text}`)],
};
const left = wait("disconnected");
ib.disconnect();
await left;
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit(0);
