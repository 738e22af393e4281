"""The source with faults: the same rows however the day is cut, faults that say so themselves, and nothing else changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from config.markets import MarketSelection, resolve_market
from pipeline_tasks.contracts.raw import PRICES
from pipeline_tasks.sources.faulty import ABSURD, FaultPlan, FaultySource, Silence, load_plan
from pipeline_tasks.sources.protocol import RawBatch

MARKET, DAY = resolve_market("twin"), datetime(2026, 6, 16, tzinfo=UTC)
NOTHING = {name: 0.0 for name in FaultPlan.model_fields if name.endswith("_share")}


class Feed:
    """A day of five-minute prices of two hubs, known five minutes after each interval began; day-ahead prices known the day before."""

    name = held_as = "feed"

    def news(self, _selection: MarketSelection, *, since: datetime, until: datetime, objects: Any = None) -> Iterator[RawBatch]:
        starts = pl.datetime_range(DAY, DAY + timedelta(hours=23, minutes=55), "5m", time_unit="ms", time_zone="UTC", eager=True)
        times = pl.DataFrame({"delivery_ts": starts})
        for part, product, known in (("prices_rt", "rt", timedelta(minutes=5)), ("prices_da", "da", -timedelta(hours=12))):
            rows = times.join(pl.DataFrame({"hub": ["A", "B"]}), how="cross").with_columns(
                (pl.col("delivery_ts") + known).alias("known_ts"), pl.lit(product).alias("product"), pl.lit(30.0).alias("price_ccy_per_mwh")
            )
            new = rows.filter((pl.col("known_ts") > since) & (pl.col("known_ts") <= until))
            if new.height:
                yield RawBatch(PRICES, new, f"news:{part}/x@{new.height}", "twin")

    def batches(self, *_: Any, **__: Any) -> Iterator[RawBatch]:
        raise NotImplementedError

    unread = objects = batches


def _plan(**changed: Any) -> FaultPlan:
    base = load_plan().model_dump() | NOTHING | {"silence": Silence(every_h=1000, minutes=0)}
    return FaultPlan.model_validate(base | changed)


def _arrived(plan: FaultPlan, minutes: int, *, days: int = 2) -> pl.DataFrame:
    """All that arrives in windows of so many minutes, with the end of the window."""
    source, parts = FaultySource(Feed(), plan), []  # type: ignore[arg-type]
    since, end = DAY - timedelta(days=1), DAY + timedelta(days=days)
    while since < end:
        until = min(since + timedelta(minutes=minutes), end)
        parts += [
            b.frame.with_columns(pl.lit(until).alias("heard"), pl.lit("#again" in b.source_object).alias("again"))
            for b in source.news(MARKET, since=since, until=until)
        ]
        since = until
    return pl.concat(parts)


def _rt(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("product") == "rt")


@pytest.mark.parametrize("minutes", [5, 60])
def test_windows_of_any_length_bring_the_same_rows(minutes: int) -> None:
    plan = load_plan().model_copy(update={"unreachable_share": 0.0})
    whole, cut = (_arrived(plan, m).drop("heard").sort(pl.all()) for m in (3 * 1440, minutes))
    assert whole.equals(cut)
    other = _arrived(plan.model_copy(update={"seed": 8}), 3 * 1440).drop("heard").sort(pl.all())
    assert not whole.equals(other)


def test_without_faults_it_is_the_other_source() -> None:
    rows = _arrived(_plan(), 60)
    assert rows.height == 2 * 2 * 288
    assert rows.select((pl.col("heard") - pl.col("known_ts")).dt.total_minutes().is_between(0, 59).all()).item()


def test_missing_intervals_never_arrive_and_forecasts_have_no_faults() -> None:
    rows = _arrived(_plan(missing_share=1.0), 60)
    assert rows["product"].unique().to_list() == ["da"]
    some = _rt(_arrived(_plan(missing_share=0.2), 60))
    assert some.group_by("delivery_ts").len()["len"].unique().to_list() == [2]  # an interval with all its hubs, or not at all
    assert 0.7 < some["delivery_ts"].n_unique() / 288 < 0.9


def test_late_intervals_say_when_they_arrived() -> None:
    rows = _rt(_arrived(_plan(late_share=1.0), 5))
    late = rows.select(((pl.col("known_ts") - pl.col("delivery_ts")).dt.total_minutes() - 5).alias("by"))["by"]
    assert rows.height == 2 * 288
    assert set(late.to_list()) == {15, 30, 45, 60}
    assert rows.select((pl.col("heard") - pl.col("known_ts")).dt.total_minutes().is_between(0, 4).all()).item()


def test_repeated_rows_are_equal_and_corrections_are_known_later() -> None:
    twice = _rt(_arrived(_plan(repeated_share=1.0, again_share=1.0), 60)).drop("heard", "again")
    assert twice.group_by(twice.columns).len()["len"].unique().to_list() == [3]  # twice in one object, once more in another
    corrected = _rt(_arrived(_plan(corrected_share=1.0), 60)).sort("known_ts")
    by_interval = corrected.group_by("hub", "delivery_ts", maintain_order=True).agg(
        pl.col("price_ccy_per_mwh"), pl.col("known_ts").n_unique()
    )
    assert by_interval["price_ccy_per_mwh"].to_list() == [[30.0, 30.0 + load_plan().correction]] * (2 * 288)
    assert by_interval["known_ts"].unique().to_list() == [2]


def test_a_garbled_row_comes_beside_the_good_one() -> None:
    rows = _rt(_arrived(_plan(garbled_share=1.0), 60))
    assert rows["price_ccy_per_mwh"].value_counts().sort("price_ccy_per_mwh").rows() == [(30.0, 576), (ABSURD, 576)]


def test_what_falls_into_a_silence_arrives_at_its_end() -> None:
    plan = _plan(silence=Silence(every_h=4, minutes=60))
    rows = _rt(_arrived(plan, 5))
    into = rows.select(((pl.col("known_ts") - datetime(2020, 1, 1, tzinfo=UTC)).dt.total_minutes() % 240).alias("into"))["into"]
    assert rows.height == 2 * 288
    assert into.min() == 60
    assert rows.group_by("known_ts").len()["len"].max() == 2 * 13


def test_an_unreachable_source_says_so_and_loses_nothing_later() -> None:
    plan = _plan(unreachable_share=0.5)
    source, heard, since, failed = FaultySource(Feed(), plan), 0, DAY - timedelta(days=1), 0  # type: ignore[arg-type]
    for k in range(1, 2 * 24 + 2):
        until = DAY - timedelta(days=1) + timedelta(hours=k)
        if plan.draw("unreachable", until.isoformat()) < plan.unreachable_share:
            with pytest.raises(ConnectionError, match="unreachable_share"):
                next(source.news(MARKET, since=since, until=until))
            failed += 1
        else:
            heard += sum(b.rows_read for b in source.news(MARKET, since=since, until=until))
            since = until
    assert failed > 10
    assert heard == sum(b.rows_read for b in source.delivered(MARKET, since=DAY - timedelta(days=1), until=since)) > 0


def test_a_plan_with_an_unknown_field_or_a_share_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match="late_share"):
        _plan(late_share=1.5)
    with pytest.raises(ValueError, match="surprise"):
        _plan(surprise=1)
