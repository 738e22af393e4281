"""Series beside power: their calendars, rolls and how long a last value counts; read from series.yaml and checked on load."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

SERIES_FILE = Path(__file__).parent / "series.yaml"
DEFAULT_CARRY_DAYS = 10


class Calendar(BaseModel):
    """Days on which a value is due.

    Attributes:
        rule: `every_day`, `weekly` on an ISO weekday, `monthly` on the first, or `weekdays` without holidays.
        weekday: ISO weekday of `weekly`.
        exchange: financial calendar of the `holidays` package whose holidays have no session.
        country: country (and subdivision) whose holidays have none.
        only: those of the country's holidays that count, by English name; all when empty.
        front_month_expires: sessions at the end of a month that come after the expiry: the front month is then the month after the next.
        front_december_expires: sessions at the end of December that come after the expiry: the front December is then next year's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Literal["every_day", "weekly", "monthly", "weekdays"]
    weekday: int = Field(default=5, ge=1, le=7)
    exchange: str = ""
    country: str = ""
    only: tuple[str, ...] = ()
    front_month_expires: int = Field(default=0, ge=0, le=15)
    front_december_expires: int = Field(default=0, ge=0, le=20)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.exchange and self.country:
            raise ValueError("give `exchange` or `country`, not both")
        if self.rule != "weekdays" and (self.exchange or self.country or self.only):
            raise ValueError(f"rule {self.rule} has no holidays; drop `exchange`, `country` and `only`, or use rule weekdays")
        return self

    def holidays(self, years: range) -> frozenset[date]:
        """Days of those years without a session that are no weekend days.

        Raises:
            ValueError: the `holidays` package knows no such calendar.
        """
        import holidays

        if not (self.exchange or self.country):
            return frozenset()
        try:
            if self.exchange:
                return frozenset(holidays.financial_holidays(self.exchange, years=years))
            country, _, part = self.country.partition("-")
            known = holidays.country_holidays(country, subdiv=part or None, years=years, language="en_US" if self.only else None)
        except NotImplementedError as error:
            raise ValueError(f"calendar {self.exchange or self.country!r} is unknown to the holidays package ({error})") from error
        if not self.only:
            return frozenset(known)
        named = {name: set(known.get_named(name)) for name in self.only}
        absent = sorted(name for name, days in named.items() if not days)
        if absent:
            raise ValueError(f"calendar of {self.country}: no holiday is called {absent}; known: {sorted(set(known.values()))}")
        return frozenset(day for days in named.values() for day in days)

    def sessions(self, first: date, last: date) -> list[date]:
        """Days from `first` to `last`, inclusive, on which a value is due."""
        days = [first + timedelta(days=k) for k in range((last - first).days + 1)]
        closed = self.holidays(range(first.year, last.year + 1))
        if self.rule == "weekly":
            return [d for d in days if d.isoweekday() == self.weekday]
        if self.rule == "monthly":
            return [d for d in days if d.day == 1]
        return days if self.rule == "every_day" else [d for d in days if d.isoweekday() <= 5 and d not in closed]


class SeriesGroup(BaseModel):
    """Series that are treated alike; the comment in series.yaml says what each field means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["price", "quantity"]
    series: str
    places: tuple[str, ...] = Field(min_length=1)
    calendar: str
    carry_days: int = Field(default=DEFAULT_CARRY_DAYS, ge=0, le=366)
    roll: Literal["", "front_month", "front_december"] = ""


class SeriesBook(BaseModel):
    """All of series.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calendars: dict[str, Calendar]
    series: tuple[SeriesGroup, ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        unknown = sorted({g.calendar for g in self.series} - set(self.calendars))
        if unknown:
            raise ValueError(f"series name calendars {unknown}, which are not declared; known: {sorted(self.calendars)}")
        keys = [(g.kind, g.series, place) for g in self.series for place in g.places]
        repeated = sorted({k for k in keys if keys.count(k) > 1})
        if repeated:
            raise ValueError(f"series declared twice: {repeated}; keep one of each")
        for group in self.series:
            calendar = self.calendars[group.calendar]
            if group.roll and not getattr(calendar, f"{group.roll}_expires"):
                raise ValueError(f"series {group.series} of {group.places} rolls by {group.roll}: give {group.calendar} its expiry")
        return self


@lru_cache(maxsize=1)
def load_series() -> SeriesBook:
    """The series and calendars of series.yaml.

    Raises:
        ValueError: an entry breaks its schema; the message names field and value.
    """
    return SeriesBook.model_validate(yaml.safe_load(SERIES_FILE.read_text(encoding="utf-8")))
