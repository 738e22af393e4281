"""Tests of forecasts: is the difference real, does the interval cover, are probabilities calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models._kernel.bootstrap import Interval, mean_difference_ci, ratio_ci, stationary_bootstrap_ci

__all__ = [
    "Interval",
    "TestResult",
    "christoffersen",
    "christoffersen_independence",
    "coverage_band",
    "default_lag",
    "diebold_mariano",
    "diebold_mariano_daily",
    "giacomini_white",
    "kupiec",
    "mean_difference_ci",
    "newey_west_variance",
    "ratio_ci",
    "spiegelhalter",
    "spiegelhalter_clustered",
    "stationary_bootstrap_ci",
]

Array = npt.NDArray[np.float64]
Alternative = Literal["two-sided", "less", "greater"]


@dataclass(frozen=True, slots=True)
class TestResult:
    """Outcome of a statistical test.

    Attributes:
        name: which test.
        statistic: its value (NaN where the data cannot say).
        p_value: probability of a statistic at least as extreme under the null; 1.0 where the data cannot say.
        n: observations used.
        detail: further numbers (lag, violations, expected share).
    """

    __test__ = False  # not a pytest class

    name: str
    statistic: float
    p_value: float
    n: int
    detail: tuple[tuple[str, float], ...] = ()

    def rejects(self, alpha: float = 0.05) -> bool:
        """Whether the null is rejected at `alpha`."""
        return self.p_value < alpha


def newey_west_variance(values: npt.ArrayLike, lag: int) -> float:
    """Long-run variance of a series by Bartlett weights (Newey & West 1987), without small-sample factor.

    Args:
        values: series in time order, shape (n,).
        lag: highest autocovariance used, 0 <= lag < n.

    Returns:
        gamma_0 + 2 * sum_k (1 - k / (lag + 1)) * gamma_k; the variance of the mean is this over n.
    """
    x = _series("values", values)
    if not 0 <= lag < x.size:
        raise ValueError(f"lag is {lag} for {x.size} values; it must lie in 0..{x.size - 1}")
    centred = x - x.mean()
    total = float(centred @ centred)
    for k in range(1, lag + 1):
        total += 2 * (1 - k / (lag + 1)) * float(centred[k:] @ centred[:-k])
    return total / x.size


def default_lag(n: int, horizon: int = 1) -> int:
    """Bandwidth: floor(4 (n / 100)^(2/9)) (Newey & West 1994), at least the horizon; never more than n - 1."""
    return int(min(max(np.floor(4 * (n / 100) ** (2 / 9)), horizon), n - 1))


def diebold_mariano(
    loss_a: npt.ArrayLike,
    loss_b: npt.ArrayLike,
    *,
    horizon: int = 1,
    lag: int | None = None,
    alternative: Alternative = "less",
    small_sample: bool = True,
) -> TestResult:
    """Diebold-Mariano test of equal expected loss, HAC variance, Harvey-Leybourne-Newbold small-sample correction.

    Args:
        loss_a: losses of A (the candidate) in time order, shape (n,).
        loss_b: losses of B (the baseline) on the same rows.
        horizon: steps ahead of the forecasts (h of the correction); overlapping forecasts correlate for h - 1 steps.
        lag: Newey-West lag; default `default_lag(n, horizon)`.
        alternative: "less" asks whether A loses less than B, "greater" whether it loses more.
        small_sample: apply the correction and Student's t with n - 1 degrees of freedom (Harvey et al. 1997); else the normal law.

    Returns:
        Statistic (negative: A is better) and p-value; p = 1 where the losses are the same everywhere.

    Raises:
        ValueError: fewer than 3 rows, losses of different length, or missing losses.
    """
    from scipy import stats as sps

    d = _difference(loss_a, loss_b)
    n = d.size
    bandwidth = default_lag(n, horizon) if lag is None else lag
    name = f"diebold_mariano_{alternative}"
    detail = (("lag", float(bandwidth)), ("horizon", float(horizon)), ("mean_difference", float(d.mean())))
    variance = newey_west_variance(d, bandwidth)
    if variance <= 1e-30 + 1e-24 * float(d.mean()) ** 2:
        return _constant_difference(name, float(d.mean()), n, alternative, detail)
    statistic = float(d.mean() / np.sqrt(variance / n))
    if small_sample:
        factor = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
        statistic *= float(np.sqrt(max(factor, 0.0)))
    law: Any = sps.t(df=n - 1) if small_sample else sps.norm()
    tails = {"less": law.cdf(statistic), "greater": law.sf(statistic), "two-sided": 2 * law.sf(abs(statistic))}
    return TestResult(name, statistic, float(min(tails[alternative], 1.0)), n, detail)


def diebold_mariano_daily(
    loss_a: npt.ArrayLike,
    loss_b: npt.ArrayLike,
    days: npt.ArrayLike,
    *,
    lag: int | None = None,
    alternative: Alternative = "less",
) -> TestResult:
    """Multivariate Diebold-Mariano of Lago et al. (2021, sec. 5.4): one loss per day, the norm over its intervals.

    The losses of a day's intervals are summed (the L1 norm where they are absolute errors; the paper's choice), then tested
    as one series per day, so that the strong correlation within a day cannot feign evidence. Days may have 23 to 25
    intervals. Hubs: give the sum over hubs or test each alone.

    Args:
        loss_a: loss of A per row, not negative.
        loss_b: loss of B per row.
        days: the row's delivery date (anything sortable); rows of one day are added up, days sorted.
        lag: Newey-West lag in days.
        alternative: see `diebold_mariano`.
    """
    difference = _difference(loss_a, loss_b)
    labels = np.asarray(days).reshape(-1)
    if labels.shape != difference.shape:
        raise ValueError(f"days have {labels.size} rows, losses {difference.size}; give one day per row")
    _, index = np.unique(labels, return_inverse=True)
    daily = np.bincount(index, weights=difference)
    result = diebold_mariano(daily, np.zeros_like(daily), lag=lag, alternative=alternative)
    return TestResult(f"diebold_mariano_daily_{alternative}", result.statistic, result.p_value, result.n, result.detail)


def giacomini_white(loss_a: npt.ArrayLike, loss_b: npt.ArrayLike) -> TestResult:
    """Giacomini-White (2006, theorem 1) test of equal conditional predictive ability, one step ahead.

    Asks whether the difference of the losses could have been foretold from a constant and the last difference; chi-squared
    with two degrees of freedom under the null.

    Args:
        loss_a: losses of A in time order, shape (n,), one per decision (daily losses).
        loss_b: losses of B on the same rows.
    """
    from scipy import stats as sps

    d = _difference(loss_a, loss_b)
    z = np.column_stack((np.ones(d.size - 1), d[:-1])) * d[1:, None]
    mean, n = z.mean(axis=0), z.shape[0]
    statistic = float(n * mean @ np.linalg.pinv(z.T @ z / n) @ mean)
    return TestResult("giacomini_white", statistic, float(sps.chi2.sf(statistic, 2)), n)


def kupiec(violations: npt.ArrayLike, expected: float) -> TestResult:
    """Kupiec (1995) proportion-of-failures test: is the share of violations `expected`?

    Args:
        violations: 1 where the outcome fell outside the interval (or beyond the VaR).
        expected: nominal share, 0.10 for a 90 % interval.

    Returns:
        Likelihood ratio, chi-squared with one degree of freedom.
    """
    from scipy import stats as sps

    hits = _hits(violations)
    _share("expected", expected)
    n, x = hits.size, float(hits.sum())
    statistic = 2 * (_binomial_loglik(x, n, x / n) - _binomial_loglik(x, n, expected))
    statistic = max(statistic, 0.0)
    return TestResult("kupiec", statistic, float(sps.chi2.sf(statistic, 1)), n, (("violations", x), ("expected", expected)))


def christoffersen_independence(violations: npt.ArrayLike) -> TestResult:
    """Christoffersen (1998) independence test: does a violation make the next one likelier (first-order Markov)?"""
    from scipy import stats as sps

    hits = _hits(violations)
    if hits.size < 2:
        raise ValueError(f"independence needs at least 2 rows in time order; got {hits.size}")
    before, after = hits[:-1], hits[1:]
    n01, n00 = float(np.sum(after[before == 0])), float(np.sum(1 - after[before == 0]))
    n11, n10 = float(np.sum(after[before == 1])), float(np.sum(1 - after[before == 1]))
    total, ones = n00 + n01 + n10 + n11, n01 + n11
    free = _binomial_loglik(n01, n00 + n01) + _binomial_loglik(n11, n10 + n11)
    statistic = max(2 * (free - _binomial_loglik(ones, total)), 0.0)
    detail = (("n00", n00), ("n01", n01), ("n10", n10), ("n11", n11))
    return TestResult("christoffersen_independence", statistic, float(sps.chi2.sf(statistic, 1)), hits.size, detail)


def christoffersen(violations: npt.ArrayLike, expected: float) -> TestResult:
    """Christoffersen (1998) conditional coverage: right share and independence together, chi-squared with two degrees."""
    from scipy import stats as sps

    share, independent = kupiec(violations, expected), christoffersen_independence(violations)
    statistic = share.statistic + independent.statistic
    return TestResult("christoffersen", statistic, float(sps.chi2.sf(statistic, 2)), share.n, (*share.detail, *independent.detail))


def coverage_band(n: int, nominal: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided acceptance band of an observed coverage: the shares that Kupiec's test at 1 - confidence accepts.

    Args:
        n: rows.
        nominal: 0.90 for a 90 % interval.
        confidence: 0.95 for the 5 % test.

    Returns:
        Smallest and largest accepted share, e.g. (0.878, 0.920) for n = 728 at 90 %.
    """
    from scipy import stats as sps

    _share("nominal", nominal)
    limit = float(sps.chi2.ppf(confidence, 1))
    accepted = [x for x in range(n + 1) if 2 * (_binomial_loglik(x, n, x / n) - _binomial_loglik(x, n, nominal)) <= limit]
    return (accepted[0] / n, accepted[-1] / n) if accepted else (nominal, nominal)


