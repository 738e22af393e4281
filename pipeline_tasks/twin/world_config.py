"""Numbers of the twin's exogenous world, read from config/twin/world.yaml (units stand there) and checked on load."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.settings import REPO_ROOT
from pipeline_tasks.twin.noise import Redraw

WORLD_FILE = REPO_ROOT / "config" / "twin" / "world.yaml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HubPlace(_Section):
    """One hub: where it lies and what its region is like."""

    place: tuple[float, float]
    city: bool
    wind: float = Field(ge=0, le=1)
    solar: float = Field(ge=0, le=1)
    warmer_degc: float = Field(ge=-20, le=20)
    heating_per_degc: float = Field(ge=0, le=0.1)
    cooling_per_degc: float = Field(ge=0, le=0.1)
    business: float = Field(ge=0, le=2)


class GeographyConfig(_Section):
    """The map and the sites."""

    width_km: float = Field(gt=0)
    height_km: float = Field(gt=0)
    centre_lon: float = Field(ge=-180, le=180)
    centre_lat: float = Field(ge=-65, le=65)
    wind_sites_per_root_bus: float = Field(gt=0)
    solar_sites_per_root_bus: float = Field(gt=0)
    offshore_share: float = Field(ge=0, le=1)
    hubs: dict[str, HubPlace] = Field(min_length=2)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for share in ("wind", "solar"):
            total = sum(getattr(h, share) for h in self.hubs.values())
            if abs(total - 1) > 1e-6:
                raise ValueError(f"geography.hubs: the {share} shares add up to {total:.4f}; make them 1")
        if sum(h.city for h in self.hubs.values()) > 1:
            raise ValueError("geography.hubs: more than one city; leave one")
        return self


class PerField(_Section):
    """A number of each random field of the weather."""

    temperature: float = Field(gt=0)
    wind: float = Field(gt=0)
    cloud: float = Field(gt=0)


class NewsShares(_Section):
    """Shares of variance that a day-ahead forecast never knows, and knows only at short lead."""

    temperature: tuple[float, float]
    wind: tuple[float, float]
    cloud: tuple[float, float]


class WindMixes(_Section):
    """How much of the wind field is in the other fields: windy weather is cloudy, and mild in winter."""

    cloud: float = Field(gt=-1, lt=1)
    temperature: float = Field(gt=-1, lt=1)


class WeatherConfig(_Section):
    """Random fields, fronts and extremes."""

    anchors: tuple[int, int]
    reach_km: PerField
    memory_h: PerField
    news_memory_h: tuple[float, float]
    news_share: NewsShares
    mean_degc: float
    north_degc: float
    season_degc: float = Field(ge=0)
    diurnal_degc: float = Field(ge=0)
    wind_mixes: WindMixes
    spread_degc: float = Field(ge=0)
    weibull_shape: float = Field(gt=1)
    onshore_m_s: float = Field(gt=0)
    offshore_m_s: float = Field(gt=0)
    north_m_s: float
    season_wind: float = Field(ge=0, lt=1)
    fronts_per_day: float = Field(ge=0, le=2)
    front_speed_km_h: tuple[float, float]
    front_timing_error_h: float = Field(ge=0)
    storm_share: float = Field(ge=0, le=1)
    heat_waves_per_year: float = Field(ge=0)
    cold_spells_per_year: float = Field(ge=0)
    wind_droughts_per_year: float = Field(ge=0)


class DemandConfig(_Section):
    """Response of load to weather, and what is not explained."""

    base_degc: tuple[float, float]
    inertia_h: float = Field(gt=0)
    wander: float = Field(ge=0)
    response_error: float = Field(ge=0, lt=1)
    response_memory_h: float = Field(gt=0)
    own_error: tuple[float, float]
    own_error_memory_h: float = Field(gt=0)
    five_minute: float = Field(ge=0)


class RenewablesConfig(_Section):
    """Power curves."""

    wind_availability: float = Field(gt=0, le=1)
    cut_in_m_s: float = Field(gt=0)
    rated_m_s: float = Field(gt=0)
    cut_out_m_s: float = Field(gt=0)
    forecast_doubt_m_s: float = Field(ge=0)
    solar_performance: float = Field(gt=0, le=1)
    solar_tilt_gain: float = Field(ge=0)
    degc_loss: float = Field(ge=0)
    five_minute_wind: float = Field(ge=0)
    five_minute_solar: float = Field(ge=0)


Triple = tuple[float, float, float]


class RegimesConfig(_Section):
    """The Markov chain and what it multiplies; one value per regime, in the order of `names`."""

    names: tuple[str, str, str]
    stay_days: Triple
    to_worse: Triple
    gas_vol: Triple
    coal_vol: Triple
    co2_vol: Triple
    forecast_noise: Triple
    load_error: Triple
    outage_rate: Triple
    markup: Triple


class GasHub(_Section):
    """A gas hub: mean basis to the first hub (EUR/MWh), its share in the effect of LNG, and the terminal that it hangs on."""

    basis: float
    lng_factor: float = Field(ge=0)
    terminal: str | None


class FuelHalfLives(_Section):
    """Half-lives of mean reversion, days."""

    gas: float = Field(gt=0)
    coal: float = Field(gt=0)
    co2: float = Field(gt=0)
    basis: float = Field(gt=0)


class FuelCorrelation(_Section):
    """Correlations of daily shocks."""

    gas_coal: float = Field(gt=-1, lt=1)
    gas_co2: float = Field(gt=-1, lt=1)
    coal_co2: float = Field(gt=-1, lt=1)


class FuelsConfig(_Section):
    """Gas hubs, coal and allowances."""

    gas_hubs: dict[str, GasHub] = Field(min_length=1)
    gas_mean: float = Field(gt=0)
    coal_mean: float = Field(gt=0)
    co2_mean: float = Field(gt=0)
    half_life_days: FuelHalfLives
    basis_stock: float
    basis_sd: float = Field(ge=0)
    correlation: FuelCorrelation
    jumps_per_year: Triple
    jump_sd: float = Field(ge=0)
    season: float = Field(ge=0)
    cold_response: float = Field(ge=0)
    calm_response: float = Field(ge=0)


class Origin(_Section):
    """Where cargoes are loaded."""

    days: float = Field(gt=0)
    passage: str | None
    share: float = Field(gt=0, le=1)


class Passage(_Section):
    """A canal or loading port that is closed at times, for reasons that have nothing to do with the market or its weather."""

    closures_per_year: float = Field(ge=0)
    mean_days: float = Field(gt=0)
    at: float = Field(ge=0, le=1)


class Terminal(_Section):
    """An import terminal."""

    tank_gwh: float = Field(gt=0)
    regas_gwh_per_day: float = Field(gt=0)
    unload_gwh_per_day: float = Field(gt=0)
    share: float = Field(gt=0, le=1)
    heel_gwh: float = Field(ge=0)


class LngConfig(_Section):
    """Fleet, voyages, terminals, storage and the causal effect on the gas price."""

    vessels: int = Field(ge=1, le=500)
    cargo_gwh: tuple[float, float]
    origins: dict[str, Origin] = Field(min_length=1)
    passages: dict[str, Passage]
    terminals: dict[str, Terminal] = Field(min_length=1)
    boil_off_per_day: float = Field(ge=0, lt=0.1)
    schedule_slack_days: float = Field(ge=0)
    port_days: float = Field(gt=0)
    delay_noise_days: float = Field(ge=0)
    storm_delay_days: float = Field(ge=0)
    storm_limit_m_s: float = Field(ge=0)
    cold_delay_days: float = Field(ge=0)
    effect_per_twh: float
    effect_tightness: float = Field(ge=0)
    storage_gwh: float = Field(gt=0)
    storage_norm: tuple[float, float]
    storage_cold_gwh: float = Field(ge=0)
    storage_return: float = Field(gt=0, lt=1)
    tightness_range: float = Field(gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, parts in (("origins", self.origins), ("terminals", self.terminals)):
            total = sum(p.share for p in parts.values())
            if abs(total - 1) > 1e-6:
                raise ValueError(f"lng.{name}: the shares add up to {total:.4f}; make them 1")
        unknown = sorted({o.passage for o in self.origins.values() if o.passage} - set(self.passages))
        if unknown:
            raise ValueError(f"lng.origins: passages {unknown} are not under lng.passages; add them")
        return self


class OutageConfig(_Section):
    """Forced and planned outages; rates of elements come with the elements."""

    seed_shape: float = Field(gt=0)
    partial_share: float = Field(ge=0, le=1)
    partial_range: tuple[float, float]
    storm_factor: float = Field(ge=0)
    heat_factor: float = Field(ge=0)
    cold_factor: float = Field(ge=0)
    notice_weeks: tuple[float, float]
    season: tuple[float, ...] = Field(min_length=12, max_length=12)
    overrun_sd: float = Field(ge=0)
    report_delay_min: tuple[float, float]
    guess_sd: float = Field(ge=0)


class WorldConfig(_Section):
    """The exogenous world of one profile; meanings and units stand in config/twin/world.yaml.

    `redraw` is no number of the file: it gives another draw of what no forecast knows of some days.
    """

    redraw: Redraw | None = None
    seed: int = Field(ge=0)
    case: str
    load_scale: float = Field(gt=0)
    wind_per_load: float = Field(gt=0)
    solar_per_load: float = Field(gt=0)
    warmup_days: int = Field(ge=60, le=400)
    holidays: str
    geography: GeographyConfig
    weather: WeatherConfig
    demand: DemandConfig
    renewables: RenewablesConfig
    regimes: RegimesConfig
    fuels: FuelsConfig
    lng: LngConfig
    outages: OutageConfig


def load_world(profile: str = "demo", path: Path = WORLD_FILE) -> WorldConfig:
    """The world of a profile: the file's base with the profile's differences.

    Raises:
        KeyError: no such profile; the message lists them.
        pydantic.ValidationError: a field is missing, unknown or out of range; the message names it.
    """
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    profiles = content["profiles"]
    if profile not in profiles:
        raise KeyError(f"profile {profile!r} is not in {path.name}; choose one of {', '.join(profiles)}")
    return WorldConfig.model_validate(_merged(content["base"], profiles[profile]))


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {k: _merged(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v for k, v in over.items()}
    return {**base, **both}
