"""`desk twin report` on a warehouse of its own: facts stored once, compared, printed and written as a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from config.settings import get_settings
from pipeline_tasks.cli import app
from pipeline_tasks.cli.console import ExitCode
from pipeline_tasks.contracts.ops import STYLISED_FACTS
from pipeline_tasks.contracts.raw import PRICES
from pipeline_tasks.twin.realism.store import store_facts, stored_facts
from pipeline_tasks.warehouse import connect
from pipeline_tasks.warehouse.migrate import migrate
from pipeline_tasks.warehouse.server import stop_server

runner = CliRunner()
DAYS = 40


def _prices(market: str, hub: str, product: str, seed: int, sigma: float) -> pl.DataFrame:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    rng = np.random.default_rng(seed)
    values = 50 + 15 * np.sin(2 * np.pi * np.arange(24 * DAYS) / 24) + rng.standard_t(3, 24 * DAYS) * sigma
    frame = pl.DataFrame({"delivery_ts": [begin + timedelta(hours=h) for h in range(24 * DAYS)], "price_ccy_per_mwh": values.round(2)})
    constants = {
        "market": market, "hub": hub, "product": product, "currency": "EUR", "resolution_min": 60, "source": "test", "source_object": "test", "row_sha": "x",
    }  # fmt: skip
    frame = frame.with_columns(
        known_ts=pl.col("delivery_ts") + pl.duration(hours=1), ingested_ts=pl.lit(begin), **{k: pl.lit(v) for k, v in constants.items()}
    )
    absent = [pl.lit(None, dtype=c.type.polars).alias(c.name) for c in PRICES.columns if c.name not in frame.columns]
    return frame.with_columns(absent).with_columns(pl.col(c.name).cast(c.type.polars) for c in PRICES.columns)


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder, and so a warehouse, of this module."""
    home = tmp_path_factory.mktemp("realism")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESK_HOME", str(home))
        get_settings.cache_clear()
        with connect() as warehouse:
            migrate(warehouse)
        yield home
        stop_server(get_settings())
    get_settings.cache_clear()


def test_without_a_twin_the_remedy_is_said(own_home: Path) -> None:
    result = runner.invoke(app, ["twin", "report"])
    assert result.exit_code == ExitCode.USAGE
    assert "desk ingest" in result.output
    result = runner.invoke(app, ["twin", "report", "--market", "atlantis"])
    assert result.exit_code == ExitCode.USAGE
    assert "atlantis" in result.output


def test_facts_are_stored_once_and_the_report_says_where_the_twin_is_off(own_home: Path) -> None:
    with connect() as warehouse:
        for product, sigma in (("da", 1.0), ("rt", 2.0)):
            warehouse.insert(PRICES, _prices("twin", "HUB_NORTH", product, 1, sigma))
            warehouse.insert(PRICES, _prices("ercot", "HB_NORTH", product, 2, 12.0))
        warehouse.insert(PRICES, _prices("de_fund", "DE", "da", 3, 9.0))
    result = runner.invoke(app, ["twin", "report", "--json"])
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    assert set(made["written"]) == {"twin", "ercot", "de_fund"}
    assert min(made["written"].values()) > 0
    found = {(f["fact"], f["slice"]): f for f in made["findings"]}
    assert found["volatility", "da"]["verdict"] == "below"
    assert set(found["volatility", "da"]["real"]) == {"ercot", "de_fund"}
    assert "below every year and hub" in found["volatility", "da"]["sentence"]
    assert any(s.startswith("Prices: ") and "too low" in s for s in made["sentences"])
    page = Path(made["page"])
    assert page.is_file()
    assert page.is_relative_to(own_home)
    assert "realism/index.html" in (page.parent.parent / "index.html").read_text(encoding="utf-8")

    again = json.loads(runner.invoke(app, ["twin", "report", "--json"]).stdout)
    assert set(again["written"].values()) == {0}
    assert again["findings"] == made["findings"]
    fresh = json.loads(runner.invoke(app, ["twin", "report", "--json", "--fresh"]).stdout)
    assert set(fresh["written"].values()) == {0}  # computed again, and the same
    table = runner.invoke(app, ["twin", "report", "--market", "ercot"])
    assert table.exit_code == 0
    assert "synthetic" in table.output


def test_new_facts_are_a_new_run_and_the_newest_counts(own_home: Path) -> None:
    with connect() as warehouse:
        before = stored_facts(warehouse).filter(pl.col("data_set") == "ercot")
        facts = before.drop("run_id", "data_set", "data_class", "code_sha", "at_ts")
        changed = facts.with_columns(pl.col("value") + 1)
        assert store_facts(warehouse, changed, data_set="ercot", data_class="real", inputs="i", code_sha="c") == facts.height
        assert store_facts(warehouse, changed, data_set="ercot", data_class="real", inputs="i", code_sha="c") == 0
        newest = stored_facts(warehouse).filter(pl.col("data_set") == "ercot")
        assert newest["value"].to_list() == pytest.approx((before["value"] + 1).to_list(), rel=1e-8)
        assert store_facts(warehouse, facts, data_set="ercot", data_class="real", inputs="j", code_sha="c") == facts.height  # back again
        kept = warehouse.scalar(f"select uniqExact(at_ts) from {STYLISED_FACTS.full_name} where data_set = 'ercot'")
        assert kept == 3
        assert stored_facts(warehouse).filter(pl.col("data_set") == "ercot")["value"].to_list() == pytest.approx(before["value"].to_list())


def test_analysts_may_read_the_facts(own_home: Path) -> None:
    with connect("analyst") as analyst:
        assert analyst.scalar("select count() from ops.stylised_facts") > 0
