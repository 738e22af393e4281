"""Each stylised fact, computed in ClickHouse from raw rows, against NumPy on the same numbers: gaps, corrections, quarter hours, DST."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from scipy import stats

from config.markets import Market
from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.raw import PRICES, QUANTITIES, UNITS
from pipeline_tasks.twin.realism.compute import compute_facts, family_sql
from pipeline_tasks.twin.realism.rules import Rules, load_rules
from pipeline_tasks.warehouse import Warehouse

ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2023, 12, 20, 23, tzinfo=UTC)  # local midnight of 21 December
HOURS = 24 * 400  # over the whole of 2024, a leap year with both clock changes
HUBS = ("A", "B", "C")
GAP = range(2000, 2031)  # hours of which no real-time price was published
RNG = np.random.default_rng(11)
LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MARKET = Market(
    key="realism_test", label="t", time_zone="Europe/Berlin", currency="EUR", gate_time="12:00", price_floor=-500, price_cap=4000, hubs=HUBS
)


def _rules(**changes: object) -> Rules:
    return load_rules().model_copy(update=changes)


def _insert(wh: Warehouse, table: Table, rows: list[dict[str, object]] | pl.DataFrame) -> None:
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, infer_schema_length=None)
    count = frame.height
    frame = frame.with_columns(
        source=pl.lit("test"),
        source_object=pl.lit("test"),
        row_sha=pl.Series([f"{table.name}{i}" for i in range(count)]),
        ingested_ts=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)),
    )
    absent = [pl.lit(None, dtype=c.type.polars).alias(c.name) for c in table.columns if c.name not in frame.columns]
    wh.insert(table, frame.with_columns(absent).with_columns(pl.col(c.name).cast(c.type.polars) for c in table.columns))


def _stamps(count: int = HOURS) -> list[datetime]:
    return [START + timedelta(hours=h) for h in range(count)]


def _series() -> dict[tuple[str, str], np.ndarray]:
    """Prices by (product, hub): a day-night swing, heavy tails, negative hours, two clusters of spikes."""
    hour = np.arange(HOURS)
    base = 60 + 25 * np.sin(2 * np.pi * hour / 24) + 10 * np.sin(2 * np.pi * hour / 168)
    found = {}
    for k, hub in enumerate(HUBS):
        da = base + 3 * k + RNG.standard_t(3, HOURS) * 6
        da[500 + k : 504 + k] = 700.0  # one spike of four hours
        da[900:910] = -20.0 - k
        rt = da + RNG.standard_t(3, HOURS) * 9 - 1
        rt[[3000, 3002]] = 900.0  # two spikes of an hour each
        found["da", hub], found["rt", hub] = np.round(da, 2), np.round(rt, 2)
    return found


SERIES = _series()
CONGESTION = {hub: np.where(RNG.random(HOURS) < 0.2, RNG.normal(5, 20, HOURS), 0.0).round(2) for hub in HUBS}


@pytest.fixture(scope="module")
def facts(warehouse: Warehouse) -> pl.DataFrame:
    """Facts of a market whose rows were inserted into raw once."""
    stamps = _stamps()
    blocks = []
    for (product, hub), values in SERIES.items():
        frame = pl.DataFrame({"delivery_ts": stamps, "price_ccy_per_mwh": values, "congestion_ccy_per_mwh": CONGESTION[hub]})
        if product == "rt":
            frame = frame.with_row_index("i").filter(~pl.col("i").is_in(list(GAP))).drop("i")
        known = pl.col("delivery_ts") + pl.duration(hours=2)
        blocks.append(frame.with_columns(known_ts=known, product=pl.lit(product), hub=pl.lit(hub), resolution_min=pl.lit(60)))
    prices = pl.concat(blocks).with_columns(market=pl.lit(MARKET.key), currency=pl.lit("EUR"))
    wrong = prices.filter((pl.col("product") == "da") & (pl.col("hub") == "A")).head(50)
    # published first, corrected later: the row with the later known_ts counts
    early = wrong.with_columns(known_ts=pl.col("known_ts") - pl.duration(hours=1), price_ccy_per_mwh=pl.lit(9999.0))
    half = _quarters("B", 100, [10.0, 20.0, 30.0])  # an hour with a quarter missing: the hourly row stands
    whole = _quarters("B", 101, [10.0, 20.0, 30.0, 44.0])  # the finest whole hour counts
    SERIES["rt", "B"][101] = 26.0
    CONGESTION_RT["B"][101] = np.nan
    _insert(warehouse, PRICES, pl.concat([prices, early, half, whole], how="diagonal_relaxed"))
    return compute_facts(warehouse, MARKET, _rules())


CONGESTION_RT = {hub: v.copy() for hub, v in CONGESTION.items()}


def _quarters(hub: str, hour: int, values: list[float]) -> pl.DataFrame:
    begin = START + timedelta(hours=hour)
    stamps = [begin + timedelta(minutes=15 * k) for k in range(len(values))]
    frame = pl.DataFrame({"delivery_ts": stamps, "price_ccy_per_mwh": values})
    return frame.with_columns(
        known_ts=pl.col("delivery_ts") + pl.duration(hours=2), product=pl.lit("rt"), hub=pl.lit(hub), resolution_min=pl.lit(15),
        market=pl.lit(MARKET.key), currency=pl.lit("EUR"), congestion_ccy_per_mwh=pl.lit(None, dtype=pl.Float64),
    )  # fmt: skip


def _value(facts: pl.DataFrame, fact: str, slice_name: str, span: str = "whole", column: str = "value") -> float:
    rows = facts.filter((pl.col("fact") == fact) & (pl.col("slice") == slice_name) & (pl.col("span") == span))
    assert rows.height == 1, f"{fact} {slice_name} {span}: {rows.height} rows"
    return float(rows[column][0])


def _local() -> pl.DataFrame:
    return pl.DataFrame({"ts": _stamps()}).select(local=pl.col("ts").dt.convert_time_zone("Europe/Berlin"))


def _there(product: str) -> np.ndarray:
    mask = np.ones(HOURS, dtype=bool)
    if product == "rt":
        mask[list(GAP)] = False
    return mask


def _mask(span: str) -> np.ndarray:
    return (_local()["local"].dt.year() == 2024).to_numpy() if span == "year" else np.ones(HOURS, dtype=bool)


def _hubs(product: str, span: str) -> list[np.ndarray]:
    keep = _there(product) & _mask(span)
    return [SERIES[product, hub][keep] for hub in HUBS]


@pytest.mark.parametrize("span", ["whole", "year"])
@pytest.mark.parametrize("product", ["da", "rt"])
def test_level_and_quantiles(facts: pl.DataFrame, product: str, span: str) -> None:
    hubs = _hubs(product, span)
    assert _value(facts, "price_mean", product, span) == pytest.approx(np.median([v.mean() for v in hubs]))
    assert _value(facts, "price_mean", product, span, "hub_low") == pytest.approx(min(v.mean() for v in hubs))
    assert _value(facts, "price_mean", product, span, "n") == sum(v.size for v in hubs)
    assert _value(facts, "negative_share", product, span) == pytest.approx(np.median([(v < 0).mean() for v in hubs]))
    assert _value(facts, "volatility", product, span) == pytest.approx(np.median([v.std(ddof=1) / v.mean() for v in hubs]))
    for level in LEVELS:
        name = f"{product} q{round(100 * level):02d}"
        quantiles = [np.quantile(v, level) for v in hubs]
        assert _value(facts, "price_quantile", name, span) == pytest.approx(np.median(quantiles))
        ratios = [q / v.mean() for q, v in zip(quantiles, hubs, strict=True)]
        assert _value(facts, "quantile_ratio", name, span) == pytest.approx(np.median(ratios))


def _spikes(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Hours above max(mean + 4 * 1.4826 * MAD, 2 * |mean|) of their local calendar month."""
    month = (_local()["local"].dt.year() * 12 + _local()["local"].dt.month()).to_numpy()
    found = np.zeros(HOURS, dtype=bool)
    for m in np.unique(month):
        own = (month == m) & there
        mean, spread = values[own].mean(), np.median(np.abs(values[own] - np.median(values[own])))
        found[own] = values[own] > max(mean + 4 * 1.4826 * spread, 2 * abs(mean))
    return found


