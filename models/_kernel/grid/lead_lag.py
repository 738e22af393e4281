"""Which series lead which: a sparse vector autoregression whose candidates are screened by Granger's test.

A pair of series is kept where the lags of the one tell something of the other beyond its own lags (Granger 1969, F test), at a false
discovery rate over all pairs (Benjamini & Hochberg 1995); of what is kept, the lasso path's step with the smallest BIC decides (Zou,
Hastie & Tibshirani 2007). What a shock to one series does to the others follows as the generalised impulse response, which needs no
order of the series (Pesaran & Shin 1998). Times without all lags are left out: a gap is a gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.grid.network import Floats, GridError
from models._kernel.grid.topology import Flags

FALSE_DISCOVERIES = 0.01


@dataclass(frozen=True, slots=True)
class LeadLag:
    """A fitted vector autoregression x_t = level + sum over lags of coefficients[lag] x_(t - lag - 1) + innovation.

    Attributes:
        level: shape (series,).
        coefficients: shape (lags, series, series): rows are what is led, columns what leads.
        screened: pairs that passed Granger's test; every series keeps its own lags.
        covariance: of the innovations, shape (series, series).
        samples: rows learned from.
    """

    level: Floats
    coefficients: Floats
    screened: Flags
    covariance: Floats
    samples: int

    def told(self, values: Floats, contiguous: Flags) -> tuple[Floats, npt.NDArray[np.int64]]:
        """One step ahead at every time that has its lags: shape (times told, series), and the positions of these times."""
        lags, series = self.coefficients.shape[:2]
        rows = with_lags(contiguous, lags)
        past = lagged(values, rows, lags)
        return np.asarray(self.level + past @ self.coefficients.transpose(1, 0, 2).reshape(series, -1).T), rows

    def responses(self, steps: int) -> Floats:
        """Generalised impulse responses to one standard deviation of each series, the first at once.

        Args:
            steps: how many.

        Returns:
            Shape (steps, series, shocked series).
        """
        lags, series = self.coefficients.shape[:2]
        moving = np.zeros((steps, series, series))
        moving[0] = np.eye(series)
        for step in range(1, steps):
            moving[step] = sum(self.coefficients[k] @ moving[step - 1 - k] for k in range(min(lags, step)))
        spread = np.sqrt(np.maximum(np.diagonal(self.covariance), 1e-300))
        return np.asarray(moving @ self.covariance / spread)


def fit_lead_lag(values: Floats, contiguous: Flags, *, lags: int, candidates: Flags | None = None) -> LeadLag:
    """Screen pairs, then fit each series on its own lags and those of the series that passed.

    Args:
        values: shape (times, series), finite.
        contiguous: whether each time follows the one before without a gap; shape (times,).
        lags: steps back.
        candidates: pairs (led, leading) that are looked at; all by default.

    Raises:
        GridError: values that are not finite, or fewer rows with all lags than three times the regressors of a pair.
    """
    if not np.isfinite(values).all():
        raise GridError("series hold values that are not finite; leave such times out and mark the gap")
    rows = with_lags(contiguous, lags)
    if len(rows) < 6 * lags + 3:
        raise GridError(f"{len(rows)} times have all {lags} lags; give at least {6 * lags + 3}")
    past, now = lagged(values, rows, lags), values[rows]
    series = values.shape[1]
    screened = granger(past, now, candidates)
    coefficients, level = np.zeros((series, lags * series)), np.zeros(series)
    for led in range(series):
        columns = np.concatenate([np.flatnonzero(screened[led]) + k * series for k in range(lags)])
        coefficients[led, columns], level[led] = _selected(past[:, columns], now[:, led])
    left = now - level - past @ coefficients.T
    shaped = coefficients.reshape(series, lags, series).transpose(1, 0, 2)
    return LeadLag(level, np.ascontiguousarray(shaped), screened, np.atleast_2d(np.cov(left.T)), len(rows))


def granger(past: Floats, now: Floats, candidates: Flags | None = None) -> Flags:
    """Pairs (led, leading) in which the leading lags matter beyond the led series' own; the diagonal is always kept."""
    import statsmodels.api as sm
    from statsmodels.stats.multitest import multipletests

    series = now.shape[1]
    asked = np.ones((series, series), dtype=bool) if candidates is None else candidates.copy()
    np.fill_diagonal(asked, False)
    pairs, p = np.argwhere(asked), []
    for led in range(series):
        own = sm.add_constant(past[:, led::series])
        alone = sm.OLS(now[:, led], own).fit()
        for leading in pairs[pairs[:, 0] == led][:, 1]:
            both = sm.OLS(now[:, led], np.hstack([own, past[:, leading::series]])).fit()
            p.append(float(both.compare_f_test(alone)[1]))
    kept = np.eye(series, dtype=bool)
    if p:
        passed = multipletests(np.nan_to_num(p, nan=1.0), alpha=FALSE_DISCOVERIES, method="fdr_bh")[0]
        kept[tuple(pairs[passed].T)] = True
    return kept


def with_lags(contiguous: Flags, lags: int) -> npt.NDArray[np.int64]:
    """Positions of the times whose `lags` times before are there without a gap."""
    run = np.zeros(len(contiguous), dtype=np.int64)
    for k in range(1, len(contiguous)):
        run[k] = run[k - 1] + 1 if contiguous[k] else 0
    return np.flatnonzero(run >= lags)


def lagged(values: Floats, rows: npt.NDArray[np.int64], lags: int) -> Floats:
    """Lags of all series at the rows, the newest first: shape (rows, lags x series)."""
    return np.hstack([values[rows - 1 - k] for k in range(lags)])


def _selected(x: Floats, y: Floats) -> tuple[Floats, float]:
    """Coefficients and level of the step of the lasso path with the smallest BIC, fitted again without shrinkage."""
    from sklearn.linear_model import LassoLarsIC

    middle, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = (x - middle) / spread
    chosen = np.flatnonzero(LassoLarsIC(criterion="bic").fit(scaled, y - y.mean()).coef_)
    found = np.zeros(x.shape[1])
    if chosen.size:
        found[chosen] = np.linalg.lstsq(scaled[:, chosen], y - y.mean())[0] / spread[chosen]
    return found, float(y.mean() - middle @ found)


__all__ = ["LeadLag", "fit_lead_lag", "granger", "lagged", "with_lags"]
