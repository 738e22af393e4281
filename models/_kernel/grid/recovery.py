"""Sensitivities of a network that is not known, from what it did: flows and injections, or prices and shadow prices.

Flows are linear in injections (f = H p) and congestion in shadow prices (MCC = mu H), so H is a regression. Its inputs move together (a
market dispatches them) and are measured with noise, which makes plain least squares explode in directions that hardly ever moved.
Elements of H lie within [-1, 1], which is a prior: Bayesian linear regression with normal elements of a known spread (MacKay 1992), the
noise of each output estimated with it. Directions without data then stay near 0 and no element runs away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models._kernel.grid.network import Floats, GridError, Ints
from models._kernel.grid.topology import Flags

ROUNDS = 8
PENALTY_RANGE = (1e-4, 10.0, 20)
"""Smallest and largest penalty of `recover_few` in mean squares of a row, and how many between."""
STILL = 1e-9
"""Standard deviation relative to the mean size below which an input never moved."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """Sensitivities found in data.

    Attributes:
        values: change of each output per unit of each input, shape (outputs, inputs); 0 for inputs that never moved.
        deviation: posterior standard deviation of each, same shape; the prior's for inputs that never moved.
        noise: standard deviation of what is left of each output, shape (outputs,).
        moved: inputs that moved, shape (inputs,).
        samples: rows learned from.
    """

    values: Floats
    deviation: Floats
    noise: Floats
    moved: Flags
    samples: int


def recover_from_prices(shadow_price: Floats, congestion: Floats, *, prior: float) -> Recovered:
    """Sensitivities of limits from what they are worth and what they do to prices, hour by hour.

    Both sides of an hour are divided by the size of its congestion: the law holds for each hour alone, and a few hours of scarcity would
    outweigh all others. Limits that bind rarely belong into the inputs too, or what they do is taken for the others' doing.

    Args:
        shadow_price: mu of each limit (negative where the flow is at its positive limit), shape (hours, limits).
        congestion: congestion component of each node, shape (hours, nodes).
        prior: standard deviation of an element before seeing data.

    Returns:
        Values of shape (nodes, limits).
    """
    return recover(*by_size(shadow_price, congestion), prior=prior, centre=False)


def recover_few(inputs: Floats, outputs: Floats) -> Floats:
    """Sensitivities from fewer rows than inputs, shape (outputs, inputs): the noise of each output cannot be told from so little.

    Ridge regression without a level whose penalty all outputs share; it is the one with the smallest mean absolute error when each row is
    left out in turn (in closed form: Golub, Heath & Wahba 1979).

    Args:
        inputs: shape (rows, inputs).
        outputs: shape (rows, outputs).

    Raises:
        GridError: as `recover`.
    """
    _check(inputs, outputs)
    gram = inputs @ inputs.T
    scale = max(float(np.trace(gram)) / len(gram), 1e-300)
    weight, vectors = np.linalg.eigh(gram)
    projected, best, chosen = vectors.T @ outputs, np.inf, vectors
    for penalty in scale * np.geomspace(*PENALTY_RANGE):
        inverse = vectors / (np.maximum(weight, 0.0) + penalty)
        left_out = (inverse @ projected) / (inverse * vectors).sum(axis=1)[:, None]
        error = float(np.abs(left_out).mean())
        if error < best:
            best, chosen = error, inverse
    return np.asarray((inputs.T @ (chosen @ projected)).T)


def by_size(shadow_price: Floats, congestion: Floats) -> tuple[Floats, Floats]:
    """Hours with congestion, both sides of each divided by its largest congestion (without a sign)."""
    size = np.abs(congestion).max(axis=1, keepdims=True)
    hours = size[:, 0] > 0
    return shadow_price[hours] / size[hours], congestion[hours] / size[hours]


def recover(inputs: Floats, outputs: Floats, *, prior: float, centre: bool = True) -> Recovered:
    """Linear response of outputs to inputs, with its uncertainty.

    Args:
        inputs: shape (samples, inputs).
        outputs: shape (samples, outputs).
        prior: standard deviation of an element before seeing data.
        centre: levels say nothing (flows and injections); False where no input means no output (shadow prices and congestion).

    Raises:
        GridError: shapes that do not fit, fewer than 3 samples, or values that are not finite.
    """
    _check(inputs, outputs)
    x, y = (v - v.mean(axis=0) if centre else v for v in (inputs, outputs))
    moved = x.std(axis=0) > STILL * (1.0 + np.abs(inputs).mean(axis=0))
    x = x[:, moved]
    weight, vectors = np.linalg.eigh(x.T @ x)
    weight, projected = np.maximum(weight, 0.0), vectors.T @ (x.T @ y)
    noise = 0.1 * y.var(axis=0) + 1e-12
    for _ in range(ROUNDS):
        shrunk = weight[:, None] / (weight[:, None] + noise / prior**2)
        found = vectors @ (projected / (weight[:, None] + noise / prior**2))
        left = ((y - x @ found) ** 2).sum(axis=0)
        noise = left / np.maximum(len(x) - shrunk.sum(axis=0), 1.0) + 1e-12
    spread = np.sqrt((vectors**2) @ (noise / (weight[:, None] + noise / prior**2)))
    values, deviation = np.zeros((outputs.shape[1], inputs.shape[1])), np.full((outputs.shape[1], inputs.shape[1]), prior)
    values[:, moved], deviation[:, moved] = found.T, spread.T
    return Recovered(values, deviation, np.sqrt(noise), moved, len(x))


def _check(inputs: Floats, outputs: Floats) -> None:
    if inputs.ndim != 2 or outputs.ndim != 2 or len(inputs) != len(outputs) or len(inputs) < 3:
        raise GridError(f"inputs {inputs.shape} and outputs {outputs.shape}: give at least 3 rows, the same ones")
    if not (np.isfinite(inputs).all() and np.isfinite(outputs).all()):
        raise GridError("inputs or outputs hold values that are not finite; leave such samples out")


def ends(ptdf: Floats, moved: Flags) -> tuple[Ints, Ints]:
    """The buses at which each branch begins and ends: those whose injections move its flow most, up and down.

    Flow follows potential, and the potential of a transfer is extreme at its own ends, so no transfer loads a branch more
    than one between its ends. Where an end was never injected at, a neighbour stands for it; a bus that hangs on an end by one branch
    alone cannot be told from it.

    Args:
        ptdf: shape (branches, buses).
        moved: buses with injections that moved; the reference bus counts as one.

    Returns:
        Positions of the from and to buses, each of shape (branches,).
    """
    buses = np.flatnonzero(moved)
    return buses[ptdf[:, buses].argmax(axis=1)], buses[ptdf[:, buses].argmin(axis=1)]


def outage_shares(ptdf: Floats, from_bus: Ints, to_bus: Ints) -> Floats:
    """LODF from sensitivities and ends: share of the flow of each lost branch (column) that each branch (row) takes over.

    LODF_lk = (H_l,from - H_l,to) / (1 - (H_k,from - H_k,to)) with the ends of k (Wood & Wollenberg 2014, ch. 7); -1 on the diagonal, NaN
    where the loss would split the network as far as the sensitivities say (self-sensitivity within 1 % of 1, or beyond).
    """
    across = ptdf[:, from_bus] - ptdf[:, to_bus]
    own = np.diagonal(across)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(own < 0.99, across / (1.0 - own), np.nan)
    np.fill_diagonal(shares, np.where(own < 0.99, -1.0, np.nan))
    return np.asarray(shares, dtype=np.float64)


def correlation(told: Floats, truth: Floats) -> float:
    """Pearson correlation over buses; 0 where the answer is the same everywhere, because it says nothing then."""
    a, b = told - told.mean(), truth - truth.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0
