"""Sensitivities of a market's limits from published prices and shadow prices, with topology signals and a band; no network is needed.

Congestion at a node is the sum over limits of their shadow price times the node's sensitivity. A branch that is out shifts the
sensitivities of the limits around it: for limits that were seen with and without it, the shift is a further input, with a smaller prior. A
90 % band of what is told comes from later hours than those that were learned from, node by node (split conformal, errors in units of the
hour's congestion).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from models._kernel.conformal import conformal_quantile
from models._kernel.grid.network import Floats, GridError, Ints
from models._kernel.grid.recovery import correlation, recover_from_prices
from models._kernel.grid.topology import Flags

PRIOR, SHIFT_PRIOR = 0.3, 0.1
"""Standard deviation of a sensitivity, and of its shift by an outage, before seeing data."""
FEWEST_HOURS, FEWEST_SIGNALLED = 50, 24
"""Hours in which a limit must have bound to be told, and with and without an outage for its shift."""
LEVEL, HELD_OUT = 0.9, 0.2
FELT = 1.0
"""Currency/MWh at some node: hours with less congestion (rounding of published components) judge nothing."""
SMALLEST = 0.5
"""Currency/MWh added to the size of an hour's congestion, so that quiet hours have a band too."""

Limit = tuple[str, str]


@dataclass(frozen=True, slots=True)
class History:
    """Hours of a market.

    Attributes:
        nodes: names.
        limits: (branch, contingency) that bound in some hour.
        branches: names of branches that were out in some hour.
        congestion: congestion component, currency/MWh, shape (hours, nodes).
        shadow: shadow prices, negative where the flow is at its positive limit, shape (hours, limits).
        out: whether a branch was out as announced, shape (hours, branches).
    """

    nodes: tuple[str, ...]
    limits: tuple[Limit, ...]
    branches: tuple[str, ...]
    congestion: Floats
    shadow: Floats
    out: Flags

    def part(self, hours: slice) -> Self:
        """The same market in some of the hours."""
        return type(self)(self.nodes, self.limits, self.branches, self.congestion[hours], self.shadow[hours], self.out[hours])


@dataclass(frozen=True, slots=True)
class LearnedLimits:
    """What was learned of a market's limits.

    Attributes:
        nodes, limits, branches: as of the history.
        signals: (limit, branch) positions whose shift was learned, shape (signals, 2).
        hours: hours in which each limit bound, shape (limits,).
        values: sensitivity of each node to each limit, then to each shift, shape (nodes, limits + signals).
        deviation: posterior standard deviation of each, same shape.
        band: half-width of the 90 % band of each node, in shares of the hour's congestion, shape (nodes,).
        held_out: numbers of the hours that set the band: correlation, mae, mean_response_correlation, zero_mae, hours.
    """

    nodes: tuple[str, ...]
    limits: tuple[Limit, ...]
    branches: tuple[str, ...]
    signals: Ints
    hours: Ints
    values: Floats
    deviation: Floats
    band: Floats
    held_out: Mapping[str, float]

    @property
    def told(self) -> Ints:
        """Positions of the limits that bound often enough to be told."""
        return np.flatnonzero(self.hours >= FEWEST_HOURS)

    def congestion(self, shadow: Floats, out: Flags) -> Floats:
        """Congestion by hour and node from shadow prices (hours, limits) and branches that are out (hours, branches)."""
        return np.asarray(_inputs(shadow, out, self.signals) @ self.values.T)

    def answer(self, shadow_prices: Mapping[Limit, float], out: Sequence[str] = ()) -> tuple[Floats, Floats, Floats]:
        """Congestion of each node for named shadow prices and branches that are out, with the lower and upper end of its 90 % band.

        Args:
            shadow_prices: (branch, contingency) -> currency/MWh, negative where the flow is at its positive limit.
            out: branches that are out; those whose shifts were not learned change nothing.

        Raises:
            GridError: a limit that was never seen to bind.
        """
        at = {limit: k for k, limit in enumerate(self.limits)}
        shadow, gone = np.zeros((1, len(self.limits))), np.isin(self.branches, list(out))[None, :]
        for limit, price in shadow_prices.items():
            if limit not in at:
                seen = ", ".join("|".join(x).rstrip("|") for x in list(at)[:5])
                raise GridError(f"limit {'|'.join(limit).rstrip('|')!r} was never seen to bind; seen were e.g. {seen}")
            shadow[0, at[limit]] = price
        told = self.congestion(shadow, gone)[0]
        width = self.band * (SMALLEST + np.abs(told).max())
        return told, told - width, told + width

    def under(self, branch: int) -> dict[int, Floats]:
        """Limit -> sensitivities of the nodes while a branch is out, for limits whose shift by it was learned."""
        return {
            int(k): np.asarray(self.values[:, k] + self.values[:, len(self.limits) + s])
            for s, (k, b) in enumerate(self.signals.tolist())
            if b == branch
        }


