"""Population stability index: has a distribution moved since training?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def psi(expected: npt.ArrayLike, actual: npt.ArrayLike, *, bins: int = 10, floor: float = 1e-4) -> float:
    """PSI of `actual` against `expected`: sum of (a - e) * ln(a / e) over quantile bins of `expected`.

    Rules of thumb: below 0.1 stable, 0.1-0.25 watch, above 0.25 moved. Missing values form a bin of their own where either
    sample has some. Shares below `floor` are raised to it, so that an empty bin stays finite.

    Raises:
        ValueError: a sample without rows, or `expected` without a single known value.
    """
    e, a = (np.asarray(v, dtype=np.float64).reshape(-1) for v in (expected, actual))
    if e.size == 0 or a.size == 0 or not np.any(np.isfinite(e)):
        raise ValueError(f"PSI needs rows on both sides and a known value in `expected`; got {e.size} and {a.size} rows")
    edges = np.unique(np.quantile(e[np.isfinite(e)], np.linspace(0, 1, bins + 1)[1:-1]))

    def shares(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        known = np.isfinite(values)
        counts = np.bincount(np.searchsorted(edges, values[known], side="left"), minlength=edges.size + 1)
        return np.maximum(np.append(counts, np.sum(~known)) / values.size, floor)

    p, q = shares(e), shares(a)
    return float(np.sum((q - p) * np.log(q / p)))
