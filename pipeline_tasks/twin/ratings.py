"""Line limits by a rule, so that congestion occurs in a realistic share of hours; and losses from the same sampled flows.

Hours are sampled with load, wind, sun, fuel prices and outages over their plausible range, dispatched by merit order without a network,
and their flows taken. A branch between hubs gets a high quantile of its flow, a branch within a hub more, and a radial branch can
always carry what hangs on it; one common factor on all limits sets the share of sampled hours in which some limit would be broken. A
case that brings limits keeps their proportions; they are scaled only where they would bind hardly ever or nearly always. The draws have
a fixed key: no configuration seed changes the grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models._kernel.grid.network import Floats, Network
from models._kernel.grid.opf_types import LossModel
from models._kernel.grid.sensitivities import Sensitivities
from models._kernel.grid.topology import bridges
from pipeline_tasks.twin.fleet import Fleet
from pipeline_tasks.twin.fleet_config import FleetConfig, LossConfig, RatingsConfig

KEY = 0x6772_6964
FUEL_LEVEL = {"gas": 32.0, "coal": 13.0}
CO2_LEVEL = 70.0
FACTORS = (0.5, 2.5)
PAIRS = 1500
"""Networks with more branches take their limits within hubs from flows without outages alone."""


@dataclass(frozen=True)
class SampledFlows:
    """Unconstrained flows (hour, branch) and net injections (hour, bus) of the sampled hours, MW."""

    flow_mw: Floats
    injection_mw: Floats


def sample_flows(fleet: Fleet, config: RatingsConfig, fuels: FleetConfig) -> SampledFlows:
    """Flows of merit-order dispatches over sampled hours; the same for the same fleet."""
    draw = np.random.Generator(np.random.Philox(key=KEY))
    n, units = config.hours, fleet.units
    season, hour = draw.uniform(-1, 1, n), draw.uniform(0, 24, n)
    shape = 1 + 0.13 * season + 0.20 * np.sin(np.pi * (hour - 7) / 14) * ((hour > 7) & (hour < 21)) - 0.17 * ((hour <= 7) | (hour >= 21))
    system = fleet.mean_load_mw * (0.97 * shape + 0.06 * draw.standard_normal(n))
    tilt = 1 + 0.05 * draw.standard_normal((n, len(fleet.hubs)))
    hub_share = np.bincount(fleet.hub_of_bus, weights=np.maximum(fleet.network.buses.load_mw, 0), minlength=len(fleet.hubs))
    hub_load = tilt * hub_share
    hub_load *= (system / hub_load.sum(axis=1))[:, None]
    load = hub_load[:, fleet.hub_of_bus] * fleet.bus_share
    injection = -load
    output = _dispatch(fleet, fuels, system, _renewables(fleet, draw, season, hour), draw)
    np.add.at(injection.T, units.bus, output.T)
    return SampledFlows(Sensitivities(fleet.network).flows(injection), injection)


def _renewables(fleet: Fleet, draw: np.random.Generator, season: Floats, hour: Floats) -> Floats:
    """Wind and solar output (hour, unit): a common factor, one per hub and one per site."""
    n, units = len(season), fleet.units
    common, local = draw.standard_normal(n)[:, None], draw.standard_normal((n, len(fleet.hubs)))[:, units.hub]
    own = draw.standard_normal((n, len(units.bus)))
    wind = 0.93 / (1 + np.exp(-(-1.05 + 0.35 * season[:, None] + 0.9 * common + 0.65 * local + 0.3 * own)))
    high = np.maximum(np.sin(np.pi * (hour - 5.5 - season) / (13 - 2 * season)), 0.0) * ((hour > 5.5) & (hour < 18.5))
    cloud = 1 / (1 + np.exp(-(0.6 - common * 0.5 + local * 0.6 + 0.3 * own)))
    sun = (0.62 - 0.22 * season[:, None]) * high[:, None] ** 1.2 * (0.3 + 0.95 * cloud)
    share = np.where(units.of("wind"), wind, np.where(units.of("solar"), sun, 0.0))
    result: Floats = share * units.p_max_mw
    return result


def _dispatch(fleet: Fleet, config: FleetConfig, system: Floats, free: Floats, draw: np.random.Generator) -> Floats:
    """Cheapest output (hour, unit) that meets the load; wind and sun are curtailed alike in surplus, hydro and storage shave peaks."""
    units, n = fleet.units, len(system)
    up = draw.random((n, len(units.bus))) >= 1.4 * units.forced_rate + units.planned_weeks / 52
    level = np.exp(0.25 * draw.standard_normal((n, 2)))
    price = np.zeros((n, len(units.bus)))
    for k, fuel in enumerate(units.fuel):
        thermal = FUEL_LEVEL[fuel] * level[:, 0 if fuel == "gas" else 1] if fuel in FUEL_LEVEL else config.fuels.prices.get(fuel, 0.0)
        price[:, k] = thermal + units.emission[k] * CO2_LEVEL
    cost = price * units.block_heat[:, 1:].mean(axis=1) + units.vom
    shaving = units.storage | units.reservoir
    rank = np.argsort(np.argsort(system))[:, None] / n
    shave = np.where(units.storage, np.where(rank > 0.8, 0.7, np.where(rank < 0.25, -0.6, 0.0)), np.where(rank > 0.6, 0.8, 0.1))
    base = free + np.where(shaving, shave * units.p_max_mw, 0.0) + np.where(units.river, 0.55 * units.p_max_mw, 0.0)
    base += np.where(units.must_run & up, np.maximum(units.p_min_mw, 0.0), 0.0)
    surplus = np.maximum(base.sum(axis=1) - system, 0.0)
    base -= free * (surplus / np.maximum(free.sum(axis=1), 1e-9))[:, None]
    room = np.where(units.thermal & up, units.p_max_mw - np.where(units.must_run, units.p_min_mw, 0.0), 0.0)
    order = np.argsort(cost, axis=1, kind="stable")
    sorted_room = np.take_along_axis(room, order, axis=1)
    before = np.cumsum(sorted_room, axis=1) - sorted_room
    filled = np.clip((system - base.sum(axis=1))[:, None] - before, 0.0, sorted_room)
    extra = np.zeros_like(room)
    np.put_along_axis(extra, order, filled, axis=1)
    result: Floats = base + extra
    return result


def rated_network(fleet: Fleet, flows: SampledFlows, config: RatingsConfig) -> Network:
    """The fleet's network with limits by the rule; emergency limits above them by the configured factor."""
    network, size = fleet.network, np.abs(flows.flow_mw)
    given = network.branches.rating_mw
    least = config.least_of_peak * fleet.peak_load_mw
    own = np.isfinite(given) & (given > 0) & (given < fleet.peak_load_mw)
    between = fleet.hub_of_bus[network.branches.from_bus] != fleet.hub_of_bus[network.branches.to_bus]
    inner = config.margin * np.maximum(np.quantile(size, config.inner_quantile, axis=0), _after_outages(fleet, flows, config))
    quantile = np.where(between, np.quantile(size, config.corridor_quantile, axis=0), inner)
    limit = np.maximum(np.where(own, given, quantile), least)
    radial = np.zeros(network.n_branches, dtype=bool)
    radial[bridges(network)] = True
    always = 1.25 * size.max(axis=0)
    limit = limit * _common_factor(size[:, ~radial], limit[~radial], least, config, keep=bool(own.any()))
    limit = np.where(radial, np.maximum(limit, always), np.maximum(limit, least))
    return network.with_ratings(_tenths(limit), _tenths(config.emergency * limit))


