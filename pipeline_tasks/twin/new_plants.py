"""Plants that a scenario adds to a fleet, each for a window of dates.

They stand behind all other units, so that no position, name or number of those changes; line limits and losses stay as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models._kernel.grid.network import Floats, GridError, Ints
from pipeline_tasks.twin.dials import NewPlant
from pipeline_tasks.twin.fleet import Fleet, Units, class_units, generators_of, joined, site_units, unit_owners
from pipeline_tasks.twin.fleet_config import TradingConfig
from pipeline_tasks.twin.geography import SOLAR, WIND_OFFSHORE, WIND_ONSHORE, Geography, Sites

WEATHER = {"wind": WIND_ONSHORE, WIND_OFFSHORE: WIND_OFFSHORE, "solar": SOLAR}
"""Kind of site of the plants that live on wind and sun."""


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
        classes = ", ".join([*known, *WEATHER])
        raise GridError(f"new plant of {fuel!r}; take a class ({classes}) or a fuel ({', '.join(fuels)})")
    return max(burning, key=lambda k: known[k].capacity)


def plant_sites(fleet: Fleet, geography: Geography, plants: Sequence[NewPlant]) -> Sites:
    """Sites of those plants that live on wind and sun, in order; at the named bus, else where the lines of their hub can carry most.

    Raises:
        GridError: unknown hub or bus, or a bus of another hub; the message names it.
    """
    mine = [p for p in plants if p.fuel in WEATHER]
    bus = _buses(fleet, mine)
    return Sites(
        names=tuple(p.name for p in mine),
        kind=tuple(WEATHER[p.fuel] for p in mine),
        bus=bus,
        hub=geography.hub_of_bus[bus],
        capacity_mw=np.array([p.capacity_mw for p in mine]),
        points=geography.buses.at(bus),
        windows=tuple((p.first, p.last) for p in mine),
    )


def plant_units(fleet: Fleet, sites: Sites, plants: Sequence[NewPlant], config: TradingConfig) -> Units:
    """The plants as units, in order.

    Args:
        fleet: the fleet without them.
        sites: `plant_sites` of the same plants; they take the positions behind the fleet's own sites.
        plants: what is added.
        config: classes and owners.

    Raises:
        GridError: unknown hub, bus or fuel, a bus of another hub, or a name that is taken; the message names it.
    """
    taken = set(fleet.units.names)
    for plant in plants:
        if plant.name in taken:
            raise GridError(f"new plant {plant.name!r}: a unit of that name exists; choose another")
        taken.add(plant.name)
    before = len(fleet.units.names)
    owners = dict(zip((p.name for p in plants), unit_owners(before + len(plants), config.fleet)[before:], strict=True))
    others = [p for p in plants if p.fuel not in WEATHER]
    bus = _buses(fleet, others)
    labels = (
        tuple(p.name for p in others),
        tuple(technology_of(p.fuel, config) for p in others),
        tuple(owners[p.name] for p in others),
    )
    capacity = np.array([p.capacity_mw for p in others])
    classed = class_units(labels, (bus, fleet.hub_of_bus[bus]), capacity, config.fleet, config.offers, fleet.peak_load_mw)
    unpaid, first = np.zeros(len(sites.names)), int(fleet.units.renewable.sum())
    weathered = site_units(sites, tuple(owners[n] for n in sites.names), unpaid, config.fleet, config.offers, first=first)
    found = joined(classed, weathered)
    return found.take([found.names.index(p.name) for p in plants])


def extended(fleet: Fleet, plants: Units) -> Fleet:
    """The fleet with more units behind its own; the network's lines and loads are untouched."""
    units = joined(fleet.units, plants)
    return replace(fleet, units=units, network=replace(fleet.network, generators=generators_of(units)))


def _buses(fleet: Fleet, plants: Sequence[NewPlant]) -> Ints:
    return np.array([_bus(fleet, p) for p in plants], dtype=np.int64)


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
