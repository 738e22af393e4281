"""Live markets: config/live/<market>.yaml, what a market reads from which provider, under which names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.settings import REPO_ROOT, get_settings
from pipeline_tasks.sources.importers import Publication
from pipeline_tasks.sources.live.product import Product
from pipeline_tasks.sources.protocol import SourceError

PRESETS = REPO_ROOT / "config" / "presets"
ALL_REGIONS = "*"


class FeedSpec(BaseModel):
    """One feed of a market.

    Attributes:
        product: `provider/name` (`desk feeds --products` lists them).
        regions: the provider's id of a place -> hub, area or node; empty where the product has no places.
        days: days read at first and looked over for gaps later; the market's where None.
        known: publication rule instead of the product's.
        optional: without a key (or with a provider that is down) the run is not DEGRADED for it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    product: str
    regions: dict[str, str] = Field(default_factory=dict)
    days: int | None = Field(default=None, ge=1, le=4000)
    known: Publication | None = Field(default=None, discriminator="rule")
    optional: bool = False


class LiveMarket(BaseModel):
    """One file of the folder of live markets.

    Attributes:
        market: the market, as in markets.yaml; None where it stands there.
        days: days of history that a nightly run looks over.
        feeds: what is read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    market: dict[str, Any] | None = None
    days: int = Field(default=30, ge=1, le=4000)
    feeds: tuple[FeedSpec, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Feed:
    """A feed and its product."""

    spec: FeedSpec
    product: Product
    days: int

    @property
    def places(self) -> tuple[dict[str, str], ...]:
        """Regions of each chunk: one by one, or all at once."""
        if not self.product.by_region or not self.spec.regions:
            return (dict(self.spec.regions),)
        return tuple({k: v} for k, v in self.spec.regions.items())


def load_live(path: Path) -> LiveMarket:
    """A file of a live market.

    Raises:
        SourceError: it is absent or breaks its schema; the message names file, field, value and remedy.
    """
    if not path.exists():
        raise SourceError(f"no live feeds for market {path.stem}: {path} is absent; run `desk init market {path.stem}` (docs/live.md)")
    try:
        return LiveMarket.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        lines = (
            [f"  {'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}" for e in error.errors()]
            if isinstance(error, ValidationError)
            else [str(error)]
        )
        raise SourceError(f"{path}: mend (docs/live.md):\n" + "\n".join(lines)) from error


def feeds_of(market: str, folder: Path | None = None) -> tuple[Feed, ...]:
    """The feeds of a market, in file order.

    Raises:
        SourceError: no file, a broken one, or a product that is not known.
    """
    from pipeline_tasks.sources.live.catalog import PRODUCTS

    path = (folder or get_settings().live_dir) / f"{market}.yaml"
    found = load_live(path)
    unknown = sorted({f.product for f in found.feeds} - PRODUCTS.keys())
    if unknown:
        raise SourceError(f"{path}: products {unknown} are not known; known: {', '.join(sorted(PRODUCTS))}")
    return tuple(Feed(f, PRODUCTS[f.product], f.days or found.days) for f in found.feeds)
