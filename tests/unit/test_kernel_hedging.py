"""The hedge: the fast program against the textbook one in Pyomo, its limits, and the newsvendor's closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from models._kernel import registry
from models._kernel.hedging import NORMAL_SD_PER_MAD, SEGMENTS, HedgeLimits, expected_absolute_deviation, optimal_hedge
from models._kernel.portfolio import Portfolio
from models._kernel.settlement import ImbalanceSettlement, settlement_of
from models.imbalance.spec import SPEC

LIMITS = HedgeLimits(band=0.05, net=0.005, gross_growth=0.10, fee=0.5)
PORTFOLIO = Portfolio.of(registry.params_of("imbalance")["assets"]["portfolio"])


def slow_hedge(energy, value, mad, limits):
    """The program as it is written down: hedge h and an absolute deviation above every chord of its expectation."""
    grid = np.linspace(-limits.band, limits.band, SEGMENTS + 1)
    gross = expected_absolute_deviation(grid[None, :], mad[:, None])
    model = pyo.ConcreteModel()
    model.t = pyo.RangeSet(0, len(energy) - 1)
    model.h = pyo.Var(model.t, bounds=(-limits.band, limits.band))
    model.g = pyo.Var(model.t)
    model.chords = pyo.ConstraintList()
    for t in model.t:
        for j in range(SEGMENTS):
            slope = (gross[t, j + 1] - gross[t, j]) / (grid[j + 1] - grid[j])
            model.chords.add(model.g[t] >= gross[t, j] + slope * (model.h[t] - grid[j]))
    total = float(energy.sum())
    net = sum(energy[t] * model.h[t] for t in model.t)
    model.net = pyo.Constraint(expr=(-limits.net * total, net, limits.net * total))
    unhedged = sum(energy[t] * gross[t, SEGMENTS // 2] for t in model.t)
    model.gross = pyo.Constraint(expr=sum(energy[t] * model.g[t] for t in model.t) <= (1 + limits.gross_growth) * unhedged)
    model.cost = pyo.Objective(expr=sum(energy[t] * (limits.fee * model.g[t] - value[t] * model.h[t]) for t in model.t))
    pyo.SolverFactory("appsi_highs").solve(model)
    return np.array([pyo.value(model.h[t]) for t in model.t])


def _cost(hedge, energy, value, mad, limits):
    grid = np.linspace(-limits.band, limits.band, SEGMENTS + 1)
    gross = expected_absolute_deviation(grid[None, :], mad[:, None])
    chord = np.array([np.interp(h, grid, g) for h, g in zip(hedge, gross, strict=True)])
    return float(energy @ (limits.fee * chord - value * hedge)), float(energy @ chord), float(energy @ gross[:, SEGMENTS // 2])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), mad=st.floats(0.005, 0.15), growth=st.sampled_from([0.02, 0.1, 1.0]), n=st.sampled_from([1, 23, 24]))
def test_the_fast_program_is_as_good_as_the_textbook_one(seed, mad, growth, n):
    rng = np.random.default_rng(seed)
    energy, value = rng.uniform(50, 150, n), rng.standard_t(3, n) * 10
    mads, limits = np.full(n, mad) * rng.uniform(0.8, 1.2, n), replace(LIMITS, gross_growth=growth)
    fast, slow = optimal_hedge(energy, value, mads, limits), slow_hedge(energy, value, mads, limits)
    ours, theirs = _cost(fast, energy, value, mads, limits), _cost(slow, energy, value, mads, limits)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-6, abs=1e-6)
    assert np.abs(fast).max() <= limits.band + 1e-9
    assert abs(energy @ fast) <= limits.net * energy.sum() * (1 + 1e-6)
    assert ours[1] <= (1 + growth) * ours[2] * (1 + 1e-6)


def test_without_budgets_it_is_the_newsvendor():
    """Marginal saving m equals marginal fee: 2 Phi(h / s) - 1 = m / fee."""
    mad, value = np.array([0.04, 0.04]), np.array([0.2, -0.35])
    limits = HedgeLimits(band=0.10, net=1.0, gross_growth=10.0, fee=0.5)
    expected = NORMAL_SD_PER_MAD * mad * norm.ppf((value / limits.fee + 1) / 2)
    assert optimal_hedge(np.ones(2), value, mad, limits) == pytest.approx(expected, abs=2 * limits.band / SEGMENTS)


def test_nothing_is_hedged_for_nothing():
    assert optimal_hedge(np.ones(3), np.array([0.0, np.nan, 0.0]), np.full(3, 0.03), LIMITS).tolist() == [0.0, 0.0, 0.0]
    assert optimal_hedge(np.ones(2), np.ones(2), np.full(2, 0.03), replace(LIMITS, band=0.0)).tolist() == [0.0, 0.0]
    assert optimal_hedge(np.empty(0), np.empty(0), np.empty(0), LIMITS).size == 0


def _rows(spread, deviation):
    n = len(spread)
    columns = {
        "market": ["m"] * n, "hub": ["h"] * n, "product": ["spread"] * n, "delivery_date": [1] * n, "as_of": [1] * n,
        "delivery_ts": list(range(n)), "local_hour": list(range(n)), "day_of_week": [1] * n, "is_holiday": [False] * n,
        "resolution_min": [60] * n, "price_ccy_per_mwh": spread, "load_deviation_share": deviation,
    }  # fmt: skip
    return pl.DataFrame(columns, schema_overrides={"load_deviation_share": pl.Float64})


def test_cost_by_hand_and_the_same_load_whatever_the_hedge():
    flat = replace(PORTFOLIO, mean_load_mw=100, weekday_shape=(1.0,) * 24, fee_ccy_per_mwh=0.5)
    rule, rows = ImbalanceSettlement(flat), _rows([10.0, -20.0, 5.0], [0.02, 0.0, None])
    hedge = np.array([[0.05], [-0.01], [0.02]])
    # (2 - 5) MWh x 10 + fee, (0 + 1) MWh x -20 + fee, no metered load: -2 MWh x 5 + fee
    assert rule.cost(rows, hedge).tolist() == pytest.approx([-30 + 1.5, -20 + 0.5, -10 + 1.0])
    assert np.nan_to_num(rule.deviation(rows, hedge), nan=-99).tolist() == pytest.approx([-3.0, 1.0, -99.0])
    assert rule.volume(rows).tolist() == [100.0] * 3


def test_foresight_beats_every_signal_and_never_leaves_the_limits():
    rng = np.random.default_rng(3)
    spread = rng.normal(0, 20, 24)
    rule, rows = ImbalanceSettlement(PORTFOLIO), _rows(spread.tolist(), rng.normal(0, 0.03, 24).tolist())
    oracle = rule.best(rows, spread)
    free = replace(PORTFOLIO, fee_ccy_per_mwh=0.0)
    for signal in (-spread, rng.normal(0, 20, 24), np.zeros(24)):
        assert ImbalanceSettlement(free).cost(rows, oracle).sum() <= ImbalanceSettlement(free).cost(rows, rule.best(rows, signal)).sum()
    assert abs((rule.volume(rows) * oracle[:, 0]).sum() / rule.volume(rows).sum()) <= PORTFOLIO.net_share + 1e-9


@pytest.mark.parametrize(
    ("change", "message"),
    [({"band_share": 2}, "band_share is 2"), ({"weekday_shape": [1.0]}, "weekday_shape has 1 values"), ({"bandshare": 1}, "unknown")],
)
def test_a_wrong_portfolio_is_refused_with_its_field(change, message):
    values = dict(registry.params_of("imbalance")["assets"]["portfolio"]) | change
    with pytest.raises(ValueError, match=message):
        Portfolio.of(values)


def test_settlement_needs_its_assets():
    with pytest.raises(ValueError, match=r"no assets\.portfolio"):
        settlement_of(SPEC, {})