@pytest.mark.parametrize("product", ["da", "rt"])
def test_spikes_are_judged_by_month_and_runs_count_once(facts: pl.DataFrame, product: str) -> None:
    there = _there(product)
    hours, episodes = [], []
    for hub in HUBS:
        spike = _spikes(SERIES[product, hub], there)
        after_spike = np.concatenate([[False], spike[:-1]])  # a missing hour is no spike, so a run ends at a gap
        hours.append(8766 * spike.sum() / there.sum())
        episodes.append(8766 * (spike & ~after_spike).sum() / there.sum())
    assert min(hours) > 0
    assert _value(facts, "spike_hours", product) == pytest.approx(np.median(hours))
    assert _value(facts, "spike_episodes", product) == pytest.approx(np.median(episodes))


def test_changes_skip_gaps_and_ranges_need_whole_days(facts: pl.DataFrame) -> None:
    there = _there("rt")
    days = _local()["local"].dt.date().to_list()
    changes, ranges = [], []
    for hub in HUBS:
        v = SERIES["rt", hub]
        pairs = there[1:] & there[:-1]
        changes.append(np.diff(v)[pairs].std(ddof=1) / v[there].mean())
        frame = (
            pl.DataFrame({"day": days, "v": v})
            .filter(pl.Series(there))
            .group_by("day")
            .agg(pl.len(), r=pl.col("v").max() - pl.col("v").min())
        )
        ranges.append(frame.filter(pl.col("len") >= 23)["r"].median() / v[there].mean())
    assert _value(facts, "hourly_change", "rt") == pytest.approx(np.median(changes))
    assert _value(facts, "daily_range", "rt") == pytest.approx(np.median(ranges))


