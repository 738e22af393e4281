"""Parameters of imbalance, read from config/models/imbalance.yaml and config/assets/portfolio.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from models._kernel.portfolio import Portfolio

FILE = "config/models/imbalance.yaml"


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        portfolio: the hedged load and its limits.
        train_days: training rows are of the last so many delivery days.
        knots: levels that have a booster and a calibration; the other quantiles are interpolated between them. They must begin at
            0.01, end at 0.99 and hold 0.5.
        rounds: boosting rounds of every knot.
        leaves: leaves of a tree.
        learning_rate: step of boosting.
        min_rows: fewest rows of a leaf.
        calibration_days: days before the cutoff that start the conformal calibration, answered by boosters that never saw them.
        aci_gamma: step of the adaptive conformal levels; 0 issues the boosted quantiles as they are.
        aci_window: errors remembered per local time.
        centre_levels: the hedge acts on the mean of the quantiles between these two levels, which a few spikes do not move.
        scenarios: joint scenarios drawn per series and delivery date; as many as curve_dist draws, whose numbers they share.
        threads: LightGBM threads; one keeps artifacts byte-identical between machines.
    """

    portfolio: Portfolio
    train_days: int = 730
    knots: tuple[float, ...] = (0.01, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99)
    rounds: int = 120
    leaves: int = 15
    learning_rate: float = 0.05
    min_rows: int = 60
    calibration_days: int = 90
    aci_gamma: float = 0.02
    aci_window: int = 120
    centre_levels: tuple[float, float] = (0.2, 0.8)
    scenarios: int = 500
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        knots = list(self.knots)
        if knots != sorted(set(knots)) or not {0.01, 0.5, 0.99} <= set(knots) or knots[0] < 0.01 or knots[-1] > 0.99:
            raise ValueError(f"{FILE}: knots {knots} must rise from 0.01 over 0.5 to 0.99")
        low_level, high_level = self.centre_levels
        if not 0.01 <= low_level <= high_level <= 0.99:
            raise ValueError(f"{FILE}: centre_levels are {list(self.centre_levels)}; give a lower and an upper level within 0.01..0.99")
        for name in ("train_days", "rounds", "min_rows", "calibration_days", "aci_window", "scenarios", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{FILE}: {name} is {getattr(self, name)}; it must be at least 1")
        for name, low, high in (("learning_rate", 1e-4, 1.0), ("aci_gamma", 0.0, 1.0), ("leaves", 2, 1024)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{FILE}: {name} is {getattr(self, name)}; it must lie in {low:g}..{high:g}")

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Params:
        """Parameters from a mapping; absent ones take their default.

        Raises:
            ValueError: a name is not known, the portfolio is missing, or a value is outside its range.
        """
        given = dict(values or {})
        assets = dict(given.pop("assets", {}))
        unknown = sorted(set(given) - ({f.name for f in fields(cls)} - {"portfolio"}))
        if unknown:
            raise ValueError(f"imbalance: unknown parameter(s) {unknown} in {FILE}; known: {sorted(f.name for f in fields(cls))}")
        if "portfolio" not in assets:
            raise ValueError("imbalance: no portfolio given; parameters need assets.portfolio (config/assets/portfolio.yaml)")
        for name in ("knots", "centre_levels"):
            if name in given:
                given[name] = tuple(float(level) for level in given[name])
        return cls(portfolio=Portfolio.of(assets["portfolio"]), **given)

    def as_json(self) -> dict[str, Any]:
        """What `of` reads, JSON-able."""
        values = asdict(self)
        return {"assets": {"portfolio": values.pop("portfolio")}, **values}
