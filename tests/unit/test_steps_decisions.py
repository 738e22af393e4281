"""Decisions made interval by interval: wider bands of stale prices, published rows carried over, runs of the gates."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models._kernel.registry import spec_of
from pipeline_tasks.steps.context import RunContext, decided_until
from pipeline_tasks.steps.decisions import carried, gate_run, widened
from pipeline_tasks.steps.transform import Part, transform

SPEC, AT = spec_of("price_prediction"), datetime(2026, 6, 16, 10, tzinfo=UTC)
LADDER = list(SPEC.quantile_columns.values())
STAMP = pl.Datetime("ms", "UTC")


def _rows(ages: list[int | None], minutes: int = 5) -> tuple[pl.DataFrame, pl.DataFrame]:
    """An answer and the feature rows it was given: horizon 15, ages of the last price at the decision."""
    n = len(ages)
    key = pl.DataFrame(
        {
            "market": ["twin"] * n,
            "hub": ["H"] * n,
            "product": ["rt"] * n,
            "delivery_ts": [AT + timedelta(minutes=5 * k) for k in range(n)],
            "as_of": [AT + timedelta(minutes=5 * k - 15) for k in range(n)],
        },
        schema_overrides={"delivery_ts": STAMP, "as_of": STAMP},
    )
    answer = key.with_columns(
        *(pl.lit(50.0 + 10 * (k - 3)).alias(c) for k, c in enumerate(LADDER)),
        pl.lit(52.0).alias(SPEC.point_column),
        status=pl.lit("OK"),
        status_reason=pl.lit(""),
    )
    known = key.with_columns(
        pl.Series("price_last_age_min", [None if a is None else a + 15 for a in ages], dtype=pl.Int64),
        horizon_min=pl.lit(15, dtype=pl.Int64),
        resolution_min=pl.lit(minutes, dtype=pl.Int64),
    )
    return answer, known


def test_a_fresh_price_changes_nothing() -> None:
    answer, known = _rows([65, 90])
    assert widened(answer, known, SPEC, 80).equals(answer)


def test_a_stale_price_widens_the_band_by_the_root_of_its_age_and_says_so() -> None:
    answer, known = _rows([65, 360, None])
    made = widened(answer, known, SPEC, 80)
    assert made["status"].to_list() == ["OK", "DEGRADED", "DEGRADED"]
    assert made["status_reason"].to_list()[1] == "last price is 360 min old at the decision (limit 90 min)"
    assert made["q95_ccy_per_mwh"].to_list() == [80.0, 52 + 2 * 28, 52 + 4 * 28]  # nothing known within a day counts as a day
    assert made["q05_ccy_per_mwh"].to_list()[1] == 52 - 2 * 32
    assert made[SPEC.point_column].to_list() == [52.0] * 3
    assert made.columns == answer.columns


def test_the_limit_follows_the_length_of_the_intervals_and_the_market() -> None:
    answer, known = _rows([170], minutes=60)
    assert widened(answer, known, SPEC, 80)["status"].to_list() == ["OK"]
    assert widened(answer, known, SPEC, None).equals(answer)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.none(), st.integers(0, 1440)), min_size=1, max_size=8), st.integers(1, 300))
def test_a_band_never_narrows_and_its_quantiles_stay_in_order(ages: list[int | None], limit: int) -> None:
    answer, known = _rows(ages)
    made = widened(answer, known, SPEC, limit)
    for old, new in zip(answer.select(LADDER).rows(), made.select(LADDER).rows(), strict=True):
        assert list(new) == sorted(new)
        assert all(abs(b - 52) >= abs(a - 52) - 1e-9 for a, b in zip(old, new, strict=True))
        assert all(map(math.isfinite, new))


def test_reasons_add_up() -> None:
    answer, known = _rows([360])
    said = widened(answer.with_columns(status_reason=pl.lit("unknown: load")), known, SPEC, 80)
    assert said["status_reason"].item() == "unknown: load; last price is 360 min old at the decision (limit 90 min)"


def test_published_decisions_of_the_day_become_part_of_the_run() -> None:
    run = RunContext.at("twin", "twin", AT)
    kept = pl.DataFrame(
        {
            "delivery_date": [date(2026, 6, 16), date(2026, 6, 16), date(2026, 6, 15)],
            "as_of": [AT - timedelta(minutes=5), AT + timedelta(minutes=5), AT - timedelta(days=1)],
            "run_id": ["a", "b", "c"],
            "data_version": ["x", "y", "z"],
        }
    )
    assert carried(kept, run, "now").rows() == [(date(2026, 6, 16), AT - timedelta(minutes=5), run.run_id, "now")]


def test_gates_of_a_run_are_those_of_its_instant_whatever_day_it_decides_for() -> None:
    run = RunContext.at("twin", "twin", AT)
    assert gate_run(run.decisions_of(date(2026, 6, 17))) == run.run_id
    nightly = RunContext("twin", "twin", date(2026, 6, 16))
    assert gate_run(nightly) == nightly.run_id
    assert decided_until(run.run_id) == AT
    assert decided_until(nightly.run_id) < datetime(1, 1, 2, tzinfo=UTC)


def test_a_build_for_some_feature_tables_takes_their_lineage_layer_by_layer() -> None:
    part = Part(("staging", "intermediate", "features"), ("ftr_intraday",))
    assert part.selected(["intermediate", "features"]) == ["+ftr_intraday,path:models/intermediate", "+ftr_intraday,path:models/features"]
    assert part.name("features") == "features:ftr_intraday"
    whole = Part(("features",))
    assert (whole.selected(["features"]), whole.name("features")) == (["path:models/features"], "features")


@pytest.mark.parametrize(("tables", "market"), [(("ftr_unheard_of",), "twin"), (("ftr_intraday",), None)])
def test_unknown_feature_tables_and_tables_without_a_market_are_refused(tables: tuple[str, ...], market: str | None) -> None:
    with pytest.raises(ValueError, match="ftr_"):
        transform("features", market=market, tables=tables)
