"""The power plants of the simulated market: laid onto a network's generator buses by a rule, so that any network has a fleet.

Thermal, hydro and storage units take the case's generator positions: the largest become nuclear and lignite, the tail of equal ones is
dealt out by a low-discrepancy sequence so that every technology is spread over the map. Each technology is then scaled to its share of
the peak. Wind and solar units are the sites of the geography. No random number is drawn: the same network and numbers give the same
fleet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any

import numpy as np

from models._kernel.grid.network import CostCurves, Floats, Generators, GridError, Ints, Network
from pipeline_tasks.twin.fleet_config import FleetConfig, OffersConfig, Technology
from pipeline_tasks.twin.geography import Geography, Sites
from pipeline_tasks.twin.market_types import Bools

GOLDEN = 0.6180339887498949
CURVATURE = 0.05
"""Half range of a unit's incremental heat rate around its mean, from the first to the last block above minimum."""


@dataclass(frozen=True)
class Units:
    """All units, arrays of one length in the order of the network's generators: case units first, then wind and solar sites.

    Attributes:
        names: unique labels, `CCGT_NORTH_3`; sites keep the geography's.
        technology: key of the configuration, or `wind`, `solar`.
        fuel: fuel name of the configuration, or `wind`, `solar`.
        owner: company.
        bus, hub: positions.
        p_min_mw, p_max_mw: range when running; negative minimum for storages. Reservoirs with a minimum always release it.
        ramp_mw_per_min: largest change.
        block_start_mw, block_mw: (unit, block) of the offer; unused blocks have size 0.
        block_heat: (unit, block) incremental thermal MWh per MWh; block 0 is the mean up to minimum output. 0 without fuel.
        vom: variable maintenance, EUR/MWh.
        emission: t CO2 per thermal MWh.
        start_wear, start_heat: EUR and thermal MWh of a warm start (whole unit).
        up_h, down_h: minimum up and down time, hours.
        cool_h: (unit, 2) hours off until a start is warm, and cold.
        reserve_share: share of capacity that can be offered as reserve within ten minutes.
        forced_rate, repair_h, planned_weeks: outage behaviour.
        support: EUR/MWh that a unit is paid to run, or saves by staying on: its minimum block is offered so much below cost.
        store_mwh: capacity of a storage or reservoir.
        round_trip: of a storage, 1 otherwise.
        capacity_factor: mean use of a reservoir's inflow over capacity.
        site: position in the geography's sites, -1 for case units.
        committed: switched on and off by the commitment.
        must_run: never switched off while available.
    """

    names: tuple[str, ...]
    technology: tuple[str, ...]
    fuel: tuple[str, ...]
    owner: tuple[str, ...]
    bus: Ints
    hub: Ints
    p_min_mw: Floats
    p_max_mw: Floats
    ramp_mw_per_min: Floats
    block_start_mw: Floats
    block_mw: Floats
    block_heat: Floats
    vom: Floats
    emission: Floats
    start_wear: Floats
    start_heat: Floats
    up_h: Ints
    down_h: Ints
    cool_h: Ints
    reserve_share: Floats
    forced_rate: Floats
    repair_h: Floats
    planned_weeks: Floats
    support: Floats
    store_mwh: Floats
    round_trip: Floats
    capacity_factor: Floats
    site: Ints
    committed: Bools
    must_run: Bools

    def take(self, positions: Sequence[int]) -> Units:
        """The units at these positions."""
        values: dict[str, Any] = {}
        for each in fields(self):
            column = getattr(self, each.name)
            values[each.name] = tuple(column[k] for k in positions) if isinstance(column, tuple) else column[list(positions)]
        return Units(**values)

    def of(self, *technologies: str) -> Bools:
        """Mask of the units of these technologies."""
        return np.isin(np.array(self.technology), technologies)

    @property
    def renewable(self) -> Bools:
        """Wind and solar."""
        return self.site >= 0

    @property
    def river(self) -> Bools:
        """Run of river."""
        return self.of("river")

    @property
    def reservoir(self) -> Bools:
        """Hydro with inflow and a store."""
        return (self.store_mwh > 0) & (self.p_min_mw >= 0)

    @property
    def storage(self) -> Bools:
        """Pumped storage and batteries."""
        return self.p_min_mw < 0

    @property
    def thermal(self) -> Bools:
        """Units that burn fuel."""
        return self.block_heat[:, 0] > 0

    @property
    def fast(self) -> Bools:
        """Thermal units that real time may start: minimum up and down time of an hour."""
        return self.thermal & (self.up_h <= 1) & (self.down_h <= 1)

    @property
    def peaker(self) -> Bools:
        """Fast units without commitment: on where the plan of the day gives them output."""
        return self.fast & ~self.committed


