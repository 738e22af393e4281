from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models._kernel.change_points import online_changes
from models._kernel.gating import ALLOW, BLOCK, DOWN_WEIGHT, GateRule, exceedance, fallback_ladder, gateable, gated
from models._kernel.market_days import OBSERVED, daily, scales_of, standing
from models._kernel.markov_switching import Switching, fit_switching
from models._kernel.registry import spec_of, specs
from pipeline_tasks.scorecard.regime_correction import DayTable, corrected
from pipeline_tasks.scorecard.regime_slices import stress_label
from pipeline_tasks.scorecard.regime_synthetic import TRUE, simulate
from pipeline_tasks.steps import gates
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.warehouse import Warehouse

CURVE, SPIKE = spec_of("curve_dist"), spec_of("spike_risk")


def test_filter_equals_statsmodels_on_the_same_parameters() -> None:
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    rng = np.random.default_rng(1)
    y = np.where(np.arange(120) // 30 % 2, 2.0, 0.0) + rng.standard_normal(120)
    stay, mean, variance = (0.95, 0.9), np.array([[0.0], [2.0]]), np.array([[1.0], [1.5]])
    theirs = MarkovRegression(y, k_regimes=2, switching_variance=True)
    params = [stay[0], 1 - stay[1], 0.0, 2.0, 1.0, 1.5]
    transition = np.array([[stay[0], 1 - stay[0]], [1 - stay[1], stay[1]]])
    start = np.array([1 - stay[1], 1 - stay[0]]) / (2 - sum(stay))  # statsmodels begins with the steady state
    ours = Switching(start, transition, mean, variance)
    found = theirs.filter(params)
    filtered, evidence = ours.filtered(y[None, :, None])
    np.testing.assert_allclose(filtered[0], np.asarray(found.filtered_marginal_probabilities), atol=1e-9)
    assert evidence.sum() == pytest.approx(found.llf)
    smoothed = theirs.smooth(params).smoothed_marginal_probabilities
    np.testing.assert_allclose(ours.smoothed(y[None, :, None])[0][0], np.asarray(smoothed), atol=1e-9)


def test_likeliest_path_is_the_best_of_all_paths() -> None:
    _, observed = simulate(6, np.random.default_rng(2))
    log_density = TRUE.log_density(observed[None])[0]
    with np.errstate(divide="ignore"):
        move, start = np.log(TRUE.transition), np.log(TRUE.start)

    def score(path: tuple[int, ...]) -> float:
        return float(
            start[path[0]] + sum(move[a, b] for a, b in itertools.pairwise(path)) + sum(log_density[t, s] for t, s in enumerate(path))
        )

    best = max(np.ndindex(*(3,) * 6), key=score)
    assert tuple(TRUE.most_likely_path(observed)) == best


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 39), st.integers(0, 2**31))
def test_filter_and_changes_of_a_day_do_not_depend_on_later_days(day: int, seed: int) -> None:
    _, observed = simulate(40, np.random.default_rng(seed))
    other = observed.copy()
    other[day:] = 99.0
    np.testing.assert_array_equal(TRUE.filtered(observed[None])[0][0, :day], TRUE.filtered(other[None])[0][0, :day])
    first, second = (online_changes(v[:, 0], mean_run_days=30).recent[:day] for v in (observed, other))
    np.testing.assert_array_equal(first, second)


def test_an_unknown_day_moves_the_filter_by_the_chain_alone() -> None:
    _, observed = simulate(30, np.random.default_rng(3))
    observed[20] = np.nan
    filtered = TRUE.filtered(observed[None])[0][0]
    np.testing.assert_allclose(filtered[20], filtered[19] @ TRUE.transition)


def test_fit_finds_the_states_of_a_known_chain_in_order() -> None:
    path, observed = simulate(1500, np.random.default_rng(4))
    fitted = fit_switching(observed[None], (0.7, 0.2, 0.1))
    assert np.all(np.diff(fitted.mean.sum(axis=1)) > 0)
    told, ideal = (m.filtered(observed[None])[0][0].argmax(axis=1) for m in (fitted, TRUE))
    assert np.mean(told != path) < np.mean(ideal != path) + 0.05
    with pytest.raises(ValueError, match="give at least 6"):
        fit_switching(observed[None, :4], (0.7, 0.2, 0.1))


