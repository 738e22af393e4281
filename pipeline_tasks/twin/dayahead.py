"""The day-ahead market: unit commitment on the forecasts, then an hourly network-constrained dispatch with reserves.

The commitment knows no network; where a line binds, fast units that it left off may run at their offer plus their start, as in real time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models._kernel.grid.commitment import solve_commitment
from models._kernel.grid.commitment_types import Commitment
from models._kernel.grid.dcopf import DcOpf
from models._kernel.grid.network import CostCurves, Floats, Ints
from models._kernel.grid.opf_types import LossModel, OpfCase
from pipeline_tasks.twin.ancillary import ReserveNeeds, reserve_needs, reserve_products, reserve_requirements, scarcity_worth
from pipeline_tasks.twin.commitment_day import Pools, commitment_problem, start_adders, unit_schedule
from pipeline_tasks.twin.dispatch import Step, anchored_curves, clear_product, offer_curves
from pipeline_tasks.twin.fleet import Fleet
from pipeline_tasks.twin.fleet_config import TradingConfig
from pipeline_tasks.twin.market_types import WINDOWS, Bools, DayCommitment, DayForecast, FleetState, ProductResult, window_of
from pipeline_tasks.twin.participants import make_offers, store_values

LEAST_OUTPUT = 1e-3
"""MW from which a peaker counts as planned to run."""


@dataclass(frozen=True)
class Rules:
    """What does not change from day to day: numbers, pools, losses, contingencies secured."""

    config: TradingConfig
    pools: Pools
    losses: LossModel
    contingencies: tuple[int, ...]


def needs_of(fleet: Fleet, rules: Rules, forecast: DayForecast) -> ReserveNeeds:
    """Reserve needs of the day's hours, from the forecasts."""
    renewable = forecast.available_mw[:, fleet.units.renewable].sum(axis=1)
    return reserve_needs(forecast.load_mw.sum(axis=1), renewable, rules.config.dayahead)


def commit(fleet: Fleet, rules: Rules, forecast: DayForecast, state: FleetState) -> tuple[DayCommitment, FleetState]:
    """Commitment of a day and the state that it leaves; sees the day-ahead view and the day before's commitment only."""
    config = rules.config
    values = store_values(fleet, config.offers, state.energy_mwh, state.recent_price, forecast.day_of_year)
    offers = make_offers(fleet, (config.fleet, config.offers), forecast, values)
    problem = commitment_problem(fleet, config, forecast, state, (offers, values, needs_of(fleet, rules, forecast), rules.pools))
    answer = solve_commitment(problem, relative_gap=config.dayahead.gap, node_limit=config.dayahead.nodes)
    hours = len(forecast.local_hour)
    schedule = unit_schedule(fleet, rules.pools, answer, forecast.available_mw)
    peakers = np.flatnonzero(fleet.units.peaker)
    on = np.ones((hours, len(fleet.units.names)), dtype=bool)
    on[:, rules.pools.thermal] = answer.on[:, :hours].T
    on[:, peakers] = schedule[:, peakers] > LEAST_OUTPUT
    started = np.zeros_like(on)
    started[:, rules.pools.thermal] = answer.start[:, :hours].T
    started[:, peakers] = on[:, peakers] & ~np.vstack([state.on[None, peakers], on[:-1, peakers]])
    energy = _energy(fleet, rules, forecast, state, answer)
    reference = np.clip(answer.energy_price[:hours], forecast.price_floor, forecast.price_cap)
    following = _next_state(config, state, (on, schedule, energy, reference))
    commitment = DayCommitment(
        day=forecast.day,
        on=on,
        schedule_mw=schedule,
        started=started,
        previous_mw=state.output_mw,
        previous_on=state.on,
        energy_mwh=energy,
        energy_price=reference,
        offers=offers,
        water_value=values,
        objective=answer.objective,
        bound=answer.bound,
        gap=answer.gap,
    )
    return commitment, following


def _energy(fleet: Fleet, rules: Rules, forecast: DayForecast, state: FleetState, answer: Commitment) -> Floats:
    """Stored energy (hour, unit): units of a pool share its fill."""
    units, hours = fleet.units, len(forecast.local_hour)
    energy = np.zeros((hours, len(units.names)))
    for k, group in enumerate(rules.pools.storage):
        share = units.store_mwh[group] / units.store_mwh[group].sum()
        energy[:, group] = answer.energy_mwh[k, :hours, None] * share
    for k, group in enumerate(rules.pools.hydro):
        share = units.store_mwh[group] / units.store_mwh[group].sum()
        inflow = float((units.capacity_factor[group] * units.p_max_mw[group]).sum()) * forecast.inflow
        level, full = float(state.energy_mwh[group].sum()), float(units.store_mwh[group].sum())
        for hour in range(hours):
            level = float(np.clip(level + inflow - answer.hydro_mw[k, hour], 0.0, full))
            energy[hour, group] = level * share
    return energy


