"""Tails in the scorecard: rates and shortfalls by hand, ranking metrics, episodes, and baselines that know only the past."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models._kernel.synthetic import SyntheticMarket, day_ahead_features
from pipeline_tasks.scorecard.garch import _filter, garch_filter
from pipeline_tasks.scorecard.measures import NotMeasurableError
from pipeline_tasks.scorecard.panel import Comparator, Panel, TailView
from pipeline_tasks.scorecard.tail import episodes, recall_at_fdr, recall_at_fpr, tail_measurers
from pipeline_tasks.scorecard.tail_baselines import empirical_law, pareto_law

N = 24 * 200
LEVELS = np.array([0.05, 0.5, 0.95, 0.99])
TAILS = np.array([0.05, 0.95, 0.99])


def _panel(widen: float = 1.0) -> Panel:
    """Exponential prices above 10, foretold exactly or with tails that are `widen` times as far."""
    rng = np.random.default_rng(4)
    y = 10 + 20 * rng.exponential(size=N)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    rows = pl.DataFrame(
        {
            "hub": "h",
            "delivery_date": [date(2024, 1, 1) + timedelta(days=i // 24) for i in range(N)],
            "local_hour": [i % 24 for i in range(N)],
            "delivery_ts": [start + timedelta(hours=i) for i in range(N)],
            "as_of": [start + timedelta(days=i // 24, hours=-12) for i in range(N)],
        }
    )
    q = np.tile(10 - 20 * widen * np.log(1 - LEVELS), (N, 1))
    es = np.column_stack((np.full(N, 10.5), q[:, 2:] + 20 * widen))
    threshold = np.full(N, 10 - 20 * np.log(0.02))
    event = (y > threshold).astype(float)
    view = TailView(TAILS, es, event * 0.5 + 0.1 * rng.random(N), event > 0, event, threshold)
    far = Comparator("far", q[:, 1], q * 1.6, shortfalls=es * 1.6)
    ranks = Comparator("ranks", np.full(N, np.nan), score=y - threshold)
    return Panel(rows, y, q[:, 1], LEVELS, q, {"far": far, "ranks": ranks}, {}, tail=view)


def _measure(panel: Panel, metric: str, baseline: str = ""):
    return tail_measurers(3, panel)[metric](panel, panel.comparators.get(baseline))


def test_the_truth_passes_and_narrow_tails_do_not():
    true, narrow = _panel(), _panel(0.7)
    assert _measure(true, "exceedance_99").value == pytest.approx(0.01, abs=0.004)
    assert _measure(true, "kupiec_p_95").value > 0.05
    assert _measure(true, "christoffersen_p_95").value > 0.01
    assert _measure(true, "es_z2_p_95").value > 0.05
    assert _measure(true, "es_error_95").value == pytest.approx(0.0, abs=0.05)
    assert _measure(narrow, "kupiec_p_95").value < 1e-6
    assert _measure(narrow, "es_z2_95").value < -0.5
    assert _measure(narrow, "exceedance_99", "far").baseline_value < 0.01


def test_scores_prefer_the_truth():
    panel = _panel()
    for metric in ("fz0_95", "fz0_99", "twcrps"):
        beside = _measure(panel, metric, "far")
        assert beside.value < beside.baseline_value
        assert beside.p_value < 0.01
    with pytest.raises(NotMeasurableError, match="no tail"):
        _measure(panel, "fz0_99", "ranks")


def test_alarms_and_ranking():
    panel = _panel()
    assert _measure(panel, "recall_at_fpr_1", "ranks").value == 1.0
    assert _measure(panel, "alarm_fpr").value == 0.0
    assert _measure(panel, "alarm_recall").value == 1.0
    assert _measure(panel, "episode_recall").value == 1.0
    assert _measure(panel, "lead_time_h").value == pytest.approx(12 + 11.5, abs=2.5)
    event, score = np.array([1.0, 0, 1, 0, 0]), np.array([0.9, 0.8, 0.7, 0.1, 0.0])
    assert recall_at_fpr(event, score, 0.0) == (0.5, 1.0)
    assert recall_at_fpr(event, score, 0.34) == (1.0, pytest.approx(2 / 3))
    assert recall_at_fpr(event, np.zeros(5), 0.5)[0] == 0.0
    assert recall_at_fdr(event, score, 0.4) == 1.0


def test_episodes_bridge_short_gaps():
    rows = _panel().rows.head(12)
    flag = np.zeros(12, dtype=bool)
    flag[[0, 2, 5, 9]] = True
    found = episodes(rows, flag)
    assert (found["ends"] - found["begins"]).dt.total_hours().to_list() == [5, 0]


def test_laws_of_baselines():
    sample = 10 + 20 * np.random.default_rng(0).exponential(size=8000)
    for law in (pareto_law(sample, LEVELS, TAILS), empirical_law(sample, LEVELS, TAILS)):
        assert law.quantiles == pytest.approx(10 - 20 * np.log(1 - LEVELS), rel=0.06)
        assert law.shortfalls[1:] == pytest.approx(30 - 20 * np.log(1 - TAILS[1:]), rel=0.08)
        assert np.all(np.diff(law.quantiles) > 0)


def test_garch_filter_follows_shocks_it_knew_and_no_others():
    e, decided = np.zeros(6), np.arange(6, dtype=np.int64) * 100
    e[2] = 10.0
    law = (1.0, 0.1, 0.0, 0.8)
    prompt, late = _filter(e, decided + 50, decided, law), _filter(e, decided + 150, decided, law)
    assert prompt[3] > prompt[2] + 9
    assert late[3] == pytest.approx(1.0 + 0.9 * prompt[2])
    assert late[4] > late[2]


def test_garch_volatility_is_point_in_time():
    frame = day_ahead_features(SyntheticMarket(date(2019, 8, 20), date(2020, 3, 1)))
    frame = frame.filter((pl.col("hub") == frame["hub"][0]) & (pl.col("local_hour") == 8)).sort("delivery_ts")
    price = frame["price_ccy_per_mwh"].to_numpy().astype(float)
    error = price - np.median(price)

    class Fold:
        cutoff = frame["as_of"][150]

    sigma = garch_filter(frame, error, (Fold(),))
    poisoned = error.copy()
    poisoned[170:] = 1e4
    assert garch_filter(frame, poisoned, (Fold(),))[:170] == pytest.approx(sigma[:170])
    assert np.all(sigma[np.isfinite(sigma)] > 0)
