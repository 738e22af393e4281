"""The twin: same seed same rows, a longer horizon changes nothing, structure and publication times hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from config.markets import MarketSelection, resolve_market
from pipeline_tasks.contracts.raw import PROVENANCE
from pipeline_tasks.sources import RawBatch, SourceError, get_source
from pipeline_tasks.sources.twin import OBJECTS, TwinSource
from pipeline_tasks.twin.clearing import merit_order
from pipeline_tasks.twin.config import TwinConfig, load_twin

END = datetime(2026, 6, 30, 22, tzinfo=UTC)


def _batches(until: datetime = END, config: TwinConfig | None = None) -> dict[str, RawBatch]:
    source = TwinSource(config) if config else get_source("twin")
    return {b.source_object: b for b in source.batches(resolve_market("twin"), until=until)}


@pytest.fixture(scope="module")
def parts() -> dict[str, RawBatch]:
    return _batches()


def test_two_years_of_five_hubs(parts: dict[str, RawBatch]) -> None:
    assert tuple(parts) == OBJECTS
    hours = 2 * 365 * 24
    assert parts["prices_da"].rows_read == 5 * hours == parts["prices_rt"].rows_read
    assert parts["quantities_system"].rows_read == 4 * 2 * hours
    for batch in parts.values():
        assert batch.frame.select(batch.table.key).is_duplicated().sum() == 0


def test_same_seed_same_rows_other_seed_other_rows(parts: dict[str, RawBatch]) -> None:
    until = datetime(2024, 8, 1, tzinfo=UTC)
    first, again, other = _batches(until), _batches(until), _batches(until, load_twin().model_copy(update={"seed": 7}))
    for name, batch in again.items():
        assert batch.frame.equals(first[name].frame)
    assert not again["prices_da"].frame.equals(other["prices_da"].frame)


@pytest.mark.parametrize("until", [datetime(2024, 11, 15, 23, tzinfo=UTC), datetime(2025, 3, 30, 22, tzinfo=UTC)])
def test_a_longer_horizon_changes_nothing_before_it(parts: dict[str, RawBatch], until: datetime) -> None:
    for name, batch in _batches(until).items():
        assert parts[name].frame.filter(pl.col("delivery_ts") < until).equals(batch.frame), name


def test_a_date_beyond_the_horizon_extends_it() -> None:
    later = _batches(END + timedelta(days=5))
    assert later["prices_da"].frame["delivery_ts"].max() == END + timedelta(days=5) - timedelta(hours=1)


def test_good_rows_keep_every_rule_and_garbled_rows_break_one(parts: dict[str, RawBatch]) -> None:
    provenance = {c.name for c in PROVENANCE}
    garbled = 0
    for name, batch in parts.items():
        frame = batch.frame
        broken = pl.Series([False] * frame.height)
        for column in (c for c in batch.table.columns if c.name not in provenance):
            value = frame[column.name]
            if not column.nullable:
                broken |= value.is_null()
            if column.ge is not None:
                broken |= (value < column.ge).fill_null(value=False)
            if column.le is not None:
                broken |= (value > column.le).fill_null(value=False)
            if column.allowed:
                broken |= ~value.is_in(list(column.allowed))
        for rule in batch.table.rules:
            broken |= ~frame.select(rule.expr()).to_series().fill_null(value=False)
        if name.startswith("garbled"):
            assert broken.all()
            garbled += frame.height
        else:
            assert not broken.any(), name
    assert garbled == 12


def test_no_garbled_rows_when_the_dial_is_zero() -> None:
    parts = _batches(datetime(2025, 1, 1, tzinfo=UTC), load_twin().model_copy(update={"bad_row_every_days": 0}))
    assert not [n for n in parts if n.startswith("garbled")]


def test_publication_times_respect_the_gate(parts: dict[str, RawBatch]) -> None:
    market = resolve_market("twin").market
    local = pl.col("delivery_ts").dt.convert_time_zone(market.time_zone).dt.date()
    gates = {d: market.gate(d) for d in pl.date_range(date(2024, 7, 1), date(2026, 6, 30), "1d", eager=True)}
    gate = local.replace_strict(list(gates), list(gates.values()), return_dtype=pl.Datetime("ms", "UTC"))
    system = parts["quantities_system"].frame.with_columns(gate=gate)
    assert system.filter(pl.col("kind") == "forecast").select((pl.col("known_ts") < pl.col("gate")).all()).item()
    assert system.filter(pl.col("kind") == "actual").select((pl.col("known_ts") > pl.col("delivery_ts")).all()).item()
    da = parts["prices_da"].frame.with_columns(gate=gate)
    assert da.select(((pl.col("known_ts") > pl.col("gate")) & (pl.col("known_ts") < pl.col("delivery_ts"))).all()).item()
    assert parts["prices_rt"].frame.select((pl.col("known_ts") > pl.col("delivery_ts")).all()).item()


def test_days_of_23_and_25_hours(parts: dict[str, RawBatch]) -> None:
    local = pl.col("delivery_ts").dt.convert_time_zone("Europe/Berlin").dt.date()
    counts = dict(parts["prices_da"].frame.filter(pl.col("hub") == "HUB_CITY").group_by(local).len().rows())
    assert counts[date(2025, 3, 30)] == 23
    assert counts[date(2025, 10, 26)] == 25
    assert counts[date(2025, 7, 1)] == 24


def test_parts_add_up_and_hubs_differ(parts: dict[str, RawBatch]) -> None:
    for name in ("prices_da", "prices_rt"):
        frame = parts[name].frame
        total = frame["energy_ccy_per_mwh"] + frame["congestion_ccy_per_mwh"] + frame["loss_ccy_per_mwh"]
        assert (total - frame["price_ccy_per_mwh"]).abs().max() < 0.011
        assert frame["congestion_ccy_per_mwh"].abs().max() > 5
    loads = parts["quantities_hubs"].frame.filter(pl.col("kind") == "actual").group_by("delivery_ts").agg(pl.col("value").sum())
    system = parts["quantities_system"].frame.filter((pl.col("kind") == "actual") & (pl.col("quantity") == "load"))
    joined = loads.join(system, on="delivery_ts")
    assert (joined["value"] - joined["value_right"]).abs().max() < 1.0


def test_prices_look_like_a_power_market(parts: dict[str, RawBatch]) -> None:
    da = parts["prices_da"].frame.filter(pl.col("hub") == "HUB_NORTH")["price_ccy_per_mwh"]
    rt = parts["prices_rt"].frame.filter(pl.col("hub") == "HUB_NORTH")["price_ccy_per_mwh"]
    assert 40 < float(da.mean() or 0) < 130  # type: ignore[arg-type]
    assert 0.005 < float((da < 0).mean() or 0) < 0.10
    assert float(rt.quantile(0.999) or 0) > 1.5 * float(rt.quantile(0.95) or 1)  # spikes
    assert float(np.std(rt.to_numpy() - da.to_numpy())) > 5


def test_forecast_errors_are_autocorrelated_and_small(parts: dict[str, RawBatch]) -> None:
    system = parts["quantities_system"].frame
    for quantity, scale in (("load", 52_000), ("wind", 50_000)):
        both = system.filter(pl.col("quantity") == quantity).pivot(on="kind", index="delivery_ts", values="value").sort("delivery_ts")
        error = (both["actual"] - both["forecast"]).to_numpy()
        assert 0.005 < float(np.std(error)) / scale < 0.1
        assert float(np.corrcoef(error[1:], error[:-1])[0, 1]) > 0.6


def test_merit_order_is_convex_at_the_top_and_negative_in_surplus() -> None:
    capacity = np.full(5, 66_000.0)
    residual = np.array([-5_000.0, 20_000.0, 45_000.0, 60_000.0, 68_000.0])
    price = merit_order(residual, capacity, np.full(5, 30.0), np.full(5, 70.0), 10_000.0)
    assert price[0] < 0 < price[1]
    assert np.all(np.diff(price) > 0)
    assert price[4] - price[3] > 3 * (price[2] - price[1])
    dearer = merit_order(residual[2:], capacity[2:], np.full(3, 60.0), np.full(3, 70.0), 10_000.0)
    assert np.all(dearer > price[2:])


def test_configuration_errors_name_the_field() -> None:
    raw = load_twin().model_dump()
    raw["hubs"]["HUB_CITY"]["wind"] = 0.5
    with pytest.raises(ValueError, match="wind shares add up"):
        TwinConfig.model_validate(raw)
    with pytest.raises(SourceError, match="not simulated"):
        list(TwinSource().batches(resolve_market("epf_de"), until=END))
    selection = MarketSelection(market=resolve_market("twin").market, hubs=("HUB_CITY",))
    with pytest.raises(SourceError, match="known: prices_da"):
        list(TwinSource().batches(selection, until=END, objects=frozenset({"x"})))
    assert {
        h
        for b in TwinSource().batches(selection, until=datetime(2024, 7, 3, tzinfo=UTC))
        if "hub" in b.frame.columns and b.table.name == "prices"
        for h in b.frame["hub"]
    } == {"HUB_CITY"}
    with pytest.raises(SourceError, match="move start_date"):
        list(TwinSource().batches(selection, until=datetime(2020, 1, 1, tzinfo=UTC)))
    with pytest.raises(SourceError, match="use one of files, twin"):
        get_source("ftp")
