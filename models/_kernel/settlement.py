"""Settlement of decisions: what a position cost once outcomes are known, and the best position for a given forecast.

One rule per kind of decision (`RULES`). Model, baselines, oracle and scorecard all settle by it, so that a difference in cost is a
difference in decisions. Costs are currency, negative when money is earned. Positions have one column per position column of the model's
decision, in their order and unit, shape (n, k).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.hedging import HedgeLimits, optimal_hedge
from models._kernel.portfolio import Portfolio
from models._kernel.spec import ModelSpec

Array = npt.NDArray[np.float64]
DECISION_KEY = ("market", "hub", "product", "delivery_date", "as_of")


class Settlement(Protocol):
    """A settlement rule; `rows` are feature rows, with their outcomes where cost or deviation is asked for."""

    def volume(self, rows: pl.DataFrame) -> Array:
        """Energy that costs are told per, MWh per row."""
        ...

    def cost(self, rows: pl.DataFrame, position: Array) -> Array:
        """Cost of every row, currency, shape (n,); what cannot be known (no metered load) counts as the schedule kept."""
        ...

    def asset_costs(self, rows: pl.DataFrame, position: Array) -> Mapping[str, Array]:
        """Cost of every row by the asset that it arises from; they add up to `cost`."""
        ...

    def deviation(self, rows: pl.DataFrame, position: Array) -> Array:
        """Energy that is settled at the balancing price, MWh per row; NaN where there is none or it was not measured."""
        ...

    def breaches(self, rows: pl.DataFrame, position: Array) -> Array:
        """Broken obligations of every row (awards that could not have been delivered), shape (n,); zeros where there are none to break."""
        ...

    def best(self, rows: pl.DataFrame, expected: Array) -> Array:
        """The position within all limits, (n, k), that costs least if the outcome is as `expected`, (n,); decided day by day."""
        ...


@dataclass(frozen=True, slots=True)
class ImbalanceSettlement:
    """Single-price imbalance settlement of a load portfolio: (metered load - schedule) x spread + fee x absolute deviation.

    The outcome column `price_ccy_per_mwh` is the spread (balancing less day-ahead price), the position the share by which the
    schedule exceeds the load forecast. The metered load is the same whatever the position.
    """

    portfolio: Portfolio

    def volume(self, rows: pl.DataFrame) -> Array:
        """Scheduled energy of the unhedged portfolio."""
        return self.portfolio.scheduled_mwh(rows)

    def deviation(self, rows: pl.DataFrame, position: Array) -> Array:
        """Metered load less hedged schedule, MWh."""
        own = rows["load_deviation_share"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return np.asarray(self.volume(rows) * (own - position[:, 0]), dtype=np.float64)

    def cost(self, rows: pl.DataFrame, position: Array) -> Array:
        """Cost of the deviation; where no load is metered, of the hedge alone."""
        spread = rows["price_ccy_per_mwh"].cast(pl.Float64).to_numpy()
        deviation = self.deviation(rows, position)
        settled = np.where(np.isfinite(deviation), deviation, -self.volume(rows) * position[:, 0])
        return np.asarray(settled * spread + self.portfolio.fee_ccy_per_mwh * np.abs(settled), dtype=np.float64)

    def asset_costs(self, rows: pl.DataFrame, position: Array) -> Mapping[str, Array]:
        """All of it is the portfolio's."""
        return {"portfolio": self.cost(rows, position)}

    def breaches(self, rows: pl.DataFrame, position: Array) -> Array:
        """None: whatever is not scheduled is settled."""
        del position
        return np.zeros(rows.height)

    def best(self, rows: pl.DataFrame, expected: Array) -> Array:
        """One linear program per hub and delivery date (`hedging.optimal_hedge`)."""
        p = self.portfolio
        limits = HedgeLimits(p.band_share, p.net_share, p.gross_growth_share, p.fee_ccy_per_mwh)
        energy, mad = p.scheduled_mwh(rows), p.error_share(rows)
        position = np.zeros(rows.height)
        days = rows.select(*DECISION_KEY, "delivery_ts").with_row_index("row").sort("delivery_ts").group_by(DECISION_KEY).agg("row")
        for numbers in days["row"].to_list():
            day = np.asarray(numbers, dtype=np.int64)
            position[day] = optimal_hedge(energy[day], expected[day], mad[day], limits)
        return position[:, None]


def _imbalance(assets: Mapping[str, Any]) -> Settlement:
    return ImbalanceSettlement(Portfolio.of(assets["portfolio"]))


def _cooptimisation(assets: Mapping[str, Any]) -> Settlement:
    from models._kernel.delivery import Plant, Reserves
    from models._kernel.settlement_reserves import ReserveSettlement
    from models._kernel.storage.asset import StorageAsset

    return ReserveSettlement(StorageAsset.of(assets["battery"]), Plant.of(assets["ccgt"]), Reserves.of(assets["reserves"]))


# settlement rule -> assets it needs, and how it is made of them
RULES: Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Settlement]]] = {
    "imbalance": (("portfolio",), _imbalance),
    "cooptimisation": (("battery", "ccgt", "reserves"), _cooptimisation),
}


def settlement_of(spec: ModelSpec, params: Mapping[str, Any]) -> Settlement:
    """The settlement rule of a decision model, with the assets of its parameters (`registry.params_of`).

    Raises:
        ValueError: the model decides nothing, or names a rule or asset that is not there.
    """
    if spec.decision is None:
        raise ValueError(f"model {spec.name} decides nothing; give its spec a Decision")
    if spec.decision.settlement not in RULES:
        raise ValueError(f"model {spec.name}: settlement {spec.decision.settlement!r} is not known; known: {', '.join(sorted(RULES))}")
    needed, make = RULES[spec.decision.settlement]
    assets = params.get("assets", {})
    for name in needed:
        if name not in assets:
            raise ValueError(
                f"model {spec.name}: parameters hold no assets.{name}; name it under `assets` in config/models/{spec.name}.yaml"
            )
    return make(assets)


def positions_of(frame: pl.DataFrame, spec: ModelSpec) -> Array:
    """Positions of a decision model's answers in the shape settlement rules take, (n, k).

    Raises:
        ValueError: the model decides nothing.
    """
    if spec.decision is None:
        raise ValueError(f"model {spec.name} decides nothing; give its spec a Decision")
    return (
        frame.select(pl.col(c).cast(pl.Float64) for c in spec.decision.position_columns)
        .to_numpy()
        .reshape(frame.height, len(spec.decision.position_columns))
    )