def _tenths(values: Floats) -> Floats:
    return np.asarray(np.round(values, 1), dtype=np.float64)


def _after_outages(fleet: Fleet, flows: SampledFlows, config: RatingsConfig) -> Floats:
    """High quantile (branch,) of the flow after the worst single outage; 0 where a network is too large for all pairs."""
    network = fleet.network
    if network.n_branches > PAIRS:
        return np.zeros(network.n_branches)
    loose = np.setdiff1d(np.arange(network.n_branches), bridges(network))
    factors = Sensitivities(network).lodf(np.arange(network.n_branches), loose)
    factors[loose, np.arange(len(loose))] = -1.0
    worst = np.zeros_like(flows.flow_mw)
    for k, lost in enumerate(loose):
        worst = np.maximum(worst, np.abs(flows.flow_mw + flows.flow_mw[:, lost, None] * np.nan_to_num(factors[:, k])))
    result: Floats = np.quantile(worst, config.corridor_quantile, axis=0)
    return result


def _common_factor(size: Floats, limit: Floats, least: float, config: RatingsConfig, *, keep: bool) -> float:
    """Factor at which the wanted share of hours breaks a limit (bisection); 1 for own limits that bind in a plausible share already."""

    def share(factor: float) -> float:
        return float((size > np.maximum(factor * limit, least)).any(axis=1).mean())

    if keep and config.share_binding / 2 <= share(1.0) <= 1.5 * config.share_binding:
        return 1.0
    low, high = FACTORS
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if share(middle) > config.share_binding else (low, middle)
    return 0.5 * (low + high)


def loss_model(fleet: Fleet, flows: SampledFlows, config: LossConfig) -> LossModel:
    """Losses linear in the injections around the mean sampled flow.

    Losses of a branch are taken proportional to reactance times flow squared (one ratio of resistance to reactance for all), scaled so
    that the sampled hours lose the configured share of their load on average; factors are the derivative at the mean flow.
    """
    network = fleet.network
    b = network.branches
    weight = np.abs(b.reactance_pu)
    square = (flows.flow_mw**2 * weight).sum(axis=1)
    scale = config.share * fleet.mean_load_mw / max(float(square.mean()), 1e-9)
    mean_flow, mean_injection = flows.flow_mw.mean(axis=0), flows.injection_mw.mean(axis=0)
    push = 2 * scale * weight * mean_flow / (b.reactance_pu * b.tap)
    across = np.zeros(network.n_buses)
    np.add.at(across, b.from_bus, push)
    np.subtract.at(across, b.to_bus, push)
    sens = Sensitivities(network)
    factor = (sens.angles(across) - sens.angles(np.zeros(network.n_buses))) * network.base_mva
    offset = config.share * fleet.mean_load_mw - float(factor @ mean_injection)
    return LossModel(factor=factor, offset_mw=offset)
