"""What a day of the simulated market takes and gives, as arrays: no file, no frame, no clock.

Positions are those of the fleet's network: axis `bus` follows network.buses, `unit` network.generators, `branch` network.branches,
`hub` Fleet.hubs. Axis `hour` has 23, 24 or 25 entries (elapsed hours of the local day); axis `step` is the product's own: hours for the
day-ahead market, hours or five minutes for real time. MW and currency/MWh throughout; prices are rounded to cents and their parts add
up exactly in decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from models._kernel.grid.network import Floats, Ints

Bools = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

WINDOWS = ("night", "day", "evening")
"""Parts of the local day with offers of their own: 0-6, 6-17 and 17-24 o'clock, each without a gap."""


class Reserve(StrEnum):
    """Ancillary products, in the order of every reserve axis."""

    REGULATION_UP = "regulation_up"
    REGULATION_DOWN = "regulation_down"
    SPINNING = "spinning"
    NON_SPINNING = "non_spinning"


RESERVES = tuple(Reserve)


def window_of(local_hour: Ints) -> Ints:
    """Position in WINDOWS of each local hour of day (0-23)."""
    return np.searchsorted(np.array([6, 17]), local_hour, side="right").astype(np.int64)


@dataclass(frozen=True)
class DayForecast:
    """All that the day-ahead market of one day may know: published by the gate of the day before.

    Attributes:
        day: index of the delivery day in the world's calendar.
        local_hour: (hour,) local hour of day, 0-23.
        load_mw: (hour, bus) forecast demand.
        available_mw: (hour, unit) upper limit of output: forecast of wind, solar and run-of-river, capacity of the others less what is
            lost to outages announced by the gate for as long as they are expected to last.
        branch_out: (hour, branch) outages of branches announced by the gate.
        gas, coal, co2: last settlements before the gate: gas (unit,) at the gas hub of each unit, coal, currency/MWh thermal; co2
        currency/t.
        inflow: natural inflow of reservoirs and rivers over its yearly mean.
        stress: regime seen by bidders, 0 normal, 1 transition, 2 stressed.
        day_of_year: 1 to 366.
        price_floor, price_cap: limits of offers and prices in force on the day, currency/MWh.
    """

    day: int
    local_hour: Ints
    load_mw: Floats
    available_mw: Floats
    branch_out: Bools
    gas: Floats
    coal: float
    co2: float
    inflow: float
    stress: int
    day_of_year: int
    price_floor: float
    price_cap: float


@dataclass(frozen=True)
class DayActual:
    """What happened: only real time and settlement may see it.

    Attributes:
        minutes: length of a step, 60 or 5.
        load_mw: (step, bus) demand.
        available_mw: (step, unit) output limit: wind, solar and run-of-river as they came, reduced by outages, announced or not.
        branch_out: (step, branch) branches on outage.
    """

    minutes: int
    load_mw: Floats
    available_mw: Floats
    branch_out: Bools


@dataclass(frozen=True)
class Offers:
    """Offers of one day and the truth behind them; row = (unit, window, block), blocks of a unit in rising order.

    Attributes:
        unit: position of the unit.
        window: position in WINDOWS.
        block: 0, 1, ... within the unit.
        start_mw, size_mw: where the block begins on the unit's output and its size; a storage begins at its negative limit.
        cost: true marginal cost of the block (fuel, carbon, other), or the water value; currency/MWh. Truth: not for models.
        markup: offer less cost, currency/MWh. Truth.
        price: what the market saw: cost + markup, within the market's limits.
    """

    unit: Ints
    window: Ints
    block: Ints
    start_mw: Floats
    size_mw: Floats
    cost: Floats
    markup: Floats
    price: Floats


@dataclass(frozen=True)
class FleetState:
    """What one day hands to the next; the result of `commit_day`, picklable and small.

    Attributes:
        day: index of the day just committed; -1 before the first.
        on: (unit,) committed in the last hour (peakers: planned to run; other units without commitment: True).
        hours_in_state: (unit,) hours since the last start or stop, at least 1.
        output_mw: (unit,) scheduled output of the last hour.
        energy_mwh: (unit,) stored energy of storages and reservoirs; 0 for others.
        recent_price: mean marginal price of the last committed days, currency/MWh: what storages and reservoirs expect.
    """

    day: int
    on: Bools
    hours_in_state: Ints
    output_mw: Floats
    energy_mwh: Floats
    recent_price: float