def test_a_change_is_seen_within_days_and_a_quiet_series_is_left_alone() -> None:
    values = np.random.default_rng(5).standard_normal(300)
    assert (online_changes(values, mean_run_days=90).recent[30:] >= 0.7).mean() < 0.02
    values[200:] += 3.0
    after = online_changes(values, mean_run_days=90)
    assert np.argmax(after.recent[200:] >= 0.7) <= 4
    assert after.run_length[260] == pytest.approx(61, abs=3)


def test_a_days_numbers_are_of_what_its_rows_say() -> None:
    rows = _features(12)
    days = daily(rows)
    assert days.columns[-len(OBSERVED) :] == list(OBSERVED)
    assert days["gas_move"].null_count() == 5
    assert days["gas_move"][5] == pytest.approx(abs(np.log(25 / 20)))
    assert days["tightness"][3] == pytest.approx(0.8)
    again = daily(
        rows.with_columns(pl.when(pl.col("delivery_date") >= date(2024, 1, 8)).then(1e9).otherwise(pl.col(c)).alias(c) for c in NUMBERS)
    )
    assert again.head(7).equals(days.head(7))


NUMBERS = ("price_prev_day_mean_ccy_per_mwh", "price_mean_7d_ccy_per_mwh", "gas_price_ccy_per_unit", "residual_load_tightness")


def _features(days: int) -> pl.DataFrame:
    first = date(2024, 1, 1)
    rows: list[dict[str, Any]] = []
    for d in range(days):
        day = first + timedelta(days=d)
        gate = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=13)
        rows += [
            {
                "market": "m", "hub": "H", "product": "da", "delivery_date": day, "as_of": gate,
                "price_prev_day_mean_ccy_per_mwh": 50.0 + d, "price_prev_day_min_ccy_per_mwh": 20.0, "price_prev_day_max_ccy_per_mwh": 90.0,
                "price_mean_7d_ccy_per_mwh": 50.0, "price_std_7d_ccy_per_mwh": 10.0, "gas_price_ccy_per_unit": 20.0 + d,
                "residual_load_tightness": 0.5 + 0.1 * hour,
            }
            for hour in range(4)
        ]  # fmt: skip
    return pl.DataFrame(rows)


def test_a_day_is_measured_by_the_year_before_it() -> None:
    rng = np.random.default_rng(8)
    rows = _features(200).with_columns(pl.lit(20.0).alias("gas_price_ccy_per_unit"))
    days = daily(rows).with_columns(range=pl.Series(rng.standard_normal(200)), spread=pl.lit(None, pl.Float64))
    scales = scales_of(days)
    found = standing(days, scales)
    past = days["range"][:150].to_numpy()
    width = (np.quantile(past, 0.84) - np.quantile(past, 0.16)) / 2
    assert found["range"][150] == pytest.approx((days["range"][150] - np.median(past)) / width, rel=0.02)
    assert found["range"][10] == pytest.approx((days["range"][10] - scales["H"][0][0]) / scales["H"][0][1])
    assert found["spread"].null_count() == 200
    later = days.with_columns(range=pl.when(pl.int_range(pl.len()) >= 150).then(99.0).otherwise(pl.col("range")))
    assert standing(later, scales)["range"][:150].equals(found["range"][:150])


def test_the_label_needs_the_past_alone_and_marks_the_top_of_it() -> None:
    rows = _features(200).with_columns(gas_price_ccy_per_unit=pl.lit(20.0))
    late = pl.col("delivery_date") == date(2024, 7, 1)
    tight = rows.with_columns(residual_load_tightness=pl.when(late).then(2.0).otherwise(pl.col("residual_load_tightness")))
    label = stress_label(tight)
    assert label["stressed"].null_count() >= 90
    assert label.filter(pl.col("delivery_date") == date(2024, 7, 1))["stressed"].to_list() == [True]
    assert label["stressed"].sum() == 1
    assert stress_label(tight.filter(pl.col("delivery_date") <= date(2024, 6, 1)))["stressed"].equals(label["stressed"].head(153))


