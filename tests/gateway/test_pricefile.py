"""Files of prices: what they may hold, and how each mistake is named."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ibkr_core.errors import BadPriceFile, InvalidInput, MissingExtra
from ibkr_core.gateway.pricefile import PriceFile, Row

D = Decimal
QUOTES = "time,symbol,bid,ask,bid_size,ask_size\n"
TRADES = "time,symbol,price,size\n"
MOMENT = datetime(2026, 11, 24, 15, 0, 0, 250_000, tzinfo=UTC).timestamp()


def write(folder: Path, text: str, name: str = "prices.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_quotes_and_trades_are_read_exactly(tmp_path: Path) -> None:
    """One file may hold both; numbers keep every digit; extra columns and blank lines are passed over."""
    text = (
        "Symbol, time ,bid,ask,bid_size,ask_size,venue,price,size\n"
        "aapl,2026-11-24T10:00:00.25-05:00,189.90,190.00,100,0.1404,X,,\n"
        "\n"
        "ESZ6,1795532401.5,,,,,Y,6650.25,3\n"
        "AAPL,2026-11-24T15:00:02Z,189.905,190.01,1,2,,189.91,7\n"
    )
    file = PriceFile(write(tmp_path, "\ufeff" + text))
    quote, trade, both = file.rows()
    assert quote == Row(
        line=2, time=MOMENT, symbol="AAPL", quote=(D("189.90"), D("190.00"), D(100), D("0.1404")), trade=None
    )
    assert (trade.time, trade.symbol, trade.trade) == (1_795_532_401.5, "ESZ6", (D("6650.25"), D(3)))
    assert (both.line, both.quote is not None, both.trade) == (5, True, (D("189.91"), D(7)))
    assert {name: (one.quoted, one.traded) for name, one in file.symbols.items()} == {
        "AAPL": (True, True),
        "ESZ6": (False, True),
    }
    assert [row.line for row in file.rows()] == [2, 4, 5], "it can be read again"


GOOD = "1795532400,AAPL,100,100.01,5,5\n"


@pytest.mark.parametrize(
    ("text", "line", "column", "rule"),
    [
        ("", 1, "", "must have the columns"),
        ("time,symbol\n", 1, "", "must have the columns"),
        ("time,symbol,bid,ask,bid_size\n", 1, "ask_size", "must be there once; it is 0 times"),
        ("time,symbol,bid,bid,ask,bid_size,ask_size\n", 1, "bid", "must be there once; it is 2 times"),
        (QUOTES, None, "", "must hold at least one price"),
        (QUOTES + GOOD + "1795532401,AAPL,1\n", 3, "", "must have 6 columns like the first; got 3"),
        (QUOTES + "1795532400,,1,2,3,4\n", 2, "symbol", "must not be empty"),
        (QUOTES + "1795532400,AAPL,,,,\n", 2, "", "must be a quote or a trade"),
        (QUOTES + "1795532400,AAPL,1,2,,4\n", 2, "bid_size", "must not be empty beside bid, ask, ask_size"),
        (QUOTES + "1795532400,AAPL,one,2,3,4\n", 2, "bid", "must be a number; got 'one'"),
        (QUOTES + "1795532400,AAPL,nan,2,3,4\n", 2, "bid", "must be finite; got 'nan'"),
        (QUOTES + "1795532400,AAPL,-1,2,3,4\n", 2, "bid", "must not be negative; got -1"),
        (QUOTES + "1795532400,AAPL,2,2,3,4\n", 2, "ask", "must be above the bid of 2; got 2"),
        (TRADES + "1795532400,AAPL,0,1\n", 2, "price", "must be above zero; got 0"),
        (TRADES + "1795532400,AAPL,1,0\n", 2, "size", "must be above zero; got 0"),
        (TRADES + "soon,AAPL,1,1\n", 2, "time", "must be ISO 8601 with a zone, or seconds since 1970"),
        (TRADES + "2026-11-24T10:00:00,AAPL,1,1\n", 2, "time", "must have a zone, such as Z or -05:00; got"),
        (TRADES + "1795532400000,AAPL,1,1\n", 2, "time", "must be seconds since 1970, not milliseconds"),
        (TRADES + "-1,AAPL,1,1\n", 2, "time", "must be seconds since 1970"),
        (
            QUOTES + GOOD + GOOD.replace("2400", "2399"),
            3,
            "time",
            "must not be before that of the line above",
        ),
        (QUOTES + '1795532400,"AA"PL,1,2,3,4\n', 2, "", "must be CSV"),
    ],
)
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, text: str, line: int | None, column: str, rule: str
) -> None:
    """File, line, column and rule, before anything is replayed."""
    path = write(tmp_path, text)
    with pytest.raises(BadPriceFile) as caught:
        PriceFile(path)
    error = caught.value
    assert (error.path, error.line, error.column) == (str(path), line, column)
    assert error.rule.startswith(rule), error.rule
    assert str(path) in str(error)
    assert isinstance(error, InvalidInput)


def test_the_message_reads_well(tmp_path: Path) -> None:
    """As a person at a terminal sees it."""
    path = write(tmp_path, QUOTES + "1795532400,AAPL,one,2,3,4\n")
    with pytest.raises(BadPriceFile) as caught:
        PriceFile(path)
    assert str(caught.value) == f"{path}, line 2, column bid: must be a number; got 'one'"


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    """A spreadsheet in another encoding."""
    path = tmp_path / "prices.csv"
    path.write_bytes(QUOTES.encode() + b"1795532400,\xff,1,2,3,4\n")
    with pytest.raises(BadPriceFile, match="must be text in UTF-8"):
        PriceFile(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It is the operating system's own error."""
    with pytest.raises(FileNotFoundError):
        PriceFile(tmp_path / "none.csv")


