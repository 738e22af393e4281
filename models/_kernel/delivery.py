"""A plant that gives energy and reserve, and the rules an award is delivered by; from config/assets/{ccgt,reserves}.yaml."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

COMMON = "common"
DIRECTIONS = {"up": 1, "down": -1}


class AssetError(ValueError):
    """A value of an asset file cannot be; the message names file, field and value."""


def within(file: str, name: str, value: float, low: float, high: float) -> None:
    """Refuse a value outside its range."""
    if not low <= value <= high:
        raise AssetError(f"config/assets/{file}.yaml: {name} is {value}; it must lie in {low:g}..{high:g}")


def named(cls: Any, file: str, values: Mapping[str, Any], *, defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """`values` completed by `defaults`, with exactly the names of the dataclass."""
    given = {**(defaults or {}), **values}
    names = {f.name for f in fields(cls)}
    if set(given) != names:
        missing, unknown = sorted(names - set(given)), sorted(set(given) - names)
        raise AssetError(f"config/assets/{file}.yaml: missing {missing}, unknown {unknown}; correct the names")
    return given


@dataclass(frozen=True, slots=True)
class ProductRule:
    """How an awarded MW of a reserve product is delivered.

    Attributes:
        sign: 1 for upward reserve (more output), -1 for downward.
        sustain_h: hours that a full call must be held.
        response_min: minutes to reach the award.
        deployed_share: share of the award that is called on average over the hours it is held; that energy is settled.
        depth_mw: largest award of one asset; so small an award moves no price.
        lane: products of one lane, and of the lane "common", share headroom with each other; those of other lanes do not.
    """

    sign: int
    sustain_h: float
    response_min: float
    deployed_share: float
    depth_mw: float
    lane: str = COMMON

    @classmethod
    def of(cls, name: str, values: Mapping[str, Any]) -> Self:
        """The rule of a mapping with `direction` up or down and the attributes' names."""
        given = dict(values)
        direction = given.pop("direction", "")
        if direction not in DIRECTIONS:
            raise AssetError(f"config/assets/reserves.yaml: {name}: direction is {direction!r}; give up or down")
        made = cls(**named(cls, "reserves", {"sign": DIRECTIONS[direction], **given}, defaults={"lane": COMMON}))
        for field, low, high in (("sustain_h", 0, 24), ("response_min", 0.01, 1440), ("deployed_share", 0, 1), ("depth_mw", 0, 1e5)):
            within("reserves", f"{name}: {field}", getattr(made, field), low, high)
        return made


@dataclass(frozen=True, slots=True)
class Reserves:
    """Rules of all products, by name, and what a breach costs (`breach_penalty_ccy`, currency per hub, day and asset)."""

    products: Mapping[str, ProductRule]
    breach_penalty_ccy: float

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The rules of config/assets/reserves.yaml."""
        given = named(cls, "reserves", values)
        within("reserves", "breach_penalty_ccy", float(given["breach_penalty_ccy"]), 0, math.inf)
        return cls({name: ProductRule.of(name, rule) for name, rule in given["products"].items()}, float(given["breach_penalty_ccy"]))

    def as_json(self) -> dict[str, Any]:
        """What `of` reads."""
        products = {}
        for name, rule in self.products.items():
            told = asdict(rule)
            products[name] = {"direction": "up" if told.pop("sign") > 0 else "down", **told}
        return {"products": products, "breach_penalty_ccy": self.breach_penalty_ccy}


@dataclass(frozen=True, slots=True)
class Plant:
    """A thermal plant that is off when a day begins.

    Attributes:
        max_mw: largest output.
        min_mw: smallest output while it runs.
        ramp_mw_per_min: fastest change of output while it runs.
        start_cost_ccy: cost of a start.
        min_up_h: fewest hours it runs once started.
        min_down_h: fewest hours it stands once stopped.
        gas_unit_per_mwh: units of the market's gas price per MWh.
        co2_t_per_mwh: emissions, charged where the market has a carbon price.
        other_cost_ccy_per_mwh: operation and maintenance.
        fuel_cost_ccy_per_mwh: fuel cost where no gas price is known.
    """

    max_mw: float
    min_mw: float
    ramp_mw_per_min: float
    start_cost_ccy: float
    min_up_h: float
    min_down_h: float
    gas_unit_per_mwh: float
    co2_t_per_mwh: float
    other_cost_ccy_per_mwh: float
    fuel_cost_ccy_per_mwh: float

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The plant of config/assets/ccgt.yaml."""
        made = cls(**{k: float(v) for k, v in named(cls, "ccgt", values).items()})
        within("ccgt", "max_mw", made.max_mw, 1e-6, 1e5)
        within("ccgt", "min_mw", made.min_mw, 1e-6, made.max_mw)
        within("ccgt", "ramp_mw_per_min", made.ramp_mw_per_min, 1e-9, 1e5)
        for name in ("start_cost_ccy", "gas_unit_per_mwh", "co2_t_per_mwh", "other_cost_ccy_per_mwh", "fuel_cost_ccy_per_mwh"):
            within("ccgt", name, getattr(made, name), 0, 1e6)
        for name in ("min_up_h", "min_down_h"):
            within("ccgt", name, getattr(made, name), 0, 24)
        return made
