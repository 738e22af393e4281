"""Importer files: what config/importers/*.yaml may say, checked on load."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from config.settings import REPO_ROOT
from pipeline_tasks.contracts import RAW_TABLES
from pipeline_tasks.contracts.grid import LNG_EVENTS, OFFERS
from pipeline_tasks.contracts.raw import COMMODITIES, INTERFACES, PRICES, QUANTITIES, UNITS
from pipeline_tasks.sources.protocol import SourceError, contract_columns
from pipeline_tasks.sources.units import conversion

IMPORTERS_DIR = REPO_ROOT / "config" / "importers"
TABLES = {t.name: t for t in RAW_TABLES}
HUB_FIELD = {**dict.fromkeys(TABLES, ""), PRICES.name: "hub", QUANTITIES.name: "area"}
MEASURED = {
    PRICES.name: "price_ccy_per_mwh",
    QUANTITIES.name: "value",
    COMMODITIES.name: "price_ccy_per_unit",
    INTERFACES.name: "flow_mw",
    UNITS.name: "output_mw",
    OFFERS.name: "price_ccy_per_mwh",
    LNG_EVENTS.name: "cargo_gwh",
}
DERIVED = frozenset({"market", "delivery_ts", "resolution_min", "known_ts"})


def _checked_zone(value: str) -> str:
    if value:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("is no IANA time zone; use a name like Europe/Brussels or Etc/GMT-1") from None
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Value(_Strict):
    """Where one contract column comes from: a column, or a weighted sum of columns.

    Attributes:
        column: source column.
        sum: source column -> weight; null in any makes the value null.
        factor, add: value * factor + add (a sign flip is factor -1).
        unit: [from, to], a named conversion instead of factor and add.
        map: source text -> contract symbol; a text that is not listed becomes null (and so quarantined).
    """

    column: str = ""
    sum: dict[str, float] = Field(default_factory=dict)
    factor: float = 1.0
    add: float = 0.0
    unit: tuple[str, str] | None = None
    map: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if bool(self.column) == bool(self.sum):
            raise ValueError("give exactly one of `column` and `sum`")
        if self.unit is not None:
            conversion(*self.unit)
        return self

    @property
    def scale(self) -> tuple[float, float]:
        """Factor and addend in force."""
        return conversion(*self.unit) if self.unit else (self.factor, self.add)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Source columns it reads."""
        return (self.column,) if self.column else tuple(self.sum)


class Hour(_Strict):
    """Hour numbers beside a date: `ending` 1-24 or `starting` 0-23."""

    column: str
    label: Literal["ending", "starting"] = "ending"


class TimeSpec(_Strict):
    """How a file says when.

    Attributes:
        column: date or date-time column; text is read with `formats`, tried in turn.
        interval: for text that names start and end of an interval, what stands between them; the start is read.
        offset: for text that carries an offset: `use` it or `ignore` it (a wrong label); `absent` for none.
        zone: zone of the file's clock; the market's when empty.
        hour: hour column when `column` is only a date.
        clock: column with the time of day beside a date, `09:15`; of an interval (`09:15 - 09:30`) the start is read.
        stamp: whether the stamp is the interval's start or end.
        dst: how the clock treats daylight saving. `fold_by_order`: wall clock, the first of two equal stamps of a series is the
            earlier hour, a wall time that never was is quarantined. `elapsed`: hour numbers count through the day (1-23, 1-25).
            `standard_time`: no daylight saving although the zone has it. `none`: the zone has none. `utc`: stamps are UTC.
        sample_hour: keep one row a day, the one stamped with this hour, as that day's value (daily prices repeated by hour).
    """

    column: str
    formats: tuple[str, ...] = ()
    interval: str = ""
    offset: Literal["absent", "use", "ignore"] = "absent"
    zone: str = ""
    hour: Hour | None = None
    clock: str = ""
    stamp: Literal["start", "end"] = "start"
    dst: Literal["fold_by_order", "elapsed", "standard_time", "none", "utc"]
    resolution_min: int = Field(ge=1, le=50_000)
    sample_hour: int | None = Field(default=None, ge=0, le=23)

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        return _checked_zone(value)

    @model_validator(mode="after")
    def _rules_fit(self) -> Self:
        if self.clock and self.hour is not None:
            raise ValueError("`clock` and `hour` both say the time of day beside the date; keep one")
        if self.dst == "elapsed" and self.hour is None:
            raise ValueError("`dst: elapsed` counts hours through the day and needs `hour`")
        if self.dst == "none" and self.zone and has_daylight_saving(self.zone):
            raise ValueError(
                f"`dst: none` with zone {self.zone}, which has daylight saving; use a fixed zone like Etc/GMT-1, or another rule"
            )
        return self