# -- Parquet ---------------------------------------------------------------------------------------


def test_parquet_without_its_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is named; CSV works all the same."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r'pip install "ibkr-core\[parquet\]"') as caught:
        PriceFile(write(tmp_path, "", "prices.parquet"))
    assert caught.value.extra == "parquet"
    PriceFile(write(tmp_path, QUOTES + GOOD))


def parquet(folder: Path, **columns: Any) -> Path:
    """A Parquet file with these columns, or a skipped test where nothing can write one."""
    arrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    writer = pytest.importorskip("pyarrow.parquet")
    path = folder / "prices.parquet"
    writer.write_table(arrow.table(columns), path)
    return path


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    """Times with zones or seconds; decimals, doubles and text; empty cells."""
    arrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    path = parquet(
        tmp_path,
        time=arrow.array(
            [1_795_532_400_250_000_001, 1_795_532_401_500_000_000], arrow.timestamp("ns", "UTC")
        ),
        symbol=["AAPL", "AAPL"],
        bid=arrow.array([D("189.90"), None], arrow.decimal128(10, 2)),
        ask=arrow.array([190.1, None], arrow.float64()),
        bid_size=arrow.array(["100", None]),
        ask_size=arrow.array([7, None]),
        price=arrow.array([None, 190.05]),
        size=arrow.array([None, 5], arrow.int32()),
        venue=["X", "Y"],
    )
    quote, trade = PriceFile(path).rows()
    assert (quote.line, quote.time, quote.quote) == (1, MOMENT, (D("189.90"), D("190.1"), D(100), D(7)))
    assert (trade.line, trade.time, trade.trade) == (2, 1_795_532_401.5, (D("190.05"), D(5)))


def test_parquet_that_loses_something_is_refused(tmp_path: Path) -> None:
    """Times without a zone, and numbers too short for a price."""
    arrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    good = {"time": [1_795_532_400], "symbol": ["AAPL"], "price": [1.5], "size": [1]}
    for column, values, rule in (
        ("time", arrow.array([0], arrow.timestamp("us")), "must have a zone"),
        ("price", arrow.array([1.5], arrow.float32()), "must be decimal, double or text"),
    ):
        with pytest.raises(BadPriceFile, match=rule) as caught:
            PriceFile(parquet(tmp_path, **{**good, column: values}))
        assert caught.value.column == column


def test_something_else_called_parquet_is_named(tmp_path: Path) -> None:
    """Such as a CSV file with the wrong name."""
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    with pytest.raises(BadPriceFile, match="must be a Parquet file"):
        PriceFile(write(tmp_path, QUOTES + GOOD, "prices.parquet"))
