"""LNG vessels: voyages, closures of passages, delays by cause, and what was reported when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from models._kernel.grid.network import Floats
from pipeline_tasks.twin.noise import Calendar, Noise
from pipeline_tasks.twin.world_config import LngConfig, WorldConfig

EPOCH_ORDINAL = 719163  # 1970-01-01
NOTICE_DAYS = 1.5  # before the expected arrival, when weather at the coast is seen


@dataclass(frozen=True)
class Closure:
    """A passage that is closed; times in epoch days."""

    passage: str
    start: float
    end: float


@dataclass(frozen=True)
class Voyage:
    """One voyage with cargo; times in epoch days, delays in days.

    Attributes:
        number: vessel and count of the vessel's voyages, the identity.
        closure, weather, noise: delay by cause; they and the slack make the difference of arrival and schedule.
        blocked: the closure that the vessel met, if any.
        guess: first estimate of its delay over the true one.
    """

    vessel: int
    number: int
    origin: str
    terminal: str
    cargo_gwh: float
    departed: float
    scheduled: float
    arrived: float
    closure: float
    weather: float
    noise: float
    blocked: Closure | None
    guess: float

    @property
    def name(self) -> str:
        """Identity of the voyage."""
        return f"V{self.vessel:03d}-{self.number:03d}"


def epoch_days(calendar: Calendar) -> Floats:
    """UTC instants of the calendar's local midnights, days since 1970."""
    stamps: Floats = calendar.local_midnights().dt.epoch("s").to_numpy() / 86400.0
    return stamps


def draw_closures(config: LngConfig, noise: Noise, calendar: Calendar) -> list[Closure]:
    """Closures that begin on a day of the calendar: exogenous to market, regime and weather."""
    found = []
    for unit, (name, passage) in enumerate(config.passages.items()):
        for day in range(calendar.days):
            ordinal = calendar.start.toordinal() + day
            u = noise.generator("closures", unit, ordinal).random(3)
            if u[0] < passage.closures_per_year / 365.25:
                start = ordinal - EPOCH_ORDINAL + float(u[1])
                found.append(Closure(name, start, start + 1 + (passage.mean_days - 1) * float(-np.log1p(-u[2]))))
    return sorted(found, key=lambda c: (c.start, c.passage))


def sail(config: WorldConfig, calendar: Calendar, closures: list[Closure], hold_days: Floats) -> list[Voyage]:
    """All voyages that depart within the calendar, vessel by vessel.

    Args:
        config: numbers.
        calendar: days; vessels begin their first voyages within its first round trip.
        closures: closed passages.
        hold_days: (n_days,) how long weather at the coast holds a vessel that would arrive on the day.
    """
    numbers = config.lng
    noise = Noise(config.seed, calendar)
    first = float(calendar.start.toordinal() - EPOCH_ORDINAL)
    voyages: list[Voyage] = []
    longest = 2 * max(o.days for o in numbers.origins.values())
    for vessel in range(numbers.vessels):
        ready = first + longest * float(noise.generator("voyages", vessel, 0).random())
        number = 1
        while ready < first + calendar.days:
            voyage = _voyage(numbers, noise.generator("voyages", vessel, number), (vessel, number), ready, (first, closures, hold_days))
            voyages.append(voyage)
            ready = voyage.arrived + 2 * numbers.port_days + numbers.origins[voyage.origin].days
            number += 1
    return voyages


