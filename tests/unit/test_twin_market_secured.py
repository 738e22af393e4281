"""N-1 security of the simulated market on RTS-24: off it costs and changes nothing, on it holds after every secured outage.

Factors after an outage are computed here from reactances alone, without the code that the dispatch uses.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pytest
import yaml

from config.markets import load_markets
from models._kernel.grid.cases import load_pypower_case
from models._kernel.grid.dcopf import DcOpf
from pipeline_tasks.twin.dayahead import dayahead_steps
from pipeline_tasks.twin.fleet_config import FLEET_FILE, load_trading
from pipeline_tasks.twin.geography import build_geography
from pipeline_tasks.twin.market import TwinMarket, build_market, clear_day, commit_day, initial_state
from pipeline_tasks.twin.market_types import DayCommitment, DayResult
from pipeline_tasks.twin.noise import Calendar
from pipeline_tasks.twin.realtime import realtime_steps
from pipeline_tasks.twin.views import day_actual, day_forecast
from pipeline_tasks.twin.world import simulate_world
from pipeline_tasks.twin.world_config import load_world
from pipeline_tasks.twin.world_types import World

START, DAYS, SECURED = date(2026, 1, 12), 2, 6
CLOSE = 1e-4  # MW, of flows; the dispatch certifies 1e-6 of its own residuals


class Run(NamedTuple):
    """A market and its days."""

    market: TwinMarket
    world: World
    days: list[tuple[DayCommitment, DayResult]]


def _run(count: int) -> Run:
    config = load_world("test")
    network = load_pypower_case(config.case)
    geography = build_geography(network, config)
    trading = load_trading(profile="test")
    trading = trading.model_copy(update={"dayahead": trading.dayahead.model_copy(update={"contingencies": count})})
    market = build_market(network, geography, trading, load_markets()["twin"])
    calendar = Calendar.build(START, START + timedelta(days=DAYS - 1), "Europe/Berlin")
    world = simulate_world(config, geography, market.elements, calendar)
    state, days = initial_state(market), []
    for day in range(DAYS):
        commitment, state = commit_day(market, world, day, state)
        days.append((commitment, clear_day(market, world, day, commitment)))
    return Run(market, world, days)


@pytest.fixture(scope="module")
def plain() -> Run:
    return _run(0)


@pytest.fixture(scope="module")
def secured() -> Run:
    return _run(SECURED)


def _factors(run: Run, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Own PTDF (branch, bus) to an even slack, and LODF (branch, branch), of the network without the branches that are out."""
    lines, n = run.market.network.branches, run.market.network.n_buses
    weight = np.where(out, 0.0, 1 / (lines.reactance_pu * lines.tap))
    ends = np.zeros((len(weight), n))
    ends[np.arange(len(weight)), lines.from_bus] = 1.0
    ends[np.arange(len(weight)), lines.to_bus] -= 1.0
    ptdf = weight[:, None] * ends @ np.linalg.pinv(ends.T @ (weight[:, None] * ends))
    across = ptdf @ ends.T
    lodf = across / np.where(np.abs(1 - np.diag(across)) < 1e-9, np.nan, 1 - np.diag(across))
    np.fill_diagonal(lodf, -1.0)
    return ptdf, np.where(out[:, None] | out, 0.0, lodf)


def _products(run: Run):
    """Every product of every day: (product, (step, branch) that are out)."""
    for day, (_, result) in enumerate(run.days):
        forecast, actual = (
            day_forecast(run.market.fleet, run.market.market, run.world, day),
            day_actual(run.market.fleet, run.world, day, 60),
        )
        yield result.da, forecast.branch_out
        yield result.rt, actual.branch_out


def _excess(run: Run, lost: tuple[int, ...]) -> tuple[float, int]:
    """Largest MW by which a branch is beyond its emergency limit after the loss of any one of `lost`, where the limit was not relaxed.

    The second value counts the pairs of step and loss.
    """
    worst, seen = -np.inf, 0
    limit = run.market.network.branches.emergency_mw
    for product, out in _products(run):
        bound = product.constraints
        for step, flow in enumerate(product.flow_mw):
            _, lodf = _factors(run, out[step])
            for k in lost:
                if out[step, k] or np.isnan(lodf[:, k]).any():
                    continue
                after = np.abs(flow + lodf[:, k] * flow[k]) - limit
                mine = (bound.step == step) & (bound.contingency == k) & (bound.shadow_price >= run.market.market.limit_price - 0.01)
                after[bound.branch[mine]] = -np.inf
                worst, seen = max(worst, float(after.max())), seen + 1
    return worst, seen


