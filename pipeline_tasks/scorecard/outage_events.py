"""Outage events on public test networks: what a solver of others says prices do, beside ours and two simple rules.

An event is one load level and one or two branches lost. Its truth is the change of the congestion component (price less that at the
reference bus) by PYPOWER's DC optimal power flow, which shares neither formulation (angles against sensitivities) nor method (interior
point against active set) with ours. Events count where congestion moves by more than `MOVED` somewhere; nothing is left out after seeing
an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from models._kernel.grid.network import Network
    from models._kernel.grid.outage_study import OutageStudy

Array = npt.NDArray[np.float64]
MOVED = 1.0  # currency/MWh at some bus
LOAD_SPREAD = 0.1
TRAINING, TESTED = 4, 4  # load levels that teach the look-up, and that are scored
PAIRS = 60  # N-2 topologies
OURS, FROZEN, LOOKUP = "opf_surrogate", "frozen_shadow_prices", "mean_response"


@dataclass(frozen=True, slots=True)
class Event:
    """One scored event.

    Attributes:
        branches: lost.
        level: number of the load level.
        truth: change of congestion per bus.
        told: predictor -> the same, NaN where it has no answer.
        same_limits: F1 of the named binding branches, ours against the reference's.
        certified: whether ours came with its proof.
    """

    branches: tuple[int, ...]
    level: int
    truth: Array
    told: dict[str, Array]
    same_limits: float
    certified: bool


@dataclass(slots=True)
class Found:
    """All events of a network, and what could not be one.

    Attributes:
        single, double: N-1 and N-2 events.
        splitting: branches whose loss splits the network; the reference has no price for what is cut off.
        still: events whose congestion hardly moved.
        unsolved: events that the reference did not solve.
    """

    single: list[Event]
    double: list[Event]
    splitting: int
    still: int = 0
    unsolved: int = 0


def rated(network: Network) -> Network:
    """Ratings by a rule that binds, as in the bench: published test networks hardly limit flows."""
    from pipeline_tasks.bench.grid import congested

    return congested(network, 0.1, 0.95)


def events_of(name: str, network: Network, seed: int) -> Found:
    """Events of a test network under loads that vary by 10 % per bus."""
    from models._kernel.grid.outage_study import Outage, OutageStudy
    from models._kernel.grid.topology import bridges

    rng = np.random.default_rng(seed)
    levels = [network.buses.load_mw * (1 + LOAD_SPREAD * rng.uniform(-1, 1, network.n_buses)) for _ in range(TRAINING + TESTED)]
    splitting = set(bridges(network).tolist())
    single: list[tuple[int, ...]] = [(k,) for k in range(network.n_branches) if k not in splitting]
    double = list(_pairs(network, [k[0] for k in single], rng))
    known: dict[tuple[int, ...], list[Array]] = {}
    found = Found([], [], len(splitting))
    for level, load in enumerate(levels):
        study = OutageStudy(network, _case(load))
        if level < TRAINING:
            for branches in single:
                known.setdefault(branches, []).append(_congestion(study, study.impact(Outage("", branches)).result.lmp))
            continue
        before = _reference(name, network, load, ())
        for branches, kept in [*((b, found.single) for b in single), *((b, found.double) for b in double)]:
            after = _reference(name, network, load, branches)
            if before is None or after is None:
                found.unsolved += 1
                continue
            truth = after[0] - before[0]
            if np.abs(truth).max() <= MOVED:
                found.still += 1
                continue
            kept.append(_event(study, branches, level, truth, after[1], known))
    return found


def _pairs(network: Network, single: Sequence[int], rng: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """Pairs of branches whose loss splits nothing."""
    from models._kernel.grid.topology import islands

    whole, made = int(islands(network).max()), 0
    while made < PAIRS:
        a, b = sorted(rng.choice(single, 2, replace=False).tolist())
        if int(islands(network, (a, b)).max()) == whole:
            made += 1
            yield a, b


def _case(load: Array) -> Any:
    from models._kernel.grid.opf_types import OpfCase

    return OpfCase(load_mw=load)


def _congestion(study: OutageStudy, lmp: Array) -> Array:
    """Change of price less that at the reference bus, against the study's base case."""
    here, base = lmp - lmp[study.network.reference_bus], study.base.lmp - study.base.lmp[study.network.reference_bus]
    return np.asarray(here - base, dtype=np.float64)


def _event(
    study: OutageStudy,
    branches: tuple[int, ...],
    level: int,
    truth: Array,
    binding: set[int],
    known: dict[tuple[int, ...], list[Array]],
) -> Event:
    from models._kernel.grid.outage_study import Outage

    result = study.impact(Outage("", branches)).result
    nothing = np.full(truth.size, np.nan)
    told = {
        OURS: _congestion(study, result.lmp),
        FROZEN: _frozen(study, branches),
        LOOKUP: np.mean(known[branches], axis=0) if branches in known else nothing,
    }
    ours = set(result.binding.branch.tolist())
    both = len(ours & binding)
    return Event(branches, level, truth, told, 2 * both / (len(ours) + len(binding)) if ours or binding else 1.0, result.certified)


def _frozen(study: OutageStudy, branches: tuple[int, ...]) -> Array:
    """Base shadow prices on the sensitivities after the outage: what is left out is that shadow prices move."""
    from models._kernel.grid.sensitivities import Sensitivities

    limits = study.base.binding
    kept = ~np.isin(limits.branch, branches)
    rows = Sensitivities(study.network).without(branches).ptdf(limits.branch[kept])
    after = limits.shadow_price[kept] @ rows if kept.any() else np.zeros(study.network.n_buses)
    return np.asarray(after - study.base.congestion, dtype=np.float64)


def _reference(name: str, network: Network, load: Array, lost: tuple[int, ...]) -> tuple[Array, set[int]] | None:
    """PYPOWER's prices less that at the reference bus, and the branches at their limits; None where it does not converge."""
    from pipeline_tasks.bench.grid import pypower_dispatch

    made = pypower_dispatch(name, network, lost, load, PDIPM_COMPTOL=1e-8, PDIPM_COSTTOL=1e-9)
    if not made["success"]:
        return None
    price = made["bus"][:, 13]
    limits = np.flatnonzero(np.abs(made["branch"][:, 17]) + np.abs(made["branch"][:, 18]) > 1e-3)
    return np.asarray(price - price[network.reference_bus], dtype=np.float64), set(limits.tolist())
