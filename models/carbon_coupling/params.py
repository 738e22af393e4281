"""Parameters of carbon_coupling, read from config/models/carbon_coupling.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from models._kernel.carbon_hedge import METHODS


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        hedge_method: how hedge ratios are estimated (`models._kernel.carbon_hedge.METHODS`).
        hedge_days: daily changes of the estimation window.
        gas_efficiency: of the marginal gas plant, MWh of power per MWh of gas.
        coal_efficiency: of the marginal coal plant.
        gas_t_per_mwh: CO2 of burning one MWh of gas.
        coal_t_per_mwh: CO2 of burning one MWh of coal.
        coal_mwh_per_t: heat of one tonne of coal (API 2: 6,000 kcal/kg).
        coal_ccy: currency of the market per unit of the currency that coal is quoted in.
        intensity_days: known days that the marginal intensity is taken over.
    """

    hedge_method: str = "ols"
    hedge_days: int = 250
    gas_efficiency: float = 0.52
    coal_efficiency: float = 0.40
    gas_t_per_mwh: float = 0.202
    coal_t_per_mwh: float = 0.340
    coal_mwh_per_t: float = 6.978
    coal_ccy: float = 0.9
    intensity_days: int = 28

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Params:
        """Parameters from a mapping; absent ones take their default.

        Raises:
            ValueError: a name is not known, or a value is outside its range.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values or {}) - known)
        if unknown:
            raise ValueError(
                f"carbon_coupling: unknown parameter(s) {unknown} in config/models/carbon_coupling.yaml; known: {sorted(known)}"
            )
        given: dict[str, Any] = dict(values or {})
        params = cls(**given)
        if params.hedge_method not in METHODS:
            raise ValueError(f"carbon_coupling: hedge_method is {params.hedge_method!r}; use one of {', '.join(METHODS)}")
        for name in known - {"hedge_method"}:
            if getattr(params, name) <= 0:
                raise ValueError(f"carbon_coupling: {name} is {getattr(params, name)}; it must be above 0")
        return params
