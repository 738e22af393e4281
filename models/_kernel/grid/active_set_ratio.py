"""Ratio tests of the active-set method: which constraint is met first along a direction."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.active_set_types import (
    AT_LOWER,
    AT_UPPER,
    EQUALITY,
    FREE,
    IDLE,
    ON_LOWER,
    ON_UPPER,
    Marks,
    Point,
    Problem,
    Shift,
    compiled,
)

COLUMN_OUT, ROW_IN, COLUMN_IN, ROW_OUT, NOTHING = 0, 1, 2, 3, -1
SLOWEST = 1e-11
SLOWEST_PIVOT = 1e-8
TIE = 1e-12


@compiled
def _earlier(step: float, rate: float, best_step: float, best_rate: float) -> bool:
    """Smaller step; among equal steps the faster one, for a well-conditioned exchange."""
    return step < np.inf and (step < best_step - TIE or (step <= best_step + TIE and rate > best_rate))


@compiled
def _column_sign_rate(columns: Marks, point: Point, rates: Point, j: int) -> tuple[float, float]:
    """Distance of a reduced cost from its wrong sign, and the speed towards it."""
    if columns[j] == AT_LOWER:
        return max(point.d[j], 0.0), -rates.d[j]
    return max(-point.d[j], 0.0), rates.d[j]


@compiled
def first_event(
    problem: Problem, columns: Marks, rows: Marks, state: tuple[Point, Shift, float], rates: Point
) -> tuple[tuple[int, int, int], float]:
    """The first constraint met while the data move: kind, position, side; and the step to it."""
    point, shift, rest = state
    event, best, speed = (NOTHING, 0, 0), np.inf, 0.0
    for j in range(len(columns)):
        if columns[j] == FREE:
            for side in range(2):
                if side == AT_LOWER:
                    gap, rate = point.x[j] - (problem.lower[j] - rest * shift.lower[j]), shift.lower[j] - rates.x[j]
                else:
                    gap, rate = problem.upper[j] - rest * shift.upper[j] - point.x[j], rates.x[j] - shift.upper[j]
                if rate > SLOWEST and _earlier(max(gap, 0.0) / rate, rate, best, speed):
                    event, best, speed = (COLUMN_OUT, j, side), max(gap, 0.0) / rate, rate
        elif problem.upper[j] > problem.lower[j]:
            gap, rate = _column_sign_rate(columns, point, rates, j)
            if rate > SLOWEST and _earlier(gap / rate, rate, best, speed):
                event, best, speed = (COLUMN_IN, j, int(columns[j])), gap / rate, rate
    for i in range(len(rows)):
        if rows[i] == IDLE:
            for side in range(2):
                if side == AT_LOWER:
                    gap, rate = point.a[i] - (problem.row_lower[i] - rest * shift.row_lower[i]), shift.row_lower[i] - rates.a[i]
                else:
                    gap, rate = problem.row_upper[i] - rest * shift.row_upper[i] - point.a[i], rates.a[i] - shift.row_upper[i]
                if rate > SLOWEST and _earlier(max(gap, 0.0) / rate, rate, best, speed):
                    event, best, speed = (ROW_IN, i, side), max(gap, 0.0) / rate, rate
        elif rows[i] != EQUALITY:
            zero = -rest * shift.idle[i]
            sign = 1.0 if rows[i] == ON_LOWER else -1.0
            gap, rate = max(sign * (point.y[i] - zero), 0.0), -sign * (rates.y[i] - shift.idle[i])
            if rate > SLOWEST and _earlier(gap / rate, rate, best, speed):
                event, best, speed = (ROW_OUT, i, AT_LOWER if rows[i] == ON_LOWER else AT_UPPER), gap / rate, rate
    return event, best


@compiled
def blocking_dual(
    problem: Problem, columns: Marks, rows: Marks, state: tuple[Point, Shift, float], rates: Point, event: tuple[int, int, int]
) -> tuple[tuple[int, int, int], float]:
    """The column to free or row to leave when prices move and the dispatch stands still."""
    point, shift, rest = state
    other, best, speed = (NOTHING, 0, 0), np.inf, 0.0
    for j in range(len(columns)):
        if columns[j] != FREE and problem.upper[j] > problem.lower[j]:
            gap, rate = _column_sign_rate(columns, point, rates, j)
            if rate > SLOWEST_PIVOT and _earlier(gap / rate, rate, best, speed):
                other, best, speed = (COLUMN_IN, j, int(columns[j])), gap / rate, rate
    for i in range(len(rows)):
        if rows[i] == ON_LOWER or rows[i] == ON_UPPER:
            sign = 1.0 if rows[i] == ON_LOWER else -1.0
            gap, rate = max(sign * (point.y[i] + rest * shift.idle[i]), 0.0), -sign * rates.y[i]
            if rate > SLOWEST_PIVOT and _earlier(gap / rate, rate, best, speed):
                other, best, speed = (ROW_OUT, i, 0), gap / rate, rate
    return other, best


@compiled
def blocking_primal(
    problem: Problem, columns: Marks, rows: Marks, state: tuple[Point, Shift, float], rates: Point, event: tuple[int, int, int]
) -> tuple[tuple[int, int, int], float]:
    """The bound or row met when the dispatch moves and prices stand still; may be the far bound of the moving constraint itself."""
    point, shift, rest = state
    other, best, speed = (NOTHING, 0, 0), np.inf, 0.0
    for j in range(len(columns)):
        if columns[j] == FREE or (event[0] == COLUMN_IN and event[1] == j):
            rate = abs(rates.x[j])
            if rate > SLOWEST_PIVOT:
                up = rates.x[j] > 0.0
                gap = (
                    problem.upper[j] - rest * shift.upper[j] - point.x[j] if up else point.x[j] - (problem.lower[j] - rest * shift.lower[j])
                )
                if _earlier(max(gap, 0.0) / rate, rate, best, speed):
                    other, best, speed = (COLUMN_OUT, j, AT_UPPER if up else AT_LOWER), max(gap, 0.0) / rate, rate
    for i in range(len(rows)):
        if rows[i] == IDLE or (event[0] == ROW_OUT and event[1] == i):
            rate = abs(rates.a[i])
            if rate > SLOWEST_PIVOT:
                up = rates.a[i] > 0.0
                gap = (
                    problem.row_upper[i] - rest * shift.row_upper[i] - point.a[i]
                    if up
                    else point.a[i] - (problem.row_lower[i] - rest * shift.row_lower[i])
                )
                if _earlier(max(gap, 0.0) / rate, rate, best, speed):
                    other, best, speed = (ROW_IN, i, AT_UPPER if up else AT_LOWER), max(gap, 0.0) / rate, rate
    return other, best
