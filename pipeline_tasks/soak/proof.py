"""What a soak must leave behind: every row of the source once, every decision once, none rewritten, the same bytes when made again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from config.markets import MarketSelection, resolve_market
from models._kernel.registry import specs
from models._kernel.spec import Cadence, ModelSpec
from pipeline_tasks.contracts import Table, quarantine_of
from pipeline_tasks.contracts.features import NODAL
from pipeline_tasks.contracts.raw import PROVENANCE
from pipeline_tasks.sources import get_source
from pipeline_tasks.sources.faulty import FaultySource
from pipeline_tasks.sources.protocol import LiveSource, RawBatch
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.warehouse import Warehouse, connect
from pipeline_tasks.warehouse.hashing import row_shas
from pipeline_tasks.warehouse.ledger import read_until
from pipeline_tasks.warehouse.validation import as_json, check_rows, delivered_columns

DECISION = ("hub", "product", "delivery_ts", "as_of")
OF_THE_RUN = frozenset({"run_id", "data_version"})  # what a later publication of a decision says anew


Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Seen:
    """Decisions that readers see after a cycle, against those before it."""

    new: int
    degraded: int
    rewritten: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found; everything but the counts of what should be there must be 0.

    Attributes:
        source_rows: distinct good rows that arrived.
        lost_rows: of them not in raw.
        duplicated_rows: copies in raw beyond the first.
        refused_rows: distinct rows that arrived and break the contract.
        lost_refused: of them not in quarantine.
        decisions: decisions that the calendar asks for.
        lost_decisions: of them not published.
        duplicated_decisions: rows beyond the first of a decision.
        unasked_decisions: published ones that the calendar does not ask for.
        unexplained: DEGRADED decisions without a reason.
        replayed: partitions that were made again as a whole.
        differing: of them with other bytes than what the cycles published piece by piece, blind decisions aside.
        blind_differing: decision times that differ because their cycle could not reach the source: rows that were out by then came
            later, and a replay has them.
        example: the first of those, with the columns that differ; code_sha alone where the code changed under way.
    """

    source_rows: int
    lost_rows: int
    duplicated_rows: int
    refused_rows: int
    lost_refused: int
    decisions: int
    lost_decisions: int
    duplicated_decisions: int
    unasked_decisions: int
    unexplained: int
    replayed: int
    differing: int
    blind_differing: int = 0
    example: str = ""

    @property
    def holds(self) -> bool:
        """Nothing is lost, doubled, unexplained or different, and there was something to lose."""
        faults = (self.lost_rows, self.duplicated_rows, self.lost_refused, self.lost_decisions, self.duplicated_decisions,
                  self.unasked_decisions, self.unexplained, self.differing)  # fmt: skip
        return not any(faults) and min(self.source_rows, self.decisions, self.replayed) > 0


class Ledger:
    """Follows what readers see from cycle to cycle."""

    def __init__(self, source: str, market: str) -> None:
        """Look at nothing yet."""
        self.source, self.selection = source, resolve_market(market)
        self.models = tuple(s for s in specs() if Cadence.INTRADAY in s.cadences)
        self.tables = frozenset(s.curated.full_name for s in self.models)
        self._before: dict[str, pl.DataFrame] = {}

    def next_day(self) -> datetime:
        """Start of the first local day after the last priced one.

        Raises:
            ValueError: there is no price.
        """
        with connect() as wh:
            last = wh.scalar(
                "select max(delivery_ts) from raw.prices where market = {m:String} having count() > 0", {"m": self.selection.market.key}
            )
        if not isinstance(last, datetime):
            raise ValueError(f"market {self.selection.market.key} has no price; run the nightly DAG first")
        zone = self.selection.market.zone
        return self.selection.market.day_bounds(last.replace(tzinfo=UTC).astimezone(zone).date() + timedelta(days=1))[0]

    def look(self, instant: datetime) -> Seen:
        """Compare what readers see now with what they saw when it was looked at last."""
        new = degraded = rewritten = 0
        with connect() as wh:
            for spec in self.models:
                now = _published(wh, spec, self.selection, instant - timedelta(days=1))
                columns = [c for c in spec.curated.column_names if c not in OF_THE_RUN]
                now = now.select(*DECISION, "status", row_shas(now.select(columns)).alias("sha"))
                before = self._before.get(spec.name, now.clear())
                fresh = now.join(before, on=DECISION, how="anti")
                new += fresh.height
                degraded += int((fresh["status"] == "DEGRADED").sum())
                kept = before.filter(pl.col("as_of") >= instant - timedelta(hours=20))
                rewritten += kept.height - kept.join(now, on=[*DECISION, "sha"], how="semi").height
                self._before[spec.name] = now
        return Seen(new, degraded, rewritten)


