"""Reads a case: lengths, ranges, ramps, fixed injections and branch limits."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.dcopf_rows import FlowMap
from models._kernel.grid.network import Floats, GridError, Network
from models._kernel.grid.opf_types import OpfCase


def checked(values: Floats | None, default: Floats, name: str) -> Floats:
    """The values, or the default.

    Raises:
        GridError: not one value per element, or a value that is not a number.
    """
    if values is None:
        return default
    if values.shape != default.shape:
        raise GridError(f"{name} has shape {values.shape}; give {default.shape}")
    if np.isnan(values).any():
        raise GridError(f"{name}[{int(np.argmax(np.isnan(values)))}] is not a number; give a value in MW")
    return values


def output_range(network: Network, case: OpfCase) -> tuple[Floats, Floats]:
    """Range of each generator's output, MW: limits, then ramps as far as the limits allow.

    Raises:
        GridError: wrong lengths, a minimum above its maximum, or only one of previous_mw and minutes.
    """
    generators = network.generators
    low = checked(case.p_min_mw, generators.p_min_mw, "p_min_mw")
    high = checked(case.p_max_mw, generators.p_max_mw, "p_max_mw")
    if (low > high).any():
        g = int(np.argmax(low - high))
        raise GridError(f"generator {generators.names[g]}: p_min {low[g]:g} is above p_max {high[g]:g} MW; exchange or widen them")
    if (case.previous_mw is None) != (case.minutes is None):
        raise GridError("previous_mw and minutes belong together; give both or neither")
    if case.previous_mw is None or case.minutes is None:
        return low, high
    previous = checked(case.previous_mw, generators.p_min_mw, "previous_mw")
    step = generators.ramp_mw_per_min * case.minutes
    return np.clip(previous - step, low, high), np.clip(previous + step, low, high)


def link_range(network: Network, case: OpfCase) -> tuple[Floats, Floats]:
    """Range of each link, MW.

    Raises:
        GridError: wrong lengths or a minimum above its maximum.
    """
    low = checked(case.link_min_mw, network.links.p_min_mw, "link_min_mw")
    high = checked(case.link_max_mw, network.links.p_max_mw, "link_max_mw")
    if (low > high).any():
        k = int(np.argmax(low - high))
        raise GridError(f"link {network.links.names[k]}: minimum {low[k]:g} is above maximum {high[k]:g} MW; exchange or widen them")
    return low, high


def fixed_injection(network: Network, case: OpfCase, flow_map: FlowMap) -> tuple[Floats, Floats]:
    """Injection per bus that does not depend on the dispatch, and what each island's balance must deliver, MW."""
    injection = -(checked(case.load_mw, network.buses.load_mw, "load_mw") + network.buses.shunt_mw)
    links = network.links
    if len(links.names):
        injection -= np.bincount(links.to_bus, links.loss_mw, network.n_buses)
    n = len(flow_map.references)
    if case.losses is None:
        return injection, -np.bincount(flow_map.islands, injection, n).astype(np.float64)
    factor = checked(case.losses.factor, network.buses.load_mw, "losses.factor")
    demand: Floats = -np.bincount(flow_map.islands, (1.0 - factor) * injection, n).astype(np.float64)
    demand[flow_map.islands[network.reference_bus]] += case.losses.offset_mw
    return injection, demand


def limits_of(network: Network, case: OpfCase) -> tuple[Floats, Floats]:
    """Limits of the base case and after a contingency, MW; inf for none."""
    rating = checked(case.rating_mw, network.branches.rating_mw, "rating_mw")
    default = network.branches.emergency_mw if case.rating_mw is None else np.maximum(network.branches.emergency_mw, rating)
    return rating, checked(case.emergency_mw, default, "emergency_mw")