def test_shapes_follow_the_local_clock_through_both_clock_changes(facts: pl.DataFrame) -> None:
    local = _local()["local"]
    hour, weekday = local.dt.hour().to_numpy(), local.dt.weekday().to_numpy()
    v = [SERIES["da", hub] for hub in HUBS]
    for h in (0, 2, 3, 23):
        expected = np.median([x[hour == h].mean() / x.mean() for x in v])
        assert _value(facts, "daily_shape", f"da {h:02d}") == pytest.approx(expected)
    for d in (1, 7):
        assert _value(facts, "weekly_shape", f"da {d}") == pytest.approx(np.median([x[weekday == d].mean() / x.mean() for x in v]))
    peak = (weekday <= 5) & (hour >= 8) & (hour < 20)
    assert _value(facts, "peak_off_peak", "da") == pytest.approx(np.median([x[peak].mean() / x[~peak].mean() for x in v]))
    weekend = weekday >= 6
    assert _value(facts, "weekend_weekday", "da") == pytest.approx(np.median([x[weekend].mean() / x[~weekend].mean() for x in v]))
    tops = [int(np.argmax([x[hour == h].mean() for h in range(24)])) for x in v]
    assert _value(facts, "hour_of_peak", "da") == np.median(tops)
    year = _mask("year")
    spring = np.array([d == date(2024, 3, 31) for d in local.dt.date()])
    assert (spring & (hour == 2)).sum() == 0  # the hour that never was
    expected = np.median([x[year & (hour == 2)].mean() / x[year].mean() for x in v])
    assert _value(facts, "daily_shape", "da 02", "year") == pytest.approx(expected)


@pytest.mark.parametrize("lag", [1, 24, 168])
def test_autocorrelation_leaves_out_pairs_with_a_gap(facts: pl.DataFrame, lag: int) -> None:
    there = _there("rt")
    pairs = there[lag:] & there[:-lag]
    expected = [np.corrcoef(SERIES["rt", hub][lag:][pairs], SERIES["rt", hub][:-lag][pairs])[0, 1] for hub in HUBS]
    assert _value(facts, "autocorrelation", f"rt {lag} h") == pytest.approx(np.median(expected))
    assert _value(facts, "autocorrelation", f"rt {lag} h", column="n") == 3 * pairs.sum()


def test_spread_and_volatility_ratio(facts: pl.DataFrame) -> None:
    there = _there("rt")
    rows = []
    for hub in HUBS:
        da, rt = SERIES["da", hub][there], SERIES["rt", hub][there]
        rows.append(
            [
                (da - rt).mean() / da.mean(),
                (da - rt).std(ddof=1) / da.mean(),
                (da > rt).mean(),
                rt.std() / da.std(),
                np.corrcoef(da, rt)[0, 1],
            ]
        )
    names = [
        ("spread_mean", "da - rt"),
        ("spread_sd", "da - rt"),
        ("spread_positive_share", "da - rt"),
        ("volatility_ratio", "levels"),
        ("da_rt_correlation", "da, rt"),
    ]
    for (fact, name), expected in zip(names, np.median(np.array(rows), axis=0), strict=True):
        assert _value(facts, fact, name) == pytest.approx(expected)


