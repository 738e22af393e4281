"""Profiles of the twin: horizon, resolution and dials, read from config/twin/profiles.yaml and checked on load."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.settings import REPO_ROOT
from pipeline_tasks.twin.dials import NO_DIALS, ScenarioDials

PROFILES_FILE = REPO_ROOT / "config" / "twin" / "profiles.yaml"
MARKET = "twin"
LONGEST = timedelta(days=3653)


class Samples(BaseModel):
    """How often the law of real-time prices is sampled: every `every_days` days (0 for never), `draws` times."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every_days: int = Field(ge=0, le=10_000)
    draws: int = Field(ge=0, le=10_000)

    def on(self, day: int) -> bool:
        """Whether the day (index from the start) is sampled; the start itself is not."""
        return self.every_days > 0 and day > 0 and day % self.every_days == 0


class TwinProfile(BaseModel):
    """One profile; meanings stand in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    start_date: date
    last_date: date | None
    five_minutes_from: date | None
    bad_row_every_days: int = Field(ge=0)
    samples: Samples
    dials: ScenarioDials = NO_DIALS

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last_date and self.last_date < self.start_date:
            raise ValueError(f"profile {self.name}: last_date {self.last_date} is before start_date {self.start_date}; swap them")
        return self

    @property
    def end_date(self) -> date:
        """Last date that can be asked for."""
        return self.last_date or self.start_date + LONGEST

    def minutes(self, delivery: date) -> int:
        """Length of the real-time steps of a date."""
        return 5 if self.five_minutes_from and delivery >= self.five_minutes_from else 60

    def day(self, delivery: date) -> int:
        """Index of a date from the start.

        Raises:
            ValueError: the date is outside the profile's horizon; the message names both.
        """
        if not self.start_date <= delivery <= self.end_date:
            raise ValueError(
                f"twin profile {self.name}: {delivery} is not within {self.start_date} to {self.end_date}; "
                f"choose another date or profile, or move start_date ({PROFILES_FILE.name})"
            )
        return (delivery - self.start_date).days

    def date_of(self, day: int) -> date:
        """The date of an index."""
        return self.start_date + timedelta(days=day)


def profile_names(path: Path = PROFILES_FILE) -> tuple[str, ...]:
    """Names of all profiles."""
    return tuple(_content(path))


def load_profile(name: str, path: Path = PROFILES_FILE) -> TwinProfile:
    """The profile of a name.

    Raises:
        KeyError: no such profile; the message lists them.
        pydantic.ValidationError: a field is missing, unknown or out of range; the message names it.
    """
    content = _content(path)
    if name not in content:
        raise KeyError(f"twin profile {name!r} is not in {path.name}; choose one of {', '.join(content)} (DESK_TWIN_PROFILE)")
    return TwinProfile.model_validate({"name": name, **content[name]})


def _content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["profiles"]
    return found
