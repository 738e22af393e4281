"""A battery: its limits, losses and wear; from config/assets/battery.yaml and config/assets/bess.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models._kernel.delivery import AssetError, named, within

Array = npt.NDArray[np.float64]
AT_LEAST_START, EXACTLY_START, FREE = "at_least_start", "exactly_start", "free"
TERMINAL_RULES = (AT_LEAST_START, EXACTLY_START, FREE)


@dataclass(frozen=True, slots=True)
class StorageAsset:
    """A battery. Powers and energies are those at the meter, the charge is inside: each efficiency is applied once.

    Attributes:
        power_mw: largest charge and discharge.
        energy_mwh: energy of a full charge.
        charge_efficiency: charge gained over energy taken.
        discharge_efficiency: energy given over charge lost.
        least_charge_share: lowest admissible charge over the energy.
        most_charge_share: highest one.
        start_charge_share: charge at the start of a day.
        cycles_per_day: most energy discharged in a day over the energy of the battery.
        degradation_ccy_per_mwh: wear per MWh discharged.
        terminal: charge at the end of a day: `at_least_start`, `exactly_start` or `free`.
    """

    power_mw: float
    energy_mwh: float
    charge_efficiency: float
    discharge_efficiency: float
    least_charge_share: float
    most_charge_share: float
    start_charge_share: float
    cycles_per_day: float
    degradation_ccy_per_mwh: float
    terminal: str = AT_LEAST_START

    @classmethod
    def of(cls, values: Mapping[str, Any], file: str = "battery") -> Self:
        """The battery of config/assets/<file>.yaml.

        Raises:
            AssetError: a name is not known or a value cannot be; the message names file, field and value.
        """
        given = named(cls, file, values, defaults={"terminal": AT_LEAST_START})
        terminal = str(given.pop("terminal"))
        if terminal not in TERMINAL_RULES:
            raise AssetError(f"config/assets/{file}.yaml: terminal is {terminal!r}; use one of {', '.join(TERMINAL_RULES)}")
        made = cls(**{k: float(v) for k, v in given.items()}, terminal=terminal)
        for name, low, high in (
            ("power_mw", 1e-6, 1e5),
            ("energy_mwh", 1e-6, 1e6),
            ("charge_efficiency", 0.01, 1),
            ("discharge_efficiency", 0.01, 1),
            ("least_charge_share", 0, made.start_charge_share),
            ("start_charge_share", 0, made.most_charge_share),
            ("most_charge_share", 0, 1),
            ("cycles_per_day", 0, 100),
            ("degradation_ccy_per_mwh", 0, 1e6),
        ):
            within(file, name, getattr(made, name), low, high)
        return made

    def on(self, market: Mapping[str, Any]) -> Self:
        """The battery with its wear in the currency of a market's entry in config/markets.yaml, where that gives one."""
        wear = (market.get("storage") or {}).get("degradation_ccy_per_mwh")
        return self if wear is None else replace(self, degradation_ccy_per_mwh=float(wear))

    @property
    def round_trip_efficiency(self) -> float:
        """Energy out over energy in."""
        return self.charge_efficiency * self.discharge_efficiency

    @property
    def bounds_mwh(self) -> tuple[float, float]:
        """Lowest and highest charge."""
        return self.least_charge_share * self.energy_mwh, self.most_charge_share * self.energy_mwh

    @property
    def start_mwh(self) -> float:
        """Charge at the start of a day."""
        return self.start_charge_share * self.energy_mwh

    @property
    def end_bounds_mwh(self) -> tuple[float, float]:
        """Lowest and highest charge at the end of a day."""
        low, high = self.bounds_mwh
        start = self.start_mwh
        return {AT_LEAST_START: (start, high), EXACTLY_START: (start, start), FREE: (low, high)}[self.terminal]

    @property
    def throughput_mwh(self) -> float:
        """Most energy discharged in a day."""
        return self.cycles_per_day * self.energy_mwh

    def levels(self, net_mw: npt.ArrayLike, hours: float) -> Array:
        """Charge at the end of every interval of outputs less charge, MWh, shape (..., T); it starts at `start_mwh`."""
        net = np.asarray(net_mw, dtype=np.float64)
        flow = np.where(net < 0, -net * self.charge_efficiency, -net / self.discharge_efficiency)
        return np.asarray(self.start_mwh + hours * np.cumsum(flow, axis=-1), dtype=np.float64)

    def reach_mw(self, level: npt.ArrayLike, left_mwh: npt.ArrayLike, hours: float, remaining: int) -> tuple[Array, Array]:
        """Lowest and highest output less charge of one interval from which the day can still end as the asset's rule says.

        Args:
            level: charge at its start, MWh, shape (n,).
            left_mwh: what may still be discharged today, shape (n,).
            hours: length of the interval.
            remaining: intervals of the day after it.

        Returns:
            Two arrays of shape (n,), MW; the first is never above the second. Where the end is only just in reach both are negative.
        """
        now, left = np.asarray(level, dtype=np.float64), np.asarray(left_mwh, dtype=np.float64)
        (low, high), (end_low, end_high) = self.bounds_mwh, self.end_bounds_mwh
        low = max(low, end_low - remaining * self.power_mw * hours * self.charge_efficiency)
        high = min(high, end_high + remaining * self.power_mw * hours / self.discharge_efficiency)
        give = np.minimum(np.maximum(now - low, 0.0) * self.discharge_efficiency, left) / hours
        most = np.where(now < low, (now - low) / self.charge_efficiency / hours, np.minimum(give, self.power_mw))
        least = -np.clip((high - now) / self.charge_efficiency / hours, 0.0, self.power_mw)
        return np.minimum(least, most), most

    def after_mwh(self, level: npt.ArrayLike, net_mw: npt.ArrayLike, hours: float) -> Array:
        """Charge at the end of an interval, MWh; shapes broadcast."""
        now, net = np.asarray(level, dtype=np.float64), np.asarray(net_mw, dtype=np.float64)
        return np.asarray(now - hours * np.where(net < 0, net * self.charge_efficiency, net / self.discharge_efficiency), dtype=np.float64)

    def faults(self, net_mw: npt.ArrayLike, hours: float, *, tolerance: float = 1e-5) -> list[str]:
        """Limits that a day's schedule leaves, shape (T,); empty when the battery can follow it."""
        net = np.asarray(net_mw, dtype=np.float64)
        level, (low, high), (last_low, last_high) = self.levels(net, hours), self.bounds_mwh, self.end_bounds_mwh
        excess = {
            "power": float(np.abs(net).max(initial=0.0)) - self.power_mw,
            "low charge": low - float(level.min(initial=low)),
            "high charge": float(level.max(initial=high)) - high,
            "charge at the end": max(last_low - float(level[-1]), float(level[-1]) - last_high) if net.size else 0.0,
            "cycles": hours * float(np.maximum(net, 0.0).sum()) - self.throughput_mwh,
        }
        return [f"{name} left by {by:.6g}" for name, by in excess.items() if by > tolerance]
