"""What unit commitment is asked and what it answers; one period is one hour throughout."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from models._kernel.grid.network import Floats

Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True)
class ThermalUnit:
    """A unit that is switched on and off; field names and meaning as in the PGLib-UC data.

    Attributes:
        name: label, unique in a problem.
        power_output_minimum, power_output_maximum: output range when on, MW.
        piecewise_production: points (mw, cost per hour) of the convex production cost, from minimum to maximum output; the first point's
            cost is the cost of being on.
        startup: tiers (lag, cost), hottest first: from `lag` hours off a start costs `cost`; the first lag is the minimum down time.
        time_up_minimum, time_down_minimum: hours, at least 1.
        ramp_up_limit, ramp_down_limit: largest change of the output above minimum from hour to hour, MW; reserve counts in the upward one.
        ramp_startup_limit, ramp_shutdown_limit: largest output in the hour of a start, and in the last hour before a stop, MW.
        must_run: on in every hour in which it is available.
        reserve_maximum: largest spinning reserve, MW.
    """

    name: str
    power_output_minimum: float
    power_output_maximum: float
    piecewise_production: tuple[tuple[float, float], ...]
    startup: tuple[tuple[int, float], ...] = ((1, 0.0),)
    time_up_minimum: int = 1
    time_down_minimum: int = 1
    ramp_up_limit: float = np.inf
    ramp_down_limit: float = np.inf
    ramp_startup_limit: float = np.inf
    ramp_shutdown_limit: float = np.inf
    must_run: bool = False
    reserve_maximum: float = np.inf


@dataclass(frozen=True)
class UnitState:
    """A unit before the first hour: on or off, for how many hours (at least 1), and its output, MW (0 when off)."""

    on: bool
    hours: int
    output_mw: float = 0.0


@dataclass(frozen=True)
class Renewable:
    """Output between two profiles, MW per hour; `cost` per MWh may be negative (paid to run)."""

    name: str
    minimum_mw: Floats
    maximum_mw: Floats
    cost: float = 0.0


@dataclass(frozen=True)
class Storage:
    """A store charged from and discharged to the system.

    Attributes:
        charge_mw, discharge_mw: largest power at the grid side; they share the converter: used shares of both add up to at most 1.
        energy_mwh: capacity.
        initial_mwh: content before the first hour.
        charge_efficiency, discharge_efficiency: content gained per MWh taken, MWh delivered per content lost; in (0, 1].
        terminal_minimum_mwh: least content after the last hour.
        discharge_cost: per MWh delivered.
        reserve: whether it can hold spinning reserve (power and one hour of energy).
    """

    name: str
    charge_mw: float
    discharge_mw: float
    energy_mwh: float
    initial_mwh: float
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    terminal_minimum_mwh: float = 0.0
    discharge_cost: float = 0.0
    reserve: bool = True


@dataclass(frozen=True)
class EnergyLimited:
    """Hydro with a budget: output between two profiles, MW, energy over the horizon between two budgets, MWh.

    `cost` per MWh (a water value) may be 0; `reserve` says whether unused power counts as spinning reserve.
    """

    name: str
    minimum_mw: Floats
    maximum_mw: Floats
    energy_mwh: float
    energy_minimum_mwh: float = 0.0
    cost: float = 0.0
    reserve: bool = True


@dataclass(frozen=True)
class Penalties:
    """Prices of what a market must be able to miss; None makes the requirement hard.

    Attributes:
        unserved_energy: per MWh of demand not met.
        oversupply: per MWh fed in beyond demand (must-run and minimum output in low load).
        reserve_shortfall: steps (mw, price per MWh) of missing reserve, cheapest first; the last may be (inf, price).
    """

    unserved_energy: float | None = None
    oversupply: float | None = None
    reserve_shortfall: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class CommitmentState:
    """The end of one horizon as the start of the next: units in order of the problem, and the stores' content, MWh."""

    units: tuple[UnitState, ...]
    storage_mwh: tuple[float, ...] = ()