def prove(ledger: Ledger, *, source: str, market: MarketSelection, first: datetime, last: datetime, blind: Sequence[Span] = ()) -> Proof:
    """Count what arrived and was decided from the first cycle to the last, and look for it.

    Args:
        ledger: of the soak.
        source: live source.
        market: selection.
        first: first cycle.
        last: last cycle.
        blind: (after, up to) decision times of cycles that could not reach the source.
    """
    with connect() as wh:
        rows = _rows(wh, source, market, first, last)
        decided = [_decisions(wh, spec, market, first, last) for spec in ledger.models]
    replayed = _replayed(source, market, ledger, first, last, blind)
    wanted, lost, doubled, unasked, silent = (sum(column) for column in zip(*decided, strict=True))
    return Proof(*rows, wanted, lost, doubled, unasked, silent, *replayed)


def _rows(wh: Warehouse, source: str, market: MarketSelection, first: datetime, last: datetime) -> tuple[int, int, int, int, int]:
    """Distinct rows that arrived, lost, doubled; refused ones that arrived, lost."""
    until = read_until(wh, source=source, market=market.key, as_of=last)
    if until is None:
        return 0, 0, 0, 0, 0
    wanted: dict[Table, set[str]] = defaultdict(set)
    refused: dict[Table, set[str]] = defaultdict(set)
    spans: dict[Table, list[datetime]] = defaultdict(list)
    for batch in _arrived(source, market, market.market.day_bounds(first.astimezone(market.market.zone).date())[0], until):
        columns = delivered_columns(batch.table, [c.name for c in PROVENANCE])
        checked = check_rows(batch.table, batch.frame, columns)
        good = checked.broken == ""
        wanted[batch.table].update(row_shas(checked.rows.filter(good)).to_list())
        spans[batch.table] += [batch.frame["delivery_ts"].min(), batch.frame["delivery_ts"].max()]  # type: ignore[list-item]
        if bad := (~good).arg_true().to_list():
            refused[batch.table].update(row_shas(as_json(batch.frame.select(columns)[bad]).to_frame()).to_list())
    lost = extra = lost_refused = 0
    for table, shas in wanted.items():
        held = _held(wh, table, market.market.key, min(spans[table]), max(spans[table])).filter(pl.col("row_sha").is_in(sorted(shas)))
        lost += len(shas) - held.height
        extra += int(held["n"].sum()) - held.height
    for table, shas in refused.items():
        kept = wh.query(f"select distinct row_sha from {quarantine_of(table).full_name} where source = {{s:String}}", {"s": source})
        lost_refused += len(shas - set(kept["row_sha"].to_list()))
    return sum(map(len, wanted.values())), lost, extra, sum(map(len, refused.values())), lost_refused


def _arrived(source: str, market: MarketSelection, since: datetime, until: datetime) -> Iterator[RawBatch]:
    """What the source brought, read once more, as one window."""
    found = get_source(source)
    if isinstance(found, FaultySource):
        return found.delivered(market, since=since, until=until)
    if isinstance(found, LiveSource):
        return found.news(market, since=since, until=until)
    raise ValueError(f"source {source!r} tells no news; use twin or twin_faults")


def _held(wh: Warehouse, table: Table, market: str, first: datetime, last: datetime) -> pl.DataFrame:
    return wh.query(
        f"select row_sha, count() as n from {table.full_name} where market = {{m:String}}"
        " and delivery_ts between {first:DateTime64(3, 'UTC')} and {last:DateTime64(3, 'UTC')} group by row_sha",
        {"m": market, "first": first, "last": last},
    )


def _published(wh: Warehouse, spec: ModelSpec, market: MarketSelection, since: datetime) -> pl.DataFrame:
    return wh.query(
        f"select {', '.join(spec.curated.column_names)} from curated.v_{spec.name} where market = {{m:String}}"
        " and hub in {hubs:Array(String)} and as_of >= {since:DateTime64(3, 'UTC')}",
        {"m": market.market.key, "hubs": list(market.hubs), "since": since},
    ).select(pl.col(c.name).cast(c.type.polars) for c in spec.curated.columns)


