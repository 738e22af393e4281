"""What the prices of other nodes tell of a node that has few or none of its own.

Nodes are correlated a priori by what is known without the node's prices (shift factors, topology, place). Kriging with that covariance
(Cressie 1993, ordinary kriging) gives a price at a new node as a weighted mean of the prices of the same interval elsewhere. Which
covariance holds in a market is decided by leaving every known node out in turn (closed form: Dubrule 1983). What the first days of a node
add is a correction of its loadings on the market's price factors: Bayesian regression of its residuals, whose prior spread is that of the
known nodes when each of them is left out, so that a day of prices moves little where the prior is good and much where it is poor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models._kernel.nodes.comovement import price_factors

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NUGGETS = (1e-4, 1e-3, 1e-2, 1e-1)
SHARES = (0.03, 0.3, 3.0)
LEVEL = 10.0  # variance of what all nodes share, over that of what tells them apart: practically unknown, as in ordinary kriging
SAMPLED, GAIN, MOST = 400, 0.995, 3
JUDGES, BLOCK = 400, 20
"""Of more known nodes so many judge the covariances, in blocks of neighbours by order, so that nodes of one station stay together."""
FACTORS = 96
PRIOR_SCALES, NOISE_SCALES = np.logspace(-2, 0, 3), np.logspace(-3, 5, 9)
"""Of the prior and noise variances that known nodes show; which hold for a node, its own prices decide."""


@dataclass(frozen=True, slots=True)
class Covariance:
    """A mixture of covariances between nodes, as chosen on known nodes.

    Attributes:
        shares: name of a covariance -> its weight.
        nugget: variance of a node that none of them explains, over the mean variance.
        error: mean absolute error when each known node is left out, currency/MWh.
    """

    shares: Mapping[str, float]
    nugget: float
    error: float

    def gram(self, priors: Mapping[str, Array]) -> Array:
        """The mixture between all nodes, with the common level and without the nugget."""
        whole = sum(share * priors[name] for name, share in self.shares.items())
        return np.asarray(whole + LEVEL)


def normalised(gram: Array) -> Array:
    """A covariance with mean variance 1."""
    mean = float(np.diag(gram).mean())
    return gram / mean if mean > 0 else gram


def similarity(points: Array, reach: float) -> Array:
    """Gaussian covariance exp(-d^2 / (2 (reach m)^2)) of points, with m their median distance; a point that is NaN is alone."""
    known = np.isfinite(points).all(axis=1)
    made = np.eye(points.shape[0])
    if known.sum() < 2:
        return made
    from scipy.spatial.distance import pdist, squareform

    distance = pdist(points[known])
    scale = float(np.median(distance[distance > 0])) if (distance > 0).any() else 1.0
    made[np.ix_(known, known)] = np.exp(-0.5 * (squareform(distance) / (reach * scale)) ** 2)
    return made


def choose(prices: Array, known: Ints, priors: Mapping[str, Array], *, most: int = MOST) -> Covariance:
    """The mixture of covariances that tells the known nodes from each other best, by forward selection.

    Args:
        prices: of the known nodes, currency/MWh relative to a reference, without gaps, shape (times, known).
        known: positions of these nodes in the covariances.
        priors: name -> covariance between all nodes, mean variance 1, shape (nodes, nodes).
        most: components at most; a further one must lower the error by half a per cent.

    Raises:
        ValueError: no covariance, or fewer than three known nodes.
    """
    if not priors or known.size < 3:
        raise ValueError(f"{len(priors)} covariances and {known.size} known nodes; give at least one and three")
    judges = _judges(known.size)
    sample, at = prices[:: max(1, len(prices) // SAMPLED), judges], known[judges]
    inner = {name: gram[np.ix_(at, at)] for name, gram in priors.items()}

    def judged(shares: Mapping[str, float]) -> Covariance:
        mixed = np.asarray(sum(share * inner[name] for name, share in shares.items())) / sum(shares.values())
        scaled = {name: share / sum(shares.values()) for name, share in shares.items()}
        found = [(float(np.abs(left_out(sample, mixed + LEVEL, nugget)[0]).mean()), nugget) for nugget in NUGGETS]
        error, nugget = min(found)
        return Covariance(scaled, nugget, error)

    best = min((judged({name: 1.0}) for name in priors), key=lambda c: c.error)
    for _ in range(most - 1):
        more = [judged({**best.shares, name: share}) for name in priors if name not in best.shares for share in SHARES]
        further = min(more, key=lambda c: c.error, default=best)
        if further.error >= GAIN * best.error:
            break
        best = further
    return best


def _judges(count: int) -> Ints:
    """Positions of the known nodes that judge: all of a few, else evenly spaced blocks."""
    if count <= JUDGES:
        return np.arange(count)
    blocks = np.arange(count - count % BLOCK).reshape(-1, BLOCK)
    return np.asarray(blocks[np.linspace(0, len(blocks) - 1, JUDGES // BLOCK).round().astype(int)].ravel())


def left_out(prices: Array, gram: Array, nugget: float) -> tuple[Array, Array]:
    """Error of each node when kriged from all others, and its kriging variance.

    Args:
        prices: shape (times, nodes).
        gram: covariance between the nodes, without nugget.
        nugget: added to the diagonal.

    Returns:
        Errors (price less kriged), shape (times, nodes); variances relative to the mean variance, shape (nodes,).
    """
    inverse = np.linalg.inv(gram + nugget * np.eye(gram.shape[0]))
    size = np.diag(inverse)
    return prices @ inverse / size, 1.0 / size


@dataclass(frozen=True, slots=True)
class Transfer:
    """Prices of nodes without history from those of known nodes.

    Attributes:
        known: positions of the known nodes.
        covariance: what was chosen.
        weights: of the known nodes' prices in those of every node, shape (nodes, known).
        variance: kriging variance of every node, relative to the mean variance.
        directions: known nodes' prices -> factor scores of mean square 1, shape (known, factors).
        spread: prior variance of a node's correction per factor and of its constant, for a kriging variance of 1.
        noise: variance of what no correction explains, (currency/MWh)^2.
    """

    known: Ints
    covariance: Covariance
    weights: Array = field(repr=False)
    variance: Array = field(repr=False)
    directions: Array = field(repr=False)
    spread: Array = field(repr=False)
    noise: float = 0.0

    @classmethod
    def fit(
        cls, prices: Array, known: Sequence[int] | Ints, priors: Mapping[str, Array], *, covariance: Covariance | None = None
    ) -> Transfer:
        """Learn from known nodes; prices of others are not touched.

        Args:
            prices: currency/MWh relative to a reference, shape (times, nodes); gaps of known nodes filled (`completed`).
            known: positions of the nodes that count as known.
            priors: covariances between all nodes (`choose`).
            covariance: a choice made before; by default the known nodes decide.

        Raises:
            ValueError: a price of a known node is missing.
        """
        at = np.asarray(known, dtype=np.int64)
        y = prices[:, at]
        if not np.isfinite(y).all():
            raise ValueError("a known node lacks prices; fill its gaps or count it among the unknown")
        chosen = covariance or choose(y, at, priors)
        gram = chosen.gram(priors)
        inner = gram[np.ix_(at, at)] + chosen.nugget * np.eye(at.size)
        weights = np.linalg.solve(inner, gram[at]).T
        variance = np.maximum(np.diag(gram) - np.einsum("ij,ji->i", weights, gram[at]), 0.0) + chosen.nugget
        errors, alone = left_out(y, gram[np.ix_(at, at)], chosen.nugget)
        directions, spread, noise = _corrections(y, errors, alone)
        return cls(at, chosen, np.asarray(weights, dtype=np.float64), variance, directions, spread, noise)

    def nowcast(self, now: Array, node: int, first: Array, first_prices: Array) -> Array:
        """Prices of a node from those of the known nodes in the same intervals.

        Args:
            now: prices of the known nodes, shape (times, known).
            node: position of the node.
            first: prices of the known nodes in the intervals for which the node's own are known, shape (days, known); may be empty.
            first_prices: the node's own prices there, shape (days,).

        Returns:
            Currency/MWh relative to the reference, shape (times,).
        """
        told = now @ self.weights[node]
        if not first_prices.size:
            return np.asarray(told)
        return np.asarray(told + self._scores(now) @ self._correction(node, first, first_prices))

    def deviation(self, node: int) -> float:
        """Standard deviation of an error without own prices, currency/MWh: that of the known nodes left out, by kriging variance."""
        return float(np.sqrt(self.spread.sum() * self.variance[node] + self.noise))

    def _correction(self, node: int, first: Array, first_prices: Array) -> Array:
        """Posterior mean of the node's loadings on the factors; the scales of prior and noise by the evidence of its own prices."""
        scores, error = self._scores(first), first_prices - first @ self.weights[node]
        prior = np.sqrt(np.maximum(self.spread * self.variance[node], 1e-12))
        value, vector = np.linalg.eigh((scores.T @ scores) * np.outer(prior, prior))
        size, along = np.maximum(value, 0.0), vector.T @ (prior * (scores.T @ error))
        wide, noise = PRIOR_SCALES[:, None, None], max(self.noise, 1e-9) * NOISE_SCALES[None, :, None]
        fit = (wide * along**2 / (noise + wide * size)).sum(axis=2)
        bits = np.log1p(wide * size / noise).sum(axis=2) + error.size * np.log(noise[..., 0]) + (error @ error - fit) / noise[..., 0]
        j, k = np.unravel_index(int(np.argmin(bits)), bits.shape)
        return np.asarray(prior * (vector @ (wide[j, 0, 0] * along / (noise[0, k, 0] + wide[j, 0, 0] * size))))

    def _scores(self, prices: Array) -> Array:
        return np.column_stack([prices @ self.directions, np.ones(len(prices))])


def _corrections(prices: Array, errors: Array, variance: Array) -> tuple[Array, Array, float]:
    """How the errors of left-out nodes load on the market's factors, for a kriging variance of 1: directions, prior variances, the rest."""
    factors = price_factors(prices, rank=min(FACTORS, prices.shape[1] - 1, max(1, prices.shape[0] // 4)))
    size = np.maximum(np.square(factors.loadings).sum(axis=0), 1e-12)
    directions = factors.loadings / size
    scores = np.column_stack([prices @ directions, np.ones(len(prices))])
    ridge = 1e-6 * np.eye(scores.shape[1]) * len(scores)
    loading = np.linalg.solve(scores.T @ scores + ridge, scores.T @ errors)
    left = errors - scores @ loading
    wide = np.mean(loading**2 / variance, axis=1)
    # a limit that hardly ever bound may bind next week: no direction is corrected more than the average one, or rare ones would explode
    most = wide[:-1].sum() / size.sum()
    return directions, np.append(np.minimum(wide[:-1], most * size), wide[-1]), float(np.mean(left**2))
