"""Scenario dials: what is changed on purpose, each within a window of market-local dates, both ends included.

A dial never changes a random draw: outside what it can affect, a world with a dial equals the world without it.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fuel = Literal["gas", "coal", "co2"]
ElementKind = Literal["unit", "line"]


class Dial(BaseModel):
    """A window of market-local dates, `first` to `last` included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: date
    last: date

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"last {self.last} is before first {self.first}; swap them")
        return self

    def covers(self, day: date) -> bool:
        """Whether the day is in the window."""
        return self.first <= day <= self.last


class FuelShock(Dial):
    """Settlements of a fuel times `multiplier`."""

    fuel: Fuel
    multiplier: float = Field(gt=0, le=20)


class HeatWave(Dial):
    """`degc` added to the temperature (negative for a cold spell), everywhere or at one hub's region."""

    degc: float = Field(ge=-30, le=30)
    hub: str | None = None


class WindDrought(Dial):
    """Wind speed times `multiplier` (above 1 for more wind), everywhere."""

    multiplier: float = Field(ge=0, le=3)


class ElementOutage(Dial):
    """A unit or line is out from the first local midnight to the one after the last day; announced `notice_days` before."""

    element_kind: ElementKind
    element: str
    notice_days: int = Field(default=2, ge=0, le=365)


class NewPlant(Dial):
    """A plant of a class of the fleet, or of a fuel, that exists within the window.

    It stands at `bus`, or where the lines of its hub can carry most. Wind (`wind`, on land, or `wind_offshore`) and `solar` give what the
    weather at that place allows, offer it at 0 EUR/MWh and are curtailed like the others.
    """

    name: str
    hub: str
    bus: str | None = None
    fuel: str
    capacity_mw: float = Field(gt=0)


class PriceCap(Dial):
    """A lower price cap, EUR/MWh: of offers, prices, and what the market pays for load and reserve that it cannot have."""

    cap_eur_per_mwh: float = Field(gt=0)


class RegimeOverride(Dial):
    """The regime is set; after the window the chain is where it would have been."""

    regime: str


class ScenarioDials(BaseModel):
    """All dials of a scenario; none by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fuel_shocks: tuple[FuelShock, ...] = ()
    heat_waves: tuple[HeatWave, ...] = ()
    wind_droughts: tuple[WindDrought, ...] = ()
    outages: tuple[ElementOutage, ...] = ()
    new_plants: tuple[NewPlant, ...] = ()
    price_caps: tuple[PriceCap, ...] = ()
    regimes: tuple[RegimeOverride, ...] = ()


NO_DIALS = ScenarioDials()
