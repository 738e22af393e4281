"""Generalised Pareto regression: the scale of the excesses depends on covariates, the shape is one and held back.

Log-linear scale as in Davison & Smith (1990) and Chavez-Demoulin, Embrechts & Hofert (2016); penalised maximum likelihood with the
exact gradient. The shape has a normal prior and hard bounds, because some hundred excesses alone hardly identify it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
CLIP = 4.0  # standard deviations that a covariate may pull the scale
LOG_SCALE_RANGE = 1.0  # of the conditional around the mean scale, natural logarithms: factors of 0.37 to 2.7


@dataclass(frozen=True, slots=True)
class ShapePrior:
    """Where the shape is drawn to and where it must stay.

    Attributes:
        mean: centre of the normal prior.
        spread: its standard deviation.
        low: hard lower bound.
        high: hard upper bound.
    """

    mean: float = 0.1
    spread: float = 0.15
    low: float = -0.4
    high: float = 0.8


@dataclass(frozen=True, slots=True)
class ParetoRegression:
    """A fitted conditional tail.

    Attributes:
        centre: means of the covariates over the excesses, shape (p,).
        spread: their standard deviations, shape (p,), 1 where constant.
        weights: coefficients of ln(scale), intercept first, shape (p + 1,).
        shape: shape of the excesses.
    """

    centre: Array
    spread: Array
    weights: Array
    shape: float

    def scales(self, covariates: npt.ArrayLike) -> Array:
        """Scale of every row, shape (n,); unknown covariates (NaN) count as average, extreme ones as four deviations."""
        z = _standardised(np.asarray(covariates, dtype=np.float64), self.centre, self.spread)
        moved = np.clip((z * self.weights[1:]).sum(axis=1), -LOG_SCALE_RANGE, LOG_SCALE_RANGE)
        return np.asarray(np.exp(self.weights[0] + moved), dtype=np.float64)

    def arrays(self) -> dict[str, Array]:
        """Everything as arrays for `artifacts.save_arrays`."""
        return {"centre": self.centre, "spread": self.spread, "weights": self.weights, "shape": np.array([self.shape])}

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The regression that `arrays` described."""
        return cls(arrays["centre"], arrays["spread"], arrays["weights"], float(arrays["shape"][0]))


def fit_pareto(
    excess: npt.ArrayLike,
    covariates: npt.ArrayLike,
    *,
    prior: ShapePrior | None = None,
    penalty: float = 1.0,
    weights: npt.ArrayLike | None = None,
) -> ParetoRegression:
    """Fit scale and shape on excesses.

    Args:
        excess: positive, shape (n,).
        covariates: shape (n, p), NaN where unknown; p may be 0 for a static tail.
        prior: of the shape.
        penalty: ridge penalty of the standardised coefficients, in pseudo-observations.
        weights: weight of every excess, shape (n,); default 1.

    Raises:
        ValueError: fewer than 10 excesses, or one that is not positive.
    """
    from scipy.optimize import minimize

    held = prior or ShapePrior()
    y, x = np.asarray(excess, dtype=np.float64).reshape(-1), np.asarray(covariates, dtype=np.float64)
    if y.size < 10 or np.any(~(y > 0)) or x.shape[0] != y.size:
        raise ValueError(f"{y.size} excesses with {x.shape[0]} rows of covariates; a tail needs at least 10 excesses, all above zero")
    w = np.ones(y.size) if weights is None else np.asarray(weights, dtype=np.float64)
    centre, spread = _moments(x)
    design = np.column_stack((np.ones(y.size), _standardised(x, centre, spread)))
    unit = float(np.average(y, weights=w))
    start = np.zeros(design.shape[1] + 1)
    start[-1] = np.clip(held.mean, held.low + 1e-3, held.high - 1e-3)
    bounds = [(-6.0, 6.0)] * design.shape[1] + [(held.low, held.high)]
    found = minimize(_loss, start, args=(y / unit, design, w, held, penalty), jac=True, method="L-BFGS-B", bounds=bounds)
    coefficients = np.asarray(found.x[:-1], dtype=np.float64)
    coefficients[0] += np.log(unit)
    return ParetoRegression(centre, spread, coefficients, float(found.x[-1]))


