"""Numbers of the fleet and the market rules, read from config/twin/fleet.yaml (units stand there) and checked on load."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.settings import REPO_ROOT
from pipeline_tasks.twin.market_types import RESERVES, Reserve

FLEET_FILE = REPO_ROOT / "config" / "twin" / "fleet.yaml"
FuelName = Literal["uranium", "lignite", "coal", "gas", "oil", "water", "storage", "battery"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Technology(_Section):
    """A class of plants; thermal ones have efficiencies, stores have `store_h`; `bound_share` of the reservoirs never stop."""

    count: float = Field(gt=0, le=1)
    capacity: float = Field(gt=0, le=1)
    minimum: float = Field(ge=-1, lt=1)
    efficiency: tuple[float, float] | None = None
    fuel: FuelName
    vom: float = Field(ge=0)
    start_wear: float = Field(default=0.0, ge=0)
    start_heat: float = Field(default=0.0, ge=0)
    up_h: int = Field(default=1, ge=1)
    down_h: int = Field(default=1, ge=1)
    cool_h: tuple[int, int] = (8, 24)
    ramp: float = Field(gt=0)
    must_run: bool = False
    reserve: float = Field(ge=0, le=1)
    forced_rate: float = Field(ge=0, lt=1)
    repair_h: float = Field(gt=0)
    planned_weeks: float = Field(ge=0)
    negative: float = Field(default=0.0, ge=0)
    store_h: float = Field(default=0.0, ge=0)
    capacity_factor: float = Field(default=0.0, ge=0, le=1)
    round_trip: float = Field(default=1.0, gt=0, le=1)
    bound_share: float = Field(default=0.0, ge=0, le=1)


class FuelTable(_Section):
    """Prices of fuels without a market and emission factors."""

    prices: dict[str, float]
    emissions: dict[FuelName, float]


class FleetConfig(_Section):
    """How plants are laid onto a network."""

    peak_over_mean: float = Field(gt=1)
    spread: float = Field(ge=0, lt=0.5)
    owners: dict[str, float] = Field(min_length=2)
    technologies: dict[str, Technology] = Field(min_length=1)
    fuels: FuelTable
    subsidised_wind: float = Field(ge=0, le=1)
    subsidised_solar: float = Field(ge=0, le=1)
    support: tuple[float, float]
    commit_share: float = Field(ge=0, lt=1)
    branch_forced_per_year: float = Field(ge=0)
    branch_repair_h: float = Field(gt=0)
    branch_planned_weeks: float = Field(ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        total = sum(t.count for t in self.technologies.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"fleet.technologies: the counts add up to {total:.4f}; make them 1")
        return self


class RatingsConfig(_Section):
    """The rule of line limits."""

    hours: int = Field(ge=24)
    corridor_quantile: float = Field(gt=0, le=1)
    inner_quantile: float = Field(gt=0, le=1)
    margin: float = Field(ge=1)
    share_binding: float = Field(gt=0, lt=1)
    least_of_peak: float = Field(gt=0, lt=1)
    emergency: float = Field(ge=1)


class OffersConfig(_Section):
    """Costs, markups and values of stored energy."""

    blocks: int = Field(ge=1, le=10)
    price_noise: float = Field(ge=0)
    margin: dict[str, float]
    scarcity: dict[str, float]
    scarcity_from: float = Field(gt=0, lt=1)
    scarcity_power: float = Field(gt=0)
    outage: tuple[float, float]
    stress: tuple[float, float, float]
    window: tuple[float, float, float]
    last_block: float = Field(ge=1)
    peaker: float = Field(ge=1)
    most: float = Field(gt=0)
    storage_spread: float = Field(ge=0, lt=1)
    store_response: float = Field(ge=0)
    price_memory: float = Field(ge=0, lt=1)


class DayAheadConfig(_Section):
    """Commitment, reserves and the day-ahead auction."""

    lookahead_h: int = Field(ge=0, le=24)
    gap: float = Field(ge=0, lt=0.1)
    nodes: int = Field(ge=0)
    load_premium: float = Field(ge=-0.1, le=0.1)
    store_band: tuple[float, float]
    contingencies: int = Field(ge=0, le=50)
    reserve_of_load: dict[Reserve, float]
    reserve_of_renewables: dict[Reserve, float]
    reserve_minutes: dict[Reserve, float]
    reserve_offer: dict[Reserve, float]
    curve_share: tuple[float, ...] = Field(min_length=1)
    curve_price: dict[Reserve, tuple[float, ...]]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("reserve_of_load", "reserve_of_renewables", "reserve_minutes", "reserve_offer", "curve_price"):
            missing = sorted(set(RESERVES) - set(getattr(self, name)))
            if missing:
                raise ValueError(f"dayahead.{name}: no value for {missing}; add it")
        if not 1 <= sum(self.curve_share) <= 4:
            raise ValueError(f"dayahead.curve_share adds up to {sum(self.curve_share):.4f} requirements; make it 1 to 4")
        if any(list(p) != sorted(p, reverse=True) for p in self.curve_price.values()):
            raise ValueError("dayahead.curve_price: a curve's prices rise; list them falling")
        if any(len(p) != len(self.curve_share) for p in self.curve_price.values()):
            raise ValueError("dayahead.curve_price: a curve has not one price per entry of curve_share")
        return self


class RealTimeConfig(_Section):
    """Real time and imbalance settlement."""

    fast_start_h: float = Field(gt=0)
    lead_min: float = Field(ge=0)
    reserve_share: float = Field(ge=0, le=1)
    imbalance_spread: tuple[float, float]


class LossConfig(_Section):
    """Marginal losses."""

    share: float = Field(ge=0, lt=0.2)


class TradingConfig(_Section):
    """The whole file."""

    fleet: FleetConfig
    ratings: RatingsConfig
    offers: OffersConfig
    dayahead: DayAheadConfig
    realtime: RealTimeConfig
    losses: LossConfig

    @model_validator(mode="after")
    def _owners(self) -> Self:
        for name in ("margin", "scarcity"):
            missing = sorted(set(self.fleet.owners) - set(getattr(self.offers, name)))
            if missing:
                raise ValueError(f"offers.{name}: no value for owners {missing}; add them")
        return self


def load_trading(path: Path = FLEET_FILE, *, profile: str = "demo") -> TradingConfig:
    """The rules of a profile: the file's base with the differences under `profiles`.

    Raises:
        pydantic.ValidationError: a field is missing, unknown or out of range; the message names it.
    """
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    over = content.pop("profiles", {}).get(profile, {})
    return TradingConfig.model_validate(_merged(content, over))


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {k: _merged(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v for k, v in over.items()}
    return {**base, **both}
