"""The `live` source: feeds of a market from its providers, chunk by chunk, each answer kept, checked and parsed; what fails is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import httpx
import polars as pl
import structlog

from config.markets import Market, MarketSelection
from config.settings import get_settings
from pipeline_tasks.contracts import TS_DTYPE
from pipeline_tasks.sources.clock import publication
from pipeline_tasks.sources.importers import DayRule, Publication
from pipeline_tasks.sources.live.answers import AnswerError, Member, NoDataError, members
from pipeline_tasks.sources.live.drift import drift_of
from pipeline_tasks.sources.live.feeds import ALL_REGIONS, Feed, FeedSpec, feeds_of
from pipeline_tasks.sources.live.fetch import Fetcher, Got, SourceDownError
from pipeline_tasks.sources.live.payloads import PayloadStore
from pipeline_tasks.sources.live.product import SAID, Ask, Product
from pipeline_tasks.sources.live.providers import Provider, key_of, load_providers
from pipeline_tasks.sources.protocol import RawBatch, Seen, contract_columns

log = structlog.get_logger(__name__)
EPOCH = date(2000, 1, 1)
NO_INSTANT = "refused: the stamp is unreadable or names a wall time that never was"
ChunkKey = tuple[str, str, str, datetime]


@dataclass(frozen=True)
class Landed:
    """What the warehouse has of a chunk.

    Attributes:
        loaded_until: rows that start before are there.
        settled: the answer was final.
        fetched_ts: when it came.
        payload_shas: the raw answers.
        drifted: its columns had changed, so none of its rows are there.
    """

    loaded_until: datetime
    settled: bool
    fetched_ts: datetime
    payload_shas: str
    drifted: bool = False

    @property
    def before_ts(self) -> datetime:
        """Since when an absent row may be called late: since the answer that landed, or never."""
        return datetime(1970, 1, 1, tzinfo=UTC) if self.drifted else self.fetched_ts


@dataclass(frozen=True)
class Chunk:
    """One chunk that was read, or failed.

    Attributes:
        key: provider, product, region, start.
        end: UTC end.
        loaded_until: rows that start before are in `batches`.
        status: OK, EMPTY, DRIFTED or FAILED.
        reason: what went wrong, or columns that are new.
        batches: rows to load.
        settled: nothing about it changes any more.
        fetched_ts: when the newest of its answers came; None where none did.
        payload_shas: raw answers, comma separated.
        optional: a failure does not degrade the run.
    """

    key: ChunkKey
    end: datetime
    loaded_until: datetime
    status: str
    reason: str = ""
    batches: tuple[RawBatch, ...] = ()
    settled: bool = False
    fetched_ts: datetime | None = None
    payload_shas: str = ""
    optional: bool = False


@dataclass
class LiveFeeds:
    """Feeds of config/live. Implements `FetchingSource`.

    Attributes:
        folder: folder of live markets; that of the settings when None.
        client: HTTP client; tests give one of their own.
        clock: the time, UTC.
        offline: read kept answers only; nothing goes over the wire.
        providers: restrict to these; None for all.
    """

    folder: Path | None = None
    client: httpx.Client | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    offline: bool = False
    providers: frozenset[str] | None = None
    _fetchers: dict[str, Fetcher] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`live`."""
        return "live"

    @property
    def requests(self) -> int:
        """Answers that came over the wire so far."""
        return sum(f.requests for f in self._fetchers.values())

    def objects(self, selection: MarketSelection) -> tuple[str, ...]:
        """`provider/product` of every feed of the market."""
        return tuple(dict.fromkeys(f.product.full_name for f in feeds_of(selection.market.key, self.folder)))

    def batches(self, selection: MarketSelection, *, until: datetime, objects: frozenset[str] | None = None) -> Iterator[RawBatch]:
        """Rows of all chunks of the feeds' days before `until`; a chunk that fails is logged and left out."""
        for chunk in self.chunks(selection, until=until, since=None, objects=objects, landed={}):
            yield from chunk.batches

    def chunks(
        self,
        selection: MarketSelection,
        *,
        until: datetime,
        since: date | None,
        objects: frozenset[str] | None,
        landed: Mapping[ChunkKey, Landed],
    ) -> Iterator[Chunk]:
        """Chunks that are not whole in the warehouse, or may have changed, in the order of the feeds.

        Args:
            selection: market and hubs.
            until: rows whose delivery starts at or after this instant are left out.
            since: first local day; the feed's own number of days before `until` when None.
            objects: names (`provider/product`) to restrict to.
            landed: what the warehouse has.

        Raises:
            SourceError: the market has no live feeds, or an object is unknown.
        """
        market = selection.market
        for feed in feeds_of(market.key, self.folder):
            product = feed.product
            unwanted = self.providers is not None and product.provider not in self.providers
            if unwanted or (objects is not None and product.full_name not in objects):
                continue
            last = (min(until, self.clock() + product.ahead) - timedelta(milliseconds=1)).astimezone(market.zone).date()
            first = since or last - timedelta(days=feed.days - 1)
            for regions in feed.places:
                for ask in _asks(market, regions, first, last, product.chunk_days):
                    chunk = self._chunk(feed, ask, until, landed)
                    if chunk is not None:
                        yield chunk

    def probe(self, feed: Feed, ask: Ask) -> None:
        """Ask for one chunk, to see that the provider answers.

        Raises:
            AnswerError: it answers with something unusable, or wants a key.
            SourceDownError: it cannot be reached.
        """
        self._answers(feed, ask, load_providers()[feed.product.provider], self.clock())

    def _chunk(self, feed: Feed, ask: Ask, until: datetime, landed: Mapping[ChunkKey, Landed]) -> Chunk | None:
        """The chunk, read; None where there is nothing to do."""
        product, now = feed.product, self.clock()
        region = ask.region if product.by_region and ask.regions else ALL_REGIONS
        key: ChunkKey = (product.provider, product.name, region, ask.start)
        wanted, before = min(until, ask.end), landed.get(key)
        if before and before.settled and before.loaded_until >= wanted:
            return None
        settled_at = ask.end + product.settles
        provider = load_providers()[product.provider]
        open_still = now < settled_at or (before is not None and before.drifted)
        fresh = now - timedelta(minutes=provider.refresh_min) if open_still else settled_at
        try:
            got = self._answers(feed, ask, provider, fresh)
        except (AnswerError, SourceDownError) as error:
            log.warning(
                "feed failed", provider=product.provider, product=product.name, region=region, day=str(ask.first), reason=str(error)
            )
            return Chunk(key, ask.end, wanted, "FAILED", str(error), optional=feed.spec.optional)
        shas = ",".join(g.kept.sha for g in got)
        fetched = max((g.kept.at for g in got), default=now)
        settled = all(g.kept.at >= settled_at for g in got) and now >= settled_at
        if before and before.payload_shas == shas and before.loaded_until >= wanted and settled == before.settled:
            return None
        seen = Seen(fetched, before.before_ts if before else None)
        return self._read(
            feed, ask, wanted, got, Chunk(key, ask.end, wanted, "OK", "", (), settled, fetched, shas, feed.spec.optional), seen
        )

    def _answers(self, feed: Feed, ask: Ask, provider: Provider, fresh: datetime) -> list[Got]:
        fetcher = self._fetcher(provider)
        if provider.key and provider.key.required and not fetcher.key and not self.offline:
            raise AnswerError(
                "no_key",
                f"{provider.label} wants a key: set {provider.key.setting} (or {provider.key.setting}_FILE); {provider.key.register_at}",
                transient=False,
            )

        def verdict(found: list[Member]) -> None:
            for member in found:
                (feed.product.follow or feed.product.records)(member, ask)

        got = [fetcher.get(r, fresh_since=fresh, verdict=verdict) for r in feed.product.requests(ask)]
        if feed.product.follow is None:
            return got

        def readable(found: list[Member]) -> None:
            for member in found:
                feed.product.records(member, ask)

        named = [r for g in got for m in g.members for r in feed.product.follow(m, ask)]
        return [fetcher.get(r, fresh_since=fresh, verdict=readable) for r in dict.fromkeys(named)]

    def _read(self, feed: Feed, ask: Ask, wanted: datetime, got: list[Got], chunk: Chunk, seen: Seen) -> Chunk:
        """The chunk with its rows."""
        product = feed.product
        notes: list[str] = []
        batches: list[RawBatch] = []
        drifted = False
        for answer in got:
            own = Ask(ask.market, ask.regions, ask.first, ask.last, ask.start, ask.end, ask.settings, answer.kept.at)
            for member in answer.members:
                try:
                    records = product.records(member, own)
                except NoDataError:
                    continue
                found = drift_of(records, product)
                name = f"{product.full_name}/{chunk.key[2]}/{ask.first}..{ask.last}@{answer.kept.sha[:16]}"
                if found.broken:
                    drifted = True
                    notes += found.broken
                    batches.append(_refused(feed, records, "; ".join(found.broken), name, ask.market))
                    continue
                if found.added:
                    notes.append(f"new columns {', '.join(found.added)} are kept and not read")
                    log.warning("provider added columns", product=product.full_name, columns=found.added)
                batches += _batches(feed, product.rows(records, own), name, wanted, own, seen)
        batches = _joined(batches)
        status = "DRIFTED" if drifted else "OK" if batches else "EMPTY"
        if drifted:
            log.error("schema drift", product=product.full_name, reason="; ".join(notes))
        reason = "; ".join(dict.fromkeys(notes))
        return Chunk(
            chunk.key,
            chunk.end,
            chunk.loaded_until,
            status,
            reason,
            tuple(batches),
            chunk.settled and not drifted,
            chunk.fetched_ts,
            chunk.payload_shas,
            chunk.optional,
        )

    def _fetcher(self, provider: Provider) -> Fetcher:
        if provider.name not in self._fetchers:
            settings = get_settings()
            store, rates = PayloadStore(settings.payload_folder), settings.home / "rates"
            self._fetchers[provider.name] = Fetcher(provider, store, rates, key_of(provider), self.client, self.clock, self.offline)
        return self._fetchers[provider.name]


