"""Parameters of ancillary, read from config/models/ancillary.yaml and config/assets/{battery,ccgt,reserves}.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from models._kernel.delivery import Plant, Reserves
from models._kernel.quantile_boosting import BoostSettings
from models._kernel.storage.asset import StorageAsset

FILE = "config/models/ancillary.yaml"
ASSETS = ("battery", "ccgt", "reserves")
TASKS = ("auto", "multi", "single")


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        battery: the battery that is scheduled.
        ccgt: the plant that is scheduled.
        reserves: how awards are delivered.
        train_days: training rows are of the last so many delivery days.
        knots: levels that have a booster; the other quantiles are interpolated. They begin at 0.01, end at 0.99 and hold 0.5.
        rounds: boosting rounds of every knot.
        leaves: leaves of a tree.
        learning_rate: step of boosting.
        min_rows: fewest rows of a leaf.
        tasks: `multi` (forecasts of all products are inputs of each), `single`, or `auto`: per product what was better on the last days.
        co_levels: levels of the forecasts that are such inputs.
        co_folds: blocks of days that these forecasts are made for out of fold.
        calibration_days: last days before the cutoff, answered by boosters that never saw them; they choose tasks, start calibration.
        aci_gamma: step of the adaptive conformal levels; 0 issues the boosted quantiles as they are.
        aci_window: errors remembered per local time.
        centre_levels: the schedule acts on the mean of the quantiles between these two levels.
        threads: LightGBM threads; one keeps artifacts byte-identical between machines.
    """

    battery: StorageAsset
    ccgt: Plant
    reserves: Reserves
    train_days: int = 730
    knots: tuple[float, ...] = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
    rounds: int = 80
    leaves: int = 15
    learning_rate: float = 0.07
    min_rows: int = 40
    tasks: str = "auto"
    co_levels: tuple[float, ...] = (0.5, 0.9)
    co_folds: int = 3
    calibration_days: int = 60
    aci_gamma: float = 0.02
    aci_window: int = 120
    centre_levels: tuple[float, float] = (0.05, 0.95)
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        knots = list(self.knots)
        if knots != sorted(set(knots)) or not {0.01, 0.5, 0.99} <= set(knots) or knots[0] < 0.01 or knots[-1] > 0.99:
            raise ValueError(f"{FILE}: knots {knots} must rise from 0.01 over 0.5 to 0.99")
        low_level, high_level = self.centre_levels
        if not 0.01 <= low_level <= high_level <= 0.99:
            raise ValueError(f"{FILE}: centre_levels are {list(self.centre_levels)}; give a lower and an upper level within 0.01..0.99")
        if self.tasks not in TASKS:
            raise ValueError(f"{FILE}: tasks is {self.tasks!r}; use one of {', '.join(TASKS)}")
        levels = list(self.co_levels)
        if not levels or levels != sorted(set(levels)) or not 0 < levels[0] <= levels[-1] < 1:
            raise ValueError(f"{FILE}: co_levels {levels} must rise strictly inside (0, 1)")
        for name in ("train_days", "rounds", "min_rows", "calibration_days", "aci_window", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{FILE}: {name} is {getattr(self, name)}; it must be at least 1")
        for name, low, high in (("learning_rate", 1e-4, 1.0), ("aci_gamma", 0.0, 1.0), ("leaves", 2, 1024), ("co_folds", 2, 20)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{FILE}: {name} is {getattr(self, name)}; it must lie in {low:g}..{high:g}")

    @property
    def boosting(self) -> BoostSettings:
        """Settings of every booster."""
        return BoostSettings(self.rounds, self.leaves, self.learning_rate, self.min_rows, self.threads)

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Params:
        """Parameters from a mapping; absent ones take their default.

        Raises:
            ValueError: a name is not known, an asset is missing, or a value is outside its range.
        """
        given = dict(values or {})
        assets = dict(given.pop("assets", {}))
        known = {f.name for f in fields(cls)} - set(ASSETS)
        if set(given) - known:
            raise ValueError(f"ancillary: unknown parameter(s) {sorted(set(given) - known)} in {FILE}; known: {sorted(known)}")
        missing = [name for name in ASSETS if name not in assets]
        if missing:
            raise ValueError(f"ancillary: parameters hold no assets {missing}; name them under `assets` in {FILE}")
        for name in ("knots", "centre_levels", "co_levels"):
            if name in given:
                given[name] = tuple(float(level) for level in given[name])
        return cls(StorageAsset.of(assets["battery"]), Plant.of(assets["ccgt"]), Reserves.of(assets["reserves"]), **given)

    def as_json(self) -> dict[str, Any]:
        """What `of` reads, JSON-able."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ASSETS}
        assets = {"battery": asdict(self.battery), "ccgt": asdict(self.ccgt), "reserves": self.reserves.as_json()}
        return {"assets": assets, **{k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}}
