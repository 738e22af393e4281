"""The day-ahead hedge of open positions at several hubs under the mean and the shortfall of profit: one exact linear program.

An open position that is sold day-ahead by the volume x earns x (DA - RT) beside what it earns at the balancing price, so profit is linear
in x in every scenario. With L the loss, the program maximises (1 - a) E[profit] - a CVaR(L), the shortfall by the representation
CVaR = min t + E[(L - t)+] / (1 - level) (Rockafellar & Uryasev 2000, theorem 10). Fees are paid on volume either way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
WHOLE_MW = 1e-9


class HedgeLpError(RuntimeError):
    """The program was not solved; the message says what the solver said."""


@dataclass(frozen=True, slots=True)
class CvarHedge:
    """A solved hedge.

    Attributes:
        volume: traded day-ahead, sales above zero, MWh, shape (n,).
        profit: profit of every scenario, background and fees included, shape (s,).
        expected: mean of `profit`.
        shortfall: expected shortfall of -profit.
        objective: what was maximised.
    """

    volume: Array
    profit: Array
    expected: float
    shortfall: float
    objective: float


def cvar_hedge(margin: Array, background: Array, low: Array, high: Array, *, fee: float, risk_aversion: float, level: float) -> CvarHedge:
    """The volumes that are best for equally likely scenarios.

    Args:
        margin: day-ahead price less balancing price of each scenario and lot, currency/MWh, shape (s, n).
        background: profit of each scenario whatever is hedged, currency, shape (s,).
        low: smallest volume of each lot, MWh, shape (n,); not above zero.
        high: largest volume, shape (n,); not below zero.
        fee: paid per MWh either way, currency/MWh, not negative.
        risk_aversion: weight a of the shortfall, 0 to 1.
        level: of the shortfall, 0.95 for the worst 5 %.

    Raises:
        ValueError: shapes or values that do not fit together.
        HedgeLpError: the solver found no optimum (no volume is always admissible, so that is a fault of the numbers given).
    """
    from scipy.optimize import linprog

    s, n = margin.shape
    if background.shape != (s,) or low.shape != (n,) or high.shape != (n,) or np.any(low > 0) or np.any(high < 0):
        raise ValueError(f"margin {margin.shape}, background {background.shape}, bounds {low.shape}, {high.shape}: bounds must hold zero")
    if not (np.isfinite(margin).all() and np.isfinite(background).all()):
        raise ValueError("margin or background is not finite; leave out lots without prices")
    from models._kernel.shortfall import expected_shortfall

    if n and (high - low).max() > 0:
        scale = max(float(np.abs(margin).max()), 1e-9)
        # columns: sales, purchases, t, excess of every scenario
        gain = np.hstack((margin - fee, -margin - fee)) / scale
        base = background / scale
        tail = 1.0 / (s * (1.0 - level))
        cost = np.concatenate((-(1 - risk_aversion) * gain.mean(axis=0), [risk_aversion], np.full(s, risk_aversion * tail)))
        rows = np.hstack((-gain, -np.ones((s, 1)), -np.eye(s)))
        bounds = [(0.0, float(v)) for v in high] + [(0.0, float(-v)) for v in low] + [(None, None)] + [(0.0, None)] * s
        if risk_aversion == 0:
            rows, cost, bounds = np.zeros((0, 2 * n)), cost[: 2 * n], bounds[: 2 * n]
        solved = linprog(cost, A_ub=rows if rows.size else None, b_ub=base if rows.size else None, bounds=bounds, method="highs")
        if solved.x is None or solved.status != 0:
            raise HedgeLpError(f"the hedge of {n} lots in {s} scenarios was not solved: {solved.message}; check prices and bounds")
        volume = np.asarray(solved.x[:n] - solved.x[n : 2 * n], dtype=np.float64)
        volume[np.abs(volume) < WHOLE_MW] = 0.0
    else:
        volume = np.zeros(n)
    profit = background + margin @ volume - fee * np.abs(volume).sum()
    expected, shortfall = float(profit.mean()), float(expected_shortfall(-profit, level))
    return CvarHedge(volume, profit, expected, shortfall, (1 - risk_aversion) * expected - risk_aversion * shortfall)


__all__ = ["CvarHedge", "HedgeLpError", "cvar_hedge"]