def _answer(n: int) -> pl.DataFrame:
    ladder = np.linspace(-20, 20, len(CURVE.levels))
    start = datetime(2024, 5, 1, tzinfo=UTC)
    keys = {
        "market": ["m"] * n, "hub": ["H"] * n, "product": ["da"] * n, "delivery_ts": [start + timedelta(hours=h) for h in range(n)],
        "delivery_date": [date(2024, 5, 1)] * n, "as_of": [start - timedelta(hours=14)] * n, "status": ["OK"] * n, "status_reason": [""] * n,
    }  # fmt: skip
    columns = {c: [100.0 + v] * n for c, v in zip(CURVE.quantile_columns.values(), ladder, strict=True)}
    return pl.DataFrame({**keys, "point_ccy_per_mwh": [100.0] * n, "mean_ccy_per_mwh": [100.0] * n, **columns})


def test_the_gate_leaves_mixes_and_replaces() -> None:
    fallback = np.column_stack((np.full(4, 50.0), np.tile(50 + np.linspace(-10, 10, len(CURVE.levels)), (4, 1))))
    fallback[3] = np.nan
    action = pl.Series([ALLOW, DOWN_WEIGHT, BLOCK, BLOCK])
    made, done = gated(_answer(4), CURVE, action, fallback, GateRule(act=True, model_share=0.8, widen=1.5))
    assert done.to_list() == [ALLOW, DOWN_WEIGHT, BLOCK, DOWN_WEIGHT]  # no fallback: the band is widened
    assert made["point_ccy_per_mwh"].to_list() == pytest.approx([100, 90, 50, 100])
    assert made["q50_ccy_per_mwh"].to_list() == pytest.approx([100, 90, 50, 100])
    assert (made["q99_ccy_per_mwh"] - made["q01_ccy_per_mwh"]).to_list() == pytest.approx([40, 1.5 * (0.8 * 40 + 0.2 * 20), 20, 60])
    same, nothing = gated(_answer(4), CURVE, action, fallback, GateRule(act=False))
    assert same.equals(_answer(4))
    assert set(nothing) == {ALLOW}


def test_a_gated_probability_takes_the_fallbacks_and_its_alert_follows() -> None:
    levels, ladder = np.array([0.1, 0.5, 0.9]), np.array([[10.0, 50.0, 90.0]] * 2)
    fallback = exceedance(np.array([90.0, 30.0]), levels, ladder)
    np.testing.assert_allclose(fallback, [0.1, 0.7])
    answer = _answer(2).select("market", "status", "status_reason").with_columns(
        spike_probability=pl.Series([0.9, 0.2]), alert=pl.Series([True, False]), alert_probability=pl.lit(0.5)
    )  # fmt: skip
    made, _ = gated(answer, SPIKE, pl.Series([BLOCK, BLOCK]), fallback[:, None], GateRule(act=True))
    assert made["spike_probability"].to_list() == pytest.approx([0.1, 0.7])
    assert made["alert"].to_list() == [False, True]


def test_a_blocked_decision_takes_no_position() -> None:
    spec = spec_of("imbalance")
    assert spec.decision is not None
    position, *_ = spec.decision.position_columns
    columns = {spec.point_column: [1.0, 1.0], position: [5.0, 5.0], **{c: [1.0, 1.0] for c in spec.quantile_columns.values()}}
    answer = pl.DataFrame({c: pl.Series(v) for c, v in columns.items()})
    rest = {c: pl.Series([2.0, 2.0]) for c in spec.decision.position_columns if c != position}
    made, _ = gated(
        answer.with_columns(**rest), spec, pl.Series([ALLOW, BLOCK]), np.zeros((2, 1 + len(spec.quantile_columns))), GateRule(act=True)
    )
    assert made[position].to_list() == [5.0, 0.0]


def test_a_ladder_is_carried_to_other_levels() -> None:
    ladder = fallback_ladder(np.array([0.05, 0.3, 0.5, 0.95]), np.array([0.1, 0.5, 0.9]), np.array([[1.0, 5.0, 9.0]]))
    np.testing.assert_allclose(ladder, [[1.0, 3.0, 5.0, 9.0]])


