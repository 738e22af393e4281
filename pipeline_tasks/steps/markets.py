"""Setting up a live market: its file from a preset, keys and reachability checked, each with one clear sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from config.markets import Market, load_markets
from config.settings import get_settings
from pipeline_tasks.sources.live.answers import AnswerError
from pipeline_tasks.sources.live.feeds import PRESETS, Feed, feeds_of
from pipeline_tasks.sources.live.fetch import SourceDownError
from pipeline_tasks.sources.live.product import Ask
from pipeline_tasks.sources.live.providers import Provider, key_of, load_providers
from pipeline_tasks.sources.live.source import LiveFeeds


@dataclass(frozen=True)
class Check:
    """What was found about one provider of a market.

    Attributes:
        provider: name.
        ok: whether its feeds can be read.
        needed: whether the market cannot do without it.
        said: one sentence, with the remedy where it is not ok.
    """

    provider: str
    ok: bool
    needed: bool
    said: str


def presets() -> tuple[str, ...]:
    """Names of the markets that `desk init market` knows."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def write_market(name: str, *, days: int, replace: bool = False) -> tuple[Path, bool]:
    """Write the file of a live market from its preset; one that is there is kept unless `replace`.

    Returns:
        The file, and whether it was written.

    Raises:
        KeyError: no preset has that name; the message lists them.
    """
    if name not in presets():
        raise KeyError(f"market {name!r} has no preset; presets: {', '.join(presets())}; or write config/live/{name}.yaml (docs/live.md)")
    folder = get_settings().live_dir
    path = folder / f"{name}.yaml"
    if path.exists() and not replace:
        return path, False
    text = (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
    lines = [f"days: {max(days, int(line.split()[1]))}" if line.startswith("days:") else line for line in text.splitlines()]
    folder.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(path)
    load_markets.cache_clear()
    return path, True


def check_market(name: str) -> tuple[Check, ...]:
    """Keys and reachability of every provider of a live market: one small request each, kept like any other answer."""
    market = load_markets()[name]
    by_provider: dict[str, list[Feed]] = {}
    for feed in feeds_of(name):
        by_provider.setdefault(feed.product.provider, []).append(feed)
    return tuple(_checked(market, load_providers()[provider], feeds) for provider, feeds in by_provider.items())


def _checked(market: Market, provider: Provider, feeds: list[Feed]) -> Check:
    needed = any(not feed.spec.optional for feed in feeds)
    key = provider.key
    if key and key.required and not key_of(provider):
        said = f"{provider.label}: no key; set {key.setting} or {key.setting}_FILE ({key.register_at})"
        return Check(provider.name, ok=False, needed=needed, said=said)
    day = datetime.now(UTC).astimezone(market.zone).date() - timedelta(days=2)
    start, end = (datetime.combine(d, time(0), tzinfo=market.zone).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    feed = next((f for f in feeds if not f.spec.optional), feeds[0])
    ask = Ask(market, feed.places[0], day, day, start, end)
    try:
        LiveFeeds().probe(feed, ask)
    except (AnswerError, SourceDownError) as error:
        return Check(provider.name, ok=False, needed=needed, said=f"{provider.label}: {error} ({provider.base_url})")
    return Check(provider.name, ok=True, needed=needed, said=f"{provider.label}: answers at {provider.base_url}")


def missing(checks: tuple[Check, ...]) -> Iterator[Check]:
    """Checks that the market cannot do without and that failed."""
    yield from (check for check in checks if check.needed and not check.ok)


def described(name: str) -> list[dict[str, Any]]:
    """The feeds of a live market, a row each."""
    return [
        {
            "product": f.product.full_name,
            "table": f.product.table.full_name,
            "places": len(f.spec.regions) or "all",
            "days": f.days,
            "optional": f.spec.optional,
        }
        for f in feeds_of(name)
    ]
