"""Companion tables of curve_dist: scenarios that keep the published quantiles, add up, and come with their risk and their page."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import polars as pl
import pytest
from scipy import stats

from models._kernel import registry
from models._kernel.protocol import Companion, Features
from models._kernel.synthetic import SyntheticMarket, day_ahead_features, gate
from models.curve_dist import report
from models.curve_dist.model import CurveDist
from models.curve_dist.spec import QUANTILES, SPEC
from models.curve_dist.tables import COMPANIONS, RISK_LEVELS, SCENARIOS, TENOR_RISK, TENOR_SCENARIOS, level_name
from pipeline_tasks.contracts.frames import check_frame
from pipeline_tasks.reports import charts
from pipeline_tasks.steps.infer import _beside, _Told
from pipeline_tasks.warehouse.ddl import published_view_sql

DAY = date(2020, 3, 29)  # 23 hours in Europe/Berlin
FIRST = date(2020, 3, 16)
COUNT = 60


@lru_cache(maxsize=1)
def rows():
    return day_ahead_features(SyntheticMarket(date(2019, 8, 20), date(2020, 4, 12)))


def target(day=DAY):
    return rows().filter(pl.col("delivery_date") == day)


@lru_cache(maxsize=1)
def fitted():
    model = CurveDist({**registry.params_of("curve_dist", "test"), "scenarios": COUNT})
    return model.fit(Features(rows(), rows().clear()), cutoff=gate(FIRST), seed=3)


@lru_cache(maxsize=1)
def told():
    return fitted().companions(Features(rows(), target()), as_of=gate(DAY))


def test_curve_dist_offers_companions():
    assert isinstance(fitted(), Companion)
    assert set(told()) == {t.name for t in SPEC.companions}


def test_every_interval_has_every_scenario_and_its_published_distribution():
    frame, answer = told()[SCENARIOS.name], fitted().predict(Features(rows(), target()), as_of=gate(DAY)).frame
    assert frame.height == 2 * 23 * COUNT
    assert frame.group_by("hub", "delivery_ts").agg(pl.col("scenario").n_unique())["scenario"].unique().to_list() == [COUNT]
    summary = frame.group_by("hub", "delivery_ts").agg(
        pl.col("price_ccy_per_mwh").quantile(0.25, "linear").alias("low"),
        pl.col("price_ccy_per_mwh").quantile(0.75, "linear").alias("high"),
    )
    both = summary.join(answer, on=["hub", "delivery_ts"])
    width = (both["q75_ccy_per_mwh"] - both["q25_ccy_per_mwh"]).to_numpy()
    assert np.all(np.abs(both["low"] - both[QUANTILES[0.25]]).to_numpy() < 0.15 * width)
    assert np.all(np.abs(both["high"] - both[QUANTILES[0.75]]).to_numpy() < 0.15 * width)


def test_the_day_is_the_mean_of_its_hours_in_every_scenario():
    hours = told()[SCENARIOS.name].group_by("hub", "scenario").agg(pl.col("price_ccy_per_mwh").mean().alias("hours"))
    day = told()[TENOR_SCENARIOS.name].filter(pl.col("tenor") == "day").join(hours, on=["hub", "scenario"])
    assert day.height == 2 * COUNT
    assert (day["price_ccy_per_mwh"] - day["hours"]).abs().max() <= 1e-9
    risk = told()[TENOR_RISK.name].join(
        told()[TENOR_SCENARIOS.name].group_by("hub", "tenor").agg(pl.col("price_ccy_per_mwh").mean().alias("mean")), on=["hub", "tenor"]
    )
    assert (risk["mean_ccy_per_mwh"] - risk["mean"]).abs().max() <= 1e-9


def test_week_and_month_hold_the_known_days():
    """29 March is a Sunday: its week is known but for itself, its month but for itself and the two days after it."""
    risk = told()[TENOR_RISK.name].filter(pl.col("hub") == "HUB_A")
    found = {r["tenor"]: (r["known_days"], r["forecast_days"]) for r in risk.to_dicts()}
    assert found == {"day": (0, 1), "week": (6, 1), "month": (28, 3)}
    known = rows().filter((pl.col("hub") == "HUB_A") & pl.col("delivery_date").is_between(DAY - timedelta(days=6), DAY - timedelta(days=1)))
    means = known.group_by("delivery_date").agg(pl.col("price_ccy_per_mwh").mean())["price_ccy_per_mwh"]
    scenarios = told()[TENOR_SCENARIOS.name].filter(pl.col("hub") == "HUB_A").sort("scenario")
    day, week = (scenarios.filter(pl.col("tenor") == t)["price_ccy_per_mwh"].to_numpy() for t in ("day", "week"))
    assert np.abs(week - (means.sum() + day) / 7).max() <= 1e-9


def test_shortfalls_lie_beyond_their_value_at_risk_and_the_contract_holds():
    risk = told()[TENOR_RISK.name]
    for level in RISK_LEVELS:
        for side in ("", "long_"):
            shortfall, var = (risk[f"{side}{m}_{level_name(level)}_ccy_per_mwh"] for m in ("es", "var"))
            assert bool((shortfall >= var - 1e-9).all())
    lineage = {"run_id": "r", "model": "curve_dist", "model_version": "1", "artifact_sha": "a", "code_sha": "c", "data_version": "d",
               "regime": "unknown"}  # fmt: skip
    data = Features(rows(), target())
    answer = fitted().predict(data, as_of=gate(DAY)).frame.with_columns(pl.lit(v).alias(k) for k, v in lineage.items())
    given = _Told(answer, fitted().explain(data), answer, 0.0, told())
    made = _beside(answer, given, SPEC, answer.clear())
    assert set(_beside(answer, given, SPEC, answer)) == {SPEC.drivers.name}  # all blocked: scenarios would not fit the fallback
    assert set(made) == {t.name for t in SPEC.beside}
    for table in COMPANIONS:
        assert check_frame(table, made[table.name]) == []
        assert f"curated.v_{table.name}" in published_view_sql(table)


def test_hubs_and_hours_move_together():
    wide = (
        told()[SCENARIOS.name]
        .sort("scenario")
        .pivot(on=["hub", "delivery_ts"], index="scenario", values="price_ccy_per_mwh")
        .drop("scenario")
    )
    correlation = stats.spearmanr(wide.to_numpy()).statistic
    neighbours = np.mean([correlation[i, i + 1] for i in range(22)])
    assert neighbours > 0.25, "the synthetic disturbance persists from hour to hour"


def test_untrained_series_have_no_scenarios():
    stranger = target().with_columns(pl.lit("HUB_NEW").alias("hub")).unique("delivery_ts")
    frames = fitted().companions(Features(rows(), stranger), as_of=gate(DAY))
    assert [frames[t.name].height for t in COMPANIONS] == [0, 0, 0]


def test_scenarios_outside_the_range_are_refused():
    with pytest.raises(ValueError, match="scenarios is 0"):
        CurveDist({"scenarios": 0})


def test_the_page_shows_paths_and_tenors():
    answer = fitted().predict(Features(rows(), target()), as_of=gate(DAY)).frame
    outcomes = rows().select("hub", "product", "delivery_ts", "price_ccy_per_mwh")
    made = report.sections(answer, outcomes, told())
    assert [s["title"] for s in made] == ["Joint scenarios", "Day, week and month"]
    assert charts.to_svg(made[0]["spec"]).startswith("<svg")
    assert len(made[1]["rows"]) == 6
    assert report.sections(answer, outcomes, {}) == []
