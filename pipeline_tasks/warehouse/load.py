"""Exactly-once load of delivered rows: good rows to `raw`, bad rows to `quarantine` with every rule they broke.

Why a kill -9 at any moment loses and duplicates nothing:
* a load first records its `ingested_ts` (`ops.load_intents`, put if absent); a retry reads it and so recognises the
  rows that its dead predecessor left in `raw` as its own;
* rows go in as blocks of one partition each, which ClickHouse keeps whole or not at all, cut the same way every time (in
  the order of delivery: another order is another load), each with a token over its content: an insert of the predecessor
  that is still under way, and the same insert of the retry, are one insert;
* rows already in `raw` (same row_sha) are never sent; the load's rows in each partition are counted before it is recorded,
  and where one is absent each block is read back row by row and sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from pipeline_tasks.contracts import ColumnType, Database, Table, quarantine_of
from pipeline_tasks.contracts.ops import LOAD_INTENTS, LOADS
from pipeline_tasks.contracts.raw import PROVENANCE
from pipeline_tasks.warehouse.client import Warehouse
from pipeline_tasks.warehouse.hashing import combined_sha, row_shas
from pipeline_tasks.warehouse.once import insert_once, token_of
from pipeline_tasks.warehouse.server import exclusive
from pipeline_tasks.warehouse.validation import DUPLICATE_KEY, as_json, check_rows, delivered_columns

BLOCK_ROWS = 400_000
MOST_NAMES = 20
KEY_ALREADY_LOADED = "key_already_loaded"
_PROVENANCE = tuple(c.name for c in PROVENANCE)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Counts of a load; rows_read = rows_loaded + rows_quarantined + rows_duplicate.

    Attributes:
        load_id: same table, source, object and content, same id.
        rows_read: rows delivered.
        rows_loaded: rows this load put into raw.
        rows_quarantined: rows refused, now in quarantine.
        rows_duplicate: rows that were in raw before, or twice in the frame.
    """

    load_id: str
    rows_read: int
    rows_loaded: int
    rows_quarantined: int
    rows_duplicate: int


@dataclass(frozen=True, slots=True)
class _Load:
    """A load under way: what identifies its rows."""

    table: Table
    source: str
    source_object: str
    load_id: str
    content_sha: str
    attempt: int
    ingested_ts: datetime
    begun: bool

    @property
    def params(self) -> dict[str, object]:
        return {"source": self.source, "object": self.source_object, "at": self.ingested_ts}


_OWN = "source = {source:String} and source_object = {object:String} and ingested_ts = {at:DateTime64(3, 'UTC')}"


