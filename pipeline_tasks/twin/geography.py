"""The map of the twin: hubs, coordinates, load shares, wind and solar sites; from the network and the configuration, no randomness."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from itertools import chain

import numpy as np
from scipy.optimize import linear_sum_assignment

from models._kernel.grid.network import Floats, GridError, Ints, Network
from pipeline_tasks.twin.layout import embedding, partition, spread
from pipeline_tasks.twin.world_config import GeographyConfig, WorldConfig

KM_PER_DEGREE = 111.2
WIND_ONSHORE, WIND_OFFSHORE, SOLAR = "wind_onshore", "wind_offshore", "solar"


@dataclass(frozen=True)
class Points:
    """Places on the map; arrays of one length. Kilometres east and north of the centre, degrees."""

    x_km: Floats
    y_km: Floats
    lon: Floats
    lat: Floats

    def at(self, index: Ints) -> Points:
        """The places of these positions."""
        return Points(self.x_km[index], self.y_km[index], self.lon[index], self.lat[index])


@dataclass(frozen=True)
class Sites:
    """Wind and solar sites, all arrays of one length: the map's own, wind before sun, then those of a scenario's new plants.

    Attributes:
        names: unique labels, `WIND_NORTH_1`, `SOLAR_CITY_2`.
        kind: wind_onshore, wind_offshore or solar.
        bus, hub: positions in the network's buses and in `Geography.hubs`.
        capacity_mw: installed.
        points: where they are.
        windows: first and last market-local date of each site that a scenario adds, None for the map's own: those are always there.
    """

    names: tuple[str, ...]
    kind: tuple[str, ...]
    bus: Ints
    hub: Ints
    capacity_mw: Floats
    points: Points
    windows: tuple[tuple[date, date] | None, ...]

    @property
    def is_wind(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Mask of the wind sites."""
        return np.array([k != SOLAR for k in self.kind])

    @property
    def own(self) -> int:
        """Number of the map's own sites; those of new plants stand behind them."""
        return sum(w is None for w in self.windows)


@dataclass(frozen=True)
class Geography:
    """Where everything is.

    Attributes:
        hubs: names, in the order of the configuration; hub k is position k everywhere.
        hub_of_bus: (n_buses,) position of the hub.
        bus_share: (n_buses,) share of the bus in the load of its hub; adds up to 1 per hub.
        hub_load_mw: (n_hubs,) mean load.
        buses: coordinates of the buses.
        hub_points: load-weighted centres of the hubs.
        sites: wind and solar.
    """

    hubs: tuple[str, ...]
    hub_of_bus: Ints
    bus_share: Floats
    hub_load_mw: Floats
    buses: Points
    hub_points: Points
    sites: Sites

    def bus_load(self, hub_load_mw: Floats) -> Floats:
        """Load of the buses: (n_hubs, t) -> (n_buses, t), same unit."""
        loads: Floats = hub_load_mw[self.hub_of_bus] * self.bus_share[:, None]
        return loads

    def with_sites(self, more: Sites) -> Geography:
        """The same map with more sites behind its own."""
        mine = self.sites
        points = Points(*(np.concatenate([getattr(s.points, c) for s in (mine, more)]) for c in ("x_km", "y_km", "lon", "lat")))
        joined = Sites(
            names=tuple(chain(mine.names, more.names)),
            kind=tuple(chain(mine.kind, more.kind)),
            bus=np.concatenate([mine.bus, more.bus]),
            hub=np.concatenate([mine.hub, more.hub]),
            capacity_mw=np.concatenate([mine.capacity_mw, more.capacity_mw]),
            points=points,
            windows=tuple(chain(mine.windows, more.windows)),
        )
        return replace(self, sites=joined)


def build_geography(network: Network, config: WorldConfig) -> Geography:
    """Hubs, map and sites of a network.

    Hubs are connected, balanced half in load and half in number of buses, and named by their place on the map; the densest is the city.

    Raises:
        GridError: fewer buses than hubs, no load in a hub, or the network is not connected.
    """
    numbers = config.geography
    names = tuple(numbers.hubs)
    if network.n_buses < 2 * len(names):
        raise GridError(f"{network.name}: {network.n_buses} buses cannot make {len(names)} hubs; take a larger case")
    load = np.maximum(network.buses.load_mw, 0.0)
    flat = embedding(network)
    part = partition(network, len(names), 0.5 * load / load.sum() + 0.5 / network.n_buses)
    totals = np.bincount(part, weights=load, minlength=len(names))
    if not np.all(totals > 0):
        raise GridError(f"{network.name}: a hub has no load ({totals.round(1).tolist()} MW); choose fewer hubs")
    across, up, hub_of_bus = _oriented(spread(flat[:, 0]), spread(flat[:, 1]), part, load, numbers)
    buses = _points(across * numbers.width_km / 2, up * numbers.height_km / 2, numbers)
    hub_load = _sums(hub_of_bus, load)
    share = load / hub_load[hub_of_bus]
    centre = _points(_sums(hub_of_bus, share * buses.x_km), _sums(hub_of_bus, share * buses.y_km), numbers)
    mean_load: Floats = config.load_scale * hub_load
    sites = _sites(network, config, buses, hub_of_bus, share, float(mean_load.sum()))
    return Geography(names, hub_of_bus, share, mean_load, buses, centre, sites)


def _sums(group: Ints, values: Floats) -> Floats:
    return np.asarray(np.bincount(group, weights=values), dtype=np.float64)


