"""The `twin` source: the simulated market as contract rows, generated once and kept; bulky parts month by month, the others year by year.

Objects are named `part/first..last@digest`: the days that they hold and the SHA-256 of their rows. An object that was loaded and is still
whole in the warehouse need not be read again (`unread`). Within the day, `news` brings what was published between two instants, whatever
day it is about: objects named `news:part/since..until@digest`.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl
import structlog

from config.markets import MarketSelection
from config.settings import get_settings
from pipeline_tasks.sources.protocol import RawBatch, SourceError, contract_columns
from pipeline_tasks.twin.cache import DayStore, frame_sha
from pipeline_tasks.twin.content import PART_NAMES, PARTS, Part
from pipeline_tasks.twin.generate import generate, store_of
from pipeline_tasks.twin.profiles import MARKET, TwinProfile, load_profile

OBJECTS = PART_NAMES
NEWS = "news:"  # names of objects that `news` brings begin so
DISCLOSED_DAYS = {"offers": 60}  # parts that are published so many days after delivery; the others from a day before it to a day after
PACE = 30  # days between two lines of the log, where nobody listens
CUT = "cut-"  # digests of days that are not whole
INSTANT = "%Y%m%dT%H%M%SZ"
ANOTHER = "take a fresh state folder (DESK_HOME), or `make clean` and load again"
Progress = Callable[[int, int], None]
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Loaded:
    """Days of a part that the warehouse holds, as the name of the object says."""

    part: str
    first: date
    last: date
    digest: str

    @classmethod
    def of(cls, source_object: str) -> Loaded:
        """What an object's name says.

        Raises:
            SourceError: the name is none of this source.
        """
        part, _, rest = source_object.partition("/")
        span, _, digest = rest.partition("@")
        first, _, last = span.partition("..")
        try:
            return cls(part, date.fromisoformat(first), date.fromisoformat(last), digest)
        except ValueError:
            raise SourceError(f"the warehouse holds {source_object!r} of another twin; {ANOTHER}") from None

    @property
    def days(self) -> list[date]:
        """Its days."""
        return _days(self.first, self.last)


class TwinSource:
    """Deterministic in its profile: same seed, same rows; a longer horizon changes no earlier row.

    Every selection of hubs gets the whole market: nodes, plants and hubs are one consistent set.

    Args:
        profile: profile of config/twin/profiles.yaml; that of the settings when None.
        processes: number of processes that generate; as many as there are cores when None.
        on_progress: told the number of days there and wanted, after each day.
    """

    def __init__(self, profile: TwinProfile | None = None, *, processes: int | None = None, on_progress: Progress | None = None) -> None:
        """Remember what to simulate; nothing is simulated yet."""
        self._profile = profile or load_profile(get_settings().twin_profile_name)
        self._processes = processes
        self._on_progress = on_progress

    @property
    def name(self) -> str:
        """`twin`."""
        return "twin"

    @property
    def held_as(self) -> str:
        """Its name."""
        return self.name

    def objects(self, selection: MarketSelection) -> tuple[str, ...]:
        """The parts of the simulation."""
        self._check(selection, None)
        return OBJECTS

    def batches(self, selection: MarketSelection, *, until: datetime, objects: frozenset[str] | None = None) -> Iterator[RawBatch]:
        """Rows of the simulated market whose delivery day starts before `until`, and reports published before it.

        Raises:
            SourceError: the market is not the twin's, an object is unknown, or `until` is outside the profile's horizon.
        """
        yield from self.unread(selection, until=until, objects=objects, held=())

    def unread(
        self, selection: MarketSelection, *, until: datetime, objects: frozenset[str] | None = None, held: Collection[str]
    ) -> Iterator[RawBatch]:
        """`batches` without the days that objects in `held` brought; each of those was loaded and is whole in the warehouse.

        Raises:
            SourceError: as `batches`; or the warehouse holds other rows of a day than the profile gives.
        """
        self._check(selection, objects)
        last = (until - timedelta(milliseconds=1)).astimezone(selection.market.zone).date()
        try:
            self._profile.day(last)
        except ValueError as error:
            raise SourceError(str(error)) from error
        store = store_of(self._profile)
        parts = [p for p in PARTS if objects is None or p.name in objects]
        loaded = [Loaded.of(name) for name in held if not name.startswith(NEWS)]
        month: list[date] = []
        year: list[date] = []
        for day in self._made(last, store):
            month.append(day)
            year.append(day)
            after = day + timedelta(days=1)
            if day == last or after.day == 1:
                yield from self._span(store, [p for p in parts if p.bulky], month, until, loaded)
                month = []
            if day == last or after.year > day.year:
                yield from self._span(store, [p for p in parts if not p.bulky], year, until, loaded)
                year = []

    def news(
        self, selection: MarketSelection, *, since: datetime, until: datetime, objects: frozenset[str] | None = None
    ) -> Iterator[RawBatch]:
        """What the simulated market published after `since` and not after `until`, a batch per part; nothing of the truth.

        Raises:
            SourceError: as `batches`.
        """
        self._check(selection, objects)
        zone = selection.market.zone
        first, last = since.astimezone(zone).date() - timedelta(days=1), until.astimezone(zone).date() + timedelta(days=1)
        try:
            self._profile.day(last)
        except ValueError as error:
            raise SourceError(str(error)) from error
        store = store_of(self._profile)
        if not all(map(store.has, _days(max(first, self._profile.start_date), last))):
            deque(self._made(last, store), maxlen=0)
        for part in PARTS:
            if part.is_truth or (objects is not None and part.name not in objects):
                continue
            back = timedelta(days=DISCLOSED_DAYS.get(part.name, 0))
            frame = store.read(part.name, _days(max(first - back, self._profile.start_date), last - back))
            if frame is None:
                continue
            rows = frame.filter((pl.col("known_ts") > since) & (pl.col("known_ts") <= until)).select(contract_columns(part.table))
            if rows.height:
                name = f"{NEWS}{part.name}/{since:{INSTANT}}..{until:{INSTANT}}@{frame_sha(rows)[:16]}"
                yield RawBatch(part.table, rows, name, MARKET)

    def _made(self, last: date, store: DayStore) -> Iterator[date]:
        total = self._profile.day(last) + 1
        for count, day in enumerate(generate(self._profile, last, store, processes=self._processes), start=1):
            if self._on_progress:
                self._on_progress(count, total)
            elif count % PACE == 0:
                log.info("generated", source=self.name, profile=self._profile.name, days=count, of=total)
            yield day

    def _span(
        self, store: DayStore, parts: Sequence[Part], days: Sequence[date], until: datetime, loaded: Sequence[Loaded]
    ) -> Iterator[RawBatch]:
        for part in parts:
            there = _covered(store, part.name, [o for o in loaded if o.part == part.name and o.first <= days[-1] and days[0] <= o.last])
            for span in _spans(days, there):
                yield from self._batch(store, part, span, until)

    def _batch(self, store: DayStore, part: Part, days: Sequence[date], until: datetime) -> Iterator[RawBatch]:
        frame = store.read(part.name, days)
        if frame is None:
            return
        key, digest = ("known_ts" if part.name in {"outages", "voyages"} else "delivery_ts"), _digest(store, part.name, days)
        rows = frame.filter(pl.col(key) < until).select(contract_columns(part.table))
        if rows.height < frame.height:
            digest = CUT + frame_sha(rows)[:16]
        if rows.height:
            yield RawBatch(part.table, rows, f"{part.name}/{days[0]}..{days[-1]}@{digest}", MARKET)

    def _check(self, selection: MarketSelection, objects: frozenset[str] | None) -> None:
        if selection.market.key != MARKET:
            raise SourceError(f"source twin: market {selection.key} is not simulated; use --market twin or --source files")
        unknown = sorted((objects or frozenset()) - set(OBJECTS))
        if unknown:
            raise SourceError(f"objects {unknown} are not parts of the twin; known: {', '.join(OBJECTS)}")


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=k) for k in range((last - first).days + 1)]


def _digest(store: DayStore, part: str, days: Sequence[date]) -> str:
    shas = [d.sha for day in days if (d := store.digests(day).get(part))]
    return hashlib.sha256("\n".join(shas).encode()).hexdigest()[:16]


def _spans(days: Sequence[date], there: Collection[date]) -> list[list[date]]:
    """Runs of days that are not there."""
    runs: list[list[date]] = [[]]
    for day in days:
        if day in there:
            runs.append([])
        else:
            runs[-1].append(day)
    return [run for run in runs if run]


def _covered(store: DayStore, part: str, loaded: Sequence[Loaded]) -> set[date]:
    """Days of a part that the warehouse holds with the rows that the store has.

    Raises:
        SourceError: it holds days with other rows.
    """
    days: set[date] = set()
    for item in loaded:
        if item.digest.startswith(CUT):
            continue
        if not all(store.has(d) for d in item.days) or _digest(store, part, item.days) != item.digest:
            raise SourceError(
                f"the warehouse holds {part} of {item.first} to {item.last} with other rows than this twin gives "
                f"(another profile, seed or version); {ANOTHER}"
            )
        days |= set(item.days)
    return days
