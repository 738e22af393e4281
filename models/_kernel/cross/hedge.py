"""A fuel hedge whose size follows signals, beside the same hedge without them: a turnover cap, costs, capital, perfect foresight.

A plant will buy its fuel and allowances day by day; the desk holds futures on the next `tenor_days` of that need. Without signals it holds
all of it (hedge ratio 1); with them the ratio leaves 1 by at most `tilt`. A position is decided at the gate of a day, taken at the
settlement that follows the gate, and earns the change to the next one; a change from one contract to the next earns nothing and costs a
roll.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Terms:
    """What hedging costs and may do; configured inputs.

    Attributes:
        tilt: largest distance of the hedge ratio from 1.
        daily_cap: largest change of the hedge ratio in a day.
        tenor_days: days of need that are hedged.
        margin_share: initial margin over the value of the futures.
        half_spread_share: half the bid-ask spread with slippage, over the price.
        fee_share: clearing and execution, over the price.
        var_level: level of the value at risk that is held as capital.
        var_days: its horizon.
        var_window_days: days it is estimated from.
    """

    tilt: float
    daily_cap: float
    tenor_days: int
    margin_share: float
    half_spread_share: float
    fee_share: float
    var_level: float
    var_days: int
    var_window_days: int


@dataclass(frozen=True, slots=True)
class Tape:
    """What happened to the instruments, by day.

    Attributes:
        price: (days, k) settlements in force at the end of the day.
        move: (days, k) change from the day's settlement to the next day's, 0 over a roll; the last row 0.
        rolled: (days, k) the contract changes on the next day.
        volume: (k,) units of each that one hedge ratio of 1 holds.
        margin: (days,) what the plant itself earns, currency.
    """

    price: Array
    move: Array
    rolled: npt.NDArray[np.bool_]
    volume: Array
    margin: Array


@dataclass(frozen=True, slots=True)
class Outcome:
    """Money of a hedge, by day: total of plant and hedge after costs, the costs alone, the margin posted, the change of the ratio."""

    pnl: Array
    cost: Array
    posted: Array
    turnover: Array


def positions(wanted: Array, cap: float) -> Array:
    """Hedge ratios that follow the wanted ones, (days, k), from 1 on, by at most `cap` a day."""
    held = np.empty_like(wanted)
    last = np.ones(wanted.shape[1])
    for t in range(wanted.shape[0]):
        last = last + np.clip(wanted[t] - last, -cap, cap)
        held[t] = last
    return held


def run(held: Array, tape: Tape, terms: Terms) -> Outcome:
    """Money of holding these hedge ratios, (days, k)."""
    traded = np.abs(np.diff(held, axis=0, prepend=held[:1]))
    rolls = np.abs(held) * tape.rolled * 2  # out of one contract and into the next
    each = (terms.half_spread_share + terms.fee_share) * tape.price * tape.volume
    cost = ((traded + rolls) * each).sum(axis=1)
    gained = (held * tape.move * tape.volume).sum(axis=1)
    posted = terms.margin_share * (np.abs(held) * tape.price * tape.volume).sum(axis=1)
    return Outcome(tape.margin + gained - cost, cost, posted, traded.sum(axis=1))


def capital(outcome: Outcome, terms: Terms) -> Array:
    """Margin posted and value at risk of the days before, by day; until `var_window_days` are over, of the days there are (at least 20)."""
    days = outcome.pnl.size
    risk = np.full(days, np.nan)
    for t in range(20, days):
        window = outcome.pnl[max(0, t - terms.var_window_days) : t]
        risk[t] = max(0.0, float(window.mean() - np.quantile(window, 1 - terms.var_level))) * np.sqrt(terms.var_days)
    risk[:20] = risk[20] if days > 20 else 0.0
    return np.asarray(outcome.posted + risk, dtype=np.float64)


def foresight(tape: Tape, terms: Terms, *, steps: int = 20) -> Array:
    """Hedge ratios of one who knows every move, (days, k), within the same tilt and cap: dynamic programme over a grid of ratios.

    The grid divides the band into `steps`; a day moves as many grid points as the cap allows, so the gain is a lower bound.
    """
    days, k = tape.move.shape
    grid = np.linspace(1 - terms.tilt, 1 + terms.tilt, steps + 1)
    reach = max(1, int(np.floor(terms.daily_cap / (grid[1] - grid[0]) + 1e-9)))
    held = np.empty((days, k))
    unit = (terms.half_spread_share + terms.fee_share) * tape.price * tape.volume
    shift = np.arange(-reach, reach + 1)
    for j in range(k):
        value = np.zeros(steps + 1)
        best = np.empty((days, steps + 1), dtype=np.int64)
        for t in range(days - 1, -1, -1):
            gain = grid * (tape.move[t, j] * tape.volume[j]) - np.abs(grid) * tape.rolled[t, j] * 2 * unit[t, j] + value
            target = np.clip(np.arange(steps + 1)[:, None] + shift, 0, steps)
            worth = gain[target] - np.abs(grid[target] - grid[:, None]) * unit[t, j]
            choice = worth.argmax(axis=1)
            best[t] = target[np.arange(steps + 1), choice]
            value = worth[np.arange(steps + 1), choice]
        at = steps // 2
        for t in range(days):
            at = int(best[t, at])
            held[t, j] = grid[at]
    return held