def _points(x_km: Floats, y_km: Floats, numbers: GeographyConfig) -> Points:
    """Degrees on a sphere, good to a few kilometres at the edge of the map."""
    lat = numbers.centre_lat + y_km / KM_PER_DEGREE
    return Points(x_km, y_km, numbers.centre_lon + x_km / (KM_PER_DEGREE * np.cos(np.deg2rad(lat))), lat)


def _oriented(across: Floats, up: Floats, part: Ints, load: Floats, numbers: GeographyConfig) -> tuple[Floats, Floats, Ints]:
    """The map turned so that the parts lie best where their hubs should, and the hub of each bus."""
    hubs = list(numbers.hubs.values())
    places = np.array([h.place for h in hubs])
    n = len(hubs)
    totals = np.bincount(part, weights=load)
    mean = np.stack([np.bincount(part, weights=load * v) / totals for v in (across, up)], axis=1)
    size = sum(np.bincount(part, weights=load * (v - mean[part, k]) ** 2) / totals for k, v in enumerate((across, up)))
    city = int(np.argmax(totals / np.maximum(size, 1e-6)))
    fixed = np.array([[h.city != (p == city) for p in range(n)] for h in hubs]) & any(h.city for h in hubs)
    best: tuple[float, Floats, Floats, Ints] | None = None
    for swap in (False, True):
        for sign_x in (1.0, -1.0):
            for sign_y in (1.0, -1.0):
                x, y = (sign_x * up, sign_y * across) if swap else (sign_x * across, sign_y * up)
                centre = mean[:, ::-1] * [sign_x, sign_y] if swap else mean * [sign_x, sign_y]
                cost = ((places[:, None, :] - centre[None, :, :]) ** 2).sum(axis=2) + 1e6 * fixed
                rows, columns = linear_sum_assignment(cost)
                total = float(cost[rows, columns].sum())
                if best is None or total < best[0] - 1e-9:
                    best = (total, x, y, np.argsort(columns)[part])
    if best is None:
        raise AssertionError
    return best[1], best[2], best[3].astype(np.int64)


def _sites(network: Network, config: WorldConfig, buses: Points, hub_of_bus: Ints, share: Floats, mean_load: float) -> Sites:
    """Sites of every hub by its share: well connected buses with little load, far apart; the first ones are the largest."""
    numbers = config.geography
    strength = np.bincount(network.branches.from_bus, weights=1 / np.abs(network.branches.reactance_pu), minlength=network.n_buses)
    strength += np.bincount(network.branches.to_bus, weights=1 / np.abs(network.branches.reactance_pu), minlength=network.n_buses)
    score = np.argsort(np.argsort(strength)) / network.n_buses - np.argsort(np.argsort(share)) / network.n_buses
    windiest = max(numbers.hubs, key=lambda h: numbers.hubs[h].wind)
    found: list[tuple[str, str, int, int, float]] = []
    for source, per_load, per_root in (
        ("wind", config.wind_per_load, numbers.wind_sites_per_root_bus),
        ("solar", config.solar_per_load, numbers.solar_sites_per_root_bus),
    ):
        budget = per_root * np.sqrt(network.n_buses)
        for k, (hub, place) in enumerate(numbers.hubs.items()):
            members = np.flatnonzero(hub_of_bus == k)
            part = getattr(place, source)
            count = int(np.clip(round(part * budget), 1, len(members)))
            chosen = _apart(members, score, buses, count)
            sizes = 1 / (1 + 0.35 * np.arange(count))
            sizes *= part * per_load * mean_load / sizes.sum()
            at_sea = source == "wind" and hub == windiest and count > 1
            kinds = _kinds(source, sizes, numbers.offshore_share if at_sea else 0.0)
            label = hub.removeprefix("HUB_")
            found += [
                (f"{source.upper()}_{label}_{j + 1}", kinds[j], int(chosen[j]), k, float(sizes[j])) for j in range(count) if sizes[j] > 0
            ]
    names, kinds_, bus, hubs, capacity = zip(*found, strict=True)
    at = np.array(bus, dtype=np.int64)
    return Sites(names, kinds_, at, np.array(hubs, dtype=np.int64), np.array(capacity), buses.at(at), (None,) * len(names))


def _kinds(source: str, sizes: Floats, offshore: float) -> list[str]:
    """The largest sites stand at sea until the share is reached."""
    if source == "solar":
        return [SOLAR] * len(sizes)
    before = (np.cumsum(sizes) - sizes) / max(sizes.sum(), 1e-12)
    return [WIND_OFFSHORE if b < offshore - 1e-9 else WIND_ONSHORE for b in before]


def _apart(members: Ints, score: Floats, buses: Points, count: int) -> Ints:
    """`count` buses: the best one, then always the one with the best mix of score and distance to those chosen."""
    chosen = [int(members[np.argmax(score[members])])]
    diameter = max(float(np.hypot(np.ptp(buses.x_km[members]), np.ptp(buses.y_km[members]))), 1e-9)
    while len(chosen) < count:
        gaps = np.hypot(buses.x_km[members, None] - buses.x_km[chosen], buses.y_km[members, None] - buses.y_km[chosen]).min(axis=1)
        merit = np.where(np.isin(members, chosen), -np.inf, gaps / diameter + 0.5 * score[members])
        chosen.append(int(members[np.argmax(merit)]))
    return np.array(chosen, dtype=np.int64)
