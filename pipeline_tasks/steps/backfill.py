"""Backfill of live feeds over a range of days, and the upkeep of their raw answers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from config.markets import resolve_market
from config.settings import get_settings
from pipeline_tasks.sources.live.feeds import feeds_of
from pipeline_tasks.sources.live.payloads import PayloadStore
from pipeline_tasks.sources.live.providers import load_providers
from pipeline_tasks.sources.live.source import LiveFeeds
from pipeline_tasks.steps.live import load_feeds


def backfill(
    market: str,
    *,
    last: date,
    first: date | None = None,
    objects: frozenset[str] | None = None,
    providers: frozenset[str] | None = None,
    again: bool = False,
    offline: bool = False,
) -> dict[str, Any]:
    """Load the feeds of a market from `first` (each feed's own days when None) to `last`, local days.

    Args:
        market: market selection key.
        last: last local day, inclusive.
        first: first local day.
        objects: `provider/product` to restrict to.
        providers: providers to restrict to.
        again: read chunks that are whole too.
        offline: parse kept answers only.

    Returns:
        As `load_feeds`.
    """
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate

    selection = resolve_market(market)
    until = selection.market.day_bounds(last)[1]
    source = LiveFeeds(providers=providers, offline=offline)
    with connect() as warehouse:
        migrate(warehouse)
        return load_feeds(warehouse, source, selection, until=until, since=first, objects=objects, again=again)


def providers_of(market: str) -> list[str]:
    """Providers of a market's feeds, each once: what a backfill is mapped over, so that one task keeps a provider's rate."""
    return list(dict.fromkeys(feed.product.provider for feed in feeds_of(resolve_market(market).market.key)))


def prune_payloads() -> dict[str, Any]:
    """Forget raw answers older than their provider's retention (config/providers.yaml)."""
    store = PayloadStore(get_settings().payload_folder)
    return store.prune({p.name: p.retention_days for p in load_providers().values()}, now=datetime.now(UTC))