def test_congestion_frequency_sign_and_spread_between_hubs(facts: pl.DataFrame) -> None:
    share, positive, size = [], [], []
    for hub in HUBS:
        price, c = SERIES["da", hub], CONGESTION[hub]
        limit = 0.05 * price.mean()
        beyond = np.abs(c) > limit
        share.append(beyond.mean())
        positive.append((c > limit).sum() / beyond.sum())
        size.append(np.abs(c)[beyond].mean() / price.mean())
    assert _value(facts, "congestion_share", "da") == pytest.approx(np.median(share))
    assert _value(facts, "congestion_positive_share", "da") == pytest.approx(np.median(positive))
    assert _value(facts, "congestion_size", "da") == pytest.approx(np.median(size))
    together = np.array([SERIES["da", hub] for hub in HUBS])
    distance, mean = np.ptp(together, axis=0), together.mean()
    assert _value(facts, "hub_spread_share", "da") == pytest.approx((distance > 0.05 * mean).mean())
    assert _value(facts, "hub_spread_size", "da") == pytest.approx(np.median(distance) / mean)
    correlations = [np.corrcoef(row, together.mean(axis=0))[0, 1] for row in together]
    assert _value(facts, "hub_correlation", "da") == pytest.approx(np.median(correlations))


def test_a_component_that_is_missing_in_one_hour_is_left_out_and_not_zero(facts: pl.DataFrame) -> None:
    price, c, there = SERIES["rt", "B"], CONGESTION_RT["B"], _there("rt")
    known = there & ~np.isnan(c)
    beyond = (np.abs(np.nan_to_num(c)) > 0.05 * price[there].mean()) & known
    rows = [beyond.sum() / known.sum()]
    for hub in ("A", "C"):
        p = SERIES["rt", hub][there]
        rows.append((np.abs(CONGESTION[hub][there]) > 0.05 * p.mean()).mean())
    assert _value(facts, "congestion_share", "rt") == pytest.approx(np.median(rows))


def test_facts_that_the_tables_cannot_give_have_no_row(facts: pl.DataFrame) -> None:
    assert not set(facts["fact"]) & {"unit_starts", "reserve_energy_rank", "renewable_share", "price_load_slope", "forecast_error"}
    assert facts["value"].is_finite().all()
    assert facts.filter(pl.col("span") == "year")["window_from"].unique().to_list() == [date(2024, 1, 1)]


def test_two_runs_give_the_same_numbers(facts: pl.DataFrame, warehouse: Warehouse) -> None:
    again = compute_facts(warehouse, MARKET, _rules(), ("prices", "congestion"))
    first = facts.filter(pl.col("fact").is_in(again["fact"].unique().implode()))
    assert again.select("fact", "slice", "span", "n").equals(first.select("fact", "slice", "span", "n"))
    assert np.allclose(again["value"], first["value"], rtol=1e-10, atol=1e-12)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match="prices, shapes"):
        family_sql("tea_leaves")


# ---- load, renewables, forecasts -------------------------------------------------------------------------------------------------
SYSTEM = MARKET.model_copy(update={"key": "realism_system", "hubs": ("A",)})
N = 24 * 60
LOAD = np.round(5000 + 900 * np.sin(2 * np.pi * np.arange(N) / 24) + RNG.normal(0, 60, N), 1)
WIND = np.round(np.abs(RNG.normal(800, 400, N)), 1)
SOLAR = np.round(np.clip(600 * np.sin(2 * np.pi * (np.arange(N) - 6) / 24), 0, None), 1)
FORECAST = np.round(LOAD * (1 + RNG.normal(0, 0.02, N)), 1)
LATE = np.round(LOAD + 1, 1)
PRICE = np.round(10 + ((LOAD - WIND - SOLAR) / 1000) ** 2 + RNG.normal(0, 1, N), 2)


def _quantity(area: str, quantity: str, kind: str, values: np.ndarray, lead_h: int) -> pl.DataFrame:
    frame = pl.DataFrame({"delivery_ts": _stamps(values.size), "value": values})
    return frame.with_columns(
        known_ts=pl.col("delivery_ts") + pl.duration(hours=lead_h), area=pl.lit(area), quantity=pl.lit(quantity), kind=pl.lit(kind),
        unit=pl.lit("MW"), market=pl.lit(SYSTEM.key), resolution_min=pl.lit(60),
    )  # fmt: skip


