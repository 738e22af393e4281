"""Assumptions of spreads, netbacks and hedges, read from config/assets/cross_commodity.yaml and checked on load."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.settings import REPO_ROOT
from models._kernel.cross.hedge import Terms
from models._kernel.cross.netback import Route
from models._kernel.cross.spreads import Plant
from pipeline_tasks.sources.units import MWH_PER_MMBTU

FILE = REPO_ROOT / "config" / "assets" / "cross_commodity.yaml"
SeriesName = tuple[str, str, str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlantSettings(_Strict):
    """A plant by gross efficiency, or by heat rate in MMBtu/MWh."""

    efficiency: float | None = Field(default=None, gt=0, le=1)
    heat_rate_mmbtu: float | None = Field(default=None, gt=0)
    co2_t_per_mwh: float = Field(ge=0)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.efficiency is None) == (self.heat_rate_mmbtu is None):
            raise ValueError(f"efficiency is {self.efficiency}, heat_rate_mmbtu {self.heat_rate_mmbtu}; give exactly one of them")
        return self

    def plant(self, *, co2_priced: bool) -> Plant:
        """The plant with fuel in MWh of heat; emissions count only where carbon has a price."""
        rate = 1 / self.efficiency if self.efficiency else float(self.heat_rate_mmbtu or 0) * MWH_PER_MMBTU
        return Plant(rate, self.co2_t_per_mwh / rate if co2_priced else 0.0)


class Liquefaction(_Strict):
    """Share of gas burnt in liquefaction and the tolling fee that is not sunk, USD/MMBtu."""

    fuel_share: float = Field(ge=0, lt=1)
    tolling_per_mmbtu: float = Field(ge=0)


class RouteSettings(_Strict):
    """A voyage; see `models._kernel.cross.netback.Route`."""

    distance_nm: float
    speed_kn: float
    cargo_mmbtu: float
    charter_per_day: float
    port_days: float
    fuel_per_trip: float
    dues_per_trip: float
    boil_off_per_day: float
    regas_per_mmbtu: float

    @property
    def route(self) -> Route:
        """The route."""
        return Route(**self.model_dump())


class Lng(_Strict):
    """Voyages from the United States and what a cargo costs there."""

    europe: RouteSettings
    asia: RouteSettings
    liquefaction: Liquefaction


class HedgeSettings(_Strict):
    """See `models._kernel.cross.hedge.Terms`; `plant_mw` is the fixed notional."""

    plant_mw: float = Field(gt=0)
    tilt: float = Field(ge=0, le=1)
    daily_cap: float = Field(gt=0, le=1)
    tenor_days: int = Field(ge=1, le=365)
    margin_share: float = Field(gt=0, le=1)
    half_spread_share: float = Field(ge=0, le=0.1)
    fee_share: float = Field(ge=0, le=0.1)
    var_level: float = Field(gt=0.5, lt=1)
    var_days: int = Field(ge=1, le=60)
    var_window_days: int = Field(ge=20, le=2000)

    @property
    def terms(self) -> Terms:
        """The terms."""
        return Terms(**self.model_dump(exclude={"plant_mw"}))


def _name(text: str) -> SeriesName:
    parts = tuple(text.split("/"))
    if len(parts) != 3 or parts[0] not in {"price", "quantity"}:
        raise ValueError(f"series {text!r} is not written kind/series/place, kind being price or quantity")
    return parts[0], parts[1], parts[2]


class MarketSeries(_Strict):
    """Which series of `int_series_asof` a market's signals read, as kind/series/place; empty where it has none."""

    co2_priced: bool
    gas_hedge: str = ""
    oil: str = ""
    hub_abroad: str = ""
    asia: str = ""
    storage: tuple[str, ...] = ()
    lng: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _well_named(self) -> Self:
        for text in (self.gas_hedge, self.oil, self.hub_abroad, self.asia, *self.storage, *self.lng):
            if text:
                _name(text)
        return self

    def of(self, field: str) -> tuple[SeriesName, ...]:
        """Series behind a field."""
        value = getattr(self, field)
        return tuple(_name(text) for text in ((value,) if isinstance(value, str) else value) if text)


class CrossSettings(_Strict):
    """All of cross_commodity.yaml."""

    plants: dict[str, dict[str, PlantSettings]]
    lng: Lng
    hedge: HedgeSettings
    markets: dict[str, MarketSeries]

    def plant(self, currency: str, fuel: str, *, co2_priced: bool) -> Plant:
        """The plant of a fuel where prices are in that currency.

        Raises:
            KeyError: no plant is configured for the currency; the message names those there are.
        """
        if currency not in self.plants:
            raise KeyError(f"plants of currency {currency!r} are not in {FILE.name}; configured: {sorted(self.plants)}")
        return self.plants[currency][fuel].plant(co2_priced=co2_priced)


@lru_cache(maxsize=1)
def load_cross(path: Path = FILE) -> CrossSettings:
    """The assumptions.

    Raises:
        ValueError: a field is missing, unknown or out of range; the message names it.
    """
    return CrossSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
