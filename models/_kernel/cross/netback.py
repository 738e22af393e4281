"""LNG netbacks: what a cargo is worth where it is loaded. netback = price - freight - boil-off - regasification, per unit loaded.

Freight is the round trip's charter, fuel beyond boil-off, port and canal dues over the energy loaded; boil-off of the laden leg is sold
nowhere; regasification is paid on what arrives. All in one currency per unit of energy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Route:
    """A voyage and what it costs; configured inputs, none of them known from public data.

    Attributes:
        distance_nm: one way.
        speed_kn: service speed.
        cargo_mmbtu: energy loaded.
        charter_per_day: currency/day of the whole round trip, port days included.
        port_days: days in both ports together.
        fuel_per_trip: bunkers beyond boil-off, currency.
        dues_per_trip: port and canal dues, currency.
        boil_off_per_day: share of the cargo lost per laden day.
        regas_per_mmbtu: tariff of the receiving terminal, currency/MMBtu delivered.
    """

    distance_nm: float
    speed_kn: float
    cargo_mmbtu: float
    charter_per_day: float
    port_days: float
    fuel_per_trip: float
    dues_per_trip: float
    boil_off_per_day: float
    regas_per_mmbtu: float

    def __post_init__(self) -> None:
        """Refuse a voyage that never ends or arrives empty."""
        if min(self.distance_nm, self.speed_kn, self.cargo_mmbtu) <= 0:
            raise ValueError(f"distance_nm {self.distance_nm}, speed_kn {self.speed_kn}, cargo_mmbtu {self.cargo_mmbtu} must be positive")
        if not 0 <= self.boil_off_share < 1:
            raise ValueError(f"boil_off_per_day {self.boil_off_per_day} over {self.sea_days:.1f} days leaves no cargo; lower it")

    @property
    def sea_days(self) -> float:
        """Days of the laden leg."""
        return self.distance_nm / (24 * self.speed_kn)

    @property
    def boil_off_share(self) -> float:
        """Share of the cargo that boils off on the laden leg."""
        return self.boil_off_per_day * self.sea_days

    @property
    def freight_per_mmbtu(self) -> float:
        """Round trip over the energy loaded, currency/MMBtu."""
        days = 2 * self.sea_days + self.port_days
        return (self.charter_per_day * days + self.fuel_per_trip + self.dues_per_trip) / self.cargo_mmbtu


@dataclass(frozen=True, slots=True)
class Netback:
    """A netback and what was taken off; netback + freight + boil_off + regas = price, all currency/MMBtu loaded."""

    price: Array
    freight: Array
    boil_off: Array
    regas: Array

    @property
    def netback(self) -> Array:
        """Worth at the loading port."""
        return np.asarray(self.price - self.freight - self.boil_off - self.regas, dtype=np.float64)


def netback(price: npt.ArrayLike, route: Route) -> Netback:
    """The netback of selling at a price (currency/MMBtu delivered and regasified)."""
    at = np.asarray(price, dtype=np.float64)
    lost, ones = route.boil_off_share, np.ones_like(at)
    return Netback(at, ones * route.freight_per_mmbtu, at * lost, ones * route.regas_per_mmbtu * (1 - lost))


def supply_cost(hub: npt.ArrayLike, *, fuel_share: float, tolling_per_mmbtu: float) -> Array:
    """Cost of LNG at a US loading port: hub price with the share burnt in liquefaction, and the tolling fee that is not sunk."""
    return np.asarray(np.asarray(hub, dtype=np.float64) * (1 + fuel_share) + tolling_per_mmbtu, dtype=np.float64)