def _decisions(wh: Warehouse, spec: ModelSpec, market: MarketSelection, first: datetime, last: datetime) -> tuple[int, int, int, int, int]:
    """Decisions asked for, lost, doubled, unasked; DEGRADED ones without a reason: of the local days from the first cycle on."""
    wanted = asked_decisions(wh, spec, market, first, last)
    if wanted.is_empty():
        raise ValueError(f"{spec.inputs.full_name} has no row of {market.key} in the days before {first}; run the nightly DAG first")
    rows = _published(wh, spec, market, wanted["as_of"].min())  # type: ignore[arg-type]
    rows = rows.filter(pl.col("delivery_ts") >= wanted["delivery_ts"].min())
    keys = rows.select(DECISION).unique()
    missing, unasked = wanted.join(keys, on=DECISION, how="anti"), keys.join(wanted, on=DECISION, how="anti")
    silent = rows.filter((pl.col("status") == "DEGRADED") & (pl.col("status_reason") == ""))
    return wanted.height, missing.height, rows.height - keys.height, unasked.height, silent.height


def asked_decisions(wh: Warehouse, spec: ModelSpec, market: MarketSelection, first: datetime, last: datetime) -> pl.DataFrame:
    """Decisions that the calendar asks of a model by `last`, for deliveries from the start of the first cycle's local day on.

    Returns:
        `DECISION`: every series that the model's features had in the two days before, its newest intervals, every horizon of the market.
    """
    day, nodal = first.astimezone(market.market.zone).date(), market.market.nodal if spec.inputs.name == NODAL.name else None
    setting, step = nodal or market.market.intraday, nodal.step_min if nodal else 1
    series = wh.query(
        f"select hub, product, argMax(resolution_min, delivery_ts) as minutes from {spec.inputs.full_name} where market = {{m:String}}"
        " and hub in {hubs:Array(String)} and delivery_date between {day:Date32} - 2 and {day:Date32} - 1 group by hub, product",
        {"m": market.market.key, "hubs": list(market.hubs), "day": day},
    )
    begin, horizons = market.market.day_bounds(day)[0], setting.horizons_min if setting else ()
    starts = [
        pl.DataFrame({"delivery_ts": pl.datetime_range(begin, last + timedelta(minutes=h), timedelta(minutes=minutes), eager=True)})
        .with_columns((pl.col("delivery_ts") - timedelta(minutes=h)).alias("as_of"))
        .join(series.filter(pl.col("minutes") == minutes).select("hub", "product"), how="cross")
        for minutes in series["minutes"].unique().sort().to_list()
        for h in horizons
        if h <= spec.horizons_min[-1]
    ]  # fmt: skip
    stamp = pl.Datetime("ms", "UTC")
    nothing = pl.DataFrame(schema=pl.Schema({"hub": pl.String(), "product": pl.String(), "delivery_ts": stamp, "as_of": stamp}))
    local = pl.col("delivery_ts").dt.convert_time_zone(market.market.zone.key)
    starts = [s.filter((local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()) % step == 0) for s in starts]
    cut = [s.select(pl.col("hub", "product"), pl.col("delivery_ts", "as_of").cast(stamp)).filter(pl.col("as_of") <= last) for s in starts]
    return pl.concat([nothing, *cut])


def _replayed(
    source: str, market: MarketSelection, ledger: Ledger, first: datetime, last: datetime, blind: Sequence[Span]
) -> tuple[int, int, int, str]:
    """Partitions of the soak's days made again as a whole, those that differ, blind decision times that do, an example with its columns."""
    from pipeline_tasks.steps.replay import replay

    zone, made = market.market.zone, []
    day = first.astimezone(zone).date()
    while day <= last.astimezone(zone).date():
        made += replay(RunContext(source, market.key, day, dag="replay"), [s.name for s in ledger.models])["partitions"]
        day += timedelta(days=1)

    def excused(at: datetime) -> bool:
        return any(after < at <= until for after, until in blind)

    unlike = [row for row in made if not row["identical"]]
    times = {at for row in unlike for at in row["decided"] if excused(at)}
    different = [row for row in unlike if not row["decided"] or not all(map(excused, row["decided"]))]
    example = "{model} {hub} {delivery_date}: {differs}".format(**different[0]) if different else ""
    return len(made), len(different), len(times), example
