"""The e-process: valid under any peeking when there is no difference, and able to find one when there is."""

from __future__ import annotations

import numpy as np
import pytest

from models._kernel.sequential import BOUND, decided, e_process, power, relative_difference

RNG = np.random.default_rng(11)


def _autoregressive(paths: int, days: int, phi: float) -> np.ndarray:
    noise = RNG.normal(0, 0.1, (paths, days))
    out = np.zeros((paths, days))
    for t in range(1, days):
        out[:, t] = phi * out[:, t - 1] + noise[:, t]
    return out


def _by_hand(d: np.ndarray) -> list[float]:
    wealth, made, total, squares = 1.0, [], 0.0, BOUND**2 / 4
    bet = 0.0
    for t, x in enumerate(d, start=1):
        wealth *= 1 + bet * x
        made.append(wealth)
        total += x
        mean = total / (t + 1)
        squares += (x - mean) ** 2
        bet = min(max(mean / (squares / (t + 1) + mean**2), 0.0), 0.9 / BOUND)
    return made


def test_the_process_is_the_product_of_its_bets() -> None:
    d = RNG.uniform(-0.2, 0.25, 60)
    assert e_process(d) == pytest.approx(_by_hand(d), rel=1e-12)


def test_bets_are_made_before_the_day() -> None:
    d = RNG.uniform(-0.2, 0.25, 40)
    changed = np.append(d[:-1], -d[-1])
    assert e_process(changed)[:-1] == pytest.approx(e_process(d)[:-1])


@pytest.mark.parametrize("days", [30, 365])
def test_peeking_every_day_does_not_feign_a_winner(days: int) -> None:
    null = np.clip(RNG.normal(0, 0.2, (2000, days)), -BOUND, BOUND)
    assert np.mean(e_process(null).max(axis=1) >= 20) <= 0.05


def test_a_null_with_dependent_size_is_covered() -> None:
    """Volatility that clusters and a sign that nobody can foretell: a martingale difference that is far from independent."""
    size = np.clip(np.abs(_autoregressive(2000, 200, 0.95)), 0, BOUND)
    assert np.mean(e_process(size * RNG.choice([-1.0, 1.0], size.shape)).max(axis=1) >= 20) <= 0.05


def test_a_worse_challenger_never_wins_and_a_better_one_does() -> None:
    worse = np.clip(RNG.normal(-0.05, 0.2, (500, 365)), -BOUND, BOUND)
    assert np.mean(e_process(worse).max(axis=1) >= 20) < 0.02
    better = np.clip(RNG.normal(0.08, 0.2, (500, 180)), -BOUND, BOUND)
    assert np.mean(e_process(better).max(axis=1) >= 20) > 0.9


def test_power_rises_with_effect_and_horizon() -> None:
    seen = np.clip(RNG.normal(0.0, 0.12, 60), -BOUND, BOUND)
    small, large = (power(seen, effect=e, alpha=0.05, horizon=180, seed=3) for e in (0.005, 0.08))
    assert small < 0.5
    assert large > 0.95
    assert power(seen, effect=0.04, alpha=0.05, horizon=30, seed=3) < power(seen, effect=0.04, alpha=0.05, horizon=300, seed=3)


def test_relative_differences_are_bounded_whatever_the_tails() -> None:
    a, b = np.abs(RNG.standard_cauchy(500)), np.abs(RNG.standard_cauchy(500))
    d = relative_difference(a, b)
    assert np.all(np.abs(d) <= BOUND)
    assert relative_difference([0.0, 2.0, 1.0], [0.0, 1.0, 3.0]).tolist() == pytest.approx([0.0, BOUND, -BOUND])
    assert relative_difference([1.1], [1.0]) == pytest.approx(0.1 / 2.1)
    assert relative_difference([-1.0, 1.1, -1.0], [1.0, -1.0, -1.1]).tolist() == pytest.approx([-BOUND, BOUND, 0.1 / 2.1])


@pytest.mark.parametrize(("a", "b"), [([1.0], [1.0, 2.0]), ([np.nan], [1.0])])
def test_losses_that_are_none_are_refused(a: list[float], b: list[float]) -> None:
    with pytest.raises(ValueError, match="daily losses"):
        relative_difference(a, b)


def test_unbounded_differences_and_too_few_days_are_refused() -> None:
    with pytest.raises(ValueError, match="must lie"):
        e_process([0.0, 2.0])
    with pytest.raises(ValueError, match="at least 7"):
        power([0.1] * 6, effect=0.1, alpha=0.05, horizon=30, seed=1)


def test_decided_says_whether_it_ever_was() -> None:
    assert decided(np.full(40, BOUND), 0.05)
    assert not decided(np.zeros(40), 0.05)
