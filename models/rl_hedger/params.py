"""Parameters of rl_hedger, read from config/models/rl_hedger.yaml and config/assets/portfolio.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from models._kernel.portfolio import Portfolio
from models.rl_hedger.spec import ALGORITHMS, CQL

FILE = "config/models/rl_hedger.yaml"


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        portfolio: the hedged load and its limits.
        algorithm: whose policy is published.
        seeds: networks that are trained and averaged.
        width: hidden units.
        quantiles: quantiles of the distribution of returns.
        steps: gradient steps.
        batch: days of a step.
        rate: learning rate.
        discount: of a day; fees for moving the hedge couple days, hardly anything else does.
        conservatism: weight of CQL's penalty on actions the log does not show.
        expectile: of IQL's state value.
        temperature: of IQL's advantage weights.
        risk_aversion: weight of CVaR beside the mean where actions are ranked.
        tail: share of outcomes that CVaR averages.
        trade_fee_ccy_per_mwh: fee on energy traded day-ahead for the hedge.
        move_fee_ccy_per_mwh: fee on the change of the hedge from the day before.
        step_share: largest change of an interval's hedge from the day before, of its scheduled load.
        halt_drawdown_ccy_per_mwh: drawdown of the last four weeks, per MWh of load, from which on nothing is hedged.
        explore: share of logged days on which the behaviour policy acted at random.
    """

    portfolio: Portfolio
    algorithm: str = CQL
    seeds: int = 20
    width: int = 24
    quantiles: int = 11
    steps: int = 800
    batch: int = 128
    rate: float = 1e-3
    discount: float = 0.8
    conservatism: float = 0.5
    expectile: float = 0.7
    temperature: float = 1.0
    risk_aversion: float = 0.3
    tail: float = 0.2
    trade_fee_ccy_per_mwh: float = 0.1
    move_fee_ccy_per_mwh: float = 0.1
    step_share: float = 0.05
    halt_drawdown_ccy_per_mwh: float = 5.0
    explore: float = 0.5

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"{FILE}: algorithm is {self.algorithm!r}; use {', '.join(ALGORITHMS)}")
        for name in ("seeds", "quantiles", "steps", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{FILE}: {name} is {getattr(self, name)}; it must be at least 1")
        for name, low, high in (
            ("width", 4, 1024), ("rate", 1e-6, 1.0), ("discount", 0.0, 0.99), ("conservatism", 0.0, 100.0), ("expectile", 0.5, 0.99),
            ("temperature", 0.0, 100.0), ("risk_aversion", 0.0, 1.0), ("tail", 0.01, 1.0), ("trade_fee_ccy_per_mwh", 0.0, 1e3),
            ("move_fee_ccy_per_mwh", 0.0, 1e3), ("step_share", 0.0, 2.0), ("halt_drawdown_ccy_per_mwh", 0.0, 1e6), ("explore", 0.05, 1.0),
        ):  # fmt: skip
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
            raise ValueError(f"rl_hedger: unknown parameter(s) {unknown} in {FILE}; known: {sorted(f.name for f in fields(cls))}")
        if "portfolio" not in assets:
            raise ValueError("rl_hedger: no portfolio given; parameters need assets.portfolio (config/assets/portfolio.yaml)")
        return cls(Portfolio.of(assets["portfolio"]), **given)

    def as_json(self) -> dict[str, Any]:
        """The mapping that `of` takes."""
        plain = asdict(self)
        return {"assets": {"portfolio": plain.pop("portfolio")}, **plain}