@dataclass(frozen=True)
class CommitmentProblem:
    """One horizon of T hours.

    Attributes:
        demand_mw: shape (T,).
        units: thermal units.
        state: one UnitState per unit.
        reserve_mw: spinning reserve to hold, shape (T,); None for none.
        renewables, storage, hydro: what needs no commitment.
        availability_mw: largest output of each thermal unit in each hour, shape (units, T); below its minimum the unit is out: off whatever
            its minimum up time, ramps or must-run say, and a fall of it is followed at once. None when all are available.
        penalties: prices of unserved energy, oversupply and missing reserve.
    """

    demand_mw: Floats
    units: tuple[ThermalUnit, ...]
    state: tuple[UnitState, ...]
    reserve_mw: Floats | None = None
    renewables: tuple[Renewable, ...] = ()
    storage: tuple[Storage, ...] = ()
    hydro: tuple[EnergyLimited, ...] = ()
    availability_mw: Floats | None = None
    penalties: Penalties = field(default_factory=Penalties)

    @property
    def n_hours(self) -> int:
        """Length of the horizon."""
        return len(self.demand_mw)

    def capacity_mw(self) -> Floats:
        """Largest output of each unit in each hour, 0 where it is out; shape (units, T)."""
        low = np.array([u.power_output_minimum for u in self.units], dtype=float)[:, None]
        high = np.array([u.power_output_maximum for u in self.units], dtype=float)[:, None]
        full = np.broadcast_to(high, (len(self.units), self.n_hours))
        if self.availability_mw is None:
            return np.array(full)
        return np.where(self.availability_mw < low, 0.0, np.minimum(self.availability_mw, full))

    def out(self) -> Flags:
        """Whether a unit is out in an hour; shape (units, T)."""
        low = np.array([u.power_output_minimum for u in self.units], dtype=float)[:, None]
        if self.availability_mw is None:
            return np.zeros((len(self.units), self.n_hours), dtype=bool)
        gone: Flags = (self.availability_mw < low) | (self.availability_mw <= 0.0)
        return gone

    def with_state(self, state: CommitmentState) -> CommitmentProblem:
        """The same problem from another start; the stores take the state's content."""
        stores = tuple(replace(s, initial_mwh=mwh) for s, mwh in zip(self.storage, state.storage_mwh, strict=True))
        return replace(self, state=state.units, storage=stores)


@dataclass(frozen=True)
class Commitment:
    """A feasible commitment with its dispatch and a proven bound.

    Attributes:
        on: shape (units, T).
        start: the hour's first of a run, shape (units, T).
        output_mw, reserve_mw: of the thermal units, shape (units, T).
        renewable_mw, hydro_mw, hydro_reserve_mw: shape (elements, T).
        charge_mw, discharge_mw, energy_mwh, storage_reserve_mw: of the stores, energy at the end of each hour; shape (stores, T).
        unserved_mw, oversupply_mw, reserve_short_mw: shape (T,).
        startup_cost, production_cost: shape (units, T).
        energy_price, reserve_price: duals of demand and reserve with the commitment fixed, per MWh; shape (T,).
        objective: total cost, start-ups and penalties included.
        bound: no feasible commitment costs less than this (up to the solver's tolerance).
        gap: (objective - bound) / |objective|.
        method: whose bound it is: `linear` (the relaxation's), `cuts` (the relaxation's with cutting planes) or `tree` (branch and bound).
        nodes: branch-and-bound nodes spent.
    """

    on: Flags
    start: Flags
    output_mw: Floats
    reserve_mw: Floats
    renewable_mw: Floats
    hydro_mw: Floats
    hydro_reserve_mw: Floats
    charge_mw: Floats
    discharge_mw: Floats
    energy_mwh: Floats
    storage_reserve_mw: Floats
    unserved_mw: Floats
    oversupply_mw: Floats
    reserve_short_mw: Floats
    startup_cost: Floats
    production_cost: Floats
    energy_price: Floats
    reserve_price: Floats
    objective: float
    bound: float
    gap: float
    method: str
    nodes: int