@dataclass(frozen=True)
class Fleet:
    """A fleet on its network.

    Attributes:
        network: the case with the fleet's units as its generators (costs zero: offers bring them); line limits as in the case.
        units: the units.
        hubs: hub names.
        hub_of_bus: (bus,) position of the hub.
        bus_share: (bus,) share in the load of its hub.
        mean_load_mw, peak_load_mw: of the system.
    """

    network: Network
    units: Units
    hubs: tuple[str, ...]
    hub_of_bus: Ints
    bus_share: Floats
    mean_load_mw: float
    peak_load_mw: float

    @property
    def slack_weights(self) -> Floats:
        """(bus,) shares of the base-case load: where prices' energy component stands, and the slack of sensitivities that go with it."""
        load = np.maximum(self.network.buses.load_mw, 0.0)
        return np.asarray(load / load.sum(), dtype=np.float64)

    def hub_means(self, by_bus: Floats) -> Floats:
        """(step, bus) -> (step, hub), weighted by load shares."""
        weights = np.zeros((self.network.n_buses, len(self.hubs)))
        weights[np.arange(self.network.n_buses), self.hub_of_bus] = self.bus_share
        return np.asarray(by_bus @ weights, dtype=np.float64)


def build_fleet(network: Network, geography: Geography, config: FleetConfig, offers: OffersConfig) -> Fleet:
    """The fleet of a network.

    Raises:
        GridError: fewer usable generators than technologies.
    """
    peak = float(geography.hub_load_mw.sum()) * config.peak_over_mean
    usable = np.flatnonzero(network.generators.p_max_mw > 0)
    if len(usable) < len(config.technologies):
        raise GridError(
            f"{network.name}: {len(usable)} generators for {len(config.technologies)} technologies; take a larger case or fewer"
        )
    dealt = _deal(network.generators.p_max_mw[usable], config)
    capacity = _capacities(network.generators.p_max_mw[usable], dealt, config, peak)
    order = np.lexsort((usable, dealt))
    units = _units(network, geography, config, offers, (usable[order], dealt[order], capacity[order], peak))
    return Fleet(
        replace(network, generators=generators_of(units)),
        units,
        geography.hubs,
        geography.hub_of_bus,
        geography.bus_share,
        float(geography.hub_load_mw.sum()),
        peak,
    )


def _sequence(count: int, offset: float = 0.0) -> Floats:
    """Numbers in [0, 1) without clusters (additive recurrence with the golden ratio)."""
    return np.asarray(np.mod(offset + GOLDEN * np.arange(1, count + 1), 1.0), dtype=np.float64)


def _deal(case_mw: Floats, config: FleetConfig) -> Ints:
    """Technology (position) of each generator: by size, equal sizes shuffled by a low-discrepancy sequence."""
    n, kinds = len(case_mw), list(config.technologies.values())
    wanted = np.array([t.count for t in kinds]) * n
    counts = np.maximum(np.floor(wanted), 1).astype(np.int64)
    while counts.sum() < n:
        counts[np.argmax(wanted - counts)] += 1
    while counts.sum() > n:
        counts[np.argmax(np.where(counts > 1, counts - wanted, -np.inf))] -= 1
    order = np.lexsort((_sequence(n), -np.round(case_mw, -1)))
    dealt = np.empty(n, dtype=np.int64)
    dealt[order] = np.repeat(np.arange(len(kinds)), counts)
    return dealt


def _capacities(case_mw: Floats, dealt: Ints, config: FleetConfig, peak: float) -> Floats:
    """Each technology at its share of the peak; within it by the root of the case's size and the deterministic spread."""
    weight = np.sqrt(case_mw) * (1 + config.spread * (2 * _sequence(len(case_mw), 0.3) - 1))
    shares = np.array([t.capacity for t in config.technologies.values()])
    totals = np.bincount(dealt, weights=weight, minlength=len(shares))
    return np.round(weight * (shares * peak / totals)[dealt], 1)