def test_settings_of_the_gate_are_checked(tmp_path, monkeypatch) -> None:
    assert set(gates.load_gates()) <= {s.name for s in specs()}
    assert all(gateable(spec_of(name)) for name, rule in gates.load_gates().items() if rule.act)
    for text, message in (
        ("models: {tailrisk: {act: true}}", "tailrisk.act is true"),
        ("models: {nobody: {act: true}}", "'nobody' is not known"),
        ("models: {curve_dist: {model_share: 2}}", "model_share"),
    ):
        path = tmp_path / "gates.yaml"
        path.write_text(text)
        monkeypatch.setattr(gates, "GATES_FILE", path)
        gates.load_gates.cache_clear()
        with pytest.raises(ValueError, match=message):
            gates.load_gates()
    gates.load_gates.cache_clear()


class FakeWarehouse:
    """Published regimes of two hubs, and a fallback of one."""

    def __init__(self, decided: datetime, gate: str) -> None:
        self.decided, self.gate = decided, gate

    def query(self, sql: str, _params: Any = None) -> pl.DataFrame:
        if "v_regimes_daily" in sql:
            return pl.DataFrame(
                {"market": ["epf_de"] * 2, "hub": ["DE", "X"], "day": [date(2017, 6, 15)] * 2, "decided_ts": [self.decided] * 2,
                 "regime": ["transition", "stressed"], "gate": [ALLOW, self.gate], "stressed_probability": [0.2, 0.9],
                 "change_probability": [0.1, 0.2], "surprise_share": [0.5, 0.001]}
            )  # fmt: skip
        base = spec_of("regime")
        keys = _rows("X").select(gates.INTERVAL)
        return keys.with_columns(*(pl.lit(7.0).alias(c) for c in (base.point_column, *base.quantile_columns.values())))


RUN = RunContext("files", "epf_de", date(2017, 6, 15))


def _rows(hub: str) -> pl.DataFrame:
    return _answer(2).with_columns(market=pl.lit("epf_de"), hub=pl.lit(hub), delivery_date=RUN.delivery_date, as_of=pl.lit(RUN.as_of))


@pytest.mark.parametrize(
    ("hub", "late_h", "gate", "told"),
    [
        ("DE", 0, BLOCK, ("transition", "OK", 100.0)),
        ("X", 0, BLOCK, ("stressed", "DEGRADED", 7.0)),
        ("X", 0, DOWN_WEIGHT, ("stressed", "OK", 0.8 * 100 + 0.2 * 7)),
        ("system", 0, BLOCK, ("stressed", "OK", 100.0)),  # the most stressed hub's regime; without a fallback of its own it is not replaced
        ("X", 1, BLOCK, ("unknown", "OK", 100.0)),  # decided after the forecast: not known to it
    ],
)
def test_a_forecast_carries_the_regime_known_to_it_and_what_the_gate_did(
    hub: str, late_h: int, gate: str, told: tuple[str, str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    regime, status, point = told
    monkeypatch.setattr(gates, "load_gates", lambda: {"curve_dist": GateRule(act=True, model_share=0.8)})
    fake = cast("Warehouse", FakeWarehouse(RUN.as_of + timedelta(hours=late_h), gate))
    found = gates.Gates.of(fake, CURVE, RUN, [RUN.delivery_date]).applied(_rows(hub), pl.DataFrame(), RUN)
    assert found["regime"].unique().to_list() == [regime]
    assert found["status"].unique().to_list() == [status]
    assert found["point_ccy_per_mwh"][0] == pytest.approx(point)
    assert ("regime gate" in found["status_reason"][0]) == (found[gates.ACTED][0] != ALLOW)


def test_correction_learns_from_known_days_and_acts_only_in_stress() -> None:
    rng = np.random.default_rng(6)
    days, slots = 300, 24
    stressed = (np.arange(days) // 20 % 2).astype(float)
    signal = rng.standard_normal(days) * 10
    base = np.full((days, slots), 50.0)
    price = base + (stressed * signal)[:, None] + rng.standard_normal((days, slots))
    table = DayTable(price, base, base.copy(), stressed, {"signal": signal}, known_lag=1)
    made = corrected(table)
    assert np.array_equal(made[stressed == 0], base[stressed == 0])
    late = (stressed == 1) & (np.arange(days) >= 150)
    assert np.abs(price - made)[late].mean() < 0.3 * np.abs(price - base)[late].mean()
    blind = DayTable(np.where(np.arange(days)[:, None] >= 200, 1e6, price), base, base.copy(), stressed, {"signal": signal}, known_lag=1)
    np.testing.assert_array_equal(corrected(blind)[:200], made[:200])
