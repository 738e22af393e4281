"""Backtest and joint score of expected shortfall against closed forms and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest

from models._kernel.shortfall import acerbi_szekely_z2, fz0_losses

LEVEL = 0.975
N = 20_000


def _exponential(seed: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Losses 10 + exponential, with their true VaR and ES."""
    loss = 10 + scale * np.random.default_rng(seed).exponential(size=N)
    var = np.full(N, 10 - np.log(1 - LEVEL))
    return loss, var, var + 1.0


def test_z2_is_the_formula_of_the_paper() -> None:
    z2, _ = acerbi_szekely_z2([1.0, 5.0, 2.0, 8.0], [4.0] * 4, [6.0, 5.0, 6.0, 4.0], 0.75)
    assert z2 == pytest.approx(1 - (5 / 5 + 8 / 4) / (4 * 0.25))


def test_z2_accepts_the_truth_about_as_often_as_it_says_and_rejects_a_light_tail() -> None:
    p = np.array([acerbi_szekely_z2(*_exponential(seed), LEVEL)[1] for seed in range(30)])
    assert 0.0 <= np.mean(p < 0.1) <= 0.25
    assert p.mean() == pytest.approx(0.5, abs=0.15)
    loss, var, es = _exponential(1, scale=1.4)
    z2, p_value = acerbi_szekely_z2(loss, var, es, LEVEL)
    assert z2 < -0.5
    assert p_value < 0.001


def test_z2_two_sided_sees_a_shortfall_that_is_too_high() -> None:
    loss, var, es = _exponential(2)
    assert acerbi_szekely_z2(loss, var + 1, es + 1, LEVEL)[1] > 0.9
    assert acerbi_szekely_z2(loss, var + 1, es + 1, LEVEL, alternative="two-sided")[1] < 0.01


def test_a_heavier_tail_under_the_null_rejects_later() -> None:
    loss, var, es = _exponential(3, scale=1.02)
    light, heavy = (acerbi_szekely_z2(loss, var, es, LEVEL, shape=xi)[1] for xi in (0.0, 0.4))
    assert light < heavy


def test_fz0_is_smallest_at_the_true_pair() -> None:
    loss, var, es = _exponential(4)
    true = fz0_losses(loss, var, es, LEVEL).mean()
    wrong = [
        fz0_losses(loss, var * a, np.maximum(es * b, var * a), LEVEL).mean() for a, b in ((0.95, 1), (1, 1.06), (1.06, 1.06), (1, 0.95))
    ]
    assert all(true < other for other in wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"es": [0.0, 5.0]}, "above zero"),
        ({"es": [3.0, 5.0]}, "not below var"),
        ({"outcome": [1.0]}, "same rows"),
        ({"var": [np.nan, 1.0]}, "missing values"),
        ({"level": 1.0}, "strictly between"),
    ],
)
def test_bad_input_is_named(change: dict[str, object], message: str) -> None:
    given = {"outcome": [1.0, 2.0], "var": [4.0, 4.0], "es": [5.0, 5.0], "level": 0.99} | change
    with pytest.raises(ValueError, match=message):
        acerbi_szekely_z2(**given)  # type: ignore[arg-type]