def _next_state(config: TradingConfig, state: FleetState, path: tuple[Bools, Floats, Floats, Floats]) -> FleetState:
    on, schedule, energy, reference = path
    hours = len(on)
    same = on[::-1] == on[-1]
    length = np.where(same.all(axis=0), hours, same.argmin(axis=0))
    carried = same.all(axis=0) & (state.on == on[-1])
    memory = config.offers.price_memory
    return FleetState(
        day=state.day + 1,
        on=on[-1],
        hours_in_state=np.where(carried, state.hours_in_state + hours, length).astype(np.int64),
        output_mw=np.round(schedule[-1], 3),
        energy_mwh=energy[-1],
        recent_price=memory * state.recent_price + (1 - memory) * float(np.clip(reference, 0.0, 4 * state.recent_price + 50).mean()),
    )


def output_limits(fleet: Fleet, on: Bools, available: Floats) -> tuple[Floats, Floats]:
    """Range (unit,) of the dispatch: committed units between minimum and what is available, others at zero unless they start fast.

    Reservoirs release at least their minimum.
    """
    units = fleet.units
    running = on & (available >= np.maximum(units.p_min_mw, 0.0) - 1e-9)
    high = np.where(units.committed, np.where(running | units.fast, available, 0.0), available)
    low = np.where(units.committed & running, np.maximum(units.p_min_mw, 0.0), 0.0)
    low = np.where(units.storage, units.p_min_mw * available / units.p_max_mw, low)
    low = np.where(units.reservoir, np.minimum(units.p_min_mw, available), low)
    return np.minimum(low, high), high


def store_band(fleet: Fleet, schedule: Floats, limits: tuple[Floats, Floats], share: float) -> tuple[Floats, Floats, Floats]:
    """Lowest, scheduled and highest output (unit,): stores stay within a band around their schedule; others keep their limits."""
    units = fleet.units
    low, high = limits
    stored = units.store_mwh > 0
    middle = np.clip(schedule, low, high)
    band = share * units.p_max_mw
    return np.where(stored, np.maximum(low, middle - band), low), middle, np.where(stored, np.minimum(high, middle + band), high)


def with_starts(curves: CostCurves, adder: Floats) -> CostCurves:
    """The curves with an adder (unit,) on all blocks."""
    price = np.round(curves.block_price + adder[curves.block_generator], 4)
    return CostCurves(
        curves.constant, curves.linear, curves.quadratic, curves.block_generator, curves.block_start_mw, curves.block_mw, price
    )


def dayahead_steps(fleet: Fleet, rules: Rules, forecast: DayForecast, commitment: DayCommitment) -> Callable[[int, Floats], Step]:
    """Builder of the day-ahead cases of a day."""
    config = rules.config
    curves = [offer_curves(fleet, commitment.offers, w) for w in range(len(WINDOWS))]
    window: Ints = window_of(forecast.local_hour)
    needed = needs_of(fleet, rules, forecast).nested()
    bid = forecast.load_mw * (1 + config.dayahead.load_premium)
    adder = start_adders(fleet, rules.config, forecast)
    worth = scarcity_worth(config.dayahead, commitment.offers, forecast.price_cap)

    def build(hour: int, previous_mw: Floats) -> Step:
        limits = output_limits(fleet, commitment.on[hour], forecast.available_mw[hour])
        low, middle, high = store_band(fleet, commitment.schedule_mw[hour], limits, config.dayahead.store_band[0])
        cost = anchored_curves(
            fleet,
            with_starts(curves[window[hour]], np.where(commitment.on[hour], 0.0, adder)),
            middle,
            reference=float(commitment.energy_price[hour]),
            spread=config.offers.storage_spread,
        )
        running = (commitment.on[hour] & (high > 0)) | fleet.units.storage
        case = OpfCase(
            load_mw=bid[hour],
            p_min_mw=low,
            p_max_mw=high,
            cost=cost,
            previous_mw=previous_mw,
            minutes=60.0,
            outages=tuple(np.flatnonzero(forecast.branch_out[hour]).tolist()),
            contingencies=rules.contingencies,
            reserves=reserve_products(fleet, running, forecast.available_mw[hour], config.dayahead),
            requirements=reserve_requirements(needed[hour], config.dayahead, worth),
            capacity_mw=np.where(fleet.units.renewable, high, np.maximum(forecast.available_mw[hour], high)),
            floor_mw=np.minimum(limits[0], low),
            losses=rules.losses,
        )
        return Step(case, bid[hour], needed[hour])

    return build


def clear_dayahead(solver: DcOpf, fleet: Fleet, rules: Rules, forecast: DayForecast, commitment: DayCommitment) -> ProductResult:
    """The day-ahead product of a day: prices, awards, flows, reserves; pure in its arguments."""
    return clear_product(
        solver,
        fleet,
        dayahead_steps(fleet, rules, forecast, commitment),
        commitment.previous_mw,
        count=len(forecast.local_hour),
        minutes=60,
        limits=(forecast.price_floor, forecast.price_cap),
    )
