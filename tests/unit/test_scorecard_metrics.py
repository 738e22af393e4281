"""Scorecard: metrics of a panel, verdicts, rows and pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models._kernel import metrics as kernel
from models._kernel.spec import Kind
from models._kernel.yardstick import Baseline, DataClass, DataSetSpec, Direction, MetricTarget, Yardstick
from pipeline_tasks.contracts.ops import SCORECARD
from pipeline_tasks.scorecard import rows_frame
from pipeline_tasks.scorecard.distribution import distribution_measurers
from pipeline_tasks.scorecard.measures import Measure, NotMeasurableError, against
from pipeline_tasks.scorecard.panel import Comparator, Panel
from pipeline_tasks.scorecard.probability import average_precision, probability_measurers
from pipeline_tasks.scorecard.render import markdown, write_markdown
from pipeline_tasks.scorecard.verdicts import Stamp, judged, not_measurable, score

LEVELS = np.array([0.05, 0.5, 0.95])
STAMP = Stamp("demo", "epf_xx", DataClass.REAL, 3, 1.5, "sha")


def _rows(days: int) -> pl.DataFrame:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    stamps = [start + timedelta(hours=h) for h in range(24 * days)]
    return pl.DataFrame(
        {
            "market": "m",
            "hub": "h",
            "product": "da",
            "delivery_ts": pl.Series(stamps, dtype=pl.Datetime("ms", "UTC")),
            "as_of": pl.Series(stamps, dtype=pl.Datetime("ms", "UTC")),
            "delivery_date": [s.date() for s in stamps],
            "local_hour": [s.hour for s in stamps],
        }
    )


def _price_panel(days: int = 120, *, width: float = 1.645, bias: float = 0.0, fallback: int = 0) -> Panel:
    rng = np.random.default_rng(1)
    n = 24 * days
    mean = rng.normal(50, 5, n)
    y = mean + rng.normal(0, 1, n)
    point = mean + bias
    other = Comparator("naive_week", y + rng.normal(0, 4, n), None)
    return Panel(
        rows=_rows(days),
        outcome=y,
        point=point,
        levels=LEVELS,
        quantiles=np.column_stack((point - width, point, point + width)),
        comparators={"naive_week": other},
        absent={"published_lear": "no file"},
        fallback_rows=fallback,
    )


def _event_panel(days: int = 200, *, distort: float = 1.0, alert: float = 0.02) -> Panel:
    rng = np.random.default_rng(2)
    n = 24 * days
    p = rng.beta(0.3, 8, n)
    y = (rng.random(n) < p).astype(float)
    shown = np.clip(p * distort, 0, 1)
    return Panel(
        rows=_rows(days),
        outcome=y,
        point=shown,
        levels=np.empty(0),
        quantiles=np.empty((n, 0)),
        comparators={"climatology": Comparator("climatology", np.full(n, y.mean()))},
        absent={},
        alert=shown > np.quantile(shown, 1 - alert),
        validation={"validation_log_loss": 0.1},
    )


@pytest.mark.parametrize("name", ["mae", "rmse", "wmape", "crps", "pinball", "coverage_90", "winkler_90"])
def test_distribution_metrics_are_the_kernels_on_the_same_rows(name):
    panel = _price_panel()
    value = distribution_measurers(0)[name](panel, None).value
    y, q = panel.outcome, panel.quantiles
    expected = {
        "mae": kernel.mae(y, panel.point),
        "rmse": kernel.rmse(y, panel.point),
        "wmape": kernel.wmape(y, panel.point),
        "crps": kernel.crps_from_quantiles(y, q, LEVELS),
        "pinball": kernel.pinball(y, q, LEVELS),
        "coverage_90": kernel.coverage(y, q[:, 0], q[:, 2]),
        "winkler_90": kernel.winkler(y, q[:, 0], q[:, 2], alpha=0.1),
    }[name]
    assert value == pytest.approx(expected)


def test_rmae_names_its_baseline_interval_and_test():
    panel = _price_panel()
    measured = distribution_measurers(0)["rmae"](panel, panel.comparators["naive_week"])
    assert measured.value == pytest.approx(kernel.rmae(panel.outcome, panel.point, panel.comparators["naive_week"].point))
    assert measured.ci_low < measured.value < measured.ci_high < 1
    assert measured.p_value < 0.01
    assert "Diebold-Mariano" in measured.note


def test_calibrated_interval_passes_its_tests_and_a_wide_one_does_not():
    right, wide = distribution_measurers(0), _price_panel(width=4.0)
    assert right["kupiec_hours_pass"](_price_panel(), None).value >= 0.8
    assert right["christoffersen"](_price_panel(), None).value >= 0.8
    assert right["kupiec_p"](_price_panel(), None).value > 0.05
    assert right["kupiec_hours_pass"](wide, None).value < 0.2
    assert right["kupiec_p"](wide, None).value < 1e-6


def test_crps_against_a_point_baseline_is_not_measurable():
    panel = _price_panel()
    with pytest.raises(NotMeasurableError, match="naive_week is a point forecast"):
        distribution_measurers(0)["crps"](panel, panel.comparators["naive_week"])


def test_join_is_stated_when_the_baseline_lacks_rows():
    days = np.repeat(np.arange(10), 24)
    loss, other = np.ones(240), np.full(240, 2.0)
    other[:24] = np.nan
    measured = against(loss, other, days, seed=0, name="loss")
    assert measured.n == 216
    assert "joined on 216 of 240 rows" in measured.note


def test_average_precision_is_the_kernels_and_weights_repeat_rows():
    rng = np.random.default_rng(0)
    y, s = (rng.random(300) < 0.1).astype(float), np.round(rng.random(300), 1)
    ap = average_precision(y, s)
    assert ap(np.ones(300)) == pytest.approx(kernel.pr_auc(y, s))
    twice = rng.integers(0, 3, 300)
    assert ap(twice.astype(float)) == pytest.approx(kernel.pr_auc(np.repeat(y, twice), np.repeat(s, twice)))


def test_calibrated_probabilities_beat_climatology_and_distorted_ones_are_found_out():
    good, bad = _event_panel(), _event_panel(distort=3.0)
    measure = probability_measurers(0)
    base = good.comparators["climatology"]
    assert measure["brier_skill"](good, base).value > 0
    assert measure["pr_auc_gain"](good, base).p_value < 0.01
    assert measure["spiegelhalter_p"](good, None).value > 0.05
    assert measure["spiegelhalter_p"](bad, None).value < 1e-6
    assert measure["ece"](good, None).value < 0.02 < measure["ece"](bad, None).value
    assert measure["alert_rate"](good, None).value == pytest.approx(0.02, abs=0.001)
    assert measure["nested_optimism"](good, None).value == pytest.approx(kernel.log_score(good.outcome, good.point) - 0.1)


def test_alert_shares_and_their_absence():
    panel = _event_panel()
    precision = probability_measurers(0)["alert_precision"](panel, None).value
    assert precision == pytest.approx(panel.outcome[panel.alert].mean())
    silent = Panel(**{f: getattr(panel, f) for f in panel.__dataclass_fields__} | {"alert": None})
    with pytest.raises(NotMeasurableError, match="no alert column"):
        probability_measurers(0)["alert_rate"](silent, None)


def test_a_calm_window_says_nothing_about_skill():
    panel = _event_panel()
    calm = Panel(**{f: getattr(panel, f) for f in panel.__dataclass_fields__} | {"outcome": np.eye(1, panel.n)[0]})
    for metric in ("pr_auc", "pr_auc_gain", "brier_skill"):
        with pytest.raises(NotMeasurableError, match="only 1 event"):
            probability_measurers(0)[metric](calm, panel.comparators["climatology"])


@pytest.mark.parametrize(
    ("metric", "measured", "verdict"),
    [
        (MetricTarget("mae", Direction.AT_MOST, target=2.0), Measure(1.9, 10), "pass"),
        (MetricTarget("mae", Direction.AT_MOST, target=2.0), Measure(2.1, 10), "miss"),
        (MetricTarget("mae", Direction.AT_MOST, target=2.0, targets=(("epf_xx", 2.2),)), Measure(2.1, 10), "pass"),
        (MetricTarget("mae", Direction.AT_MOST, baseline="b", test="dm"), Measure(1.0, 10, 2.0, p_value=0.2), "miss"),
        (MetricTarget("mae", Direction.AT_MOST, baseline="b", test="dm"), Measure(1.0, 10, 2.0, p_value=0.01), "pass"),
        (MetricTarget("mae", Direction.AT_MOST, baseline="b", test="dm"), Measure(3.0, 10, 2.0, p_value=0.01), "miss"),
        (MetricTarget("skill", Direction.AT_LEAST, target=0.0), Measure(-0.1, 10), "miss"),
        (MetricTarget("rate", Direction.WITHIN, band=(0.015, 0.025)), Measure(0.026, 10), "miss"),
        (MetricTarget("coverage_90", Direction.WITHIN), Measure(0.9, 10, band=(0.89, 0.91)), "pass"),
        (MetricTarget("brier", Direction.REPORT), Measure(9.0, 10), "pass"),
    ],
)
def test_verdicts_follow_target_baseline_and_test(metric, measured, verdict):
    found, reason = judged(metric, measured, "epf_xx")
    assert found == verdict
    assert reason


def _yardstick() -> Yardstick:
    return Yardstick(
        system="demo",
        identifier="X1",
        claim="c",
        data_sets=(DataSetSpec("epf_xx"),),
        baselines=(Baseline("naive_week", "w"), Baseline("published_lear", "p")),
        metrics=(
            MetricTarget("mae", Direction.AT_MOST, target=0.1),
            MetricTarget("mae", Direction.AT_MOST, baseline="published_lear", test="dm"),
            MetricTarget("unheard_of", Direction.REPORT),
        ),
        gate_metric="mae",
        gate_baseline="naive_week",
    )


def test_score_says_misses_absences_and_fallbacks():
    rows = score(_price_panel(fallback=7), _yardstick(), Kind.DISTRIBUTION, STAMP)
    first, absent, unknown = rows[:3]
    assert (first.verdict, first.target) == ("miss", 0.1)
    assert "7 rows without an answer" in first.reason
    assert (absent.verdict, absent.reason, absent.value) == ("not_measurable", "no file", None)
    assert "no metric 'unheard_of'" in unknown.reason
    assert {"crps", "coverage_90", "christoffersen", "winkler_90", "rmae"} <= {r.metric for r in rows}
    assert first.window_from == date(2020, 1, 1)
    assert first.n == 24 * 120


def test_rows_fit_the_contract_and_the_page_names_misses_and_synthetic_data(tmp_path):
    rows = score(_price_panel(), _yardstick(), Kind.DISTRIBUTION, Stamp("demo", "twin", DataClass.TWIN, 3, 1.5, "sha"))
    rows += not_measurable(_yardstick(), STAMP, "data folder absent")
    frame = rows_frame([r.to_dict() for r in rows])
    assert frame.schema == SCORECARD.polars_schema()
    assert frame.filter(pl.col("data_set") == "epf_xx")["window_from"].unique().to_list() == [date(1970, 1, 1)]
    page = markdown(rows)
    assert "## Missed" in page
    assert "demo on twin (synthetic)" in page
    assert "synthetic data" in page
    assert write_markdown(rows, tmp_path / "docs" / "scorecard.md").read_text(encoding="utf-8") == page


def test_infinite_numbers_become_null():
    rows = not_measurable(_yardstick(), STAMP, "x")
    broken = type(rows[0])(**rows[0].to_dict() | {"value": float("inf"), "p_value": float("nan")})
    assert broken.to_dict()["value"] is None
    assert broken.to_dict()["p_value"] is None