def judge(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """What `load_raw` does before it needs the warehouse, half of its work: rows may be judged while others are loaded.

    Returns:
        All rows, cast, with row_number, row_json (bad rows), row_sha, broken_rules and `repeated` (identical row before).

    Raises:
        ValueError: as `load_raw`.
    """
    columns = delivered_columns(table, _PROVENANCE)
    checked = check_rows(table, frame, columns)
    rows = checked.rows.with_columns(row_shas(checked.rows), checked.broken.alias("broken_rules")).with_row_index("row_number")
    rows = rows.with_columns(pl.col("row_number").cast(pl.Int64), row_json=pl.lit(None, dtype=pl.String), repeated=pl.lit(value=False))
    return _with_json(_told_apart(table, rows), frame.select(columns))


def _told_apart(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with `repeated` where an identical row stands before, and `duplicate_key` where another one has the key."""
    if rows.select(pl.struct(table.key).hash().n_unique()).item() == rows.height:  # far cheaper than the comparison, and the rule
        return rows
    good = pl.col("broken_rules") == ""
    rows = rows.with_columns(repeated=good & ~pl.struct("row_sha", "broken_rules").is_first_distinct())
    alone = rows.filter(good & ~pl.col("repeated"))
    clash = alone.filter(alone.select(table.key).is_duplicated()).get_column("row_number")
    marked = pl.when(pl.col("row_number").is_in(clash.implode())).then(pl.lit(DUPLICATE_KEY)).otherwise("broken_rules")
    return rows.with_columns(broken_rules=marked)


def _with_json(rows: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows whose bad ones carry their delivered text and its hash as row_sha."""
    bad = rows.filter(pl.col("broken_rules") != "").get_column("row_number")
    if not bad.len():
        return rows
    texts = as_json(frame[bad.to_list()])
    patch = pl.DataFrame({"row_number": bad, "row_json": texts, "row_sha": row_shas(texts.to_frame())})
    return rows.update(patch, on="row_number")


def _begin(wh: Warehouse, table: Table, rows: pl.DataFrame, source: str, source_object: str) -> _Load:
    content = combined_sha(rows["row_sha"])
    load_id = token_of(table.full_name, source, source_object, content)
    attempt = int(wh.scalar("select count() from ops.loads where load_id = {id:String}", {"id": load_id}))
    found = _intent(wh, load_id, attempt)
    now = datetime.now(UTC)
    at = found or now.replace(microsecond=now.microsecond // 1000 * 1000)
    return _Load(table, source, source_object, load_id, content, attempt, at, found is not None)


def _intent(wh: Warehouse, load_id: str, attempt: int) -> datetime | None:
    sql = "select min(ingested_ts) as at, count() as n from ops.load_intents where load_id = {id:String} and attempt = {n:Int64}"
    at, count = wh.query(sql, {"id": load_id, "n": attempt}).row(0)
    return at if count else None


def _record_intent(wh: Warehouse, load: _Load) -> _Load:
    """Put the intent if absent; the load with the `ingested_ts` that stands."""
    row = {"load_id": load.load_id, "attempt": load.attempt, "ingested_ts": load.ingested_ts}
    frame = pl.DataFrame([row], schema=LOAD_INTENTS.polars_schema())
    token = token_of(load.load_id, load.attempt)
    insert_once(wh, LOAD_INTENTS, frame, token=token, absent=lambda: frame.clear() if _intent(wh, load.load_id, load.attempt) else frame)
    at = _intent(wh, load.load_id, load.attempt) or load.ingested_ts
    return _Load(load.table, load.source, load.source_object, load.load_id, load.content_sha, load.attempt, at, begun=True)


def _partitions(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Market and rows of each partition of raw."""
    year = rows["delivery_ts"].dt.year()
    if rows.height and year.min() == year.max() and rows["market"].n_unique() == 1:  # the most of loads: nothing to copy
        yield str(rows["market"][0]), rows
        return
    groups = rows.with_columns(_year=year).partition_by("market", "_year", maintain_order=True, as_dict=True)
    for (market, _), group in sorted(groups.items()):
        yield str(market), group.drop("_year")


def _known(wh: Warehouse, load: _Load, market: str, group: pl.DataFrame, columns: str, *, own: bool = False) -> pl.DataFrame:
    """`columns` of the rows of raw that may be among a group's, with whether they are the load's `own`; or of its own alone.

    Rows of other products, hubs and the like are passed over where the group has few of them.
    """
    names = [c.name for c in load.table.columns if c.name in load.table.key and c.name != "market" and c.type is ColumnType.SYMBOL]
    few = {n: found for n in names if len(found := group[n].unique().to_list()) <= MOST_NAMES}
    mine = _OWN if load.begun else "false"
    within = "".join(f" and {n} in {{{n}:Array(String)}}" for n in few) + (f" and {mine}" if own else "")
    marked = "" if own else f", toBool({mine}) as own"
    return wh.query(
        f"select {columns}{marked} from {load.table.full_name} where market = {{market:String}} "
        f"and delivery_ts between {{first:DateTime64(3, 'UTC')}} and {{last:DateTime64(3, 'UTC')}}{within}",
        {**few, **load.params, "market": market, "first": group["delivery_ts"].min(), "last": group["delivery_ts"].max()},
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of one partition: all that belong to the load, those of them not in raw, those whose key is taken."""

    rows: pl.DataFrame
    absent: pl.DataFrame
    refused: pl.DataFrame


def _compare(wh: Warehouse, load: _Load, market: str, group: pl.DataFrame) -> _Part:
    known = _known(wh, load, market, group, "row_sha")
    if not known.height:
        return _Part(group, group, group.clear())
    rows = group.join(known.filter(~pl.col("own")), on="row_sha", how="anti", maintain_order="left")
    absent = rows.join(known, on="row_sha", how="anti", maintain_order="left")
    refused = absent.clear()
    if absent.height and known.height:
        key = [k for k in load.table.key if k != "market"]
        taken = _known(wh, load, market, absent, ", ".join(key))
        refused = absent.join(taken, on=key, how="semi", maintain_order="left")
        rows, absent = (f.join(refused, on="row_number", how="anti", maintain_order="left") for f in (rows, absent))
    return _Part(rows, absent, refused)


def _stamped(load: _Load, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with their provenance, in the contract's columns."""
    filled = rows.with_columns(
        source=pl.lit(load.source),
        source_object=pl.lit(load.source_object),
        ingested_ts=pl.lit(load.ingested_ts).cast(pl.Datetime("ms", "UTC")),
    )
    return filled.select(load.table.column_names)


def _blocks(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for start in range(0, rows.height, BLOCK_ROWS):
        yield rows.slice(start, BLOCK_ROWS)


def _insert_part(wh: Warehouse, load: _Load, market: str, part: _Part) -> None:
    """Insert the absent rows of one partition, block by block, cut over all its rows so that cuts never move."""
    missing = part.absent.select("row_number") if part.absent.height < part.rows.height else None
    blocks = [
        block if missing is None else block.join(missing, on="row_number", how="semi", maintain_order="left")
        for block in _blocks(part.rows)
    ]
    sent = [(block, token_of(load.table.full_name, load.ingested_ts, combined_sha(block["row_sha"]))) for block in blocks if block.height]
    for block, token in sent:
        wh.insert(load.table, _stamped(load, block), token=token)
    if not sent or _known(wh, load, market, part.rows, "count() as n", own=True).item() == part.rows.height:
        return
    for block, token in sent:
        _insist(wh, load, market, block, token)


def _insist(wh: Warehouse, load: _Load, market: str, block: pl.DataFrame, token: str) -> None:
    """Send again the rows of a block that cannot be read, until they can be."""

    def absent() -> pl.DataFrame:
        own = _known(wh, load, market, block, "row_sha", own=True)
        return _stamped(load, block.join(own, on="row_sha", how="anti"))

    rest = absent()
    if rest.height:
        insert_once(wh, load.table, rest, token=token, absent=absent)


def _insert_quarantine(wh: Warehouse, load: _Load, bad: pl.DataFrame) -> None:
    """Insert refused rows that quarantine does not hold yet."""
    table = quarantine_of(load.table)
    frame = bad.with_columns(
        source=pl.lit(load.source),
        source_object=pl.lit(load.source_object),
        load_id=pl.lit(load.load_id),
        ingested_ts=pl.lit(load.ingested_ts).cast(pl.Datetime("ms", "UTC")),
    ).select(table.column_names)
    sql = f"select row_sha, row_number from {table.full_name} where source = {{source:String}} and source_object = {{object:String}}"

    def absent_of(block: pl.DataFrame) -> pl.DataFrame:
        held = wh.query(sql, {"source": load.source, "object": load.source_object})
        return block.join(held, on=["row_sha", "row_number"], how="anti", maintain_order="left")

    for block in _blocks(absent_of(frame).sort("row_number")):
        token = token_of(table.full_name, load.load_id, load.ingested_ts, combined_sha(block["row_sha"]))
        insert_once(wh, table, block, token=token, absent=lambda block=block: absent_of(block))  # type: ignore[misc]


def _record(wh: Warehouse, load: _Load, result: LoadResult, market: str) -> None:
    """Write the row of ops.loads; not again for a load that is recorded and put nothing more into raw."""
    if load.attempt and not result.rows_loaded:
        return
    row = {
        "load_id": result.load_id,
        "source": load.source,
        "source_object": load.source_object,
        "table_name": load.table.full_name,
        "market": market,
        "rows_read": result.rows_read,
        "rows_loaded": result.rows_loaded,
        "rows_quarantined": result.rows_quarantined,
        "rows_duplicate": result.rows_duplicate,
        "content_sha": load.content_sha,
        "at_ts": datetime.now(UTC),
    }
    frame = pl.DataFrame([row], schema=LOADS.polars_schema())

    def absent() -> pl.DataFrame:
        count = wh.scalar("select count() from ops.loads where load_id = {id:String}", {"id": load.load_id})
        return frame.clear() if int(count) > load.attempt else frame

    insert_once(wh, LOADS, frame, token=token_of("loads", load.load_id, load.attempt), absent=absent)


def _insist_on_truth(table: Table, rows: pl.DataFrame) -> None:
    """Truth has no quarantine: a row that breaks its contract is a fault of the simulation."""
    if table.database is Database.TRUTH and (bad := rows.filter(pl.col("broken_rules") != "")).height:
        raise ValueError(
            f"{table.full_name}: {bad.height} rows break {bad['broken_rules'][0]}, e.g. {bad['row_json'][0]}; mend the simulation"
        )


def load_raw(
    wh: Warehouse, table: Table, frame: pl.DataFrame, *, source: str, source_object: str, market: str, judged: pl.DataFrame | None = None
) -> LoadResult:
    """Load delivered rows exactly once; safe to repeat after any failure, with the same frame.

    A row goes to quarantine when it breaks the contract (`<column>.<rule>`, names of row rules), when another row of the
    frame has its key and other values (`duplicate_key`), or when raw holds its key with other values
    (`key_already_loaded`: a correction needs a later known_ts).

    Args:
        wh: a connection that may write; the role `steward` for a table of `truth`.
        table: a table of `raw` or `truth`.
        frame: the contract's columns without provenance; any order, values of any quality.
        source: name of the source.
        source_object: file, endpoint or object within it.
        market: market key, for ops.loads.
        judged: `judge(table, frame)` where it was called before.

    Returns:
        Counts of this load. A repeated load finds its rows in raw and counts them as duplicates.

    Raises:
        ValueError: the frame has other columns than the contract, or instants without a time zone; or a row of `truth` breaks a rule.
        LostInsertError: the server acknowledged rows that cannot be read.
    """
    rows = judge(table, frame) if judged is None else judged
    _insist_on_truth(table, rows)
    with exclusive(wh.lock_folder / f"load_{table.name}.lock"):
        load = _begin(wh, table, rows, source, source_object)
        refused_by_rule = pl.col("broken_rules") != ""
        bad, good = rows.filter(refused_by_rule), rows.filter(~refused_by_rule & ~pl.col("repeated"))
        parts = [(m, _compare(wh, load, m, group)) for m, group in _partitions(good)]
        refused = pl.concat([p.refused for _, p in parts]) if parts else good.clear()
        if refused.height:
            marked = refused.with_columns(broken_rules=pl.lit(KEY_ALREADY_LOADED))
            columns = delivered_columns(table, _PROVENANCE)
            texts = as_json(frame.select(columns)[refused["row_number"].to_list()])
            bad = pl.concat([bad, marked.with_columns(row_json=texts, row_sha=row_shas(texts.to_frame()))])
        if not load.begun and (bad.height or any(p.absent.height for _, p in parts)):
            load = _record_intent(wh, load)
        for part_market, part in parts:
            _insert_part(wh, load, part_market, part)
        if bad.height:
            _insert_quarantine(wh, load, bad)
        loaded = sum(p.rows.height for _, p in parts)
        result = LoadResult(load.load_id, frame.height, loaded, bad.height, frame.height - loaded - bad.height)
        _record(wh, load, result, market)
    return result
