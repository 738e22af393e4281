"""Rules of a market that settle a battery: intervals, fees, price limits, and what leaving the day-ahead schedule costs.

A battery sells its day-ahead schedule at the day-ahead price. What it delivers beyond or below is settled at the real-time price: first as
a trade of the real-time market up to its limit, the rest as a deviation, which on top pays a penalty by bands, the wider the dearer
(India's deviation settlement mechanism; none where deviation is what the real-time price settles, as with Belgium's imbalance price).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
UNITS = {"ccy_per_mwh": 1.0, "ccy_per_kwh": 1000.0}
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class DeviationBand:
    """A band of deviation and its penalty, as a share of the reference price max(day-ahead, real-time, 0) of the interval.

    Attributes:
        up_to_share: upper end of the band over the battery's power; the last band has none (infinity).
        surplus_share: penalty per MWh delivered beyond the schedule; 1 leaves it unpaid.
        shortage_share: penalty per MWh short of it; 0.5 makes it cost one and a half times the reference.
    """

    up_to_share: float
    surplus_share: float
    shortage_share: float


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What a market settles a battery by.

    Attributes:
        interval_min: minutes of an interval.
        price_floor, price_cap: admissible prices, currency/MWh.
        day_ahead_fee_ccy_per_mwh: fee per MWh bought or sold day-ahead.
        real_time_fee_ccy_per_mwh: fee per MWh bought or sold afterwards, deviations included.
        real_time_limit_share: most that is traded in the real-time market over the battery's power; None for no limit, 0 for no such
            market.
        bands: penalties of what is left, by rising width; none where nothing may be left.
        price_delay_intervals: intervals by which the newest real-time price seen lags; 0 where a bid curve clears at the present one.
    """

    interval_min: int
    price_floor: float
    price_cap: float
    day_ahead_fee_ccy_per_mwh: float = 0.0
    real_time_fee_ccy_per_mwh: float = 0.0
    real_time_limit_share: float | None = None
    bands: tuple[DeviationBand, ...] = ()
    price_delay_intervals: int = 0

    def __post_init__(self) -> None:
        """Refuse rules that cannot be, and penalties that fall with the width: the program is linear because they rise."""
        if not 1 <= self.interval_min <= 1440:
            raise ValueError(f"interval_min is {self.interval_min}; it must lie in 1..1440")
        if not self.price_floor < self.price_cap:
            raise ValueError(f"price_floor is {self.price_floor}; it must be below price_cap {self.price_cap}")
        for name in ("day_ahead_fee_ccy_per_mwh", "real_time_fee_ccy_per_mwh"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if self.price_delay_intervals < 0:
            raise ValueError(f"price_delay_intervals is {self.price_delay_intervals}; it must be at least 0")
        if self.real_time_limit_share is not None and not self.real_time_limit_share >= 0:
            raise ValueError(f"real_time_limit_share is {self.real_time_limit_share}; it must be at least 0, or null for no limit")
        _check_bands(self.bands)

    @classmethod
    def of_market(cls, market: Mapping[str, Any]) -> Self:
        """The rules of a market's entry in config/markets.yaml, as a mapping.

        Raises:
            ValueError: the market has no `storage`, or its rules cannot be.
        """
        storage = market.get("storage")
        if not storage:
            raise ValueError(f"market {market.get('key')!r} has no `storage` in config/markets.yaml; say how a battery is settled there")
        given = {k: v for k, v in storage.items() if k != "degradation_ccy_per_mwh"}
        bands = tuple(
            DeviationBand(float(b.get("up_to_share") or np.inf), float(b["surplus_share"]), float(b["shortage_share"]))
            for b in given.pop("bands", ())
        )
        return cls(price_floor=float(market["price_floor"]), price_cap=float(market["price_cap"]), bands=bands, **given)

    @property
    def hours(self) -> float:
        """Length of an interval."""
        return self.interval_min / 60

    @property
    def has_recourse(self) -> bool:
        """Whether the schedule may be left at all."""
        return bool(self.bands) or self.real_time_limit_share is None or self.real_time_limit_share > 0

    def checked(self, name: str, prices: npt.ArrayLike) -> Array:
        """`prices` as an array, currency/MWh.

        Raises:
            ValueError: a price is not finite or outside floor and cap.
        """
        values = np.asarray(prices, dtype=np.float64)
        strange = ~np.isfinite(values) | (values < self.price_floor - ROUNDING) | (values > self.price_cap + ROUNDING)
        if strange.any():
            at = tuple(int(k) for k in np.argwhere(strange)[0])
            raise ValueError(
                f"{name}{list(at)} is {values[at]}; prices are finite and within {self.price_floor:g}..{self.price_cap:g} currency/MWh "
                "(convert per-kWh prices with per_mwh, clip forecasts with clipped)"
            )
        return values

    def clipped(self, prices: npt.ArrayLike) -> Array:
        """Prices within floor and cap: an auction clears at its limit, never beyond."""
        return np.clip(np.asarray(prices, dtype=np.float64), self.price_floor, self.price_cap)

    def deviation_cost(self, deviation_mw: npt.ArrayLike, reference: npt.ArrayLike, power_mw: float) -> Array:
        """Fees and penalties of delivering `deviation_mw` more (or less) than scheduled day-ahead, currency per hour, same shape.

        The real-time market is used first, then the bands in order: the cheapest order, as penalties rise.

        Raises:
            ValueError: the deviation is beyond the real-time limit and there are no bands.
        """
        moved = np.asarray(deviation_mw, dtype=np.float64)
        price = np.maximum(np.asarray(reference, dtype=np.float64), 0.0)
        cost = self.real_time_fee_ccy_per_mwh * np.abs(moved)
        if self.real_time_limit_share is None:
            return np.asarray(cost, dtype=np.float64)
        left = np.maximum(np.abs(moved) - self.real_time_limit_share * power_mw, 0.0)
        if not self.bands:
            if np.any(left > 1e-5 * max(power_mw, 1.0)):
                raise ValueError(f"{float(left.max()):g} MW leave the schedule beyond the real-time limit, and no bands price that")
            return np.asarray(cost, dtype=np.float64)
        low = 0.0
        for band in self.bands:
            inside = np.clip(left - low * power_mw, 0.0, (band.up_to_share - low) * power_mw)
            cost = cost + price * inside * np.where(moved > 0, band.surplus_share, band.shortage_share)
            low = band.up_to_share
        return np.asarray(cost, dtype=np.float64)


def _check_bands(bands: tuple[DeviationBand, ...]) -> None:
    for one, other in pairwise(bands):
        if not one.up_to_share < other.up_to_share:
            raise ValueError(f"bands end at {one.up_to_share:g} and then {other.up_to_share:g}; give them by rising up_to_share")
        if one.surplus_share > other.surplus_share or one.shortage_share > other.shortage_share:
            raise ValueError(f"penalties fall beyond {one.up_to_share:g}; a wider band must not cost less")
    if bands and (bands[0].surplus_share < 0 or bands[0].shortage_share < 0 or bands[0].up_to_share <= 0):
        raise ValueError(f"the first band is {bands[0]}; its end must be positive, its penalties at least 0")
    if bands and np.isfinite(bands[-1].up_to_share):
        raise ValueError(f"the last band ends at {bands[-1].up_to_share:g}; leave out its up_to_share, so that any deviation is paid")


def per_mwh(prices: npt.ArrayLike, unit: str) -> Array:
    """Prices in currency/MWh from `ccy_per_mwh` or `ccy_per_kwh` (IEX quotes Rs/MWh in files and Rs/kWh in its news).

    Raises:
        ValueError: the unit is not known.
    """
    if unit not in UNITS:
        raise ValueError(f"unit is {unit!r}; use one of {', '.join(UNITS)}")
    return np.asarray(prices, dtype=np.float64) * UNITS[unit]


def profits(
    rules: MarketRules,
    *,
    committed_mw: npt.ArrayLike,
    net_mw: npt.ArrayLike,
    day_ahead: npt.ArrayLike,
    real_time: npt.ArrayLike,
    power_mw: float,
    wear_ccy_per_mwh: float,
) -> Array:
    """What schedules and deliveries earn, currency, shape (...): the settlement that program, backtest and tests share.

    Args:
        rules: rules of the market.
        committed_mw: day-ahead schedule, output less charge, shape (..., T).
        net_mw: delivery, same meaning.
        day_ahead: prices, currency/MWh, shape (..., T).
        real_time: prices, same shape.
        power_mw: power of the battery.
        wear_ccy_per_mwh: wear per MWh discharged.
    """
    g, net, first, second = (np.asarray(v, dtype=np.float64) for v in (committed_mw, net_mw, day_ahead, real_time))
    reference = np.maximum(first, second)
    earned = first * g - rules.day_ahead_fee_ccy_per_mwh * np.abs(g) + second * (net - g)
    spent = rules.deviation_cost(net - g, reference, power_mw) + wear_ccy_per_mwh * np.maximum(net, 0.0)
    return np.asarray(rules.hours * (earned - spent).sum(axis=-1), dtype=np.float64)


def shares_of(probability: npt.ArrayLike | None, scenarios: int) -> Array:
    """Probabilities of scenarios, equal ones for None.

    Raises:
        ValueError: wrong length, negative, or not summing to one.
    """
    p = np.full(scenarios, 1 / scenarios) if probability is None else np.asarray(probability, dtype=np.float64)
    if p.shape != (scenarios,) or np.any(p < 0) or not np.isclose(p.sum(), 1.0, atol=1e-9):
        raise ValueError(
            f"probability has shape {p.shape} and sum {float(np.sum(p)):g}; give {scenarios} values of at least 0 that sum to 1"
        )
    return p


def cvar(profit: npt.ArrayLike, probability: npt.ArrayLike, alpha: float) -> float:
    """Mean of the worst 1 - alpha of the profits (Rockafellar & Uryasev 2000), scenarios split where the tail ends inside one."""
    order = np.argsort(np.asarray(profit, dtype=np.float64), kind="stable")
    value, p = np.asarray(profit, dtype=np.float64)[order], np.asarray(probability, dtype=np.float64)[order]
    tail = 1 - alpha
    taken = np.clip(tail - (np.cumsum(p) - p), 0.0, p)
    return float((taken * value).sum() / tail)
