"""Signals of cross-commodity moves, each a number from -1 (price expected to fall) to 1 (to rise) from what was known at the gate.

All read one frame of values as known at each gate, a row a day in order; row t of a signal looks at rows up to t only. They were written
down before any was scored on real data; none was dropped after. The scorecard counts every one of them as a trial.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.cross.spreads import Plant, clean_spread, switching_price

Array = npt.NDArray[np.float64]
WIDTH = 2.0
"""Standard deviations at which a signal is full."""
MOMENTUM_DAYS, NORM_DAYS, YEAR_DAYS = 20, 120, 365
FIRST_ROWS, REFIT_ROWS, AHEAD = 500, 91, 5
SHRINK = 0.05
"""Ridge penalty over the number of rows; signals have a variance of about a quarter."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What signals need beside prices.

    Attributes:
        gas_plant, coal_plant: plants of the market, heat rates per MWh of heat.
    """

    gas_plant: Plant
    coal_plant: Plant


Signal = Callable[[pl.DataFrame, Setting], Array]


def trailing(values: Array, days: int) -> tuple[Array, Array]:
    """Mean and standard deviation of the `days` known values up to and with each row; NaN before half of them are known."""
    rolled = pl.DataFrame({"v": values}).select(
        pl.col("v").fill_nan(None).rolling_mean(days, min_samples=days // 2).alias("mean"),
        pl.col("v").fill_nan(None).rolling_std(days, min_samples=days // 2).alias("sd"),
    )
    return tuple(rolled[c].fill_null(float("nan")).to_numpy() for c in ("mean", "sd"))  # type: ignore[return-value]


def bounded(values: Array, days: int = YEAR_DAYS) -> Array:
    """Distance from the trailing mean in standard deviations over `WIDTH`, within -1 and 1; 0 while unknown."""
    mean, sd = trailing(values, days)
    score = np.divide(values - mean, WIDTH * sd, out=np.zeros_like(values), where=np.isfinite(values - mean) & (sd > 0))
    return np.clip(score, -1.0, 1.0)


def change(values: Array, days: int = MOMENTUM_DAYS) -> Array:
    """Value less that of `days` rows before; NaN where either is unknown."""
    before = np.concatenate((np.full(min(days, values.size), np.nan), values[:-days] if days < values.size else values[:0]))
    return np.asarray(values - before, dtype=np.float64)


def column(frame: pl.DataFrame, name: str) -> Array:
    """A column as floats, NaN where unknown or absent."""
    if name not in frame.columns:
        return np.full(frame.height, np.nan)
    return np.array(frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy(), dtype=np.float64)


def scaled_momentum(prices: Array) -> Array:
    """Move of the log price over `MOMENTUM_DAYS` in standard deviations of such moves."""
    logs = np.log(np.where(prices > 0, prices, np.nan))
    moves = change(logs)
    _, sd = trailing(moves, YEAR_DAYS)
    score = np.divide(moves, WIDTH * sd, out=np.zeros_like(moves), where=np.isfinite(moves) & (sd > 0))
    return np.clip(score, -1.0, 1.0)


def reversion(prices: Array) -> Array:
    """Against the distance of the log price from its mean of `NORM_DAYS`."""
    return -bounded(np.log(np.where(prices > 0, prices, np.nan)), NORM_DAYS)


def tightness(frame: pl.DataFrame, _: Setting) -> Array:
    """Storage below its level of a year ago, in standard deviations of that gap: less gas in store, dearer gas."""
    fill = column(frame, "gas_storage_gwh")
    return -bounded(change(fill, YEAR_DAYS))


def arrivals(frame: pl.DataFrame, _: Setting) -> Array:
    """LNG arrivals of the last week over those of the season: more cargoes, cheaper gas."""
    flow = column(frame, "lng_arrivals_gwh")
    week, _sd = trailing(flow, 7)
    return -bounded(week, NORM_DAYS)


def arbitrage(frame: pl.DataFrame, _: Setting) -> Array:
    """Netback here over the cost of a cargo abroad: an open window draws cargoes."""
    return -bounded(column(frame, "arbitrage_per_mmbtu"))


def switching(frame: pl.DataFrame, setting: Setting) -> Array:
    """Carbon price at which gas replaces coal, its move less that of the carbon price: what makes coal burn makes allowances dear.

    0 where carbon has no price.
    """
    if setting.coal_plant.intensity_t_per_mwh <= setting.gas_plant.intensity_t_per_mwh:
        return np.zeros(frame.height)
    level = switching_price(column(frame, "gas"), column(frame, "coal"), setting.gas_plant, setting.coal_plant)
    return bounded(change(level) - change(column(frame, "co2")))


def coal_margin(frame: pl.DataFrame, setting: Setting) -> Array:
    """Clean dark over clean spark spread: coal plants run, allowances are bought."""
    power, co2 = column(frame, "power"), column(frame, "co2")
    dark = clean_spread(power, column(frame, "coal"), co2, setting.coal_plant)
    return bounded(dark - clean_spread(power, column(frame, "gas"), co2, setting.gas_plant))


SIGNALS: Mapping[str, Mapping[str, Signal]] = {
    "gas": {
        "gas_momentum": lambda f, _: scaled_momentum(column(f, "gas")),
        "gas_reversion": lambda f, _: reversion(column(f, "gas")),
        "storage_tightness": tightness,
        "lng_arrivals": arrivals,
        "lng_arbitrage": arbitrage,
        "oil_momentum": lambda f, _: scaled_momentum(column(f, "oil")),
    },
    "co2": {
        "co2_momentum": lambda f, _: scaled_momentum(column(f, "co2")),
        "co2_reversion": lambda f, _: reversion(column(f, "co2")),
        "fuel_switching": switching,
        "coal_margin": coal_margin,
    },
}
"""Hedge instrument -> signals on its price."""


def signal_table(frame: pl.DataFrame, setting: Setting) -> pl.DataFrame:
    """Every signal of every row, and per instrument their plain mean (`gas_mean`, `co2_mean`)."""
    made: dict[str, Array] = {}
    for instrument, signals in SIGNALS.items():
        own = {name: signal(frame, setting) for name, signal in signals.items()}
        made |= own | {f"{instrument}_mean": np.mean(list(own.values()), axis=0)}
    return pl.DataFrame(made)


def learned(signals: Array, moves: Array, *, known_rows: int) -> Array:
    """One signal from many, walk-forward: ridge regression of the coming moves on the signals, fitted every `REFIT_ROWS` on the past alone.

    Args:
        signals: (n, k) as known at the gate of each row.
        moves: (n,) relative move of the price from each day's settlement to the next; a position wanted at row t is taken at the settlement
            of row t - 1, so what it is worth is the sum of the `AHEAD` moves from there on.
        known_rows: rows after which a settlement counts as known at a gate.

    Returns:
        (n,) within -1 and 1: the prediction over twice its standard deviation in the past; 0 for the first `FIRST_ROWS`.
    """
    n = moves.size
    total = np.concatenate(([0.0], np.cumsum(moves)))
    start = np.maximum(np.arange(n) - 1, 0)
    worth = total[np.minimum(start + AHEAD, n)] - total[start]
    made = np.zeros(n)
    for begin in range(FIRST_ROWS, n, REFIT_ROWS):
        last = begin - known_rows - AHEAD + 1  # rows before it have all of their moves known
        x, y = signals[:last], worth[:last]
        spread = float(y.std())
        if spread == 0:
            continue
        weights = np.linalg.solve(x.T @ x + SHRINK * last * np.eye(x.shape[1]), x.T @ (y / spread))
        scale = 2 * float((x @ weights).std())
        block = slice(begin, begin + REFIT_ROWS)
        made[block] = np.clip(signals[block] @ weights / scale, -1.0, 1.0) if scale > 0 else 0.0
    return made
