"""RunContext: what a run is about. Everything in it follows from market and delivery date; the clock plays no part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from config.markets import MarketSelection, resolve_market

INSTANT = "%Y%m%dT%H%MZ"


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run of one DAG for one market and delivery date.

    Attributes:
        source: where raw data come from (`twin`, `files`).
        market: market selection key (`epf_de`, `ercot_hb_north`).
        delivery_date: market-local delivery date the run decides for.
        dag: DAG that runs; part of the run_id.
        decided_at: decision time of a run that decides interval by interval, UTC; None for the market's gate.
    """

    source: str
    market: str
    delivery_date: date
    dag: str = "nightly"
    decided_at: datetime | None = None

    @property
    def selection(self) -> MarketSelection:
        """Market and hubs of the run."""
        return resolve_market(self.market)

    @property
    def run_id(self) -> str:
        """Identity of the run: the same data interval always has the same one."""
        until = f":{self.decided_at.astimezone(UTC):{INSTANT}}" if self.decided_at else ""
        return f"{self.dag}:{self.market}:{self.delivery_date.isoformat()}{until}"

    @property
    def as_of(self) -> datetime:
        """Decision time: `decided_at`, else the market's gate for the delivery date, UTC."""
        return self.decided_at or self.selection.market.gate(self.delivery_date)

    @classmethod
    def at(cls, source: str, market: str, instant: datetime) -> Self:
        """The intraday run at an instant, cut to the minute: it is about the local day the instant lies in."""
        day = instant.astimezone(resolve_market(market).market.zone).date()
        return cls(source, market, day, "intraday", instant.astimezone(UTC).replace(second=0, microsecond=0))

    def decisions_of(self, delivery_date: date) -> Self:
        """The run of a delivery date's decisions made up to this run's own decision time, interval by interval.

        A day that is over then has one such run, whichever run asks.
        """
        end = self.selection.market.day_bounds(delivery_date)[1]
        return replace(self, dag="intraday", delivery_date=delivery_date, decided_at=min(self.as_of, end))

    def on(self, delivery_date: date) -> Self:
        """The same run for another delivery date."""
        return replace(self, delivery_date=delivery_date)

    def days_before(self, days: int) -> Self:
        """The same run, `days` delivery days earlier."""
        return self.on(self.delivery_date - timedelta(days=days))

    def to_dict(self) -> dict[str, str]:
        """JSON-able form, for XCom."""
        made = {"source": self.source, "market": self.market, "delivery_date": self.delivery_date.isoformat(), "dag": self.dag}
        return made | ({"decided_at": self.decided_at.isoformat()} if self.decided_at else {})

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
        decided = datetime.fromisoformat(str(values["decided_at"])) if values.get("decided_at") else None
        return cls(str(values["source"]), str(values["market"]), day, str(values.get("dag", "nightly")), decided)


def decided_until(run_id: str) -> datetime:
    """Decision time that a run within the day has in its identity; the first of all instants for any other run."""
    parts = run_id.split(":")
    return datetime.strptime(parts[3], INSTANT).replace(tzinfo=UTC) if len(parts) == 4 else datetime.min.replace(tzinfo=UTC)
