"""tailrisk beyond the laws: the law of errors, online calibration and drift, hysteresis, shortfalls within the cap, oversampling."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from models._kernel.tail_regression import ParetoRegression, ShapePrior
from models.tailrisk.alarm import alarm_levels, hysteresis
from models.tailrisk.distribution import MIDDLE, ErrorLaw, Rows, limits_of, shortfalls
from models.tailrisk.online import DAY_MS, GRID, Calibration, Past, calibrations_at, drifts_at
from models.tailrisk.oversampling import oversampled
from models.tailrisk.params import Params
from models.tailrisk.report import sections

NOMINAL = np.array([0.05, 0.01])


def _law(shape: float = 0.1) -> ErrorLaw:
    tail = ParetoRegression(np.zeros(1), np.ones(1), np.array([-0.5, 0.3]), shape)
    return ErrorLaw(0.9, np.linspace(-1.5, 1.5, len(MIDDLE)), tail, tail)


def _rows(n: int, cap: float = 1e6) -> Rows:
    rng = np.random.default_rng(0)
    return Rows(
        rng.normal(size=n), np.full(n, 0.5), np.full(n, 0.2), rng.normal(size=(n, 1)), *(np.full(n, v) for v in (40.0, 30.0, -500.0, cap))
    )


def test_quantiles_and_exceedance_are_inverse() -> None:
    law, rows = _law(), _rows(50)
    levels = np.tile([0.001, 0.05, 0.1, 0.3, 0.9, 0.97, 0.999], (50, 1))
    errors = law.quantiles(rows.covariates, levels)
    assert np.all(np.diff(errors, axis=1) > 0)
    for k in range(levels.shape[1]):
        assert 1 - law.exceedance(rows.covariates, errors[:, k]) == pytest.approx(levels[:, k], abs=1e-9)
    prices = rows.prices(errors)
    assert rows.errors(rows.compressed(prices[:, 5])) == pytest.approx(errors[:, 5])


def test_shortfall_is_the_mean_beyond_and_stays_below_the_cap() -> None:
    law = _law()
    for cap in (1e6, 180.0):
        rows = _rows(5, cap)
        node = (np.arange(20_000) + 0.5) / 20_000
        grid = np.tile(1 - np.maximum(0.01 * node**8, 1e-13), (5, 1))
        true = (rows.prices(law.quantiles(rows.covariates, grid)) * 8 * node**7).mean(axis=1)
        made = shortfalls(law, rows, np.full((5, 1), 0.01), upper=True)[:, 0]
        assert made == pytest.approx(true, rel=1e-2)
        assert np.all(made <= cap)
    assert limits_of(pl.DataFrame({"market": ["a", "b"]}), {"a": (-1.0, 9.0)})[1].tolist() == [9.0, 1e6]


def _past(days: int, beyond: np.ndarray) -> Past:
    decided = np.repeat(np.arange(days), len(beyond) // days).astype(np.int64) * DAY_MS
    return Past(decided, decided + DAY_MS // 2, np.zeros(len(beyond)), beyond)


def test_calibration_makes_a_wrong_law_right() -> None:
    rng = np.random.default_rng(2)
    beyond = rng.random(24 * 400) ** 3  # outcomes far higher than the law says: small shares come too often
    past = _past(400, beyond)
    asked = [int(d) for d in np.unique(past.decided)]
    found = calibrations_at(past, asked, NOMINAL, step=0.1, window_days=120)
    issued = np.repeat(np.stack([found[now].tails(NOMINAL)[0] for now in asked]), 24, axis=0)[24 * 100 :]
    assert (beyond[24 * 100 :, None] < issued).mean(axis=0) == pytest.approx(NOMINAL, rel=0.25)
    last = found[asked[-1]]
    assert last.worth(np.array([0.0, 0.001, 0.125, 1.0])) == pytest.approx([0.0, 0.1, 0.5, 1.0], abs=0.03)
    assert last.levels(np.array([0.5])) == pytest.approx([1 - 0.125], abs=0.03)


def test_calibration_reads_only_what_was_known() -> None:
    rng = np.random.default_rng(3)
    past = _past(60, rng.random(24 * 60))
    now = int(40 * DAY_MS)
    later = past.known > now
    poisoned = Past(past.decided, past.known, past.error, np.where(later, 0.0, past.beyond))
    one, other = (calibrations_at(p, [now], NOMINAL, step=0.1, window_days=30)[now] for p in (past, poisoned))
    assert np.array_equal(one.knots, other.knots)
    assert np.array_equal(one.moved, other.moved)
    still = calibrations_at(past, [now], NOMINAL, step=0.0, window_days=30)[now]
    assert still.tails(NOMINAL) == pytest.approx(np.tile(NOMINAL, (2, 1)))
    assert Calibration(GRID, np.full((2, 2), 9.0)).tails(NOMINAL).max() <= 0.4


def test_drift_is_the_mean_of_recent_known_errors() -> None:
    known = np.arange(0, 100, dtype=np.int64) * DAY_MS
    error = np.where(np.arange(100) < 80, 0.0, 2.0)
    drift = drifts_at(known, error, np.array([50, 80, 99], dtype=np.int64) * DAY_MS, days=10)
    assert drift == pytest.approx([0.0, 0.2 * 9 / 16, 2.0 * 9 / 16])
    assert np.array_equal(drifts_at(known[:81], error[:81], np.array([80], dtype=np.int64) * DAY_MS, days=10), drift[1:2])
    assert drifts_at(known[:0], error[:0], known[:2], days=10).tolist() == [0.0, 0.0]


def test_alarm_holds_between_its_two_levels_and_within_a_day_only() -> None:
    rows = pl.DataFrame(
        {
            "market": "m",
            "hub": "h",
            "product": "da",
            "delivery_date": [date(2024, 1, 1)] * 6 + [date(2024, 1, 2)] * 2,
            "as_of": [1] * 6 + [2] * 2,
            "delivery_ts": list(range(8)),
        }
    )
    probability = np.array([0.3, 0.6, 0.3, 0.1, 0.3, 0.6, 0.3, 0.6])
    assert hysteresis(rows, probability, 0.5, 0.2).tolist() == [False, True, True, False, False, True, False, True]
    shuffled = rows.with_row_index("i").sample(fraction=1.0, shuffle=True, seed=1)
    again = hysteresis(shuffled.drop("i"), probability[shuffled["i"].to_numpy()], 0.5, 0.2)
    assert again.tolist() == [[False, True, True, False, False, True, False, True][i] for i in shuffled["i"]]


def test_alarm_levels_keep_their_budgets() -> None:
    probability = np.linspace(0, 1, 1001)
    on, off = alarm_levels(probability, np.zeros(1001), on_fpr=0.05, off_fpr=0.1)
    assert (on, off) == pytest.approx((0.95, 0.9))
    assert alarm_levels(probability, np.ones(1001), on_fpr=0.05, off_fpr=0.1) == (0.5, 0.25)


@pytest.mark.parametrize("kind", ["evt", "gan"])
def test_oversampling_is_seeded_and_adds_no_weight(kind: str) -> None:
    rng = np.random.default_rng(0)
    covariates, excess = rng.normal(size=(120, 2)), rng.exponential(size=120)
    params = Params(oversample=kind, oversample_factor=1.0, gan_steps=15)
    first, second = (oversampled(excess, covariates, params, ShapePrior(), seed=4) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    y, x, w = first
    assert len(y) == len(x) > 120
    assert np.all(y > 0)
    assert w is not None
    assert w.sum() == pytest.approx(120)
    assert oversampled(excess, covariates, Params(), ShapePrior(), seed=4)[2] is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nonsense": 1}, "unknown parameter"),
        ({"tail_level": 0.99}, "tail_level"),
        ({"oversample": "smote"}, "use one of none, evt, gan"),
        ({"alarm_on_fpr": 0.2}, "alarm_off_fpr"),
        ({"rounds": 0}, "rounds"),
        ({"aci_step": 2.0}, "aci_step"),
        ({"oof_share": 1.0}, "oof_share"),
    ],
)
def test_bad_parameters_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Params.of(values)


def test_params_take_price_limits_from_markets_and_survive_json() -> None:
    params = Params.of({"assets": {"markets": {"markets": {"epf_np": {"price_floor": -500, "price_cap": 3000, "gate_time": "12:00"}}}}})
    assert params.limits == {"epf_np": (-500.0, 3000.0)}
    assert Params.of(params.as_json()) == params


def test_report_has_episodes_and_return_levels() -> None:
    rng = np.random.default_rng(1)
    n = 24 * 7 * 14
    stamps = pl.Series(np.arange(n, dtype=np.int64) * 3_600_000).cast(pl.Datetime("ms", "UTC"))
    forecasts = pl.DataFrame({"hub": "h", "product": "da", "delivery_ts": stamps, "alarm": np.arange(n) % 100 < 3}).with_columns(
        spike_probability=pl.lit(0.4), spike_threshold_ccy_per_mwh=pl.lit(80.0), es99_ccy_per_mwh=pl.lit(200.0)
    )
    outcomes = forecasts.select("hub", "product", "delivery_ts").with_columns(price_ccy_per_mwh=pl.Series(rng.gumbel(50, 10, n)))
    episodes, levels = sections(forecasts, outcomes)
    assert episodes["rows"][0]["intervals"] == 3
    assert len(episodes["rows"]) == 24
    once = levels["rows"][0]
    assert once["once_in_4_weeks"] < once["once_in_13_weeks"] < once["once_in_52_weeks"]
    assert sections(forecasts.with_columns(alarm=pl.lit(value=False)), outcomes.clear()) == []
