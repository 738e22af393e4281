"""Parts of the twin: which table each feeds, what it holds, and its hash."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from config.settings import get_settings
from pipeline_tasks.contracts import Database, Table
from pipeline_tasks.contracts.grid import (
    CONSTRAINTS,
    GRID_BRANCHES,
    GRID_BUSES,
    GRID_UNITS,
    NODAL_PRICES,
    OFFERS,
    OUTAGES,
    VOYAGES,
)
from pipeline_tasks.contracts.raw import COMMODITIES, PRICES, QUANTITIES, UNITS
from pipeline_tasks.contracts.truth import LNG_EFFECT, PRICE_SAMPLES, PTDF, REGIMES, SHADOW_PRICES, UNIT_COSTS
from pipeline_tasks.twin.cache import DayStore
from pipeline_tasks.twin.generate import days_of, generate, store_of
from pipeline_tasks.twin.profiles import TwinProfile, load_profile

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Part:
    """A part of what is generated, and the table it is loaded into.

    Attributes:
        name: its name.
        table: where its rows go.
        bulky: it has so many rows that it is loaded month by month; others go year by year, because every load costs some queries.
    """

    name: str
    table: Table
    bulky: bool = False

    @property
    def is_truth(self) -> bool:
        """Whether only yardsticks may read it."""
        return self.table.database is Database.TRUTH


PARTS: tuple[Part, ...] = (
    Part("prices_da", PRICES),
    Part("prices_rt", PRICES),
    Part("prices_ancillary", PRICES),
    Part("prices_imbalance", PRICES),
    Part("quantities_system", QUANTITIES),
    Part("quantities_hubs", QUANTITIES),
    Part("quantities_gas", QUANTITIES),
    Part("commodities", COMMODITIES),
    Part("units", UNITS, bulky=True),
    Part("outages", OUTAGES),
    Part("voyages", VOYAGES),
    Part("offers", OFFERS, bulky=True),
    Part("constraints", CONSTRAINTS),
    Part("grid_buses", GRID_BUSES),
    Part("grid_branches", GRID_BRANCHES),
    Part("grid_units", GRID_UNITS),
    Part("nodal_prices_da", NODAL_PRICES, bulky=True),
    Part("nodal_prices_rt", NODAL_PRICES, bulky=True),
    Part("garbled_prices", PRICES),
    Part("garbled_quantities", QUANTITIES),
    Part("truth_ptdf", PTDF),
    Part("truth_shadow_prices", SHADOW_PRICES),
    Part("truth_unit_costs", UNIT_COSTS, bulky=True),
    Part("truth_lng_effect", LNG_EFFECT),
    Part("truth_regimes", REGIMES),
    Part("truth_price_samples", PRICE_SAMPLES),
)
PART_NAMES = tuple(p.name for p in PARTS)


def _profile(name: str) -> TwinProfile:
    return load_profile(name or get_settings().twin_profile_name)


def make(name: str, last: date, *, processes: int | None = None, on_progress: Progress | None = None) -> dict[str, Any]:
    """Generate the days of a profile (the settings' one for an empty name) that are not there.

    Returns:
        profile, folder, days, made (how many were missing), seconds.

    Raises:
        KeyError: there is no such profile.
        ValueError: the date is outside the profile's horizon.
    """
    profile = _profile(name)
    store, days, began = store_of(profile), days_of(profile, last), time.monotonic()
    missing = sum(not store.has(d) for d in days)
    for count, _ in enumerate(generate(profile, last, store, processes=processes), start=1):
        if on_progress:
            on_progress(count, len(days))
    seconds = round(time.monotonic() - began, 3)
    return {"profile": profile.name, "folder": str(store.folder), "days": len(days), "made": missing, "seconds": seconds}


def hashes(name: str, last: date, *, processes: int | None = None, on_progress: Progress | None = None) -> dict[str, Any]:
    """SHA-256 of every part's rows, and of all of them; generates what is missing.

    Returns:
        profile, first, last, sha, and parts: a list of part, rows, sha.
    """
    profile = _profile(name)
    folder = make(name, last, processes=processes, on_progress=on_progress)["folder"]
    store, days = DayStore(Path(folder)), days_of(profile, last)
    parts = []
    for part in PARTS:
        found = [d for day in days if (d := store.digests(day).get(part.name))]
        sha = hashlib.sha256("\n".join(d.sha for d in found).encode()).hexdigest()
        parts.append({"part": part.name, "rows": sum(d.rows for d in found), "sha": sha})
    whole = hashlib.sha256("\n".join(str(p["sha"]) for p in parts).encode()).hexdigest()
    return {"profile": profile.name, "first": days[0], "last": days[-1], "sha": whole, "parts": parts}