def _voyage(
    numbers: LngConfig, rng: np.random.Generator, identity: tuple[int, int], ready: float, around: tuple[float, list[Closure], Floats]
) -> Voyage:
    first, closures, hold_days = around
    u, g = rng.random(4), rng.standard_normal(2)
    origin = _pick({n: o.share for n, o in numbers.origins.items()}, float(u[0]))
    terminal = _pick({n: t.share for n, t in numbers.terminals.items()}, float(u[1]))
    low, high = numbers.cargo_gwh
    days, passage = numbers.origins[origin].days, numbers.origins[origin].passage
    blocked, closed = None, 0.0
    if passage is not None:
        planned = ready + days * numbers.passages[passage].at
        met = [c for c in closures if c.passage == passage and c.start <= planned < c.end]
        if met:
            blocked = max(met, key=lambda c: c.end)
            closed = blocked.end - planned + float(u[3])  # vessels queue up to a day after the opening
    expected = ready + days + closed
    day = int(expected - first)
    weather = float(hold_days[day]) if 0 <= day < len(hold_days) else 0.0
    extra = numbers.delay_noise_days * float(g[0])
    return Voyage(
        *identity,
        origin=origin,
        terminal=terminal,
        cargo_gwh=round(low + (high - low) * float(u[2]), 1),
        departed=ready,
        scheduled=ready + days + numbers.schedule_slack_days,
        arrived=expected + weather + extra,
        closure=closed,
        weather=weather,
        noise=extra,
        blocked=blocked,
        guess=float(np.exp(0.35 * g[1])),
    )


def _pick(shares: dict[str, float], draw: float) -> str:
    names = list(shares)
    return names[min(int(np.searchsorted(np.cumsum(list(shares.values())), draw, side="right")), len(names) - 1)]


def reports(voyages: list[Voyage], slack: float) -> pl.DataFrame:
    """One row per report of a voyage, each with its own `known_ts`: departure, revisions of the ETA, arrival."""
    rows = []
    for v in voyages:
        said = [(v.departed, "departed", v.scheduled)]
        coming = v.scheduled
        if v.blocked is not None:
            news = max(v.blocked.start + 0.25, v.departed + 0.05)
            guess = v.scheduled + v.closure * v.guess
            coming = v.scheduled + v.closure
            said += [(news, "revised", guess), (max(v.blocked.end, news + 0.05), "revised", coming)]
        seen = v.scheduled - slack + v.closure - NOTICE_DAYS
        if abs(v.arrived - coming) > 1 / 12:
            said.append((max(seen, said[-1][0] + 0.05), "revised", coming - slack + v.weather + 0.7 * v.noise))
        kept = [s for s in said if s[0] < v.arrived] + [(v.arrived, "arrived", v.arrived)]
        rows += [
            (v.name, f"LNGC_{v.vessel + 1:02d}", v.origin, v.terminal, v.cargo_gwh, k, status, known, v.departed, v.scheduled, eta)
            for k, (known, status, eta) in enumerate(kept)
        ]
    columns = [
        "voyage_id",
        "vessel",
        "origin",
        "terminal",
        "cargo_gwh",
        "revision",
        "status",
        "known_ts",
        "departed_ts",
        "scheduled_ts",
        "eta_ts",
    ]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return frame.with_columns(_stamp(c) for c in ("known_ts", "departed_ts", "scheduled_ts", "eta_ts")).sort(
        "known_ts", "voyage_id", "revision"
    )


def causes(voyages: list[Voyage]) -> pl.DataFrame:
    """One row per voyage: when it arrived, and its delay by cause (truth)."""
    rows = [(v.name, v.terminal, v.cargo_gwh, v.scheduled, v.arrived, v.closure, v.weather, v.noise) for v in voyages]
    columns = ["voyage_id", "terminal", "cargo_gwh", "scheduled_ts", "arrived_ts", "closure_days", "weather_days", "noise_days"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return frame.with_columns(_stamp(c) for c in ("scheduled_ts", "arrived_ts")).sort("arrived_ts", "voyage_id")


def closure_frame(closures: list[Closure]) -> pl.DataFrame:
    """passage, known_ts (six hours after the start), start_ts, end_ts."""
    rows = [(c.passage, c.start + 0.25, c.start, c.end) for c in closures]
    frame = pl.DataFrame(
        rows, schema={"passage": pl.String, "known_ts": pl.Float64, "start_ts": pl.Float64, "end_ts": pl.Float64}, orient="row"
    )
    return frame.with_columns(_stamp(c) for c in ("known_ts", "start_ts", "end_ts"))


def _stamp(column: str) -> pl.Expr:
    """Epoch days to instants, whole minutes."""
    minutes = (pl.col(column) * 1440).round().cast(pl.Int64)
    return (minutes * 60_000).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").alias(column)