def _asks(market: Market, regions: dict[str, str], first: date, last: date, days: int) -> Iterator[Ask]:
    """Chunks that cover first..last, cut at the same days whatever the range is."""
    begin = EPOCH + timedelta(days=(first - EPOCH).days // days * days)
    while begin <= last:
        end = begin + timedelta(days=days - 1)
        start_ts = datetime.combine(begin, time(0), tzinfo=market.zone).astimezone(UTC)
        end_ts = datetime.combine(end + timedelta(days=1), time(0), tzinfo=market.zone).astimezone(UTC)
        yield Ask(market, regions, begin, end, start_ts, end_ts)
        begin += timedelta(days=days)


def _batches(feed: Feed, rows: pl.DataFrame, name: str, until: datetime, ask: Ask, seen: Seen) -> list[RawBatch]:
    """Rows with known_ts, before `until` unless they are vintages, and beside them those whose stamp names no instant."""
    product = feed.product
    columns = contract_columns(product.table)
    told = "known_ts" in rows.columns  # a vintage that says when it was made: whole, for a later answer holds another one
    stamped = rows.filter(pl.col("delivery_ts").is_not_null() & (pl.lit(told) | (pl.col("delivery_ts") < until)))
    if not told:
        known = _published(stamped, feed.spec.known or product.known, ask.market.time_zone)
        stamped = stamped.with_columns(pl.min_horizontal(known, pl.lit(seen.fetched_ts).cast(TS_DTYPE)).alias("known_ts"))
    made: list[RawBatch] = []
    if stamped.height:
        made.append(
            RawBatch(product.table, stamped.select(columns), name, ask.market.key, source=product.provider, seen=None if told else seen)
        )
    lost = rows.filter(pl.col("delivery_ts").is_null())
    if lost.height:
        said = pl.col(SAID) if SAID in lost.columns else pl.lit("")
        texts = lost.with_columns(said.alias("delivery_ts"), pl.lit(NO_INSTANT).alias("known_ts")).select(columns)
        made.append(RawBatch(product.table, texts, f"{name}!refused", ask.market.key, refused=True, source=product.provider))
    return made


def parsed(product: Product, body: bytes, ask: Ask) -> pl.DataFrame:
    """Contract rows of one whole answer: what a chunk does between the wire and the loader.

    Raises:
        AnswerError: the answer cannot be read, or its columns changed.
    """
    feed = Feed(FeedSpec(product=product.full_name, regions=dict(ask.regions)), product, 1)
    frames: list[pl.DataFrame] = []
    for member in members(body):
        records = product.records(member, ask)
        if broken := drift_of(records, product).broken:
            raise AnswerError("drift", "; ".join(broken), transient=False)
        seen = Seen(ask.fetched_ts or datetime.now(UTC))
        frames += [b.frame for b in _batches(feed, product.rows(records, ask), member.name, ask.end, ask, seen) if not b.refused]
    return pl.concat(frames)


def _published(rows: pl.DataFrame, rule: Publication, zone: str) -> pl.Series:
    """`known_ts` by rule of each row; a rule over days is asked once for each instant and not for each node."""
    each = rows.select(pl.col("delivery_ts").unique()) if isinstance(rule, DayRule) else rows
    known = each.with_columns(publication(rule, zone=zone, resolution_min=_resolution(each), schema=each.schema).alias("known_ts"))
    if each is not rows:
        known = rows.select("delivery_ts").join(known, on="delivery_ts", how="left", maintain_order="left")
    return known.get_column("known_ts")


def _resolution(rows: pl.DataFrame) -> int | pl.Expr:
    return pl.col("resolution_min").cast(pl.Int64) if "resolution_min" in rows.columns else 0


def _refused(feed: Feed, records: pl.DataFrame, reason: str, name: str, market: Market) -> RawBatch:
    """Every record of an answer whose columns changed, as it came, for quarantine."""
    columns = contract_columns(feed.product.table)
    said = records.select(pl.struct(pl.all()).struct.json_encode().alias("delivery_ts"))
    texts = said.with_columns(pl.lit(f"refused: {reason}").alias("known_ts"), pl.lit(market.key).alias("market"))
    absent = [pl.lit(None, dtype=pl.String).alias(c) for c in columns if c not in texts.columns]
    frame = texts.with_columns(absent).select(columns)
    return RawBatch(feed.product.table, frame, f"{name}!refused", market.key, refused=True, source=feed.product.provider)


def _joined(batches: list[RawBatch]) -> list[RawBatch]:
    """Batches of one name (members of one answer) as one."""
    by_name: dict[str, list[RawBatch]] = {}
    for batch in batches:
        by_name.setdefault(batch.source_object, []).append(batch)
    joined = []
    for group in by_name.values():
        head = group[0]
        frame = pl.concat([b.frame for b in group], how="vertical_relaxed") if len(group) > 1 else head.frame
        joined.append(RawBatch(head.table, frame, head.source_object, head.market, head.refused, head.source, head.seen))
    return joined
