"""Offers of plants as cost times a markup that answers to the state of the market: costs by inverse optimisation, markups by type and unit.

The cost of a unit's block comes from its disclosed offers of quiet hours (`inverse.cost_of_offers`). What it adds, as a share of cost,
is regressed on the tightness that everybody can forecast, the part of the day and outages; a unit's coefficients are shrunk to those of its
type (ridge regression about a pooled mean), so that a unit with few disclosed days behaves like its kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.behaviour.inverse import CostFit, cost_of_offers

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
KNOTS = (0.5, 0.75, 0.9)
"""Shares of the past hours' tightness at which the answer may bend."""
SHRINK = 20.0
"""Days of disclosed offers that the type's coefficients count for."""
LEAST, MOST = -3.0, 6.0
"""Range of a markup forecast, shares of cost; below -1 where a unit pays to stay on."""


@dataclass(frozen=True, slots=True)
class State:
    """What the market could know of a delivery date and part of the day at the gate.

    Attributes:
        tightness: (day, window) highest forecast residual load over available capacity.
        outage: (day,) share of the capacity that is out.
        evening, night: position of these windows.
    """

    tightness: Array
    outage: Array
    evening: int
    night: int


@dataclass(frozen=True, slots=True)
class Markup:
    """Coefficients of the markup share.

    Attributes:
        coefficients: (column, input) by column of offers.
        types: (type, input) pooled.
        knots: tightness at which the answer may bend.
    """

    coefficients: Array
    types: Array
    knots: Array

    def share(self, state: State, window: Ints) -> Array:
        """Forecast markup share (day, column) for each day of `state` and column of offers in its window."""
        made = np.empty((len(state.outage), len(window)))
        for w in range(state.tightness.shape[1]):
            mine = window == w
            made[:, mine] = inputs_of(state, w, self.knots) @ self.coefficients[mine].T
        return np.clip(made, LEAST, MOST)


def inputs_of(state: State, window: int, knots: Array) -> Array:
    """Inputs (day, input) of a window's markup."""
    tight = state.tightness[:, window]
    hinges = [np.maximum(tight - k, 0.0) for k in knots]
    part = [np.full(len(tight), float(window == state.evening)), np.full(len(tight), float(window == state.night))]
    return np.column_stack([np.ones(len(tight)), tight, *hinges, state.outage, *part])


def learn_costs(price: Array, inputs: tuple[Array, ...], quiet: npt.NDArray[np.bool_], *, level: float = 0.1) -> list[CostFit | None]:
    """Cost of each column of offers from the days and windows that are quiet.

    Args:
        price: (day, column) offers, NaN where not known.
        inputs: per column (day, parameter) of fuel prices known at the gate.
        quiet: (column,) whether the column's window counts; a column of another window takes the fit of its block (see `same_block`).
        level: share of offers below cost.
    """
    found: list[CostFit | None] = []
    for column in range(price.shape[1]):
        rows = np.isfinite(price[:, column]) & np.isfinite(inputs[column]).all(axis=1)
        enough = quiet[column] and rows.sum() >= inputs[column].shape[1] + 10
        found.append(cost_of_offers(inputs[column][rows], price[rows, column], level=level) if enough else None)
    return found


def learn_markup(price: Array, cost: Array, state: State, window: Ints, kind: Ints) -> Markup:
    """Markup shares regressed on the state, by type and then by column.

    Args:
        price: (day, column) disclosed offers, NaN where not known.
        cost: (day, column) learned costs; a column without a positive cost learns nothing and forecasts its type.
        state: of the same days.
        window: (column,) part of the day.
        kind: (column,) type.
    """
    usable = np.isfinite(price) & np.isfinite(cost) & (cost > 1.0)
    share = np.where(usable, price / np.where(usable, cost, 1.0) - 1, 0.0)
    knots = np.quantile(state.tightness[np.isfinite(state.tightness)], KNOTS)
    by_window = [inputs_of(state, w, knots) for w in range(state.tightness.shape[1])]
    n = by_window[0].shape[1]
    gram, moment = np.zeros((price.shape[1], n, n)), np.zeros((price.shape[1], n))
    for w, inputs in enumerate(by_window):
        mine = np.flatnonzero(window == w)
        told = np.asarray(np.isfinite(inputs).all(axis=1))
        there = usable[:, mine] & told[:, None]
        clean = np.nan_to_num(inputs)
        gram[mine] = np.einsum("dc,di,dj->cij", there, clean, clean, optimize=True)
        moment[mine] = np.einsum("dc,dc,di->ci", there, share[:, mine], clean, optimize=True)
    types = np.stack(
        [_solve(gram[kind == k].sum(axis=0), moment[kind == k].sum(axis=0), np.zeros(n), 1e-3) for k in range(int(kind.max()) + 1)]
    )
    # rows of a block share coefficients over the windows through their type; each column's own deviation is shrunk
    own = np.stack([_solve(g, m, types[k], SHRINK) for g, m, k in zip(gram, moment, kind, strict=True)])
    return Markup(own, types, np.asarray(knots, dtype=np.float64))


def _solve(gram: Array, moment: Array, about: Array, ridge: float) -> Array:
    scale = np.eye(len(about)) * ridge / len(about)
    return np.asarray(np.linalg.solve(gram + scale + 1e-9 * np.eye(len(about)), moment + scale @ about), dtype=np.float64)