def _units(
    network: Network,
    geography: Geography,
    config: FleetConfig,
    offers: OffersConfig,
    placed: tuple[Ints, Ints, Floats, float],
) -> Units:
    position, dealt, capacity, peak = placed
    keys, sites = list(config.technologies), geography.sites
    classes = tuple(keys[k] for k in dealt)
    bus, n, m = network.generators.bus[position], len(position), len(sites.names)
    hub, owners = geography.hub_of_bus[bus], unit_owners(n + m, config)
    case = class_units((tuple(_names(classes, hub, geography.hubs)), classes, owners[:n]), (bus, hub), capacity, config, offers, peak)
    return joined(case, site_units(sites, owners[n:], _support(sites.is_wind, config), config, offers))


def class_units(
    labels: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
    places: tuple[Ints, Ints],
    capacity: Floats,
    config: FleetConfig,
    offers: OffersConfig,
    peak: float,
) -> Units:
    """Units of the configured classes.

    Args:
        labels: name, class and owner of each.
        places: bus and hub of each.
        capacity: MW.
        config: the classes.
        offers: number of blocks.
        peak: load that decides which units are large enough to be committed.
    """
    names, classes, owners = labels
    kinds = [config.technologies[k] for k in classes]

    def each(name: str) -> Floats:
        return np.array([getattr(t, name) for t in kinds], dtype=np.float64)

    fuelled = np.array([t.efficiency is not None for t in kinds], dtype=bool)
    committed = fuelled & (capacity >= config.commit_share * peak)
    p_min = np.round([t.minimum for t in kinds] * capacity, 1)
    p_min[fuelled & ~committed] = 0.0
    reservoirs = np.flatnonzero((each("store_h") > 0) & (p_min > 0))
    p_min[reservoirs[_sequence(len(reservoirs)) >= each("bound_share")[reservoirs]]] = 0.0
    start, size, heat = _blocks(kinds, p_min, capacity, offers.blocks, config.spread)

    return Units(
        names=names,
        technology=classes,
        fuel=tuple(t.fuel for t in kinds),
        owner=owners,
        bus=places[0],
        hub=places[1],
        p_min_mw=p_min,
        p_max_mw=capacity,
        ramp_mw_per_min=np.where(each("ramp") >= 1.0, np.inf, each("ramp") * capacity),
        block_start_mw=start,
        block_mw=size,
        block_heat=heat,
        vom=each("vom"),
        emission=np.array([config.fuels.emissions[t.fuel] for t in kinds]),
        start_wear=each("start_wear") * capacity,
        start_heat=each("start_heat") * capacity,
        up_h=each("up_h").astype(np.int64),
        down_h=each("down_h").astype(np.int64),
        cool_h=np.array([t.cool_h for t in kinds], dtype=np.int64).reshape(-1, 2),
        reserve_share=each("reserve"),
        forced_rate=each("forced_rate"),
        repair_h=each("repair_h"),
        planned_weeks=each("planned_weeks"),
        support=each("negative"),
        store_mwh=each("store_h") * capacity,
        round_trip=each("round_trip"),
        capacity_factor=each("capacity_factor"),
        site=np.full(len(names), -1),
        committed=committed,
        must_run=each("must_run").astype(bool) & committed,
    )


def site_units(
    sites: Sites, owners: tuple[str, ...], support: Floats, config: FleetConfig, offers: OffersConfig, *, first: int = 0
) -> Units:
    """One unit for each site of wind and sun.

    Args:
        sites: where they stand.
        owners: owner of each.
        support: EUR/MWh that each is paid to run.
        config: the classes.
        offers: number of blocks.
        first: position in the geography's sites of the first one.
    """
    m, capacity = len(sites.names), np.round(sites.capacity_mw, 1)
    kind = tuple("solar" if k == "solar" else "wind" for k in sites.kind)
    start, size, heat = _blocks([None] * m, np.zeros(m), capacity, offers.blocks, config.spread)
    zero, one = np.zeros(m), np.ones(m, dtype=np.int64)
    return Units(
        names=tuple(sites.names),
        technology=kind,
        fuel=kind,
        owner=owners,
        bus=sites.bus,
        hub=sites.hub,
        p_min_mw=zero,
        p_max_mw=capacity,
        ramp_mw_per_min=np.full(m, np.inf),
        block_start_mw=start,
        block_mw=size,
        block_heat=heat,
        vom=zero,
        emission=zero,
        start_wear=zero,
        start_heat=zero,
        up_h=one,
        down_h=one,
        cool_h=np.tile(np.array([1, 2]), (m, 1)),
        reserve_share=zero,
        forced_rate=zero,
        repair_h=np.ones(m),
        planned_weeks=zero,
        support=support,
        store_mwh=zero,
        round_trip=np.ones(m),
        capacity_factor=zero,
        site=first + np.arange(m),
        committed=zero.astype(bool),
        must_run=zero.astype(bool),
    )


