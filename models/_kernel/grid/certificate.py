"""Proof of optimality of a dispatch: residuals of the Karush-Kuhn-Tucker conditions, evaluated on the values handed out."""

from __future__ import annotations

import numpy as np

from models._kernel.grid.active_set_kkt import reduced_costs, row_values
from models._kernel.grid.active_set_types import Point, Problem, compiled
from models._kernel.grid.opf_types import OpfResidual

NOT_FINITE = OpfResidual(np.inf, np.inf, np.inf, np.inf, np.inf)


@compiled
def _conditions(problem: Problem, point: Point, tolerance: float) -> tuple[float, float, float, float, float, float]:
    """Equality error, bound error, wrong signs, products, primal objective, primal less dual objective.

    A positive reduced cost is right only at the lower bound and a negative one only at the upper; likewise row multipliers. What stands on
    a bound within the tolerance counts as at it, and the distance is charged to the complementarity products.
    """
    n, m = len(point.x), len(point.y)
    d, a = np.empty(n), np.empty(m)
    row_values(problem, point.x, a)
    reduced_costs(problem, problem.cost, point.x, point.y, d)
    equality, bound, sign, product, gap, objective = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(n):
        x = point.x[j]
        low, high = x - problem.lower[j], problem.upper[j] - x
        bound = max(bound, -low, -high)
        objective += problem.cost[j] * x + problem.quad[j] * x * x
        room = low if d[j] > 0.0 else high
        if room > tolerance:
            sign = max(sign, abs(d[j]))
        if room < np.inf:
            product = max(product, abs(d[j] * room))
            gap += abs(d[j]) * room
    for i in range(m):
        low, high = a[i] - problem.row_lower[i], problem.row_upper[i] - a[i]
        if problem.row_lower[i] == problem.row_upper[i]:
            equality = max(equality, abs(low))
            gap += point.y[i] * low
            continue
        bound = max(bound, -low, -high)
        room = low if point.y[i] > 0.0 else high
        if room > tolerance:
            sign = max(sign, abs(point.y[i]))
        if room < np.inf:
            product = max(product, abs(point.y[i] * room))
            gap += abs(point.y[i]) * room
    return equality, bound, sign, product, objective, gap


def certify(problem: Problem, point: Point, constant: float, unadded: float, tolerance: float) -> tuple[OpfResidual, float]:
    """Residuals of a point, and its objective.

    Guarantee: the program is convex, so residuals of zero prove that no dispatch is cheaper; the gap bounds what a cheaper one could save.
    Residuals are numbers: all are inf where a value of the point is not finite.

    Args:
        problem: program with all kept limits and true costs.
        point: primal and dual values.
        constant: cost that does not depend on the dispatch.
        unadded: largest violation of the limits that are not in the program, MW.
        tolerance: distance from a bound that counts as at it, MW.
    """
    if not (np.isfinite(point.x).all() and np.isfinite(point.y).all()):
        return NOT_FINITE, np.inf
    equality, bound, sign, product, objective, gap = _conditions(problem, point, tolerance)
    total = float(objective) + constant
    if not np.isfinite([total, equality, bound, sign, product, gap]).all():
        return NOT_FINITE, np.inf
    scale = 1.0 + abs(total)
    return OpfResidual(equality, max(bound, unadded, 0.0), sign, product / scale, abs(gap) / scale), total