@dataclass(frozen=True)
class DayCommitment:
    """The unit commitment of one day on the forecasts; units are those of the day's market.

    Attributes:
        day: index of the day.
        on: (hour, unit) committed; for peakers, planned to run; always True for other units without commitment.
        schedule_mw: (hour, unit) output planned by the commitment (binding for storages and reservoirs within a band).
        started: (hour, unit) a start in the hour.
        previous_mw: (unit,) scheduled output of the hour before the first.
        previous_on: (unit,) committed in the hour before the first.
        energy_mwh: (hour, unit) stored energy at the end of the hour; 0 for units without a store.
        energy_price: (hour,) marginal price of the commitment with its decisions fixed: what stores expect of the hour.
        offers: the day's offers with their truth.
        water_value: (unit,) opportunity cost of storages and reservoirs, currency/MWh; nan for others.
        objective, bound, gap: of the commitment's mixed-integer programme, currency and relative.
    """

    day: int
    on: Bools
    schedule_mw: Floats
    started: Bools
    previous_mw: Floats
    previous_on: Bools
    energy_mwh: Floats
    energy_price: Floats
    offers: Offers
    water_value: Floats
    objective: float
    bound: float
    gap: float


@dataclass(frozen=True)
class Constraints:
    """Binding limits of one product, one row each.

    Attributes:
        step: position of the step.
        branch: position of the limited branch.
        contingency: branch position of the outage it is secured against; -1 for the state without one.
        shadow_price: currency/MWh, positive: what one MW more of limit would save; the sign of the congestion is in `direction`.
        direction: +1 if the flow runs from `from_bus` to `to_bus`, -1 otherwise.
        flow_mw, limit_mw: signed flow and the limit it meets.
    """

    step: Ints
    branch: Ints
    contingency: Ints
    shadow_price: Floats
    direction: Ints
    flow_mw: Floats
    limit_mw: Floats


@dataclass(frozen=True)
class ProductResult:
    """A cleared product (day-ahead or real-time) of one day.

    Attributes:
        minutes: length of a step.
        energy: (step,) energy component, the same at every bus.
        congestion, loss, lmp: (step, bus); energy + congestion + loss = lmp in decimals.
        hub_energy, hub_congestion, hub_loss, hub_price: (step, hub) means weighted by the fixed load shares of the buses, with the same
            identity.
        generation_mw: (step, unit) output; negative while a storage charges.
        flow_mw: (step, branch).
        load_mw: (step,) demand that was cleared, before unserved energy.
        losses_mw: (step,) network losses of the linear model.
        unserved_mw, surplus_mw: (step,) demand not met and generation that could not be used, system totals.
        constraints: binding limits.
        reserve_price: (step, reserve).
        reserve_required_mw, reserve_mw: (step, reserve) full requirement and what was held, which may be more: demand for reserve goes on
            beyond the requirement, at lower prices.
        reserve_award_mw: (step, unit, reserve).
        balance_residual_mw: (step,) generation + unserved - surplus - load - losses: 0 up to the solver's tolerance.
    """

    minutes: int
    energy: Floats
    congestion: Floats
    loss: Floats
    lmp: Floats
    hub_energy: Floats
    hub_congestion: Floats
    hub_loss: Floats
    hub_price: Floats
    generation_mw: Floats
    flow_mw: Floats
    load_mw: Floats
    losses_mw: Floats
    unserved_mw: Floats
    surplus_mw: Floats
    constraints: Constraints
    reserve_price: Floats
    reserve_required_mw: Floats
    reserve_mw: Floats
    reserve_award_mw: Floats
    balance_residual_mw: Floats


@dataclass(frozen=True)
class Imbalance:
    """Imbalance settlement, one price for both directions per hour.

    Attributes:
        length_mw: (hour,) system length: positive when schedules deliver more than was used (long), negative when short.
        activated_mw: (hour,) balancing energy activated against it, upward positive.
        price: (hour,) imbalance price, currency/MWh.
    """

    length_mw: Floats
    activated_mw: Floats
    price: Floats


@dataclass(frozen=True)
class DayResult:
    """Everything `clear_day` computes.

    Attributes:
        day: index of the day.
        da: day-ahead product, hourly.
        rt: real-time product, in the steps of the actuals given.
        imbalance: hourly settlement.
        tripped: (step of rt, unit) committed day-ahead but on outage in real time.
        reserve_payment: (reserve,) currency of the day, day-ahead awards at day-ahead reserve prices.
    """

    day: int
    da: ProductResult
    rt: ProductResult
    imbalance: Imbalance
    tripped: Bools
    reserve_payment: Floats