def test_it_is_a_setting_of_a_profile_and_may_be_off(tmp_path, plain, secured):
    content = yaml.safe_load(FLEET_FILE.read_text(encoding="utf-8"))
    content["profiles"]["mine"] = {"dayahead": {"contingencies": 3}}
    path = tmp_path / "fleet.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert load_trading(path, profile="mine").dayahead.contingencies == 3
    assert load_trading(path, profile="demo").dayahead.contingencies > 0
    assert plain.market.rules.contingencies == ()
    assert all((p.constraints.contingency == -1).all() for p, _ in _products(plain))
    chosen = secured.market.rules.contingencies
    assert len(chosen) == SECURED
    hub, lines = secured.market.fleet.hub_of_bus, secured.market.network.branches
    assert all(hub[lines.from_bus[k]] != hub[lines.to_bus[k]] for k in chosen)


def test_flows_after_every_secured_outage_keep_the_emergency_limits(plain, secured):
    lost = secured.market.rules.contingencies
    worst, seen = _excess(secured, lost)
    assert seen > 0.9 * len(lost) * 2 * 24 * DAYS
    assert worst < CLOSE
    assert _excess(plain, lost)[0] > 1.0, "without security some outage would overload a branch"


def test_published_rows_name_the_outage_with_the_flow_after_it_and_the_emergency_limit(secured):
    limits, checked = secured.market.network.branches, 0
    for product, out in _products(secured):
        bound = product.constraints
        for row in np.flatnonzero(bound.contingency >= 0):
            step, branch, lost = (int(a[row]) for a in (bound.step, bound.branch, bound.contingency))
            _, lodf = _factors(secured, out[step])
            flow = product.flow_mw[step]
            assert bound.flow_mw[row] == pytest.approx(flow[branch] + lodf[branch, lost] * flow[lost], abs=CLOSE)
            assert bound.limit_mw[row] == limits.emergency_mw[branch]
            assert abs(bound.flow_mw[row]) >= limits.emergency_mw[branch] - CLOSE
            checked += 1
    assert checked > 0


def test_prices_are_energy_plus_factors_after_the_outage_times_shadow_prices(secured):
    fleet, checked = secured.market.fleet, 0
    for product, out in _products(secured):
        for step in np.unique(product.constraints.step[product.constraints.contingency >= 0]):
            bound = product.constraints
            mine = bound.step == step
            branch, lost = bound.branch[mine], bound.contingency[mine]
            ptdf, lodf = _factors(secured, out[step])
            rows = ptdf[branch] + np.where(lost >= 0, lodf[branch, lost], 0.0)[:, None] * ptdf[lost]
            rows -= (rows @ fleet.slack_weights)[:, None]
            expected = -(bound.shadow_price[mine] * bound.direction[mine]) @ rows
            np.testing.assert_allclose(product.congestion[step], expected, atol=0.05)
            checked += 1
    assert checked > 0


def test_a_step_differs_from_the_unsecured_one_only_where_an_outage_binds_and_then_costs_more(plain, secured):
    """Each step of a secured day, solved once more from the same state without the outages."""
    binding, free = 0, 0
    for day, (commitment, result) in enumerate(secured.days):
        fleet, market = secured.market.fleet, secured.market.market
        forecast, actual = day_forecast(fleet, market, secured.world, day), day_actual(fleet, secured.world, day, 60)
        for product, steps in (("da", dayahead_steps), ("rt", realtime_steps)):
            more = ((actual, result.da.energy),) if product == "rt" else ()
            with_, without = (steps(fleet, run.market.rules, forecast, commitment, *more) for run in (secured, plain))
            cleared = getattr(result, product)
            previous = commitment.previous_mw
            for step, output in enumerate(cleared.generation_mw):
                held = DcOpf(fleet.network, secured.market.solver.options).solve(with_(step, previous).case)
                loose = DcOpf(fleet.network, secured.market.solver.options).solve(without(step, previous).case)
                np.testing.assert_allclose(held.p_mw, output, atol=1e-5)
                if (held.binding.contingency >= 0).any():
                    binding += 1
                    assert held.objective > loose.objective
                else:
                    free += 1
                    np.testing.assert_allclose(held.lmp, loose.lmp, atol=1e-6)
                    np.testing.assert_allclose(held.flow_mw, loose.flow_mw, atol=1e-5)
                previous = output
    assert binding > 3
    assert free > 3