def spiegelhalter(event: npt.ArrayLike, probability: npt.ArrayLike) -> TestResult:
    """Spiegelhalter (1986) z test of calibration: is the Brier score what these probabilities promise? Two-sided."""
    from scipy import stats as sps

    e, p = _hits(event), _series("probability", probability)
    if e.shape != p.shape:
        raise ValueError(f"events have {e.size} rows, probabilities {p.size}; align them first")
    variance = float(np.sum((1 - 2 * p) ** 2 * p * (1 - p)))
    if variance <= 0:
        return TestResult("spiegelhalter", float("nan"), 1.0, e.size)
    z = float(np.sum((e - p) * (1 - 2 * p)) / np.sqrt(variance))
    return TestResult("spiegelhalter", z, float(2 * sps.norm.sf(abs(z))), e.size)


def spiegelhalter_clustered(event: npt.ArrayLike, probability: npt.ArrayLike, clusters: npt.ArrayLike, *, lag: int = 1) -> TestResult:
    """Spiegelhalter's z where rows of a cluster (a delivery day) move together: its variance from sums per cluster. Two-sided.

    The numerator is Spiegelhalter's, sum((e - p)(1 - 2 p)); the variance that independence would give is replaced by that of the sums
    per cluster, with Bartlett weights up to `lag` clusters (Liang & Zeger 1986; Newey & West 1987), and Student's t with clusters - 1
    degrees of freedom.

    Args:
        event: 0 or 1, shape (n,).
        probability: shape (n,).
        clusters: the row's cluster (anything sortable), in time order once sorted.
        lag: clusters that may still be correlated.

    Returns:
        Statistic and p-value; p = 1 with fewer than 3 clusters or no variance.
    """
    from scipy import stats as sps

    e, p = _hits(event), _series("probability", probability)
    labels = np.asarray(clusters).reshape(-1)
    if e.shape != p.shape or labels.shape != e.shape:
        raise ValueError(f"events have {e.size} rows, probabilities {p.size}, clusters {labels.size}; align them first")
    _, index = np.unique(labels, return_inverse=True)
    sums = np.bincount(index, weights=(e - p) * (1 - 2 * p))
    n = sums.size
    centred = sums - sums.mean()
    variance = newey_west_variance(centred, min(lag, n - 1)) * n if n >= 3 else 0.0
    if variance <= 0:
        return TestResult("spiegelhalter_clustered", float("nan"), 1.0, e.size, (("clusters", float(n)),))
    z = float(sums.sum() / np.sqrt(variance))
    return TestResult("spiegelhalter_clustered", z, float(2 * sps.t.sf(abs(z), n - 1)), e.size, (("clusters", float(n)),))