def learn_limits(history: History, *, topology: bool = True) -> LearnedLimits:
    """Learn from all hours; the band and its numbers come from the last fifth, told by what the hours before it teach.

    Raises:
        GridError: fewer than 50 hours with congestion that is felt.
    """
    felt = np.flatnonzero(_felt(history))
    if len(felt) < FEWEST_HOURS:
        raise GridError(f"{len(felt)} hours have congestion beyond {FELT:g} currency/MWh; give at least {FEWEST_HOURS}: a longer history")
    cut = int(felt[int((1 - HELD_OUT) * len(felt))])
    earlier, later = history.part(slice(0, cut)), history.part(slice(cut, None))
    before = _fitted(earlier, topology)
    band, numbers = _band(before, earlier, later)
    signals, values, deviation = _fitted(history, topology)
    hours = np.asarray((history.shadow != 0).sum(axis=0), dtype=np.int64)
    return LearnedLimits(history.nodes, history.limits, history.branches, signals, hours, values, deviation, band, numbers)


def _fitted(history: History, topology: bool) -> tuple[Ints, Floats, Floats]:
    """Signals, sensitivities and their deviations."""
    signals = _signals(history) if topology else np.zeros((0, 2), dtype=np.int64)
    scale = np.concatenate([np.ones(len(history.limits)), np.full(len(signals), SHIFT_PRIOR / PRIOR)])
    priced = (history.shadow != 0).any(axis=1)  # elsewhere components are rounding, which would pass for noise
    inputs = _inputs(history.shadow, history.out, signals)[priced] * scale
    found = recover_from_prices(inputs, history.congestion[priced], prior=PRIOR)
    return signals, found.values * scale, found.deviation * scale


def _felt(history: History) -> Flags:
    return np.asarray(np.abs(history.congestion).max(axis=1, initial=0.0) > FELT)


def _signals(history: History) -> Ints:
    """(limit, branch) seen together, and the limit without the branch out, in enough hours each."""
    bound = (history.shadow != 0).astype(np.float64)
    together = bound.T @ history.out.astype(np.float64)
    apart = bound.sum(axis=0)[:, None] - together
    return np.argwhere((together >= FEWEST_SIGNALLED) & (apart >= FEWEST_SIGNALLED)).astype(np.int64)


def _inputs(shadow: Floats, out: Flags, signals: Ints) -> Floats:
    return np.hstack([shadow, shadow[:, signals[:, 0]] * out[:, signals[:, 1]]])


def _band(before: tuple[Ints, Floats, Floats], earlier: History, later: History) -> tuple[Floats, dict[str, float]]:
    """Half-widths by node, and how good the later hours were told."""
    signals, values, _ = before
    told = _inputs(later.shadow, later.out, signals) @ values.T
    error = np.abs(told - later.congestion)
    active = _felt(later)
    size = SMALLEST + np.abs(told).max(axis=1, keepdims=True)
    band = conformal_quantile((error / size)[active], LEVEL)
    mean = earlier.congestion.mean(axis=0)
    pairs = [(correlation(a, b), correlation(mean, b)) for a, b in zip(told[active], later.congestion[active], strict=True)]
    ours, base = (float(np.median(v)) for v in zip(*pairs, strict=True))
    numbers = {"correlation": ours, "mean_response_correlation": base, "mae": float(error[active].mean()),
               "zero_mae": float(np.abs(later.congestion[active]).mean()), "hours": float(active.sum())}  # fmt: skip
    return np.where(np.isfinite(band), band, (error / size)[active].max(axis=0)), numbers


__all__ = ["FEWEST_HOURS", "LEVEL", "History", "LearnedLimits", "Limit", "learn_limits"]
