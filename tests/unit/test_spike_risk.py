"""spike_risk beyond the laws: thresholds known at decision time, folds, calibration, alerts on a budget, additivity."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models._kernel.chained_level import time_folds
from models._kernel.hour_ridge import fit_levels
from models._kernel.protocol import Features
from models._kernel.registry import params_of
from models._kernel.spike_levels import levels_at
from models._kernel.synthetic import SyntheticMarket, day_ahead_features, gate
from models.spike_risk.alerts import alert_levels
from models.spike_risk.calibration import Link, fit_link, sigmoid
from models.spike_risk.model import SpikeRisk
from models.spike_risk.params import Params

FIRST, LAST = date(2019, 3, 1), date(2020, 3, 31)
CUTOFF = date(2020, 3, 10)


def _outcomes(days: int, price=float) -> pl.DataFrame:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    stamps = [start + timedelta(hours=h) for h in range(24 * days)]
    utc = pl.Datetime("ms", "UTC")
    return pl.DataFrame(
        {
            "market": "m",
            "hub": "h",
            "product": "da",
            "delivery_ts": pl.Series(stamps, dtype=utc),
            "price_ccy_per_mwh": [price(i) for i in range(len(stamps))],
            "price_known_ts": pl.Series([s - timedelta(hours=10) for s in stamps], dtype=utc),
        }
    )


def _ask(at: datetime) -> pl.DataFrame:
    keys = {"market": "m", "hub": "h", "product": "da"}
    return pl.DataFrame({**keys, "as_of": pl.Series([at], dtype=pl.Datetime("ms", "UTC"))})


def test_threshold_is_the_quantile_of_prices_known_at_as_of():
    outcomes, at = _outcomes(200), datetime(2020, 6, 1, tzinfo=UTC)
    level = levels_at(outcomes, _ask(at), window_days=365, quantile=0.98, min_days=90).row(0, named=True)
    known = outcomes.filter(pl.col("price_known_ts") <= at)["price_ccy_per_mwh"].to_numpy()
    assert level["threshold"] == pytest.approx(np.quantile(known, 0.98))
    assert level["median"] == pytest.approx(np.median(known))
    assert level["share_1d"] == 1.0


def test_threshold_ignores_what_becomes_known_later_and_what_left_the_window():
    at = datetime(2020, 6, 1, tzinfo=UTC)
    poisoned = _outcomes(200).with_columns(
        pl.when(pl.col("price_known_ts") > at).then(1e9).otherwise(pl.col("price_ccy_per_mwh")).alias("price_ccy_per_mwh")
    )
    args = {"window_days": 60, "quantile": 0.98, "min_days": 30}
    assert levels_at(poisoned, _ask(at), **args).equals(levels_at(_outcomes(200), _ask(at), **args))
    inside = _outcomes(200).filter((pl.col("price_known_ts") <= at) & (pl.col("delivery_ts") >= at - timedelta(days=60)))
    assert levels_at(poisoned, _ask(at), **args)["threshold"][0] == pytest.approx(inside["price_ccy_per_mwh"].quantile(0.98, "linear"))


def test_too_short_a_history_gives_no_threshold():
    level = levels_at(_outcomes(200), _ask(datetime(2020, 2, 1, tzinfo=UTC)), window_days=365, quantile=0.98, min_days=90)
    assert level["threshold"].to_list() == [None]


def test_constant_prices_keep_a_positive_scale():
    level = levels_at(_outcomes(120, lambda _: 0.0), _ask(datetime(2020, 4, 20, tzinfo=UTC)), window_days=365, quantile=0.98, min_days=90)
    assert level["scale"][0] == pytest.approx(0.01)


def test_folds_train_only_on_outcomes_known_before_the_block():
    as_of = np.repeat(np.arange(100), 24)
    known = as_of + 2
    folds = time_folds(as_of, known, folds=4, share=0.5)
    assert len(folds) == 4
    for train, valid in folds:
        assert known[train].max() <= as_of[valid].min()
        assert not (train & valid).any()
    assert np.sum([valid for _, valid in folds]) == 50 * 24


def test_calibration_recovers_a_distorted_link_and_leaves_scarce_data_alone():
    rng = np.random.default_rng(0)
    z = rng.normal(-3, 2, 20_000)
    events = (rng.random(z.size) < sigmoid(z)).astype(float)
    link = fit_link(2 * z + 1, events, prior=Link(1.0, 0.0))
    assert link.slope == pytest.approx(0.5, abs=0.03)
    assert link.intercept == pytest.approx(-0.5, abs=0.12)
    few = fit_link(z[:50], np.zeros(50), prior=Link(1.0, 0.0))
    assert few.slope == pytest.approx(1.0, abs=1e-3)


def test_level_regression_finds_a_linear_price():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(24 * 200, 3))
    x[::50, 1] = np.nan
    hours = np.tile(np.arange(24), 200)
    target = np.nan_to_num(x) @ np.array([0.3, -0.2, 0.0]) + 0.01 * hours
    model = fit_levels(["a", "b", "c"], x, hours, target, np.zeros(len(x)), penalties=[1e-4], windows=[365])[0]
    assert np.mean(np.abs(model.predict(x, hours) - target)) < 0.02


@pytest.mark.parametrize("drift", [0.0, 2.0])
def test_alerts_return_to_their_budget_whatever_the_regime(drift):
    rng = np.random.default_rng(3)
    days, start = 500, datetime(2020, 1, 1, tzinfo=UTC)
    level = -5 + drift * (np.arange(days) > 250)
    probability = sigmoid(np.repeat(level, 24) + rng.normal(0, 1, 24 * days))
    decided = [start + timedelta(days=d) for d in range(days) for _ in range(24)]
    utc = pl.Datetime("ms", "UTC")
    pool = pl.DataFrame(
        {
            "as_of": pl.Series(decided, dtype=utc),
            "probability": probability,
        }
    )
    asks = [start + timedelta(days=d) for d in range(100, days)]
    levels = alert_levels(pool, asks, Params(), fallback=0.5)
    rate = np.mean(probability.reshape(days, 24)[100:] > levels[:, None])
    assert rate == pytest.approx(0.02, rel=0.25)
    assert alert_levels(pool, asks[5:6], Params(), fallback=0.5)[0] == levels[5]
    assert alert_levels(pool.head(48), asks[:1], Params(), fallback=0.5).tolist() == [0.5]


def test_parameters_are_checked():
    with pytest.raises(ValueError, match=r"unknown parameter.*typo"):
        SpikeRisk({"typo": 1})
    with pytest.raises(ValueError, match="alert_budget is 2"):
        SpikeRisk({"alert_budget": 2})
    assert SpikeRisk(params_of("spike_risk", "demo")).params.trials == 2


@pytest.fixture(scope="module")
def fitted():
    rows = day_ahead_features(SyntheticMarket(FIRST, LAST))
    history = rows.filter(pl.col("delivery_date") < CUTOFF)
    model = SpikeRisk(params_of("spike_risk", "test")).fit(Features(history, history.clear()), cutoff=gate(CUTOFF), seed=3)
    return model, rows, rows.filter(pl.col("delivery_date") >= CUTOFF)


def test_contributions_add_up_to_the_log_odds_of_the_answer(fitted):
    model, rows, target = fitted
    data = Features(rows, target)
    answer = model.predict(data, as_of=gate(LAST)).frame
    sums = model.explain(data).frame.group_by("hub", "delivery_ts").agg(pl.col("contribution").sum())
    joined = answer.join(sums, on=["hub", "delivery_ts"])
    assert len(joined) == len(target)
    log_odds = np.log(joined["spike_probability"] / (1 - joined["spike_probability"]))
    assert np.abs(log_odds - joined["contribution"]).max() < 1e-6


def test_label_needs_no_fit_and_agrees_with_the_answer(fitted):
    model, rows, target = fitted
    label = SpikeRisk(params_of("spike_risk", "test")).label(Features(rows, target))
    answer = model.predict(Features(rows, target), as_of=gate(LAST)).frame
    joined = label.join(answer, on=["market", "hub", "product", "delivery_ts", "as_of"])
    assert np.allclose(joined["threshold"], joined["spike_threshold_ccy_per_mwh"])
    assert set(label["event"].drop_nulls().unique()) <= {0.0, 1.0}


def test_history_too_short_for_a_threshold_degrades_with_the_training_threshold(fitted):
    model, rows, target = fitted
    recent = rows.filter(pl.col("delivery_date") >= CUTOFF - timedelta(days=10))
    answer = model.predict(Features(recent, target), as_of=gate(LAST)).frame
    assert answer["status"].unique().to_list() == ["DEGRADED"]
    assert answer["status_reason"].str.contains("too little known price history").all()
    assert answer["spike_threshold_ccy_per_mwh"].is_finite().all()


def test_search_reports_what_nested_optimism_needs(fitted):
    model, _, _ = fitted
    assert model.search["validation_log_loss"] > 0
    assert model.search["events"] >= 20


def test_fit_without_enough_history_says_so():
    rows = day_ahead_features(SyntheticMarket(date(2020, 1, 1), date(2020, 2, 15)))
    with pytest.raises(ValueError, match="90 days of known prices"):
        SpikeRisk(params_of("spike_risk", "test")).fit(Features(rows, rows.clear()), cutoff=gate(date(2020, 2, 15)), seed=1)


def test_no_events_leave_a_constant_that_still_answers():
    rows = day_ahead_features(SyntheticMarket(date(2019, 9, 1), date(2020, 2, 15), hubs=("HUB_A",))).with_columns(
        pl.lit(10.0).alias("price_ccy_per_mwh")
    )
    history, target = rows.filter(pl.col("delivery_date") < date(2020, 2, 14)), rows.filter(pl.col("delivery_date") >= date(2020, 2, 14))
    model = SpikeRisk(params_of("spike_risk", "test")).fit(Features(history, history.clear()), cutoff=gate(date(2020, 2, 14)), seed=1)
    answer = model.predict(Features(history, target), as_of=gate(date(2020, 2, 15))).frame
    assert answer["spike_probability"].is_between(0, 1).all()
    assert not answer["alert"].any()