def _constant_difference(name: str, mean: float, n: int, alternative: Alternative, detail: tuple[tuple[str, float], ...]) -> TestResult:
    """Losses that differ by a constant: no difference says nothing, any other constant says everything."""
    if mean == 0:
        return TestResult(name, 0.0, 1.0, n, detail)
    agrees = alternative == "two-sided" or (mean < 0) == (alternative == "less")
    return TestResult(name, float(np.copysign(np.inf, mean)), 0.0 if agrees else 1.0, n, detail)


def _binomial_loglik(successes: float, n: float, share: float | None = None) -> float:
    """Log-likelihood of `successes` of `n` at `share` (default: the observed one), with 0 log 0 = 0."""
    if n == 0:
        return 0.0
    p = successes / n if share is None else share
    one = successes * np.log(p) if successes > 0 else 0.0
    other = (n - successes) * np.log1p(-p) if n - successes > 0 else 0.0
    return float(one + other)


def _series(name: str, values: npt.ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    if array.size == 0 or not np.all(np.isfinite(array)):
        raise ValueError(f"{name} is empty or has missing values; align the rows before testing")
    return array


def _difference(loss_a: npt.ArrayLike, loss_b: npt.ArrayLike) -> Array:
    a, b = _series("loss_a", loss_a), _series("loss_b", loss_b)
    if a.shape != b.shape:
        raise ValueError(f"loss_a has {a.size} rows, loss_b {b.size}; compare on the same rows (inner join)")
    if a.size < 3:
        raise ValueError(f"a Diebold-Mariano test of {a.size} rows says nothing; give at least 3")
    return np.asarray(a - b, dtype=np.float64)


def _hits(values: npt.ArrayLike) -> Array:
    hits = _series("violations or events", values)
    if not np.all((hits == 0) | (hits == 1)):
        raise ValueError("violations and events must be 0 or 1 (or booleans)")
    return hits


def _share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}; it must lie strictly between 0 and 1")
