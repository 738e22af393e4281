"""Plants that a scenario adds to a fleet, each for a window of dates.

They stand behind all other units, so that no position, name or number of those changes; line limits and losses stay as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models._kernel.grid.network import Floats, GridError
from pipeline_tasks.twin.dials import NewPlant
from pipeline_tasks.twin.fleet import Fleet, Units, class_units, generators_of, joined, unit_owners
from pipeline_tasks.twin.fleet_config import TradingConfig


def technology_of(fuel: str, config: TradingConfig) -> str:
    """Class of a new plant: that of the name, or the class with the largest capacity that burns the fuel.

    Raises:
        GridError: neither a class nor a fuel; the message lists both.
    """
    known = config.fleet.technologies
    burning = [k for k, t in known.items() if t.fuel == fuel]
    if fuel in known or not burning:
        burning = [fuel]
    if burning[0] not in known:
        fuels = sorted({t.fuel for t in known.values()})
        raise GridError(f"new plant of {fuel!r}; take a class ({', '.join(known)}) or a fuel ({', '.join(fuels)})")
    return max(burning, key=lambda k: known[k].capacity)


def plant_units(fleet: Fleet, plants: Sequence[NewPlant], config: TradingConfig) -> Units:
    """The plants as units, in order; at the named bus, else where the lines of their hub can carry most.

    Raises:
        GridError: unknown hub, bus or fuel, a bus of another hub, or a name that is taken; the message names it.
    """
    taken = set(fleet.units.names)
    for plant in plants:
        if plant.name in taken:
            raise GridError(f"new plant {plant.name!r}: a unit of that name exists; choose another")
        taken.add(plant.name)
    bus = np.array([_bus(fleet, p) for p in plants], dtype=np.int64)
    before = len(fleet.units.names)
    labels = (
        tuple(p.name for p in plants),
        tuple(technology_of(p.fuel, config) for p in plants),
        unit_owners(before + len(plants), config.fleet)[before:],
    )
    capacity = np.array([p.capacity_mw for p in plants])
    return class_units(labels, (bus, fleet.hub_of_bus[bus]), capacity, config.fleet, config.offers, fleet.peak_load_mw)


def extended(fleet: Fleet, plants: Units) -> Fleet:
    """The fleet with more units behind its own; the network's lines and loads are untouched."""
    units = joined(fleet.units, plants)
    return replace(fleet, units=units, network=replace(fleet.network, generators=generators_of(units)))


def _bus(fleet: Fleet, plant: NewPlant) -> int:
    names = fleet.network.buses.names
    if plant.hub not in fleet.hubs:
        raise GridError(f"new plant {plant.name!r}: no hub {plant.hub!r}; hubs are {', '.join(fleet.hubs)}")
    inside = fleet.hub_of_bus == fleet.hubs.index(plant.hub)
    if plant.bus is None:
        return int(np.argmax(np.where(inside, _carried(fleet), -1.0)))
    if plant.bus not in names or not inside[names.index(plant.bus)]:
        raise GridError(f"new plant {plant.name!r}: no bus {plant.bus!r} in {plant.hub}; leave it out to have one chosen")
    return names.index(plant.bus)


def _carried(fleet: Fleet) -> Floats:
    """MW that the branches at each bus can carry together."""
    branches = fleet.network.branches
    ends = np.concatenate([branches.from_bus, branches.to_bus])
    limits = np.minimum(np.tile(branches.rating_mw, 2), fleet.peak_load_mw)
    return np.bincount(ends, weights=limits, minlength=fleet.network.n_buses).astype(np.float64)
