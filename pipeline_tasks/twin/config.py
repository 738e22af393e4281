"""Numbers of the twin, read from config/twin.yaml and checked on load."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.settings import REPO_ROOT

TWIN_FILE = REPO_ROOT / "config" / "twin.yaml"


class HubConfig(BaseModel):
    """One hub: its shares of system load, wind and solar, and how it hangs on the grid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    load: float = Field(gt=0, le=1)
    wind: float = Field(ge=0, le=1)
    solar: float = Field(ge=0, le=1)
    limit_mw: float = Field(gt=0)
    loss: float = Field(ge=-0.2, le=0.2)
    warmer_degc: float = Field(ge=-20, le=20)


class TwinConfig(BaseModel):
    """The whole twin; meanings and units stand in config/twin.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(ge=0)
    start_date: date
    wind_capacity_mw: float = Field(gt=0)
    solar_capacity_mw: float = Field(gt=0)
    thermal_capacity_mw: float = Field(gt=0)
    must_run_mw: float = Field(ge=0)
    load_mean_mw: float = Field(gt=0)
    gas_mean_ccy_per_mwh: float = Field(gt=0)
    co2_mean_ccy_per_t: float = Field(gt=0)
    outage_mean_mw: float = Field(ge=0)
    load_error_share: float = Field(ge=0, le=1)
    wind_error_share: float = Field(ge=0, le=1)
    solar_error_share: float = Field(ge=0, le=1)
    temperature_error_degc: float = Field(ge=0)
    spike_rate: float = Field(ge=0, le=1)
    bad_row_every_days: int = Field(ge=0)
    hubs: dict[str, HubConfig] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for share in ("load", "wind", "solar"):
            total = sum(getattr(h, share) for h in self.hubs.values())
            if abs(total - 1) > 1e-6:
                raise ValueError(f"hubs: the {share} shares add up to {total:.4f}; make them 1")
        return self


def load_twin(path: Path = TWIN_FILE) -> TwinConfig:
    """The configuration of a file.

    Raises:
        pydantic.ValidationError: a field is missing, unknown or out of range; the message names it.
    """
    return TwinConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
