"""Arrays of the active-set method: the problem, the working set, the factorised optimality system."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np

from models._kernel.grid.network import Floats, Ints

Marks = np.ndarray[tuple[int, ...], np.dtype[np.int8]]
Function = TypeVar("Function", bound=Callable[..., Any])


def _keep_machine_code() -> bool:
    """True where the environment names a folder for machine code (NUMBA_CACHE_DIR).

    numba tracks changes of a function's own file only, not of the compiled functions it calls in others: each version of this
    package's source gets a folder of its own below the named one.
    """
    if not numba.config.CACHE_DIR:
        return False
    digest = hashlib.sha256(b"".join(f.read_bytes() for f in sorted(Path(__file__).parent.glob("active_set*.py")))).hexdigest()[:12]
    if Path(numba.config.CACHE_DIR).name != digest:
        numba.config.CACHE_DIR = str(Path(numba.config.CACHE_DIR) / digest)
    return True


_OPTIONS: dict[str, Any] = {"cache": _keep_machine_code(), "error_model": "numpy"}
compiled: Callable[[Function], Function] = numba.njit(**_OPTIONS)
# Called from compiled functions only: without the entry points for Python and C the package compiles in two thirds of the time.
inner: Callable[[Function], Function] = numba.njit(**_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)

AT_LOWER, AT_UPPER, FREE = 0, 1, 2
IDLE, ON_LOWER, ON_UPPER, EQUALITY = 0, 1, 2, 3


class Problem(NamedTuple):
    """min cost'x + sum quad x^2 over lower <= x <= upper, row_lower <= A x <= row_upper.

    Columns: `n_core` columns of the case, then two elastic columns (+1, -1) per network row. Rows: `n_static` sparse rows (balances,
    reserve rules), then network rows. A core column with element e >= 0 has coefficient `coupling[k, e]` in network row k.

    Attributes:
        cost, quad, lower, upper: (columns).
        element: (core columns) element or -1.
        start, row, value: static coefficients by core column: entries start[j] to start[j + 1].
        row_lower, row_upper: (rows); equal for equalities.
        coupling: (network rows, elements).
    """

    cost: Floats
    quad: Floats
    lower: Floats
    upper: Floats
    element: Ints
    start: Ints
    row: Ints
    value: Floats
    row_lower: Floats
    row_upper: Floats
    coupling: Floats


class Point(NamedTuple):
    """Primal and dual values: columns x and reduced costs d, row multipliers y and row values a."""

    x: Floats
    d: Floats
    y: Floats
    a: Floats


class Data(NamedTuple):
    """Right-hand sides of the optimality system: costs, values of columns at bounds, of active rows, multipliers of idle rows."""

    cost: Floats
    at: Floats
    row: Floats
    idle: Floats


class Shift(NamedTuple):
    """How far the true data are from data for which the current point is optimal; walked off from 0 to 1."""

    cost: Floats
    lower: Floats
    upper: Floats
    row_lower: Floats
    row_upper: Floats
    idle: Floats


class Basis(NamedTuple):
    """Factorised optimality system of a working set; quadratic columns are eliminated.

    Attributes:
        rows: active rows; free: free columns, the `n_linear` without quadratic cost first.
        matrix: (active rows, free columns) coefficients.
        factor, pivots: LU factors of the reduced system and its row exchanges.
        fault: -1, or the unknown at which the system proved singular.
    """

    rows: Ints
    free: Ints
    n_linear: int
    matrix: Floats
    factor: Floats
    pivots: Ints
    fault: int


@inner
def largest(values: Floats) -> float:
    """Largest absolute value, 0 of none."""
    found = 0.0
    for value in values:
        found = max(found, abs(value))
    return found