@pytest.fixture(scope="module")
def system_facts(warehouse: Warehouse) -> pl.DataFrame:
    """A market with one hub, load by two zones, wind and solar, and two vintages of the load forecast."""
    price = pl.DataFrame({"delivery_ts": _stamps(N), "price_ccy_per_mwh": PRICE}).with_columns(
        known_ts=pl.col("delivery_ts") - pl.duration(hours=30), product=pl.lit("da"), hub=pl.lit("A"), resolution_min=pl.lit(60),
        market=pl.lit(SYSTEM.key), currency=pl.lit("EUR"),
    )  # fmt: skip
    _insert(warehouse, PRICES, price)
    half = np.round(LOAD / 2, 1)
    blocks = [
        _quantity("north", "load", "actual", half, 2),
        _quantity("south", "load", "actual", np.round(LOAD - half, 1), 2).slice(1),  # the first hour lacks a zone: no total there
        _quantity("system", "load", "forecast", FORECAST, -40),
        _quantity("system", "load", "forecast", LATE, 0),  # known during the day: too late to be a forecast of it
        _quantity("system", "wind", "actual", WIND, 2),
        _quantity("system", "wind", "forecast", WIND + 10, -40),
        _quantity("system", "solar", "actual", SOLAR, 2),
    ]
    _insert(warehouse, QUANTITIES, pl.concat(blocks))
    return compute_facts(warehouse, SYSTEM, _rules(), ("load", "renewables", "forecasts"))


def test_price_against_load_and_residual_load(system_facts: pl.DataFrame) -> None:
    price, load, renewable = PRICE[1:], LOAD[1:], (WIND + SOLAR)[1:]
    residual = load - renewable

    def slope(x: np.ndarray) -> float:
        return float(np.cov(price, x)[0, 1] / x.var(ddof=1) * x.mean() / price.mean())

    assert _value(system_facts, "price_load_slope", "da") == pytest.approx(slope(load), rel=1e-6)
    assert _value(system_facts, "price_residual_slope", "da") == pytest.approx(slope(residual), rel=1e-6)
    assert _value(system_facts, "price_load_rank", "da") == pytest.approx(stats.spearmanr(price, load).statistic, abs=1e-6)
    assert _value(system_facts, "price_residual_rank", "da") == pytest.approx(stats.spearmanr(price, residual).statistic, abs=1e-6)
    assert _value(system_facts, "price_renewables_rank", "da") == pytest.approx(stats.spearmanr(price, renewable).statistic, abs=1e-6)
    assert _value(system_facts, "price_load_rank", "da", column="n") == N - 1
    order = np.argsort(residual, kind="stable")
    top = order[int(0.9 * (N - 1)) :]
    assert _value(system_facts, "price_by_load_tenth", "da 10") == pytest.approx(price[top].mean() / price.mean())


def test_renewable_shares_and_lulls(system_facts: pl.DataFrame) -> None:
    assert _value(system_facts, "renewable_share", "wind") == pytest.approx(WIND[1:].sum() / LOAD[1:].sum(), rel=1e-6)
    assert _value(system_facts, "renewable_share", "wind and solar") == pytest.approx((WIND + SOLAR)[1:].sum() / LOAD[1:].sum(), rel=1e-6)
    limit = 0.1 * np.quantile(WIND[1:], 0.999)
    assert _value(system_facts, "wind_lull_share", "wind") == pytest.approx((WIND[1:] < limit).mean())


def test_forecast_errors_take_the_vintage_that_stood_when_the_day_began(warehouse: Warehouse, system_facts: pl.DataFrame) -> None:
    assert _value(system_facts, "forecast_error", "wind") == pytest.approx(10 / WIND.mean())
    assert _value(system_facts, "forecast_bias", "wind") == pytest.approx(10 / WIND.mean())
    assert "load" not in system_facts.filter(pl.col("fact") == "forecast_error")["slice"]  # no measurement of the whole system
    stand_in = _rules(data_sets={SYSTEM.key: load_rules().of("ercot").model_copy(update={"hubs": ("A",), "load_actual": "generation"})})
    _insert(warehouse, QUANTITIES, _quantity("system", "generation", "actual", LOAD, 3))
    found = compute_facts(warehouse, SYSTEM, stand_in, ("forecasts",))
    # LATE is known as the interval begins: for the first hour of a day that is not before the day
    assert _value(found, "forecast_error", "load") == pytest.approx(np.abs(FORECAST - LOAD).mean() / LOAD.mean())


