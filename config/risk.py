"""Risk: what each desk may do; read from risk.yaml and checked on load."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator

RISK_FILE = Path(__file__).parent / "risk.yaml"


class Desk(BaseModel):
    """Limits of one desk, per delivery date and in the market's currency.

    Attributes:
        label: name for people.
        markets: market keys it may plan for; empty for all.
        position_mw: largest open position at a hub, either way.
        day_ahead_mwh: most energy traded day-ahead in one plan, both ways added.
        es_95_ccy: most expected shortfall of one plan, and of all plans of a delivery date that wait or are approved.
        drawdown_95_ccy: most of the 95 % quantile of the deepest fall of the day's running profit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    markets: tuple[str, ...] = ()
    position_mw: float = Field(gt=0)
    day_ahead_mwh: float = Field(gt=0)
    es_95_ccy: float = Field(gt=0)
    drawdown_95_ccy: float = Field(gt=0)


class Risk(BaseModel):
    """Limits of all desks and what their plans assume.

    Attributes:
        approval_hours: a plan that nobody answers within this time expires.
        level: of value at risk and expected shortfall.
        frontier: risk aversions whose plans are solved to show the trade-off, ascending in 0..1.
        hedge_fee_ccy_per_mwh: fee per MWh traded day-ahead.
        overhedge_share: share of an open position that its day-ahead hedge may exceed it by.
        most_hubs: hubs of one plan at most.
        dials: smallest and largest change of each dial of a scenario, per cent.
        desks: limits by desk.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    approval_hours: float = Field(gt=0, le=168)
    level: float = Field(gt=0.5, lt=1)
    frontier: tuple[float, ...] = Field(min_length=2)
    hedge_fee_ccy_per_mwh: float = Field(ge=0)
    overhedge_share: float = Field(ge=0, le=1)
    most_hubs: int = Field(ge=1, le=50)
    dials: dict[str, tuple[float, float]]
    desks: dict[str, Desk] = Field(min_length=1)

    @field_validator("frontier")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)) or value[0] < 0 or value[-1] > 1:
            raise ValueError(f"frontier {list(value)} must rise and lie within 0..1")
        return value

    def desk(self, name: str) -> Desk:
        """The desk called `name`.

        Raises:
            KeyError: there is none; the message lists those there are.
        """
        if name not in self.desks:
            raise KeyError(f"desk {name!r} is not configured; known: {', '.join(sorted(self.desks))}; add it to config/risk.yaml")
        return self.desks[name]


@lru_cache(maxsize=1)
def load_risk() -> Risk:
    """The limits of risk.yaml.

    Raises:
        ValueError: an entry breaks its schema; the message names field and value.
    """
    return Risk.model_validate(yaml.safe_load(RISK_FILE.read_text(encoding="utf-8")))


__all__ = ["Desk", "Risk", "load_risk"]
