"""The twin as a source: rows follow their contracts, add up, and become known when the market could know them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from config.markets import MarketSelection, resolve_market
from pipeline_tasks.contracts import Database
from pipeline_tasks.sources import RawBatch, SourceError, get_source
from pipeline_tasks.sources.twin import OBJECTS, Loaded, TwinSource
from pipeline_tasks.twin.profiles import load_profile, profile_names
from pipeline_tasks.warehouse.validation import check_rows

TWIN = resolve_market("twin")
PROFILE = load_profile("test")
END = TWIN.market.day_bounds(PROFILE.date_of(62))[1]  # both kinds of garbled rows need more days than one


def _batches(until: datetime = END, objects: frozenset[str] | None = None) -> list[RawBatch]:
    return list(TwinSource(PROFILE).batches(TWIN, until=until, objects=objects))


@pytest.fixture(scope="module")
def batches() -> list[RawBatch]:
    return _batches()


@pytest.fixture(scope="module")
def parts(batches: list[RawBatch]) -> dict[str, pl.DataFrame]:
    names = dict.fromkeys(b.source_object.split("/")[0] for b in batches)
    return {n: pl.concat([b.frame for b in batches if b.source_object.split("/")[0] == n]) for n in names}


def test_every_part_comes_by_month_or_year_in_batches_that_name_their_days(batches: list[RawBatch], parts: dict[str, pl.DataFrame]) -> None:
    assert set(parts) <= set(OBJECTS)
    assert {"prices_da", "prices_rt", "nodal_prices_da", "constraints", "units", "offers", "outages", "voyages", "truth_ptdf"} <= set(parts)
    bulky = [Loaded.of(b.source_object).first for b in batches if b.source_object.startswith("units/")]
    assert bulky == [date(2025, 11, 24), date(2025, 12, 1), date(2026, 1, 1)]
    prices = [Loaded.of(b.source_object) for b in batches if b.source_object.startswith("prices_da/")]
    assert [o.first for o in prices] == [date(2025, 11, 24), date(2026, 1, 1)]
    assert [o.last for o in prices] == [date(2025, 12, 31), PROFILE.date_of(62)]
    assert len({b.source_object for b in batches}) == len(batches)


def test_good_rows_keep_every_rule_and_keys_are_unique_and_garbled_rows_break_one(batches: list[RawBatch]) -> None:
    garbled = 0
    for batch in batches:
        checked = check_rows(batch.table, batch.frame, batch.frame.columns)
        broken = checked.broken != ""
        if batch.source_object.startswith("garbled"):
            assert broken.all()
            garbled += batch.rows_read
            continue
        assert not broken.any(), (batch.source_object, checked.broken.filter(broken).unique().to_list())
        assert not batch.frame.select(batch.table.key).is_duplicated().any(), batch.source_object
    assert garbled == 1


def test_shapes_of_the_test_network(parts: dict[str, pl.DataFrame]) -> None:
    hours = 63 * 24
    assert parts["prices_da"].height == parts["prices_rt"].height == 5 * hours
    assert parts["nodal_prices_da"].height == 24 * hours
    assert parts["prices_ancillary"].height == 4 * hours
    assert parts["grid_buses"].height == 24
    assert parts["truth_regimes"].height == 63
    assert parts["truth_ptdf"].height == parts["grid_branches"].height * 24


def test_parts_of_prices_add_up_in_decimals(parts: dict[str, pl.DataFrame]) -> None:
    for name in ("prices_da", "prices_rt", "nodal_prices_da", "nodal_prices_rt"):
        frame = parts[name]
        total = frame["energy_ccy_per_mwh"] + frame["congestion_ccy_per_mwh"] + frame["loss_ccy_per_mwh"]
        assert (total - frame["price_ccy_per_mwh"]).abs().max() < 1e-6, name  # type: ignore[operator]


def test_hub_prices_are_load_weighted_node_prices(parts: dict[str, pl.DataFrame]) -> None:
    buses = parts["grid_buses"].select("hub", "load_share", node="bus")
    nodes = parts["nodal_prices_da"].join(buses, on="node")
    means = nodes.group_by("hub", "delivery_ts").agg((pl.col("price_ccy_per_mwh") * pl.col("load_share")).sum().alias("mean"))
    both = parts["prices_da"].join(means, on=["hub", "delivery_ts"])
    assert both.height == parts["prices_da"].height
    assert (both["mean"] - both["price_ccy_per_mwh"]).abs().max() < 0.03  # type: ignore[operator]


def test_hub_loads_add_up_to_the_system(parts: dict[str, pl.DataFrame]) -> None:
    chosen = (pl.col("quantity") == "zonal_load") & (pl.col("kind") == "actual")
    hubs = parts["quantities_hubs"].filter(chosen).group_by("delivery_ts").agg(pl.col("value").sum())
    system = parts["quantities_system"].filter((pl.col("kind") == "actual") & (pl.col("quantity") == "load"))
    joined = hubs.join(system, on="delivery_ts")
    assert joined.height == system.height
    assert (joined["value"] - joined["value_right"]).abs().max() < 1.0  # type: ignore[operator]


def test_truth_explains_the_market(parts: dict[str, pl.DataFrame]) -> None:
    """Offer = cost + markup; congestion of a node = sum over constraints of shadow price and distribution factor."""
    key = ["unit_id", "window", "block", "delivery_ts"]
    both = parts["offers"].join(parts["truth_unit_costs"], on=key)
    assert both.height == parts["offers"].height == parts["truth_unit_costs"].height
    gap = both["cost_ccy_per_mwh"] + both["markup_ccy_per_mwh"] - both["price_ccy_per_mwh"]
    assert gap.abs().max() < 1e-3  # type: ignore[operator]
    shadow = parts["truth_shadow_prices"].filter(pl.col("product") == "da")
    assert shadow.height == parts["constraints"].filter(pl.col("product") == "da").height


def test_publication_times(parts: dict[str, pl.DataFrame]) -> None:
    market = TWIN.market
    local = pl.col("delivery_ts").dt.convert_time_zone(market.time_zone).dt.date()
    gates = {PROFILE.date_of(d): market.gate(PROFILE.date_of(d)) for d in range(63)}
    gate = local.replace_strict(list(gates), list(gates.values()), return_dtype=pl.Datetime("ms", "UTC"))
    system = parts["quantities_system"].with_columns(gate=gate)
    assert system.filter(pl.col("kind") == "forecast").select((pl.col("known_ts") < pl.col("gate")).all()).item()
    assert system.filter(pl.col("kind") == "actual").select((pl.col("known_ts") > pl.col("delivery_ts")).all()).item()
    for name in ("prices_da", "nodal_prices_da", "prices_ancillary"):
        da = parts[name].with_columns(gate=gate)
        assert da.select(((pl.col("known_ts") > pl.col("gate")) & (pl.col("known_ts") < pl.col("delivery_ts"))).all()).item(), name
    assert parts["prices_rt"].select((pl.col("known_ts") > pl.col("delivery_ts")).all()).item()
    assert parts["offers"].select((pl.col("known_ts") >= pl.col("delivery_ts") + pl.duration(days=59)).all()).item()
    assert parts["outages"].select((pl.col("known_ts") < END).all()).item()
    planned = parts["outages"].filter((pl.col("kind") == "planned") & (pl.col("revision") == 0))
    assert planned.select((pl.col("known_ts") < pl.col("delivery_ts")).all()).item()
    forced = parts["outages"].filter(pl.col("kind") == "forced")
    assert forced.select((pl.col("known_ts") >= pl.col("delivery_ts")).all()).item()


def test_a_date_within_the_horizon_reads_a_prefix(parts: dict[str, pl.DataFrame]) -> None:
    until = TWIN.market.day_bounds(date(2025, 12, 3))[1]
    for batch in _batches(until, frozenset({"prices_da", "outages", "units"})):
        name, key = batch.source_object.split("/")[0], "known_ts" if batch.table.name == "outages" else "delivery_ts"
        whole = parts[name].filter(pl.col(key) < until)
        span = Loaded.of(batch.source_object)
        first = TWIN.market.day_bounds(span.first)[0] if span.first > PROFILE.start_date else datetime(1990, 1, 1, tzinfo=UTC)
        end = TWIN.market.day_bounds(span.last)[1]
        assert batch.frame.equals(whole.filter((pl.col(key) >= first) & (pl.col(key) < end)))


def test_what_the_warehouse_holds_is_not_read(batches: list[RawBatch]) -> None:
    source, held = TwinSource(PROFILE), {b.source_object for b in batches}
    assert list(source.unread(TWIN, until=END, held=held)) == []
    lost = next(o for o in held if o.startswith("units/2025-12"))
    assert [b.source_object for b in source.unread(TWIN, until=END, held=held - {lost})] == [lost]
    later = list(source.unread(TWIN, until=END + timedelta(days=1), objects=frozenset({"prices_da"}), held=held))
    assert [(Loaded.of(b.source_object).first, b.rows_read) for b in later] == [(PROFILE.date_of(63), 120)]


def test_rows_of_another_twin_are_refused(batches: list[RawBatch]) -> None:
    source = TwinSource(PROFILE)
    for held in ("prices_da/2025-12-01..2025-12-31@0123456789abcdef", "prices_da"):
        with pytest.raises(SourceError, match="take a fresh state folder"):
            list(source.unread(TWIN, until=END, held={held}))


def test_a_day_that_is_cut_is_named_so(batches: list[RawBatch]) -> None:
    noon = TWIN.market.day_bounds(PROFILE.start_date)[0] + timedelta(hours=12)
    (batch,) = _batches(noon, frozenset({"prices_da"}))
    assert batch.rows_read == 5 * 12
    assert "@cut-" in batch.source_object
    whole = list(
        TwinSource(PROFILE).unread(TWIN, until=noon + timedelta(hours=12), objects=frozenset({"prices_da"}), held={batch.source_object})
    )
    assert [b.rows_read for b in whole] == [120], "a cut day is read again, whole"


def test_errors_name_the_field() -> None:
    with pytest.raises(SourceError, match="is not simulated"):
        list(TwinSource(PROFILE).batches(resolve_market("epf_de"), until=END))
    selection = MarketSelection(market=TWIN.market, hubs=("HUB_CITY",))
    with pytest.raises(SourceError, match="known: prices_da"):
        list(TwinSource(PROFILE).batches(selection, until=END, objects=frozenset({"x"})))
    with pytest.raises(SourceError, match="move start_date"):
        list(TwinSource(PROFILE).batches(selection, until=datetime(2020, 1, 1, tzinfo=UTC)))
    with pytest.raises(KeyError, match="choose one of demo"):
        load_profile("tiny")
    with pytest.raises(SourceError, match="use one of files, twin"):
        get_source("ftp")


def test_profiles_are_known_to_world_and_fleet() -> None:
    from pipeline_tasks.twin.identity import profile_digest

    digests = {name: profile_digest(load_profile(name)) for name in profile_names()}
    assert set(digests) >= {"demo", "test", "year", "large", "stress"}
    assert len(set(digests.values())) == len(digests)
    demo = load_profile("demo")
    assert profile_digest(demo.model_copy(update={"last_date": date(2027, 1, 1)})) == digests["demo"], "the horizon changes no row"


def test_truth_goes_to_truth_and_nothing_else_does(batches: list[RawBatch]) -> None:
    for batch in batches:
        assert (batch.table.database is Database.TRUTH) == batch.source_object.startswith("truth_")
