"""Checks of a network before any equation: every fault is listed, with its element, its value and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from models._kernel.grid.network import Buses, Floats, Generators, GridError, Ints, Network
from models._kernel.grid.topology import islands

SHOWN = 50
"""Faults that a message spells out; the rest are counted."""

_ROUNDING = 1e-9
"""Relative fall of a marginal cost that still counts as rounding of the source."""


def validate_network(network: Network, *, connected: bool = False) -> None:
    """Accept a network that the DC equations, the optimal power flow and the commitment can take.

    Args:
        network: any network.
        connected: also refuse a network of more than one island. Islands are otherwise no fault: `topology.islands` reports
            them and sensitivities are computed within each.

    Raises:
        GridError: one message with a line per fault: element, field, value and remedy.
    """
    found = _shape_faults(network) or _element_faults(network)
    if connected and not found:
        labels = islands(network)
        stray = np.flatnonzero(labels != labels[network.reference_bus])
        found = [f"bus {network.buses.names[k]}: no path to the reference bus; connect it or drop it" for k in stray]
    if found:
        shown = "\n".join(f"  {line}" for line in found[:SHOWN])
        more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise GridError(f"network {network.name!r}: faults found: {len(found)}\n{shown}{more}")


def _element_faults(network: Network) -> list[str]:
    return [*_system(network), *_buses(network.buses), *_branches(network), *_generators(network), *_costs(network), *_links(network)]


def _shape_faults(network: Network) -> list[str]:
    """Arrays of unequal length; nothing else can be checked before they agree."""
    found: list[str] = []
    cost = network.generators.cost
    groups: list[tuple[str, object, int]] = [
        ("buses", network.buses, len(network.buses.ids)),
        ("branches", network.branches, len(network.branches.names)),
        ("generators", network.generators, len(network.generators.names)),
        ("links", network.links, len(network.links.names)),
    ]
    for label, group, n in groups:
        found += [f"{label}.{key}: {len(value)} values for {n} {label}; give one each" for key, value in _arrays(group) if len(value) != n]
    n_blocks = len(cost.block_generator)
    for key, value in _arrays(cost):
        n = n_blocks if key.startswith("block") else network.n_generators
        if len(value) != n:
            found.append(f"generators.cost.{key}: {len(value)} values where {n} are due; give one each")
    if not network.n_buses:
        found.append("buses: none; a network needs at least one bus in service")
    elif not 0 <= network.reference_bus < network.n_buses:
        found.append(f"reference_bus: position {network.reference_bus} of {network.n_buses} buses; give the position of a bus")
    return found


def _arrays(group: object) -> list[tuple[str, Any]]:
    optional = {"fuel"}
    fields = vars(group).items()
    return [(key, value) for key, value in fields if isinstance(value, np.ndarray | tuple) and (len(value) or key not in optional)]


def _system(network: Network) -> Iterator[str]:
    if not (np.isfinite(network.base_mva) and network.base_mva > 0):
        yield f"base_mva: {network.base_mva}; give a positive number of MVA, usually 100"


def _buses(buses: Buses) -> Iterator[str]:
    yield from _repeated("bus id", buses.ids.tolist())
    yield from _repeated("bus name", buses.names)
    yield from _not_finite("bus", buses.names, "load_mw", buses.load_mw)
    yield from _not_finite("bus", buses.names, "shunt_mw", buses.shunt_mw)
    yield from _where("bus", buses.names, "base_kv", buses.base_kv, ~(buses.base_kv >= 0), "give the voltage, or 0 where it is unknown")


def _branches(network: Network) -> Iterator[str]:
    b = network.branches
    yield from _repeated("branch name", b.names)
    yield from _dangling("branch", b.names, "from_bus", b.from_bus, network.n_buses)
    yield from _dangling("branch", b.names, "to_bus", b.to_bus, network.n_buses)
    for k in np.flatnonzero(b.from_bus == b.to_bus).tolist():
        yield f"branch {b.names[k]}: from_bus and to_bus are the same bus, position {b.from_bus[k]}; drop it"
    bad_x = ~np.isfinite(b.reactance_pu) | (b.reactance_pu == 0)
    yield from _where("branch", b.names, "reactance_pu", b.reactance_pu, bad_x, "give the series reactance, or merge its two buses")
    yield from _where("branch", b.names, "tap", b.tap, ~(np.isfinite(b.tap) & (b.tap > 0)), "give a positive ratio, 1 for a line")
    yield from _not_finite("branch", b.names, "shift_rad", b.shift_rad)
    yield from _where("branch", b.names, "rating_mw", b.rating_mw, ~(b.rating_mw >= 0), "give a limit of at least 0, inf for none")
    low = ~(b.emergency_mw >= b.rating_mw)
    yield from _where("branch", b.names, "emergency_mw", b.emergency_mw, low, "give at least rating_mw, inf for none")


def _generators(network: Network) -> Iterator[str]:
    g = network.generators
    yield from _repeated("generator name", g.names)
    yield from _dangling("generator", g.names, "bus", g.bus, network.n_buses)
    yield from _range("generator", g.names, g.p_min_mw, g.p_max_mw)
    slow = ~(g.ramp_mw_per_min > 0)
    yield from _where("generator", g.names, "ramp_mw_per_min", g.ramp_mw_per_min, slow, "give a positive rate, inf for none")


def _links(network: Network) -> Iterator[str]:
    k = network.links
    yield from _repeated("link name", k.names)
    yield from _dangling("link", k.names, "from_bus", k.from_bus, network.n_buses)
    yield from _dangling("link", k.names, "to_bus", k.to_bus, network.n_buses)
    yield from _range("link", k.names, k.p_min_mw, k.p_max_mw)
    share = ~((k.loss_share >= 0) & (k.loss_share < 1))
    yield from _where("link", k.names, "loss_share", k.loss_share, share, "give a share from 0 to below 1")
    yield from _where("link", k.names, "loss_mw", k.loss_mw, ~((k.loss_mw >= 0) & np.isfinite(k.loss_mw)), "give a loss of at least 0 MW")


def _costs(network: Network) -> Iterator[str]:
    g, c = network.generators, network.generators.cost
    for key, values in (("constant", c.constant), ("linear", c.linear), ("quadratic", c.quadratic)):
        yield from _not_finite("generator", g.names, f"cost.{key}", values)
    falling = np.isfinite(c.quadratic) & (c.quadratic < 0)
    yield from _where("generator", g.names, "cost.quadratic", c.quadratic, falling, "costs must be convex; give at least 0")
    owner = c.block_generator
    if len(owner) == 0:
        return
    if ((owner < 0) | (owner >= network.n_generators)).any():
        yield "generators.cost.block_generator: a position beyond the generators; give positions of generators"
        return
    yield from _blocks(g, owner)


def _blocks(g: Generators, owner: Ints) -> Iterator[str]:
    c = g.cost
    names = [g.names[k] for k in owner]
    bad = ~(np.isfinite(c.block_start_mw) & (c.block_mw > 0))
    yield from _where("generator", names, "cost.block_mw", c.block_mw, bad, "give a finite start and a positive length")
    yield from _not_finite("generator", names, "cost.block_price", c.block_price)
    same = owner[1:] == owner[:-1]
    if np.count_nonzero(~same) + 1 != len(np.unique(owner)):
        yield "generators.cost.block_generator: blocks of one generator stand apart; sort by generator, then by start"
        return
    ends = c.block_start_mw + c.block_mw
    tolerance = 1e-6 * np.maximum(1.0, np.abs(ends[:-1]))
    apart = same & (np.abs(c.block_start_mw[1:] - ends[:-1]) > tolerance)
    yield from _where("generator", names[1:], "cost.block_start_mw", c.block_start_mw[1:], apart, "begin where the block before ends")
    slack = _ROUNDING * np.maximum(1.0, np.abs(c.block_price[:-1]))
    falls = same & (c.block_price[1:] < c.block_price[:-1] - slack)
    yield from _where("generator", names[1:], "cost.block_price", c.block_price[1:], falls, "costs must be convex; let prices not fall")


def _range(kind: str, names: Sequence[str], low: Floats, high: Floats) -> Iterator[str]:
    for k in np.flatnonzero(~(low <= high) | (low == np.inf) | (high == -np.inf)).tolist():
        yield f"{kind} {names[k]}: p_min_mw {low[k]:g} and p_max_mw {high[k]:g} leave no output; give p_min_mw <= p_max_mw"


def _dangling(kind: str, names: Sequence[str], key: str, ends: Ints, n_buses: int) -> Iterator[str]:
    for k in np.flatnonzero((ends < 0) | (ends >= n_buses)).tolist():
        yield f"{kind} {names[k]}: {key} is position {ends[k]} of {n_buses} buses; name a bus in service or drop it"


def _not_finite(kind: str, names: Sequence[str], key: str, values: Floats) -> Iterator[str]:
    yield from _where(kind, names, key, values, ~np.isfinite(values), "give a finite number")


def _where(kind: str, names: Sequence[str], key: str, values: Floats, bad: np.ndarray, remedy: str) -> Iterator[str]:
    for k in np.flatnonzero(bad).tolist():
        yield f"{kind} {names[k]}: {key} is {values[k]:g}; {remedy}"


def _repeated(what: str, labels: Sequence[object]) -> Iterator[str]:
    for label, times in Counter(labels).items():
        if times > 1:
            yield f"{what} {label!r}: used {times} times; make it unique"
