"""The long-run guarantee of adaptive conformal, against outcomes chosen by an adversary who sees every forecast."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models._kernel.conformal import AdaptiveConformal

BOUND = 1.0
STRETCH, MIN_SPREAD = 5.0, 0.5


def _limit(gamma: float, steps: int, delay: int) -> float:
    c = 2 * BOUND / (STRETCH * MIN_SPREAD)
    return (1 + 2 * c + 2 * gamma * (delay + 1)) / (gamma * steps) + delay / steps


@settings(max_examples=60, deadline=None)
@given(
    level=st.floats(0.02, 0.98),
    gamma=st.floats(0.02, 0.5),
    delay=st.integers(0, 3),
    window=st.integers(1, 60),
    moves=st.lists(st.sampled_from(["above", "below", "top", "bottom", "zero"]), min_size=150, max_size=400),
)
def test_share_below_stays_within_the_bound(level, gamma, delay, window, moves):
    aci = AdaptiveConformal(np.array([level]), gamma=gamma, window=window, stretch=STRETCH, min_spread=MIN_SPREAD)
    base = np.zeros((1, 1))
    waiting: list[tuple[np.ndarray, float]] = []
    hits = 0
    for move in moves:
        raw = aci.raw(base)
        issued = float(raw[0, 0])
        chosen = {"above": issued + 1e-6, "below": issued - 1e-6, "top": BOUND, "bottom": -BOUND, "zero": 0.0}[move]
        outcome = float(np.clip(chosen, -BOUND, BOUND))
        hits += outcome <= issued
        waiting.append((raw, outcome))
        if len(waiting) > delay:
            past, known = waiting.pop(0)
            aci.update(base, past, [known])
    assert abs(hits / len(moves) - level) <= _limit(gamma, len(moves), delay)


@settings(max_examples=40, deadline=None)
@given(
    outcomes=st.lists(st.floats(-50, 50), min_size=5, max_size=80),
    levels=st.lists(st.floats(0.01, 0.99), min_size=2, max_size=9, unique=True),
    gamma=st.floats(0.001, 0.5),
)
def test_ladders_are_sorted_and_finite_and_keep_the_sum_of_hits(outcomes, levels, gamma):
    ladder = np.sort(np.array(levels))
    y = np.array(outcomes)[:, None]
    base = np.tile(np.linspace(-1, 1, ladder.size), (y.size, 1, 1))
    issued = AdaptiveConformal(ladder, gamma=gamma, window=20).run(base, y)
    own = AdaptiveConformal(ladder, gamma=gamma, window=20).run(base, y, ordered=False)
    assert np.all(np.isfinite(issued))
    assert np.all(np.diff(issued, axis=-1) >= 0)
    assert np.array_equal((y[..., None] <= issued).sum(axis=-1), (y[..., None] <= own).sum(axis=-1))
