"""Ratio tests of the active-set method: which constraint is met first along a direction.

Two passes after Harris (1973): the first finds how far one may go when every constraint may be overstepped by a hair, the second takes the
fastest of the constraints met by then, so that exchanges stay well conditioned where several are met at once.
"""

from __future__ import annotations

import numpy as np

from models._kernel.grid.active_set_types import (
    AT_LOWER,
    AT_UPPER,
    EQUALITY,
    FREE,
    IDLE,
    ON_LOWER,
    Marks,
    Point,
    Problem,
    Shift,
    inner,
    largest,
)

Event = tuple[int, int, int]
State = tuple[Point, Shift, float, float]
"""Point, shift, how much of it is left to walk off, and its pace: 1 while the data move, 0 while they stand still."""
COLUMN_OUT, ROW_IN, COLUMN_IN, ROW_OUT, NOTHING = 0, 1, 2, 3, -1
SLOWEST_MW, SLOWEST_PRICE, SLOWEST_PIVOT = 1e-10, 1e-11, 1e-8
HAIR_MW, HAIR_PRICE = 1e-9, 1e-9


@inner
def _column_room(problem: Problem, state: State, rates: Point, at: tuple[int, int]) -> tuple[float, float]:
    """Room of a column to one bound and its speed towards it, both measured against the moving bound."""
    point, shift, rest, pace = state
    j, side = at
    if side == AT_LOWER:
        return point.x[j] - problem.lower[j] + rest * shift.lower[j], pace * shift.lower[j] - rates.x[j]
    return problem.upper[j] - rest * shift.upper[j] - point.x[j], rates.x[j] - pace * shift.upper[j]


@inner
def _row_room(problem: Problem, state: State, rates: Point, at: tuple[int, int]) -> tuple[float, float]:
    """Room of an idle row to one limit and its speed towards it."""
    point, shift, rest, pace = state
    i, side = at
    if side == AT_LOWER:
        return point.a[i] - problem.row_lower[i] + rest * shift.row_lower[i], pace * shift.row_lower[i] - rates.a[i]
    return problem.row_upper[i] - rest * shift.row_upper[i] - point.a[i], rates.a[i] - pace * shift.row_upper[i]


@inner
def _sign_room(columns: Marks, point: Point, rates: Point, j: int) -> tuple[float, float]:
    """Distance of a reduced cost from its wrong sign, and the speed towards it."""
    if columns[j] == AT_LOWER:
        return point.d[j], -rates.d[j]
    return -point.d[j], rates.d[j]


@inner
def _multiplier_room(rows: Marks, state: State, rates: Point, i: int) -> tuple[float, float]:
    """Distance of a row's multiplier from its wrong sign, and the speed towards it."""
    point, shift, rest, pace = state
    if rows[i] == ON_LOWER:
        return point.y[i] + rest * shift.idle[i], pace * shift.idle[i] - rates.y[i]
    return -point.y[i] - rest * shift.idle[i], rates.y[i] - pace * shift.idle[i]


@inner
def _scan_primal(  # noqa: C901 - both passes share one loop
    problem: Problem,
    marks: tuple[Marks, Marks],
    state: State,
    rates: Point,
    rule: tuple[float, float, int, int],
) -> tuple[Event, float, float]:
    """Bounds and limits met: within `rule[0]` the fastest (second pass), or the furthest allowed step where that is infinite (first)."""
    columns, rows = marks
    most, floor, moving_column, moving_row = rule
    first = most == np.inf
    event, best, speed = (NOTHING, 0, 0), np.inf, 0.0
    for j in range(len(columns)):
        if columns[j] == FREE or j == moving_column:
            for side in range(2):
                gap, rate = _column_room(problem, state, rates, (j, side))
                if rate > floor and gap < np.inf:
                    if first:
                        best = min(best, (max(gap, 0.0) + HAIR_MW) / rate)
                    elif max(gap, 0.0) <= most * rate and rate > speed:
                        event, best, speed = (COLUMN_OUT, j, side), max(gap, 0.0) / rate, rate
    for i in range(len(rows)):
        if rows[i] == IDLE or i == moving_row:
            for side in range(2):
                gap, rate = _row_room(problem, state, rates, (i, side))
                if rate > floor and gap < np.inf:
                    if first:
                        best = min(best, (max(gap, 0.0) + HAIR_MW) / rate)
                    elif max(gap, 0.0) <= most * rate and rate > speed:
                        event, best, speed = (ROW_IN, i, side), max(gap, 0.0) / rate, rate
    return event, best, speed


