"""The hedging backtest: signals to positions, with and without, every signal alone, perfect foresight; all on the same tape and terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.cross.hedge import Outcome, Tape, Terms, capital, foresight, positions, run
from models._kernel.cross.signals import SIGNALS, Setting, learned, signal_table
from pipeline_tasks.cross_asset.settings import CrossSettings

if TYPE_CHECKING:
    from pipeline_tasks.cross_asset.twin_years import TwinYears

Array = npt.NDArray[np.float64]
KNOWN_DAYS = 3
"""A settlement known at 18:00 of the next day is at noon three days before delivery the newest one."""


@dataclass(frozen=True)
class Case:
    """What a backtest runs on.

    Attributes:
        day: (days,) delivery dates, days since 1970, without gaps.
        frame: what was known at each gate (`market_frame.MarketFrame.frame`).
        setting: plants.
        tape: what happened.
        instruments: names of the tape's columns.
    """

    day: npt.NDArray[np.int64]
    frame: pl.DataFrame
    setting: Setting
    tape: Tape
    instruments: tuple[str, ...]


@dataclass(frozen=True)
class Backtest:
    """Money by day from the first scored day on.

    Attributes:
        day: (days,) delivery dates, days since 1970.
        plain, signalled, oracle: without signals, with what is learned from all of them, with perfect foresight.
        alone: each signal by itself, and the plain mean of all.
        capital: the larger of the mean capital with and without signals.
        largest_turn: largest change of a hedge ratio in a day, over all strategies but foresight.
    """

    day: npt.NDArray[np.int64]
    plain: Outcome
    signalled: Outcome
    oracle: Outcome
    alone: Mapping[str, Outcome]
    capital: float
    largest_turn: float

    def yearly_return(self, outcome: Outcome) -> float:
        """Return a year on the common capital, per cent."""
        return float(outcome.pnl.mean()) * 365.25 / self.capital * 100

    def improvement(self, outcome: Outcome) -> Array:
        """Daily gain over the hedge without signals, per cent of capital a year (its mean is the improvement of the return)."""
        return np.asarray((outcome.pnl - self.plain.pnl) * 365.25 / self.capital * 100, dtype=np.float64)


def signals_of(case: Case) -> pl.DataFrame:
    """Every signal, their plain mean, and what is learned from all of them walk-forward (`gas_learned`, `co2_learned`)."""
    table = signal_table(case.frame, case.setting)
    before = case.tape.price
    for j, instrument in enumerate(case.instruments):
        relative = np.divide(case.tape.move[:, j], before[:, j], out=np.zeros(case.day.size), where=before[:, j] > 0)
        own = table.select(list(SIGNALS[instrument])).to_numpy()
        table = table.with_columns(pl.Series(f"{instrument}_learned", learned(own, relative, known_rows=KNOWN_DAYS)))
    return table


def wanted_ratios(signals: pl.DataFrame, case: Case, terms: Terms, names: Mapping[str, str]) -> Array:
    """Hedge ratios wanted at the settlement of each day, (days, k), from the signals (instrument -> name) known at the gate on that day.

    The gate of a delivery date lies on the day before it, ahead of that day's settlement.
    """
    made = np.ones((case.day.size, len(case.instruments)))
    for j, instrument in enumerate(case.instruments):
        if instrument in names:
            made[:-1, j] += terms.tilt * signals[names[instrument]].to_numpy()[1:]
    return made


def backtest(case: Case, terms: Terms, *, warm_days: int, last: int | None = None) -> Backtest:
    """Run all strategies over the case; positions build up from the first day, money counts after `warm_days`.

    Raises:
        ValueError: no day is left after the warm-up.
    """
    end = case.day.size if last is None else last
    if end - warm_days < 60:
        raise ValueError(f"{end - warm_days} days after a warm-up of {warm_days}; a backtest wants at least 60")
    signals = signals_of(case)
    scored = slice(warm_days, end)
    tape = Tape(case.tape.price[scored], case.tape.move[scored], case.tape.rolled[scored], case.tape.volume, case.tape.margin[scored])

    def money(wanted: Array) -> tuple[Outcome, float]:
        held = positions(wanted, terms.daily_cap)[scored]
        return run(held, tape, terms), float(np.abs(np.diff(held, axis=0)).max(initial=0.0))

    plain, _ = money(np.ones((case.day.size, len(case.instruments))))
    signalled, turn = money(wanted_ratios(signals, case, terms, {i: f"{i}_learned" for i in case.instruments}))
    each = {name: money(wanted_ratios(signals, case, terms, {i: name})) for i in case.instruments for name in SIGNALS[i]}
    each["plain_mean"] = money(wanted_ratios(signals, case, terms, {i: f"{i}_mean" for i in case.instruments}))
    base = max(float(capital(o, terms).mean()) for o in (plain, signalled))
    oracle = run(foresight(tape, terms), tape, terms)
    largest = max([turn, *(t for _, t in each.values())])
    return Backtest(case.day[scored], plain, signalled, oracle, {n: o for n, (o, _) in each.items()}, base, largest)


def twin_case(years: TwinYears, settings: CrossSettings) -> Case:
    """A case on years of the twin's fuels; no power is simulated, so the plant itself earns nothing here and its spreads are unknown."""
    plants = [settings.plant("EUR", fuel, co2_priced=True) for fuel in ("gas", "coal")]
    lng, days = years.lng, years.gas.size

    def known(values: Array) -> pl.Series:
        return pl.Series(np.concatenate((np.full(KNOWN_DAYS, np.nan), values[:-KNOWN_DAYS]))).fill_nan(None)

    frame = pl.DataFrame(
        {
            "delivery_date": pl.date_range(years.first, years.first + timedelta(days=days - 1), "1d", eager=True),
            "gas": known(years.gas),
            "coal": known(years.coal),
            "co2": known(years.co2),
            "gas_storage_gwh": known(lng.storage_fill),
            "lng_arrivals_gwh": known(lng.arrived_gwh.sum(axis=0)),
        }
    )
    price = np.column_stack((years.gas, years.co2))
    move = np.vstack((np.diff(price, axis=0), np.zeros((1, 2))))
    daily = settings.hedge.plant_mw * 24 * settings.hedge.tenor_days
    volume = daily * np.array([plants[0].heat_rate, plants[0].intensity_t_per_mwh])
    tape = Tape(price, move, np.zeros_like(price, dtype=bool), volume, np.zeros(days))
    day = np.arange(days, dtype=np.int64) + (years.first - date(1970, 1, 1)).days
    return Case(day, frame, Setting(*plants), tape, ("gas", "co2"))
