"""Facts of the real files, from the house importers through the warehouse, against Polars on the files themselves.

Skipped where DESK_DATA_DIR is absent.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from config.markets import load_markets
from pipeline_tasks.sources.protocol import SourceError
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.steps.ingest import ingest
from pipeline_tasks.twin.realism.compute import compute_facts
from pipeline_tasks.twin.realism.rules import load_rules
from pipeline_tasks.warehouse import Warehouse

pytestmark = pytest.mark.data
RULES = load_rules()


def _load(market: str, *objects: str) -> None:
    try:
        ingest(RunContext(source="files", market=market, delivery_date=date(2099, 12, 31), dag="realism"), objects=frozenset(objects))
    except SourceError as error:
        pytest.skip(f"files of {market} are absent: {error}")


def _value(facts: pl.DataFrame, fact: str, slice_name: str, span: str = "whole", column: str = "value") -> float:
    rows = facts.filter((pl.col("fact") == fact) & (pl.col("slice") == slice_name) & (pl.col("span") == span))
    assert rows.height == 1
    return float(rows[column][0])


def _ercot_file(folder: Path) -> pl.DataFrame:
    """The hubs of the rules, without the spring hours that never were."""
    frame = pl.read_parquet(folder / "ercot_2023_2026" / "dam_rtm_hourly_15_settlement_points.parquet")
    frame = frame.with_columns(day=pl.col("delivery_date").cast(pl.String).str.to_date(), hub=pl.col("settlement_point").cast(pl.String))
    lost = pl.col("day").is_in([date(2024, 3, 10), date(2025, 3, 9)]) & (pl.col("hour_ending") == 3)
    return frame.filter(pl.col("hub").is_in(RULES.of("ercot").hubs) & ~lost)


def test_ercot_facts_equal_those_of_the_file(data_dir: Path, warehouse: Warehouse) -> None:
    _load("ercot", "ercot_2023_2026/dam_rtm_hourly")
    market = load_markets()["ercot"]
    # quarter hours of the hub average may be loaded too: they are of another hub
    facts = compute_facts(warehouse, market, RULES, ("prices", "spread", "shapes"))
    file = _ercot_file(data_dir)
    for span, own in (("whole", file), ("year", file.filter(pl.col("day").dt.year() == 2024))):
        hubs = [g for _, g in own.group_by("hub")]
        for product, column in (("da", "dam_lmp"), ("rt", "rtm_lmp")):
            values = [g[column].drop_nulls().to_numpy() for g in hubs]
            assert _value(facts, "price_mean", product, span) == pytest.approx(np.median([v.mean() for v in values]))
            assert _value(facts, "price_quantile", f"{product} q99", span) == pytest.approx(
                np.median([np.quantile(v, 0.99) for v in values])
            )
            assert _value(facts, "negative_share", product, span) == pytest.approx(np.median([(v < 0).mean() for v in values]))
            assert _value(facts, "price_mean", product, span, "n") == sum(v.size for v in values)
            by_hour = [
                g.drop_nulls(column).group_by("hour_ending").agg(pl.col(column).mean()).sort("hour_ending")[column].to_numpy() for g in hubs
            ]
            ratio = np.median([h[19] / v.mean() for h, v in zip(by_hour, values, strict=True)])
            assert _value(facts, "daily_shape", f"{product} 19", span) == pytest.approx(ratio)
        both = [g.drop_nulls(["dam_lmp", "rtm_lmp"]) for g in hubs]
        spread = [(g["dam_lmp"] - g["rtm_lmp"]).to_numpy() for g in both]
        sd = np.median([s.std(ddof=1) / g["dam_lmp"].mean() for s, g in zip(spread, both, strict=True)])
        assert _value(facts, "spread_sd", "da - rt", span) == pytest.approx(sd)
        assert _value(facts, "spread_positive_share", "da - rt", span) == pytest.approx(np.median([(s > 0).mean() for s in spread]))


def test_new_york_congestion_raises_prices_downstate_and_lowers_them_in_the_north(data_dir: Path, warehouse: Warehouse) -> None:
    for zone, expected in (("LONGIL", 0.9), ("NORTH", 0.5)):
        name = f"nyiso_{zone.lower()}"
        _load(name, "nyiso_2016_2021/rt_lbmp")
        market = load_markets()["nyiso"].model_copy(update={"hubs": (zone,)})
        rules = RULES.model_copy(update={"data_sets": {}})
        share = _value(compute_facts(warehouse, market, rules, ("congestion",)), "congestion_positive_share", "rt")
        assert (share > expected) == (zone == "LONGIL")


def test_ontario_reserves_and_predispatch(data_dir: Path, warehouse: Warehouse) -> None:
    _load("ieso", "ieso_2002_2025/hoep")
    facts = compute_facts(warehouse, load_markets()["ieso"], RULES, ("prices", "forecasts", "reserves"))
    assert facts["window_from"].min() == date(2018, 1, 1)  # as config/realism.yaml says
    file = pl.read_parquet(data_dir / "ieso_2002_2025" / "hoep_predispatch_operating_reserve_hourly.parquet")
    file = file.filter(pl.col("Date").cast(pl.String).str.slice(0, 4).cast(pl.Int64) >= 2018)
    assert _value(facts, "price_mean", "rt") == pytest.approx(file["HOEP"].mean())
    error = (file["Hour 1 Predispatch"] - file["HOEP"]).abs().mean() / file["HOEP"].mean()  # type: ignore[operator]
    assert _value(facts, "price_forecast_error", "1 h ahead") == pytest.approx(error, rel=1e-3)
    both = file.select("HOEP", "OR 10 Min Sync").drop_nulls()
    assert _value(facts, "reserve_energy_correlation", "spinning") == pytest.approx(np.corrcoef(both["HOEP"], both["OR 10 Min Sync"])[0, 1])
    rank = np.corrcoef(both["HOEP"].rank(), both["OR 10 Min Sync"].rank())[0, 1]
    assert _value(facts, "reserve_energy_rank", "spinning") == pytest.approx(rank)