@inner
def _scan_dual(  # noqa: C901 - both passes share one loop
    problem: Problem, marks: tuple[Marks, Marks], state: State, rates: Point, rule: tuple[float, float]
) -> tuple[Event, float, float]:
    """Signs met by reduced costs and multipliers, in the same two ways."""
    columns, rows = marks
    most, floor = rule
    first = most == np.inf
    event, best, speed = (NOTHING, 0, 0), np.inf, 0.0
    for j in range(len(columns)):
        if columns[j] != FREE and problem.upper[j] > problem.lower[j]:
            gap, rate = _sign_room(columns, state[0], rates, j)
            if rate > floor:
                if first:
                    best = min(best, (max(gap, 0.0) + HAIR_PRICE) / rate)
                elif max(gap, 0.0) <= most * rate and rate > speed:
                    event, best, speed = (COLUMN_IN, j, int(columns[j])), max(gap, 0.0) / rate, rate
    for i in range(len(rows)):
        if rows[i] != IDLE and rows[i] != EQUALITY:
            gap, rate = _multiplier_room(rows, state, rates, i)
            if rate > floor:
                if first:
                    best = min(best, (max(gap, 0.0) + HAIR_PRICE) / rate)
                elif max(gap, 0.0) <= most * rate and rate > speed:
                    event, best, speed = (ROW_OUT, i, AT_LOWER if rows[i] == ON_LOWER else AT_UPPER), max(gap, 0.0) / rate, rate
    return event, best, speed


@inner
def first_event(problem: Problem, marks: tuple[Marks, Marks], state: State, rates: Point) -> tuple[Event, float]:
    """The first constraint met while the data move: kind, position, side; and the step to it."""
    floor_mw, floor_price = SLOWEST_MW * (1.0 + largest(rates.a)), SLOWEST_PRICE * (1.0 + largest(rates.y))
    _, most_primal, _ = _scan_primal(problem, marks, state, rates, (np.inf, floor_mw, -1, -1))
    _, most_dual, _ = _scan_dual(problem, marks, state, rates, (np.inf, floor_price))
    most = min(most_primal, most_dual)
    if most == np.inf or most >= state[2]:
        # Nothing is met before the end; the end itself is checked on the true data.
        return (NOTHING, 0, 0), np.inf
    primal, step, _ = _scan_primal(problem, marks, state, rates, (most, floor_mw, -1, -1))
    dual, dual_step, _ = _scan_dual(problem, marks, state, rates, (most, floor_price))
    if primal[0] == NOTHING or (dual[0] != NOTHING and dual_step < step):
        return dual, dual_step
    return primal, step


@inner
def blocking_dual(problem: Problem, marks: tuple[Marks, Marks], state: State, rates: Point) -> tuple[Event, float]:
    """The column to free or row to leave when prices move and the dispatch and the data stand still."""
    most = _scan_dual(problem, marks, state, rates, (np.inf, SLOWEST_PIVOT))[1]
    if most == np.inf:
        return (NOTHING, 0, 0), most
    event, step, _ = _scan_dual(problem, marks, state, rates, (most, SLOWEST_PIVOT))
    return event, step


@inner
def blocking_primal(
    problem: Problem, marks: tuple[Marks, Marks], state: State, rates: Point, moving: tuple[int, int]
) -> tuple[Event, float]:
    """The bound or row met when the dispatch moves and prices stand still; may be the far bound of the moving constraint itself."""
    most = _scan_primal(problem, marks, state, rates, (np.inf, SLOWEST_PIVOT, *moving))[1]
    if most == np.inf:
        return (NOTHING, 0, 0), most
    event, step, _ = _scan_primal(problem, marks, state, rates, (most, SLOWEST_PIVOT, *moving))
    return event, step
