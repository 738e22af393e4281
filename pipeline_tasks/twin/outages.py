"""Forced and planned outages of units and lines, with announcements and revised ends.

Forced: a renewal process whose clock runs at the element's rate, faster in stressed regimes, storms, heat and cold (random time change, so
a dial that changes the rate moves the instants of failures and no random draw). Repair times are Weibull. Planned: one or two per year in
the season, announced weeks ahead. Every element draws from its own streams, keyed by its name: another element changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import blake2b
from itertools import chain

import numpy as np
import polars as pl
from scipy.special import gamma

from models._kernel.grid.network import Floats
from pipeline_tasks.twin.dials import ElementKind, ScenarioDials
from pipeline_tasks.twin.noise import Calendar, Noise
from pipeline_tasks.twin.outage_types import OutageElement, Outages
from pipeline_tasks.twin.world_config import OutageConfig, WorldConfig

FIVE_MIN_H = 1 / 12
UNIX_ORDINAL = 719163


@dataclass(frozen=True)
class Hazard:
    """Speed of the clock of forced outages, (n_hubs + 1, n_hours) by kind, the last row the hubs' mean; first epoch hour."""

    speed: dict[ElementKind, Floats]
    first_h: float


@dataclass(frozen=True)
class _Outage:
    """One outage; instants in epoch hours. `said` holds (known, expected end)."""

    element: OutageElement
    kind: str
    start: float
    end: float
    lost: float
    said: tuple[tuple[float, float], ...]


def hazard(config: WorldConfig, calendar: Calendar, regime_rate: Floats, degc: Floats, wind_m_s: Floats) -> Hazard:
    """Rates over their normal value.

    Args:
        config: numbers.
        calendar: hours.
        regime_rate: (n_hours,) factor of the regime.
        degc: temperature, (n_hubs, n_hours).
        wind_m_s: wind, same shape.
    """
    numbers = config.outages
    cold = numbers.cold_factor * np.maximum(-6 - degc, 0)
    lines = 1 + numbers.storm_factor * np.maximum(wind_m_s - 14, 0) + cold
    units = 1 + numbers.heat_factor * np.maximum(degc - 28, 0) + cold
    first = calendar.frame.get_column("delivery_ts").dt.epoch("s").to_numpy()[0] / 3600.0
    both: dict[ElementKind, Floats] = {
        "unit": np.vstack([units, units.mean(axis=0)]) * regime_rate,
        "line": np.vstack([lines, lines.mean(axis=0)]) * regime_rate,
    }
    return Hazard(both, float(first))


def simulate_outages(
    config: WorldConfig, calendar: Calendar, elements: Sequence[OutageElement], rates: Hazard, dials: ScenarioDials
) -> Outages:
    """Every outage announced within the calendar, and what was said about it.

    Raises:
        ValueError: two elements of one kind have the same name, or an outage dial names an unknown one.
    """
    names = {(e.kind, e.name): e for e in elements}
    if len(names) < len(elements):
        raise ValueError("two outage elements have the same kind and name; names must be unique within a kind")
    noise = Noise(config.seed, calendar)
    found: list[_Outage] = []
    clocks = {(k, row): np.concatenate([[0.0], np.cumsum(s)]) / 8766 for k, speed in rates.speed.items() for row, s in enumerate(speed)}
    for element in elements:
        row = -1 if element.hub is None else element.hub
        clock = clocks[element.kind, row % len(rates.speed[element.kind])]
        both = chain(_forced(config.outages, noise, element, clock, rates.first_h), _planned(config.outages, noise, element, calendar))
        found += both if element.window is None else _within(both, _span(calendar, *element.window))
    found += _dialled(calendar, names, dials)
    return _frames(found)


def _draws(noise: Noise, element: OutageElement, part: str, count: int) -> np.random.Generator:
    """Generator of an element's forced outages, or of its planned ones in a year, by a 40-bit hash of the element's name."""
    code = int.from_bytes(blake2b(f"{element.kind}:{element.name}:{part}:{count}".encode(), digest_size=5).digest(), "big")
    return noise.generator("outages", code >> 24, code & 0xFFFFFF)


def _forced(numbers: OutageConfig, noise: Noise, element: OutageElement, clock: Floats, first_h: float) -> Iterator[_Outage]:
    """Failures where the element's clock reaches exponential marks; a clock does not run during a repair."""
    if element.forced_per_year <= 0:
        return
    rng = _draws(noise, element, "forced", 0)
    scale = element.mean_repair_h / gamma(1 + 1 / numbers.seed_shape)
    at = 0.0
    while True:
        u, g = rng.random(4), rng.standard_normal(2)
        mark = np.interp(at, np.arange(len(clock)), clock) - np.log1p(-u[0]) / element.forced_per_year
        if mark >= clock[-1]:
            return
        at = float(np.interp(mark, clock, np.arange(len(clock))))
        length = max(scale * float(-np.log1p(-u[1])) ** (1 / numbers.seed_shape), 0.5)
        low, high = numbers.partial_range
        partial = element.kind == "unit" and u[2] < numbers.partial_share
        lost = low + (high - low) * float(u[2]) / numbers.partial_share if partial else 1.0
        delay = (numbers.report_delay_min[0] + (numbers.report_delay_min[1] - numbers.report_delay_min[0]) * float(u[3])) / 60
        start, end = _grid(first_h + at), _grid(first_h + at + length)
        yield _Outage(element, "forced", start, end, round(lost, 3), tuple(_guesses(start, end, delay, numbers.guess_sd * g)))
        at += length


