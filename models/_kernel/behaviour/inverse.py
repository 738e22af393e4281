"""Inverse optimisation: the cost parameters under which what a participant offered, or what its unit did at a price, was best.

A unit's marginal cost is linear in what the market can see, `cost_t = x_t @ theta` with `theta >= 0` (heat rate per fuel price,
maintenance). Every observation says on which side of a price the cost lies: an offer is cost plus a markup that is seldom negative; a unit
that ran had a cost of at most the price, one at rest of at least it, one between its limits of the price itself. The parameters minimise
the weighted sum of what contradicts that (Ahuja and Orlin 2001; Keshavarz, Wang and Boyd 2011; for electricity Birge, Hortacsu and Pavlin
2017), a linear program that HiGHS solves exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class InverseError(ValueError):
    """The observations cannot tell a cost; says which and why."""


@dataclass(frozen=True, slots=True)
class CostFit:
    """Parameters of a marginal cost.

    Attributes:
        theta: (parameter,) not negative.
        loss: mean weighted contradiction, currency/MWh; 0 where every observation fits.
        rows: observations used.
    """

    theta: Array
    loss: float
    rows: int

    def cost(self, inputs: Array) -> Array:
        """Marginal cost (row,) for inputs (row, parameter)."""
        return np.asarray(inputs @ self.theta, dtype=np.float64)


def fit_cost(inputs: Array, price: Array, above: Array, below: Array) -> CostFit:
    """Parameters that contradict the observations least.

    Args:
        inputs: (row, parameter) what the cost is linear in, not negative.
        price: (row,) currency/MWh.
        above: (row,) price of one currency/MWh by which `price` lies above the cost; 0 where it may.
        below: (row,) the same for below.

    Raises:
        InverseError: no rows, different lengths, a number that is missing, or a negative weight.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, hstack

    _check(inputs, price, above, below)
    n, k = inputs.shape
    scale = np.maximum(np.abs(inputs).max(axis=0), 1e-12)
    balance = hstack([csr_array(inputs / scale), eye_array(n), -eye_array(n)], format="csr")
    answer = linprog(np.concatenate([np.zeros(k), above, below]) / n, A_eq=balance, b_eq=price, bounds=(0, None), method="highs")
    if answer.status != 0 or answer.x is None or answer.fun is None:
        raise InverseError(f"the linear program of {n} rows ended with: {answer.message}")
    return CostFit(np.asarray(answer.x[:k] / scale, dtype=np.float64), float(answer.fun), n)


def cost_of_offers(inputs: Array, price: Array, *, level: float) -> CostFit:
    """Cost below which a share `level` of the offers lies: markups are seldom negative (Koenker and Bassett 1978, quantile regression)."""
    if not 0 < level < 1:
        raise InverseError(f"level is {level}; give a share between 0 and 1")
    return fit_cost(inputs, price, np.full(len(price), level), np.full(len(price), 1 - level))


def cost_of_dispatch(inputs: Array, price: Array, share: Array, *, margin: float = 0.02) -> CostFit:
    """Cost revealed by output at prices, without any offer.

    Args:
        inputs: (row, parameter).
        price: (row,) price at the unit.
        share: (row,) output over the capacity there was, of the part above the minimum: 1 in full, 0 at rest.
        margin: a share within so much of 0 or 1 is at that limit.
    """
    full, rest = share >= 1 - margin, share <= margin
    return fit_cost(inputs, price, np.where(full, 0.0, 1.0), np.where(rest, 0.0, 1.0))


def _check(inputs: Array, price: Array, above: Array, below: Array) -> None:
    if inputs.ndim != 2 or not len(inputs):
        raise InverseError(f"inputs have shape {inputs.shape}; give at least one row of parameters' inputs")
    for name, values in (("price", price), ("above", above), ("below", below)):
        if values.shape != (len(inputs),):
            raise InverseError(f"{name} has shape {values.shape}; give one value for each of the {len(inputs)} rows")
    for name, values in (("inputs", inputs), ("price", price), ("above", above), ("below", below)):
        if not np.isfinite(values).all():
            raise InverseError(f"{name} holds a missing or infinite number; leave such rows out")
    if (above < 0).any() or (below < 0).any():
        raise InverseError("a weight is negative; weights are prices of contradiction, at least 0")
