"""Reconciliation of forecasts that must add up: MinT with a shrunk covariance (Wickramasuriya, Athanasopoulos & Hyndman 2019)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
RIDGE = 2e-8


def shrunk_covariance(residuals: npt.ArrayLike) -> Array:
    """Covariance of forecast errors shrunk towards its diagonal (Schaefer & Strimmer 2005), the intensity estimated from the errors.

    Args:
        residuals: past errors, rows are days, shape (n, m), n at least 3.
    """
    e = np.asarray(residuals, dtype=np.float64)
    n, m = e.shape
    if n < 3 or not np.all(np.isfinite(e)):
        raise ValueError(f"{n} rows of residuals, finite: {bool(np.all(np.isfinite(e)))}; a covariance needs at least 3 complete ones")
    centred = e - e.mean(axis=0)
    covariance = centred.T @ centred / (n - 1)
    scale = np.maximum(np.sqrt(np.diag(covariance)), 1e-12)
    z = centred / scale
    correlation = z.T @ z / (n - 1)
    product = (z**2).T @ (z**2) / n - (z.T @ z / n) ** 2
    variance = n**2 / (n - 1) ** 3 * product
    off = ~np.eye(m, dtype=bool)
    total = float((correlation[off] ** 2).sum())
    shrink = float(np.clip(variance[off].sum() / total, 0.0, 1.0)) if total > 0 else 1.0
    shrunk = (1 - shrink) * covariance
    np.fill_diagonal(shrunk, np.maximum(np.diag(covariance), RIDGE))
    return np.asarray(shrunk, dtype=np.float64)


def mint(summing: npt.ArrayLike, base: npt.ArrayLike, residuals: npt.ArrayLike) -> Array:
    """Bottom forecasts whose aggregates are the least-variance combination of all base forecasts.

    b = (S' W^-1 S)^-1 S' W^-1 y with W the shrunk covariance of base errors; S b then adds up exactly.

    Args:
        summing: S, aggregates as combinations of bottom series, shape (m, k); any weights (sums or means).
        base: base forecasts of all m series.
        residuals: past base errors, shape (n, m).

    Returns:
        Reconciled bottom forecasts, shape (k,).
    """
    s, y = np.asarray(summing, dtype=np.float64), np.asarray(base, dtype=np.float64)
    if s.shape[0] != y.size:
        raise ValueError(f"the summing matrix has {s.shape[0]} rows for {y.size} base forecasts; give one row each")
    weighted = np.linalg.solve(shrunk_covariance(residuals), s)
    return np.asarray(np.linalg.solve(weighted.T @ s, weighted.T @ y), dtype=np.float64)