def _loss(theta: Array, y: Array, design: Array, w: Array, prior: ShapePrior, penalty: float) -> tuple[float, Array]:
    """Penalised negative log-likelihood and its gradient.

    Of one excess with z = y / scale: ln(scale) + (1 + 1 / shape) ln(1 + shape z), whose limit at shape 0 is ln(scale) + z. A bounded
    tail (shape < 0) that ends below an excess is continued by a steep line, so that the search is led back.
    """
    beta, xi = theta[:-1], float(theta[-1])
    z = y * np.exp(-np.clip(design @ beta, -30.0, 30.0))
    floor = 1e-3
    if abs(xi) < 1e-6:
        term, by_z, by_xi = z + xi * (z - z * z / 2), 1.0 + xi * (1.0 - z), z - z * z / 2
    else:
        inner = 1.0 + xi * z
        safe = np.maximum(inner, floor)
        log = np.log(safe) + np.minimum(inner - floor, 0.0) / floor
        slope = 1.0 / safe
        term = (1.0 + 1.0 / xi) * log
        by_z = (1.0 + xi) * slope
        by_xi = -log / xi**2 + (1.0 + 1.0 / xi) * slope * z
    loss = float(w @ (design @ beta + term)) + penalty / 2 * float(beta[1:] @ beta[1:]) + (xi - prior.mean) ** 2 / (2 * prior.spread**2)
    gradient = design.T @ (w * (1.0 - by_z * z))
    gradient[1:] += penalty * beta[1:]
    return loss, np.append(gradient, float(w @ by_xi) + (xi - prior.mean) / prior.spread**2)


def _moments(x: Array) -> tuple[Array, Array]:
    known = np.isfinite(x)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, x, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, x - centre, 0.0) ** 2).sum(axis=0) / count)
    return centre, np.where(spread > 1e-9, spread, 1.0)


def _standardised(x: Array, centre: Array, spread: Array) -> Array:
    return np.clip(np.where(np.isfinite(x), (x - centre) / spread, 0.0), -CLIP, CLIP)


def static_threshold(values: npt.ArrayLike, *, candidates: Sequence[float] = (0.90, 0.925, 0.95, 0.96, 0.97, 0.98)) -> float:
    """Level of a static threshold: the lowest of the candidates from which on the shape is stable.

    Stable means that the shape's maximum likelihood estimate at every higher candidate lies within two standard errors of the one
    there (the parameter stability plot of Coles 2001, sec. 4.3.4, told in numbers). Fits: pyextremes.

    Args:
        values: outcomes, shape (n,).
        candidates: rising levels.
    """
    import pandas as pd
    from pyextremes.models import get_model

    v = np.asarray(values, dtype=np.float64)
    shapes, errors = [], []
    for level in candidates:
        u = np.quantile(v, level)
        beyond = pd.Series(v[v > u])
        if beyond.size < 30:
            break
        xi = float(get_model("MLE", extremes=beyond, distribution="genpareto", distribution_kwargs={"floc": u}).fit_parameters["c"])
        shapes.append(xi)
        errors.append((1 + xi) / np.sqrt(beyond.size))
    for k, level in enumerate(candidates[: len(shapes)]):
        if all(abs(shapes[j] - shapes[k]) <= 2 * max(errors[j], errors[k]) for j in range(k + 1, len(shapes))):
            return level
    return candidates[0]


def block_return_levels(maxima: npt.ArrayLike, blocks: Sequence[float]) -> tuple[Array, tuple[float, float, float]]:
    """Levels that the maximum of a block exceeds once in so many blocks, from a generalised extreme value fit (Coles 2001, ch. 3).

    Args:
        maxima: maximum of every block (week, month), at least 12.
        blocks: return periods in blocks, above 1, e.g. 12 for once a year with monthly maxima.

    Returns:
        Levels, shape (k,), and (location, scale, shape) with the shape positive for heavy tails.

    Raises:
        ValueError: fewer than 12 blocks.
    """
    from scipy import stats as sps

    m = np.asarray(maxima, dtype=np.float64)
    if m.size < 12:
        raise ValueError(f"{m.size} block maxima; a generalised extreme value law needs at least 12")
    c, location, scale = sps.genextreme.fit(m)
    levels = sps.genextreme.isf(1.0 / np.asarray(blocks, dtype=np.float64), c, location, scale)
    return np.asarray(levels, dtype=np.float64), (float(location), float(scale), float(-c))