class DayRule(_Strict):
    """Known on the delivery date plus `days` (negative: before) at a local time: the market's, or of `zone` where set elsewhere."""

    rule: Literal["day"]
    days: int = Field(ge=-30, le=90)
    at: time
    zone: str = ""

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        return _checked_zone(value)


class LagRule(_Strict):
    """Known `minutes` after (negative: before) the interval's start or end."""

    rule: Literal["interval_start", "interval_end"]
    minutes: int = Field(ge=-100_000, le=100_000)


class ColumnRule(_Strict):
    """Known when the file says so; stamps without an offset are UTC."""

    rule: Literal["column"]
    column: str
    formats: tuple[str, ...] = ()


Publication = Annotated[DayRule | LagRule | ColumnRule, Field(discriminator="rule")]


class Cell(_Strict):
    """One value column of a wide file: the constants that tell its rows apart, and its own publication when it differs."""

    constants: dict[str, str]
    known: Publication | None = None
    factor: float = 1.0


class Wide(_Strict):
    """Several value columns that become rows: source column -> constants, or the value of `label`."""

    into: str
    label: str = ""
    columns: dict[str, Cell | str] = Field(min_length=1)
    unit: tuple[str, str] | None = None

    @model_validator(mode="after")
    def _labels(self) -> Self:
        if not self.label and any(isinstance(c, str) for c in self.columns.values()):
            raise ValueError("`label` names the contract column that the plain texts of `columns` fill; it is missing")
        if self.unit is not None:
            conversion(*self.unit)
        return self

    def cells(self) -> dict[str, Cell]:
        """Source column -> cell, short forms written out."""
        return {name: Cell(constants={self.label: c}) if isinstance(c, str) else c for name, c in self.columns.items()}


class Target(_Strict):
    """One raw table that the object feeds.

    Attributes:
        part: name within the object; defaults to the table's.
        columns: contract column -> source column or `Value`.
        constants: contract column -> text.
        wide: value columns that become rows.
        known: publication rule.
        absent_cells: what a null measured value means: `quarantine` the row, or `skip` it because nothing was published.
    """

    table: Literal["prices", "quantities", "commodities", "interfaces", "units", "offers", "lng_events"]
    part: str = ""
    columns: dict[str, Value | str] = Field(default_factory=dict)
    constants: dict[str, str] = Field(default_factory=dict)
    wide: Wide | None = None
    known: Publication
    absent_cells: Literal["quarantine", "skip"] = "quarantine"

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        table = TABLES[self.table]
        wanted = set(contract_columns(table)) - DERIVED
        cells = self.wide.cells().values() if self.wide else ()
        given = [*self.columns, *self.constants, *((self.wide.into,) if self.wide else ())]
        for names in [{*c.constants} for c in cells] or [set[str]()]:
            unknown = sorted({*given, *names} - wanted)
            if unknown:
                raise ValueError(f"{unknown} are no columns of raw.{self.table}; it has {sorted(wanted)}")
            required = {c.name for c in table.columns if c.name in wanted and not c.nullable}
            missing = sorted(required - {*given, *names})
            if missing:
                raise ValueError(f"raw.{self.table} also needs {missing}; add them to `columns`, `constants` or `wide`")
        return self

    def values(self) -> dict[str, Value]:
        """Contract column -> value, short forms written out."""
        return {k: Value(column=v) if isinstance(v, str) else v for k, v in self.columns.items()}


