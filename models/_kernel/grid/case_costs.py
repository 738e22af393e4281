"""Generator costs of the MATPOWER case format: polynomials to degree 2 and piecewise linear curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models._kernel.grid.network import CostCurves, Floats, GridError

Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]

_PIECEWISE, _POLYNOMIAL = 1, 2
_FLAT = 1e-9


def cost_curves(case: str, names: Sequence[str], gencost: Table, p_min: Floats, p_max: Floats, *, envelope: bool = False) -> CostCurves:
    """Costs of generators in the order of `names`; none at all where the case has no cost table.

    A piecewise curve keeps its first and last slope beyond its points, as in MATPOWER, as far as `p_min` and `p_max` reach;
    pieces without length and neighbours of one slope are joined.

    Args:
        case: label for messages.
        names: generators.
        gencost: rows of the cost table, shape (n_generators, columns), or no rows.
        p_min: least output, MW.
        p_max: largest output, MW.
        envelope: replace piecewise costs by their convex envelope: the largest convex cost that is nowhere above them.

    Raises:
        GridError: a degree above 2, an unknown cost model or too few points.
    """
    n = len(names)
    smooth = np.zeros((n, 3))
    if len(gencost) == 0:
        return CostCurves(smooth[:, 0], smooth[:, 1], smooth[:, 2])
    if len(gencost) != n:
        raise GridError(f"case {case!r}: {len(gencost)} cost rows for {n} generators; give one each")
    blocks: list[Table] = []
    for k, row in enumerate(gencost):
        model, count = int(row[0]), int(row[3])
        if model == _POLYNOMIAL:
            smooth[k] = _polynomial(f"case {case!r}, generator {names[k]}", row[4 : 4 + count])
        elif model == _PIECEWISE:
            points = row[4 : 4 + 2 * min(count, (len(row) - 4) // 2)].reshape(-1, 2)
            smooth[k, 0], pieces = _pieces(f"case {case!r}, generator {names[k]}", points, (p_min[k], p_max[k]), envelope=envelope)
            blocks.append(np.column_stack((np.full(len(pieces), float(k)), pieces)))
        else:
            raise GridError(f"case {case!r}, generator {names[k]}: cost model {model}; give 1 (piecewise) or 2 (polynomial)")
    table = np.concatenate(blocks) if blocks else np.zeros((0, 4))
    return CostCurves(
        smooth[:, 0].copy(),
        smooth[:, 1].copy(),
        smooth[:, 2].copy(),
        block_generator=table[:, 0].astype(np.int64),
        block_start_mw=table[:, 1].copy(),
        block_mw=table[:, 2].copy(),
        block_price=table[:, 3].copy(),
    )


def _polynomial(label: str, coefficients: Floats) -> Floats:
    """Constant, linear and quadratic coefficient from the format's order, highest degree first."""
    rising = coefficients[::-1]
    if np.any(rising[3:] != 0):
        degree = int(np.flatnonzero(rising)[-1])
        raise GridError(f"{label}: cost polynomial of degree {degree}; fit one of degree 2 or give piecewise costs")
    out = np.zeros(3)
    out[: min(3, len(rising))] = rising[:3]
    return out


def _pieces(label: str, points: Table, reach: tuple[float, float], *, envelope: bool) -> tuple[float, Table]:
    """Cost at the start of the first piece, and rows of start, length, slope."""
    if len(points) < 2 or np.any(np.diff(points[:, 0]) < 0):
        raise GridError(f"{label}: {len(points)} cost points; give at least 2, with outputs that rise")
    points = points[np.append(True, np.diff(points[:, 0]) > 0)]
    x, y = (_lower_hull(points) if envelope else points).T
    if len(x) < 2:
        raise GridError(f"{label}: all cost points at {x[0]:g} MW; give at least 2 different outputs")
    slope = np.diff(y) / np.diff(x)
    low, high = reach
    begin = min(x[0], low) if np.isfinite(low) else x[0]
    end = max(x[-1], high) if np.isfinite(high) else x[-1]
    at_begin = y[0] + slope[0] * (begin - x[0])
    turns = np.flatnonzero(np.abs(np.diff(slope)) > _FLAT * np.maximum(1.0, np.abs(slope[:-1]))) + 1
    starts = np.concatenate(([begin], x[turns]))
    lengths = np.diff(np.append(starts, end))
    return float(at_begin), np.column_stack((starts, lengths, slope[np.append(0, turns)]))


def _lower_hull(points: Table) -> Table:
    """The corners of the convex envelope of points with rising outputs (Andrew's monotone chain)."""
    hull: list[Floats] = []
    for point in points:
        while len(hull) > 1:
            (x0, y0), (x1, y1) = hull[-2], hull[-1]
            if (y1 - y0) * (point[0] - x1) < (point[1] - y1) * (x1 - x0):
                break
            hull.pop()
        hull.append(point)
    return np.array(hull)