def joined(*parts: Units) -> Units:
    """Units of several tables in one, in order."""
    values: dict[str, Any] = {}
    for field in fields(Units):
        columns = [getattr(p, field.name) for p in parts]
        values[field.name] = tuple(chain(*columns)) if isinstance(columns[0], tuple) else np.concatenate(columns)
    return Units(**values)


def generators_of(units: Units) -> Generators:
    """The units as generators of a network, without costs: offers bring them."""
    zero = np.zeros(len(units.names))
    return Generators(units.names, units.bus, units.p_min_mw, units.p_max_mw, units.ramp_mw_per_min, CostCurves(zero, zero, zero))


def _names(technology: tuple[str, ...], hub: Ints, hubs: tuple[str, ...]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for kind, where in zip(technology, hub, strict=True):
        stem = f"{kind.upper()}_{hubs[where].removeprefix('HUB_')}"
        seen[stem] = seen.get(stem, 0) + 1
        names.append(f"{stem}_{seen[stem]}")
    return names


def unit_owners(count: int, config: FleetConfig) -> tuple[str, ...]:
    """Owner of each unit; a longer list begins with the shorter one."""
    edges = np.cumsum(list(config.owners.values())) / sum(config.owners.values())
    chosen = np.searchsorted(edges, _sequence(count, 0.17), side="right")
    return tuple(list(config.owners)[min(int(k), len(edges) - 1)] for k in chosen)


def _support(is_wind: Bools, config: FleetConfig) -> Floats:
    """Support per MWh of each site: 0 for those without, else spread over the range, denser at its lower end."""
    draw, level = _sequence(len(is_wind), 0.41), _sequence(len(is_wind), 0.73)
    share = np.where(is_wind, config.subsidised_wind, config.subsidised_solar)
    low, high = config.support
    return np.where(draw < share, np.round(low + (high - low) * level**2, 1), 0.0)


def _blocks(kinds: Sequence[Technology | None], p_min: Floats, p_max: Floats, blocks: int, spread: float) -> tuple[Floats, Floats, Floats]:
    """Start, size and incremental heat of (unit, block): up to minimum, then equal blocks with rising heat rate.

    Fuel at minimum and at full output follow from the two efficiencies; between them the incremental heat rate rises by CURVATURE
    around its mean, so that the curve is convex and meets both ends.
    """
    n = len(p_max)
    start, size, heat = (np.zeros((n, blocks + 1)) for _ in range(3))
    luck = 1 + 0.35 * spread * (2 * _sequence(n, 0.57) - 1)
    tilt = 1 + CURVATURE * (2 * (np.arange(blocks) + 0.5) / blocks - 1)
    for u in range(n):
        kind = kinds[u]
        step = (p_max[u] - max(p_min[u], 0.0)) / blocks
        if kind is None or kind.efficiency is None:
            parts = 1 if kind is None or not kind.store_h else 2
            edges = np.linspace(p_min[u], p_max[u], parts + 1) if p_min[u] >= 0 else np.array([p_min[u], 0.0, p_max[u]])
            start[u, :parts], size[u, :parts] = edges[:-1], np.diff(edges)
            start[u, parts:] = p_max[u]
            continue
        low, high = kind.efficiency[0] / luck[u], kind.efficiency[1] / luck[u]
        slope = (1 / high * p_max[u] - 1 / low * p_min[u]) / (p_max[u] - p_min[u])
        start[u] = [0.0, *(p_min[u] + step * np.arange(blocks))]
        size[u] = [p_min[u], *([step] * blocks)]
        heat[u] = [1 / low if p_min[u] > 0 else slope * tilt[0], *(slope * tilt)]
    return start, size, heat