class Csv(_Strict):
    """How a CSV file is written."""

    separator: str = ","
    decimal_comma: bool = False
    skip_rows: int = Field(default=0, ge=0)
    null_values: tuple[str, ...] = ("", "NA", "NaN", "nan", "null", "-", "n/a")


class Pivot(_Strict):
    """Turns a column of names (`on`) and a column of values into one column per name."""

    index: tuple[str, ...]
    on: str
    values: str
    into: dict[str, str]


class FileObject(_Strict):
    """One kind of file.

    Attributes:
        id: name within the data set; objects of the `files` source are called `dataset/id`.
        files: path or glob below the data folder, Parquet or CSV by its ending.
        market: key of config/markets.yaml, or several: series that more than one market looks at are loaded once for each.
        scope: `hub` reads only the rows of the run's hubs; `market` is read only by runs over the whole market.
        optional: the market works without its files: their absence is said, never an error, and they alone do not make a market.
        filter: source column -> admissible texts; other rows are not of this import.
        sentinels: source column -> numbers that mean "no value" (null then; quarantined where the contract wants a value).
        duplicates: what happens to rows that give one key two values: `quarantine` all, or keep the first or last in file order
            and quarantine the others.
    """

    id: str
    files: str
    market: str | tuple[str, ...]
    scope: Literal["hub", "market"] = "hub"
    optional: bool = False
    csv: Csv = Csv()
    time: TimeSpec
    filter: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    sentinels: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    pivot: Pivot | None = None
    duplicates: Literal["quarantine", "keep_first", "keep_last"] = "quarantine"
    targets: tuple[Target, ...] = Field(min_length=1)

    @property
    def markets(self) -> tuple[str, ...]:
        """Keys of the markets that read it."""
        return (self.market,) if isinstance(self.market, str) else self.market


class Importer(_Strict):
    """One file of config/importers."""

    dataset: str
    about: str = ""
    objects: tuple[FileObject, ...] = Field(min_length=1)


def has_daylight_saving(zone: str) -> bool:
    """Whether the zone's offset changes anywhere from 1995 to 2040."""
    info = ZoneInfo(zone)
    start = datetime(1995, 1, 1)  # noqa: DTZ001 -- a wall clock, given its zone below
    return len({(start + timedelta(days=30 * k)).replace(tzinfo=info).utcoffset() for k in range(550)}) > 1


def load_importers(folder: Path = IMPORTERS_DIR) -> tuple[Importer, ...]:
    """All importers of a folder, by file name.

    Raises:
        SourceError: an entry breaks the schema; the message names file, field, value and remedy.
    """
    found = tuple(_load(path) for path in sorted(folder.glob("*.yaml")))
    names = [f"{i.dataset}/{o.id}" for i in found for o in i.objects]
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise SourceError(f"{folder}: objects declared twice: {repeated}; give each an `id` of its own within its dataset")
    return found


def _load(path: Path) -> Importer:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SourceError(f"{path.name}: not valid YAML: {error}; mend the syntax") from error
    if not isinstance(raw, dict):
        raise SourceError(f"{path.name}: expected a mapping with `dataset` and `objects`, found {type(raw).__name__}; see docs/sources.md")
    raw = {k: v for k, v in raw.items() if not str(k).startswith("x-")}  # x-...: YAML anchors to be shared
    try:
        return Importer.model_validate(raw)
    except ValidationError as error:
        lines = [f"  {'.'.join(str(p) for p in e['loc'])} = {_short(e['input'])}: {e['msg']}" for e in error.errors()]
        raise SourceError(f"{path.name}: {len(lines)} field(s) to mend (see docs/sources.md):\n" + "\n".join(lines)) from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
