"""What a trader asks for: market, hubs, horizon, dials of fuel, weather and outages, open position, desk and risk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any, Self

from config.markets import resolve_market
from config.risk import load_risk
from pipeline_tasks.steps.context import RunContext

PREFIX = "plan_"


class PlanRequestError(ValueError):
    """A field of the request cannot be used; the message names field, value and remedy."""


@dataclass(frozen=True, slots=True)
class Dials:
    """Changes of the world as known at the gate: per cent of fuel prices and forecasts, and elements that are lost.

    Attributes:
        gas_pct, coal_pct, co2_pct: of the last settlement.
        load_pct, wind_pct, solar_pct: of the forecast of every interval.
        lines, units: branches and generating units out for the whole horizon.
    """

    gas_pct: float = 0.0
    coal_pct: float = 0.0
    co2_pct: float = 0.0
    load_pct: float = 0.0
    wind_pct: float = 0.0
    solar_pct: float = 0.0
    lines: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a dial outside its range."""
        for name, (low, high) in load_risk().dials.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise PlanRequestError(f"{name} is {value:g}; give a change between {low:g} and {high:g} per cent")

    @property
    def turned(self) -> bool:
        """Whether anything differs from the world as known."""
        return self != Dials()


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """One request for a decision plan.

    Attributes:
        market: market key.
        delivery_date: market-local delivery date; known is what was known at its gate.
        desk: desk whose limits hold (config/risk.yaml).
        requester: who asks.
        hubs: up to five hubs of the market.
        position_mw: open position at each hub, MW over the whole horizon: above zero to be sold, below zero to be bought.
        horizon_h: hours from the start of the delivery day that are planned.
        dials: the scenario.
        battery: whether the battery of config/assets/bess.yaml is planned along.
        battery_hub: hub at which it stands; the first hub where empty.
        risk_aversion: weight of expected shortfall in what is maximised, 0 (expected profit alone) to 1.
        risk_budget_ccy: expected shortfall that the plan may reach; 0: the desk's limit alone.
        seed: seed of everything random.
        trigger: what makes two equal forms two plans: the DAG run, or the instant of the command.
        requested_ts: when it was asked for, UTC.
        compare_with: plan that the page compares it with; empty for none.
    """

    market: str
    delivery_date: date
    desk: str
    requester: str
    hubs: tuple[str, ...]
    position_mw: tuple[float, ...]
    horizon_h: int = 24
    dials: Dials = field(default_factory=Dials)
    battery: bool = False
    battery_hub: str = ""
    risk_aversion: float = 0.5
    risk_budget_ccy: float = 0.0
    seed: int = 7
    trigger: str = ""
    requested_ts: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    compare_with: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be planned."""
        most = load_risk().most_hubs
        known = resolve_market(self.market).hubs
        desk = load_risk().desk(self.desk)
        unknown = sorted(set(self.hubs) - set(known))
        if unknown or not 1 <= len(self.hubs) <= most or len(set(self.hubs)) != len(self.hubs):
            raise PlanRequestError(f"hubs are {list(self.hubs)}; give 1 to {most} different ones of {', '.join(known)}")
        if len(self.position_mw) != len(self.hubs):
            raise PlanRequestError(f"position_mw has {len(self.position_mw)} numbers for {len(self.hubs)} hubs; give one for each hub")
        if desk.markets and self.market not in desk.markets:
            raise PlanRequestError(f"market is {self.market!r}; desk {self.desk!r} may plan for {', '.join(desk.markets)}")
        if self.battery_hub and self.battery_hub not in self.hubs:
            raise PlanRequestError(f"battery_hub is {self.battery_hub!r}; give one of the plan's hubs {', '.join(self.hubs)}")
        if not self.requester.strip():
            raise PlanRequestError("requester is empty; say who asks")
        for name, low, high in (("horizon_h", 1, 25), ("risk_aversion", 0, 1), ("risk_budget_ccy", 0, 1e12), ("seed", 0, 2**31)):
            if not low <= getattr(self, name) <= high:
                raise PlanRequestError(f"{name} is {getattr(self, name)}; give a number between {low:g} and {high:g}")

    @classmethod
    def of(cls, form: Mapping[str, Any], *, requester: str, trigger: str, requested_ts: datetime) -> Self:
        """Read a form, the dials among its fields; a single position holds for every hub, no hubs means the market's first five.

        Raises:
            PlanRequestError: a field is unknown or cannot be used.
            KeyError: market or desk is not configured.
        """
        dials = {f.name for f in fields(Dials)}
        own = {f.name for f in fields(cls)} - {"dials", "requester", "trigger", "requested_ts"}
        unknown = sorted(set(form) - own - dials)
        if unknown:
            raise PlanRequestError(f"field(s) {unknown} are not known; a plan has {', '.join(sorted(own | dials))}")
        values = {k: v for k, v in form.items() if k in own and v is not None}
        known = resolve_market(str(values["market"])).hubs
        hubs = tuple(values.get("hubs") or known[: load_risk().most_hubs])
        given = values.get("position_mw", 0.0)
        position = tuple(float(v) for v in given) if isinstance(given, list | tuple) else (float(given),)
        dialed = {k: v for k, v in form.items() if k in dials and v is not None}
        turned: dict[str, Any] = {k: tuple(v) if isinstance(v, list | tuple) else float(v) for k, v in dialed.items()}
        typed = {
            "delivery_date": date.fromisoformat(str(values["delivery_date"])),
            "hubs": hubs,
            "position_mw": position * len(hubs) if len(position) == 1 else position,
            "dials": Dials(**turned),
        }
        return cls(**{**values, **typed}, requester=requester, trigger=trigger, requested_ts=requested_ts)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        dials: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.pop("dials").items()}
        typed = {
            "delivery_date": date.fromisoformat(values["delivery_date"]),
            "requested_ts": datetime.fromisoformat(values["requested_ts"]),
            "hubs": tuple(values["hubs"]),
            "position_mw": tuple(values["position_mw"]),
        }
        return cls(**{**values, **typed}, dials=Dials(**dials))

    def to_json(self) -> str:
        """Canonical JSON."""
        values = asdict(self) | {"delivery_date": self.delivery_date.isoformat(), "requested_ts": self.requested_ts.isoformat()}
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def plan_id(self) -> str:
        """Identity of the plan: the same request of the same trigger always has the same one."""
        return PREFIX + hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @property
    def context(self) -> RunContext:
        """The run whose knowledge the plan rests on: that of the nightly run, at the day's gate."""
        return RunContext("", self.market, self.delivery_date)

    @property
    def run_id(self) -> str:
        """Identity of the run that makes the plan."""
        return f"{self.plan_id}:{self.market}:{self.delivery_date.isoformat()}"


__all__ = ["Dials", "PlanRequest", "PlanRequestError"]