def _guesses(start: float, end: float, delay: float, errors: Floats) -> Iterator[tuple[float, float]]:
    """Reports of a forced outage: a first guess, a better one halfway through the first expected length, the truth at the end."""
    length = end - start
    known = start + delay
    guess = length * float(np.exp(errors[0]))
    yield known, _grid(start + max(guess, delay + 1.0))
    half = start + max(0.5 * guess, delay + 0.5)
    if half < end and length > 3:
        better = length * float(np.exp(0.4 * errors[1]))
        yield half, _grid(max(start + better, half + 1.0))
    if end > known:
        yield end, end


def _planned(numbers: OutageConfig, noise: Noise, element: OutageElement, calendar: Calendar) -> Iterator[_Outage]:
    """One or two outages per calendar year, at a season's day, of the planned length with an overrun that becomes known near the end."""
    if element.planned_days_per_year <= 0:
        return
    first = (calendar.start.toordinal() - UNIX_ORDINAL) * 24.0
    season = np.cumsum(numbers.season) / np.sum(numbers.season)
    for year in range(calendar.start.year - 1, calendar.start.year + calendar.days // 365 + 3):
        rng = _draws(noise, element, "planned", year)
        u, g = rng.random((2, 5)), rng.standard_normal((2, 2))
        parts = 1 if element.planned_days_per_year < 8 or u[0, 0] < 0.55 else 2
        new_year = (np.datetime64(f"{year:04d}-01-01") - np.datetime64("1970-01-01")).astype(int)
        for k in range(parts):
            month = int(np.searchsorted(season, u[k, 1], side="right"))
            start = _grid((new_year + (month + u[k, 2]) * 365.25 / 12) * 24)
            days = element.planned_days_per_year / parts * (0.6 + 0.8 * u[k, 3])
            planned_end = _grid(start + 24 * days)
            end = max(_grid(start + 24 * days * max(1 + numbers.overrun_sd * g[k, 0], 0.4)), start + 1)
            low, high = numbers.notice_weeks
            announced = start - 168 * (low + (high - low) * u[k, 4] ** 2)
            said = [(announced, planned_end)]
            if abs(end - planned_end) > 6:
                news = max(start + 0.7 * (min(end, planned_end) - start), announced + 1)
                said.append((news, _grid(planned_end + 0.75 * (end - planned_end))))
            if end > first and announced < first + (calendar.days + 1) * 24:
                yield _Outage(element, "planned", start, end, 1.0, (*said, (end, end)))


def _dialled(calendar: Calendar, names: dict[tuple[ElementKind, str], OutageElement], dials: ScenarioDials) -> Iterator[_Outage]:
    for dial in dials.outages:
        key = (dial.element_kind, dial.element)
        if key not in names:
            raise ValueError(
                f"outage of {dial.element_kind} {dial.element!r}, which does not exist; names are those of the fleet and network"
            )
        start, end = _span(calendar, dial.first, dial.last)
        announced = start - 24 * dial.notice_days
        yield _Outage(names[key], "scenario", start, end, 1.0, ((announced, end), (end, end)))


def _span(calendar: Calendar, first: date, last: date) -> tuple[float, float]:
    """First instant of the first and end of the last market-local date, epoch hours."""
    days = pl.Series([first, last]).dt.offset_by(pl.Series(["0d", "1d"]))
    start, end = days.cast(pl.Datetime("ms")).dt.replace_time_zone(calendar.zone).dt.epoch("s").to_numpy() / 3600.0
    return float(start), float(end)


def _within(found: Iterable[_Outage], span: tuple[float, float]) -> Iterator[_Outage]:
    """Outages that begin in the span: announced in it at the earliest, over with it at the latest."""
    first, last = span
    for o in found:
        if first <= o.start < last:
            end = min(o.end, last)
            said = [(max(known, first), min(expected, last)) for known, expected in o.said if known < end]
            yield replace(o, end=end, said=(*said, (end, end)))


def _grid(hours: float) -> float:
    """The next multiple of five minutes."""
    return float(np.ceil(hours / FIVE_MIN_H - 1e-6) * FIVE_MIN_H)


def _frames(found: list[_Outage]) -> Outages:
    """Events and reports; the identity of an outage is its kind, element and start, so it does not hang on the horizon."""
    events, said = [], []
    for o in found:
        start, end = (round(h * 12) * 300_000 for h in (o.start, o.end))
        name = f"{o.kind}:{o.element.kind}:{o.element.name}:{start // 60_000}"
        common = (name, o.element.kind, o.element.name, o.kind)
        heard = list({round(k * 60) * 60_000: round(e * 12) * 300_000 for k, e in o.said}.items())  # of one minute the last word counts
        events.append((*common, heard[0][0], start, end, o.lost))
        said += [(*common, k, known, start, expected, o.lost) for k, (known, expected) in enumerate(heard)]
    kinds = {"outage_id": pl.String, "element_kind": pl.String, "element": pl.String, "kind": pl.String}
    whole = {**kinds, "announced_ts": pl.Int64, "start_ts": pl.Int64, "end_ts": pl.Int64, "derate_share": pl.Float64}
    parts = {
        **kinds,
        "revision": pl.Int64,
        "known_ts": pl.Int64,
        "start_ts": pl.Int64,
        "expected_end_ts": pl.Int64,
        "derate_share": pl.Float64,
    }
    return Outages(
        _instants(pl.DataFrame(events, schema=whole, orient="row")).sort("announced_ts", "outage_id"),
        _instants(pl.DataFrame(said, schema=parts, orient="row")).sort("known_ts", "outage_id", "revision"),
    )


def _instants(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("^.*_ts$").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"))