# ---- units and reserves ----------------------------------------------------------------------------------------------------------
PLANT = MARKET.model_copy(update={"key": "realism_units", "hubs": ("A",)})
OUTPUTS = {
    ("steady", "URANIUM"): [900, 900, 900, 900, 900, 900, 900, 900, 900, 880],
    ("daily", "GAS"): [0, 0, 100, 100, 0, 0, 100, 100, 0, 0],  # two starts
    ("peaker", "GAS"): [0, 0, 0, 0, 50, 0, 0, 0, 0, 0],  # one start
    ("rattle", "GAS"): [2, 4, 0, 4, 0, 4, 0, 100, 0, 4],  # 5 % of 100 MW is the threshold: one start
    ("broken", "GAS"): [0, 0, None, 100, 100, 100, 0, 0, 0, 100],  # one start: the first hour on follows a gap
    ("breeze", "WIND"): [0, 10, 0, 10, 0, 10, 0, 10, 0, 10],
}


@pytest.fixture(scope="module")
def unit_facts(warehouse: Warehouse) -> pl.DataFrame:
    """Six units over ten hours, and reserve prices beside energy."""
    rows = [
        {
            "market": PLANT.key, "unit_id": unit, "fuel": fuel, "delivery_ts": START + timedelta(hours=h), "resolution_min": 60,
            "known_ts": START + timedelta(hours=h + 2), "output_mw": float(mw),
        }
        for (unit, fuel), values in OUTPUTS.items()
        for h, mw in enumerate(values)
        if mw is not None
    ]  # fmt: skip
    _insert(warehouse, UNITS, rows)
    energy = np.array([20.0, 25, 30, 80, 40, 35, 30, 28, 26, 24])
    spin = np.array([1.0, 1, 2, 30, 5, 4, 2, 2, 0, 0])
    prices = [
        {
            "market": PLANT.key, "hub": hub, "product": product, "delivery_ts": START + timedelta(hours=h), "resolution_min": 60,
            "known_ts": START + timedelta(hours=h + 2), "currency": "EUR", "price_ccy_per_mwh": float(p),
        }
        for hub, product, values in (("A", "rt", energy), ("system", "reserve_10s", spin))
        for h, p in enumerate(values)
    ]  # fmt: skip
    _insert(warehouse, PRICES, prices)
    return compute_facts(warehouse, PLANT, _rules(), ("units", "reserves"))


def test_starts_by_class_and_fuel(unit_facts: pl.DataFrame) -> None:
    per_year = 8766
    gas_hours = 39  # four units over ten hours, one hour missing
    assert _value(unit_facts, "unit_starts", "fuel gas") == pytest.approx(per_year * 5 / gas_hours)
    assert _value(unit_facts, "unit_starts", "thermal base") == 0
    assert _value(unit_facts, "unit_starts", "thermal peak") == pytest.approx(per_year * 2 / 20)  # peaker and rattle
    assert _value(unit_facts, "unit_starts", "thermal mid") == pytest.approx(per_year * 3 / 19)  # daily and broken
    assert _value(unit_facts, "unit_starts", "thermal") == pytest.approx(per_year * 5 / 49)  # without wind
    assert _value(unit_facts, "unit_starts", "fuel wind") == pytest.approx(per_year * 5 / 10)
    assert _value(unit_facts, "unit_hours_per_start", "thermal peak") == pytest.approx(2 / 2)
    assert _value(unit_facts, "unit_utilisation", "thermal base") == pytest.approx(np.mean(OUTPUTS["steady", "URANIUM"]) / 900)
    assert _value(unit_facts, "unit_count", "thermal") == 5
    assert _value(unit_facts, "unit_count", "fuel nuclear") == 1  # by the name that other markets use


def test_reserve_prices_beside_energy(unit_facts: pl.DataFrame) -> None:
    energy = np.array([20.0, 25, 30, 80, 40, 35, 30, 28, 26, 24])
    spin = np.array([1.0, 1, 2, 30, 5, 4, 2, 2, 0, 0])
    assert _value(unit_facts, "reserve_energy_rank", "spinning") == pytest.approx(stats.spearmanr(spin, energy).statistic, abs=1e-9)
    assert _value(unit_facts, "reserve_energy_correlation", "spinning") == pytest.approx(np.corrcoef(spin, energy)[0, 1])
    assert _value(unit_facts, "reserve_price_ratio", "spinning") == pytest.approx(spin.mean() / energy.mean())
    assert _value(unit_facts, "reserve_free_share", "spinning") == pytest.approx((spin < 0.01 * energy.mean()).mean())
