"""RunContext: what a run is about. Everything in it follows from market and delivery date; the clock plays no part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Self

from config.markets import MarketSelection, resolve_market


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run of one DAG for one market and delivery date.

    Attributes:
        source: where raw data come from (`twin`, `files`).
        market: market selection key (`epf_de`, `ercot_hb_north`).
        delivery_date: market-local delivery date the run decides for.
        dag: DAG that runs; part of the run_id.
    """

    source: str
    market: str
    delivery_date: date
    dag: str = "nightly"

    @property
    def selection(self) -> MarketSelection:
        """Market and hubs of the run."""
        return resolve_market(self.market)

    @property
    def run_id(self) -> str:
        """Identity of the run: the same data interval always has the same one."""
        return f"{self.dag}:{self.market}:{self.delivery_date.isoformat()}"

    @property
    def as_of(self) -> datetime:
        """Decision time: the market's gate for the delivery date, UTC."""
        return self.selection.market.gate(self.delivery_date)

    def on(self, delivery_date: date) -> Self:
        """The same run for another delivery date."""
        return replace(self, delivery_date=delivery_date)

    def days_before(self, days: int) -> Self:
        """The same run, `days` delivery days earlier."""
        return self.on(self.delivery_date - timedelta(days=days))

    def to_dict(self) -> dict[str, str]:
        """JSON-able form, for XCom."""
        return {"source": self.source, "market": self.market, "delivery_date": self.delivery_date.isoformat(), "dag": self.dag}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: a field is missing or the date is none; the message names the field and its value.
        """
        missing = [name for name in ("source", "market", "delivery_date") if not values.get(name)]
        if missing:
            raise ValueError(f"run context: {missing} missing in {dict(values)}; give source, market and delivery_date")
        try:
            day = date.fromisoformat(str(values["delivery_date"]))
        except ValueError as error:
            raise ValueError(f"run context: delivery_date is {values['delivery_date']!r}; write it as YYYY-MM-DD") from error
        return cls(source=str(values["source"]), market=str(values["market"]), delivery_date=day, dag=str(values.get("dag", "nightly")))
