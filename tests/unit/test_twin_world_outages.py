"""Outages: rates, lengths, announcements, revised ends, and availability as it was known."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from pipeline_tasks.twin.dials import NO_DIALS, ElementOutage, ScenarioDials
from pipeline_tasks.twin.noise import Calendar
from pipeline_tasks.twin.outage_types import OutageElement, Outages
from pipeline_tasks.twin.outages import Hazard, hazard, simulate_outages
from pipeline_tasks.twin.world_config import load_world

CALENDAR = Calendar.build(date(2024, 1, 1), date(2025, 12, 31), "Europe/Berlin")
HOURS = CALENDAR.frame.height
YEARS = HOURS / 8766
UNITS = tuple(OutageElement("unit", f"U{k}", 100.0, 6.0, 40.0, 21.0, hub=k % 5) for k in range(60))
LINES = tuple(OutageElement("line", f"L{k}", 300.0, 2.0, 15.0, 3.0) for k in range(80))


def _mild(rate: float = 1.0, degc: float = 12.0, wind: float = 6.0) -> Hazard:
    return hazard(load_world("test"), CALENDAR, np.full(HOURS, rate), np.full((5, HOURS), degc), np.full((5, HOURS), wind))


def _outages(rates: Hazard | None = None, dials: ScenarioDials = NO_DIALS) -> Outages:
    return simulate_outages(load_world("test"), CALENDAR, UNITS + LINES, rates or _mild(), dials)


@pytest.fixture(scope="module")
def found() -> Outages:
    return _outages()


def _forced(outages: Outages, kind: str) -> pl.DataFrame:
    return outages.events.filter(kind="forced", element_kind=kind)


def test_forced_outages_come_at_their_rate_and_last_as_long_as_configured(found: Outages) -> None:
    for kind, elements in (("unit", UNITS), ("line", LINES)):
        events = _forced(found, kind)
        up_share = 1 - elements[0].forced_per_year * elements[0].mean_repair_h / 8766
        expected = len(elements) * elements[0].forced_per_year * YEARS * up_share
        assert events.height == pytest.approx(expected, abs=4 * expected**0.5)
        hours = (events["end_ts"] - events["start_ts"]).dt.total_minutes() / 60
        assert hours.mean() == pytest.approx(elements[0].mean_repair_h, rel=0.15)
    assert (_forced(found, "line")["derate_share"] == 1).all()
    partial = _forced(found, "unit").filter(pl.col("derate_share") < 1)
    assert partial.height / _forced(found, "unit").height == pytest.approx(load_world("test").outages.partial_share, abs=0.07)
    assert partial["derate_share"].is_between(0.2, 0.7).all()


def test_forced_outages_of_an_element_do_not_overlap(found: Outages) -> None:
    events = found.events.filter(kind="forced").sort("element_kind", "element", "start_ts")
    gaps = events.with_columns((pl.col("start_ts").shift(-1) - pl.col("end_ts")).over("element_kind", "element").alias("gap")).drop_nulls(
        "gap"
    )
    assert gaps["gap"].dt.total_minutes().min() >= 0


def test_regime_heat_cold_and_storms_raise_the_rates() -> None:
    base = {k: _forced(_outages(), k).height for k in ("unit", "line")}
    stressed, hot, gale, frost = (_outages(_mild(*a)) for a in ((1.5,), (1.0, 36.0), (1.0, 12.0, 20.0), (1.0, -16.0)))
    assert _forced(stressed, "unit").height == pytest.approx(1.5 * base["unit"], rel=0.12)
    assert _forced(hot, "unit").height > 1.4 * base["unit"]
    assert _forced(hot, "line").height == base["line"]
    assert _forced(gale, "line").height > 3 * base["line"]
    assert _forced(gale, "unit").height == base["unit"]
    assert _forced(frost, "unit").height > 1.2 * base["unit"]


def test_planned_outages_are_announced_weeks_ahead_and_in_their_season(found: Outages) -> None:
    planned = found.events.filter(kind="planned")
    notice = (planned["start_ts"] - planned["announced_ts"]).dt.total_hours() / 168
    low, high = load_world("test").outages.notice_weeks
    assert notice.min() >= low - 0.01
    assert notice.max() <= high + 0.01
    units = planned.filter(
        pl.col("element_kind") == "unit",
        pl.col("start_ts").is_between(datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)),
    )
    months = units["start_ts"].dt.month()
    assert months.is_in([5, 6, 7, 8, 9, 10]).sum() > 3 * months.is_in([12, 1, 2]).sum()
    days = (units["end_ts"] - units["start_ts"]).dt.total_hours().sum() / 24
    assert days / len(UNITS) / 2 == pytest.approx(21.0, rel=0.15)


def test_forced_outages_are_announced_after_they_began(found: Outages) -> None:
    forced = found.events.filter(kind="forced")
    delay = (forced["announced_ts"] - forced["start_ts"]).dt.total_minutes()
    low, high = load_world("test").outages.report_delay_min
    assert low <= delay.min()
    assert delay.max() <= high


def test_of_one_minute_an_outage_has_one_report() -> None:
    short = tuple(OutageElement("unit", f"S{k}", 10.0, 300.0, 0.8, 0.0, hub=0) for k in range(20))
    reports = simulate_outages(load_world("test"), CALENDAR, short, _mild(), NO_DIALS).reports
    assert reports.height > 5000
    assert not reports.select("outage_id", "known_ts").is_duplicated().any()


def test_reports_are_revised_and_end_with_the_truth(found: Outages) -> None:
    ordered = found.reports.sort("outage_id", "revision")
    gaps = ordered.with_columns(pl.col("known_ts").diff().over("outage_id").alias("gap")).drop_nulls("gap")
    assert gaps["gap"].dt.total_minutes().min() > 0
    joined = found.events.join(ordered.group_by("outage_id").last(), on="outage_id", suffix="_last")
    assert joined.height == found.events.height
    long = joined.filter(pl.col("end_ts") > pl.col("announced_ts"))
    assert (long["expected_end_ts"] == long["end_ts"]).all()
    assert (long["known_ts"] == long["end_ts"]).all()
    assert ordered.filter(kind="forced").group_by("outage_id").len()["len"].max() == 3
    first = ordered.group_by("outage_id", maintain_order=True).first().join(found.events, on="outage_id")
    guess = (first["expected_end_ts"] - first["end_ts"]).dt.total_hours().abs().mean()
    better = (
        ordered.filter(revision=1).join(ordered.filter(revision=2).select("outage_id"), on="outage_id").join(found.events, on="outage_id")
    )
    assert (better["expected_end_ts"] - better["end_ts"]).dt.total_hours().abs().mean() < guess


def test_every_outage_sits_on_the_five_minute_grid_and_has_one_identity(found: Outages) -> None:
    for column in ("start_ts", "end_ts"):
        assert (found.events[column].dt.epoch("ms") % 300_000 == 0).all()
    assert not found.events["outage_id"].is_duplicated().any()
    assert (found.events["end_ts"] > found.events["start_ts"]).all()


def _at(hour: float) -> datetime:
    return datetime(2025, 3, 1, tzinfo=UTC) + timedelta(hours=hour)


def _made_up() -> Outages:
    common = {"outage_id": ["a", "b"], "element_kind": ["unit", "unit"], "element": ["U1", "U1"], "kind": ["forced", "planned"]}
    stamp = pl.Datetime("ms", "UTC")
    events = pl.DataFrame(
        {
            **common,
            "announced_ts": [_at(2.5), _at(-100)],
            "start_ts": [_at(2.25), _at(4)],
            "end_ts": [_at(6), _at(8)],
            "derate_share": [0.4, 1.0],
        }
    )
    said = pl.DataFrame(
        {
            **{k: [v[0], v[0], v[1]] for k, v in common.items()},
            "revision": [0, 1, 0],
            "known_ts": [_at(2.5), _at(4), _at(-100)],
            "start_ts": [_at(2.25), _at(2.25), _at(4)],
            "expected_end_ts": [_at(3), _at(7), _at(8)],
            "derate_share": [0.4, 0.4, 1.0],
        }
    )
    cast = pl.col("^.*_ts$").cast(stamp)
    return Outages(events.with_columns(cast), said.with_columns(cast))


def test_availability_is_the_share_of_time_and_the_worst_of_outages_that_overlap() -> None:
    outages = _made_up()
    hourly = outages.availability("unit", ("U0", "U1"), _at(0), 10)
    assert hourly[0].tolist() == [1.0] * 10
    np.testing.assert_allclose(hourly[1], [1, 1, 1 - 0.4 * 0.75, 0.6, 0, 0, 0, 0, 1, 1])
    fine = outages.availability("unit", ("U1",), _at(2), 12, minutes=5)
    np.testing.assert_allclose(fine[0], [1] * 3 + [0.6] * 9)
    assert outages.availability("line", ("U1",), _at(0), 10).min() == 1


def test_availability_as_it_was_known() -> None:
    outages = _made_up()
    at = [outages.availability("unit", ("U1",), _at(0), 10, as_of=_at(h))[0] for h in (-200, 0, 2.75, 3.5, 4.5)]
    assert at[0].tolist() == [1.0] * 10
    assert at[1].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 1, 1]
    np.testing.assert_allclose(at[2], [1, 1, 0.7, 1, 0, 0, 0, 0, 1, 1])
    np.testing.assert_allclose(at[3], [1, 1, 0.7, 0.6, 0, 0, 0, 0, 0.6, 0.6])  # overdue: expected for 12 more hours
    np.testing.assert_allclose(at[4], [1, 1, 0.7, 0.6, 0, 0, 0, 0, 1, 1])


def test_what_is_known_later_is_nearer_to_the_truth(found: Outages) -> None:
    names = tuple(e.name for e in UNITS)
    early, late = [], []
    for day in range(30, 330, 15):
        first = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day)
        truth = found.availability("unit", names, first, 24)
        for misses, notice in ((early, 60), (late, 0)):
            known = found.availability("unit", names, first, 24, as_of=first - timedelta(days=notice))
            misses.append(np.abs(known - truth).mean())
    assert np.mean(late) < 0.5 * np.mean(early)


def test_a_dialled_outage_is_announced_when_the_dial_says() -> None:
    dial = ElementOutage(first=date(2025, 3, 30), last=date(2025, 3, 30), element_kind="line", element="L3", notice_days=5)
    events = _outages(dials=ScenarioDials(outages=(dial,))).events.filter(kind="scenario")
    start, end, announced = (events[c][0] for c in ("start_ts", "end_ts", "announced_ts"))
    assert (start, end) == (datetime(2025, 3, 29, 23, tzinfo=UTC), datetime(2025, 3, 30, 22, tzinfo=UTC))  # a day of 23 hours
    assert start - announced == timedelta(days=5)


def test_two_elements_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same kind and name"):
        simulate_outages(load_world("test"), CALENDAR, (UNITS[0], UNITS[0]), _mild(), NO_DIALS)
