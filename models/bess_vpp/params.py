"""Parameters of bess_vpp, read from config/models/bess_vpp.yaml, config/assets/bess.yaml and config/markets.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from models._kernel.quantile_boosting import BoostSettings
from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.rules import MarketRules
from models.bess_vpp.spec import LEVELS

FILE = "config/models/bess_vpp.yaml"
ASSETS = ("bess", "markets")
WIDEST = (-10_000.0, 25_000.0)


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        bess: the battery.
        markets: entries of config/markets.yaml by key; a market without `storage` is settled without fees.
        train_days: training rows are of the last so many delivery days.
        rounds: boosting rounds of every quantile.
        leaves: leaves of a tree.
        learning_rate: step of boosting.
        min_rows: fewest rows of a leaf.
        calibration_days: last days before the cutoff, answered by boosters that never saw them; errors and dependence come from them.
        cqr: recalibrate the quantiles (conformalised quantile regression by block of the day).
        cqr_window_days: days of errors that recalibrate.
        blocks: blocks of a day with a correction each.
        paths: joint scenarios of both prices that the controller plays and the schedule is chosen on.
        scenarios: how many of them the two-stage program sees.
        risk_aversion: weight of CVaR in the published schedule.
        lambdas: risk aversions of the frontier.
        threads: LightGBM threads; one keeps artifacts byte-identical between machines.
    """

    bess: StorageAsset
    markets: Mapping[str, Any]
    train_days: int = 730
    rounds: int = 150
    leaves: int = 15
    learning_rate: float = 0.06
    min_rows: int = 40
    calibration_days: int = 60
    cqr: bool = True
    cqr_window_days: int = 90
    blocks: int = 6
    paths: int = 40
    scenarios: int = 20
    risk_aversion: float = 0.25
    lambdas: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name in ("train_days", "rounds", "min_rows", "calibration_days", "cqr_window_days", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{FILE}: {name} is {getattr(self, name)}; it must be at least 1")
        whole = (("leaves", 2, 1024), ("blocks", 1, 24), ("paths", 2, 5000), ("scenarios", 2, self.paths))
        ranges = (*whole, ("learning_rate", 1e-4, 1.0), ("risk_aversion", 0.0, 1.0))
        for name, low, high in ranges:
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{FILE}: {name} is {getattr(self, name)}; it must lie in {low:g}..{high:g}")
        if list(self.lambdas) != sorted(set(self.lambdas)) or not self.lambdas or not 0 <= self.lambdas[0] <= self.lambdas[-1] <= 1:
            raise ValueError(f"{FILE}: lambdas are {list(self.lambdas)}; they must rise inside 0..1")

    @property
    def boosting(self) -> BoostSettings:
        """Settings of every booster."""
        return BoostSettings(self.rounds, self.leaves, self.learning_rate, self.min_rows, self.threads)

    @property
    def knots(self) -> tuple[float, ...]:
        """Levels that have a booster: all that are answered."""
        return LEVELS

    def rules(self, market: str, resolution_min: int) -> MarketRules:
        """Rules of a market at the resolution of its rows."""
        entry = self.markets.get(market) or {}
        if not entry.get("storage"):
            low, high = WIDEST
            return MarketRules(resolution_min, float(entry.get("price_floor", low)), float(entry.get("price_cap", high)))
        return replace(MarketRules.of_market({"key": market, **entry}), interval_min=resolution_min)

    def asset(self, market: str) -> StorageAsset:
        """The battery, its wear in the market's currency."""
        return self.bess.on(self.markets.get(market) or {})

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
            raise ValueError(f"bess_vpp: unknown parameter(s) {sorted(set(given) - known)} in {FILE}; known: {sorted(known)}")
        missing = [name for name in ASSETS if name not in assets]
        if missing:
            raise ValueError(f"bess_vpp: parameters hold no assets {missing}; name them under `assets` in {FILE}")
        if "lambdas" in given:
            given["lambdas"] = tuple(float(value) for value in given["lambdas"])
        markets = assets["markets"].get("markets", assets["markets"])
        settled = {key: {k: entry[k] for k in ("price_floor", "price_cap", "storage") if k in entry} for key, entry in markets.items()}
        return cls(StorageAsset.of(assets["bess"], "bess"), settled, **given)

    def as_json(self) -> dict[str, Any]:
        """What `of` reads, JSON-able."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ASSETS}
        values["lambdas"] = list(self.lambdas)
        return {"assets": {"bess": asdict(self.bess), "markets": dict(self.markets)}, **values}
