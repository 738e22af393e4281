"""What config/realism.yaml says: thresholds of the facts and the exceptions of each data set."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.markets import Market, load_markets
from config.settings import REPO_ROOT

RULES_FILE = REPO_ROOT / "config" / "realism.yaml"
FIRST_DATE = date(1970, 1, 2)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSetRule(_Strict):
    """Exceptions of one market.

    Attributes:
        hubs: hubs whose prices are read; all of the market's when empty.
        nodes: places between which price differences are measured; the hubs when empty.
        first_date: first market-local date that is read.
        load_actual: quantity that is measured load.
        reserve_energy: energy product that reserve prices are compared with.
        ingest: source objects of the `files` source that the facts need; all when empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    hubs: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    first_date: date = Field(default=FIRST_DATE, alias="from")
    load_actual: str = "load"
    reserve_energy: Literal["da", "rt"] = "rt"
    ingest: tuple[str, ...] = ()


class Rules(_Strict):
    """Thresholds; the comments of config/realism.yaml say what each means."""

    spike_robust_sds: float = Field(gt=0)
    spike_level_factor: float = Field(gt=1)
    congested_share_of_mean: float = Field(gt=0, lt=1)
    unit_on_share: float = Field(gt=0, lt=1)
    base_utilisation: float = Field(gt=0, lt=1)
    peak_utilisation: float = Field(gt=0, lt=1)
    free_running: tuple[str, ...]
    fuel_names: dict[str, str] = Field(default_factory=dict)
    reserve_classes: dict[str, tuple[str, ...]]
    twin: str
    data_sets: dict[str, DataSetRule] = Field(default_factory=dict)

    def of(self, market: str) -> DataSetRule:
        """Exceptions of a market; none for one that is not listed."""
        return self.data_sets.get(market, DataSetRule())

    def parameters(self, market: Market) -> dict[str, object]:
        """Values that the facts' SQL binds for a market."""
        rule = self.of(market.key)
        hubs = rule.hubs or market.hubs
        classes = [(product, name) for name, products in self.reserve_classes.items() for product in products]
        return {
            "market": market.key,
            "zone": market.time_zone,
            "hubs": list(hubs),
            "nodes": list(rule.nodes or hubs),
            "from": datetime.combine(rule.first_date, time(0), tzinfo=market.zone).astimezone(UTC),
            "load_actual": rule.load_actual,
            "reserve_energy": rule.reserve_energy,
            "reserve_products": [product for product, _ in classes],
            "reserve_classes": [name for _, name in classes],
            "free_running": list(self.free_running),
            "fuel_aliases": list(self.fuel_names),
            "fuel_names": list(self.fuel_names.values()),
            **{
                name: getattr(self, name)
                for name in (
                    "spike_robust_sds",
                    "spike_level_factor",
                    "congested_share_of_mean",
                    "unit_on_share",
                    "base_utilisation",
                    "peak_utilisation",
                )
            },
        }


@lru_cache(maxsize=1)
def load_rules(path: Path = RULES_FILE) -> Rules:
    """Read and check config/realism.yaml.

    Raises:
        ValueError: a field is missing, unknown or out of range, or a data set is no market; the message names it.
    """
    try:
        rules = Rules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        lines = [f"  {'.'.join(str(p) for p in e['loc'])} = {e['input']!r}: {e['msg']}" for e in error.errors()]
        raise ValueError(f"{path.name}: {len(lines)} field(s) to mend:\n" + "\n".join(lines)) from error
    unknown = sorted({*rules.data_sets, rules.twin} - set(load_markets()))
    if unknown:
        raise ValueError(f"{path.name}: {unknown} are no markets; use keys of config/markets.yaml")
    return rules
