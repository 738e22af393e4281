"""Ancillary products: requirements by a rule, capability of the units, operating reserve demand curves.

Regulation in both directions, spinning and non-spinning reserve. Upward products nest: regulation counts for spinning, both count for
the total with non-spinning, so that a better product is never cheaper than a worse one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models._kernel.grid.network import Floats
from models._kernel.grid.opf_types import ReserveProduct, ReserveRequirement
from pipeline_tasks.twin.fleet import Fleet
from pipeline_tasks.twin.fleet_config import DayAheadConfig
from pipeline_tasks.twin.market_types import RESERVES, Bools, Offers, Reserve

COUNTS: dict[Reserve, tuple[Reserve, ...]] = {
    Reserve.REGULATION_UP: (Reserve.REGULATION_UP,),
    Reserve.REGULATION_DOWN: (Reserve.REGULATION_DOWN,),
    Reserve.SPINNING: (Reserve.REGULATION_UP, Reserve.SPINNING),
    Reserve.NON_SPINNING: (Reserve.REGULATION_UP, Reserve.SPINNING, Reserve.NON_SPINNING),
}
"""Products that count towards the requirement of each; its size is the sum of their own needs."""


@dataclass(frozen=True)
class ReserveNeeds:
    """Needs per product, before nesting: (hour, reserve) MW."""

    needs_mw: Floats

    def nested(self) -> Floats:
        """(hour, reserve) size of each requirement: the needs of all products that count towards it."""
        place = {r: k for k, r in enumerate(RESERVES)}
        columns = [self.needs_mw[:, [place[c] for c in COUNTS[r]]].sum(axis=1) for r in RESERVES]
        return np.stack(columns, axis=1)


def reserve_needs(load_mw: Floats, renewable_mw: Floats, config: DayAheadConfig) -> ReserveNeeds:
    """Needs of the hours from forecast system load and wind and solar output, (hour,) each."""
    columns = [config.reserve_of_load[r] * load_mw + config.reserve_of_renewables[r] * renewable_mw for r in RESERVES]
    return ReserveNeeds(np.asarray(np.round(np.stack(columns, axis=1), 1), dtype=np.float64))


def reserve_products(fleet: Fleet, on: Bools, available_mw: Floats, config: DayAheadConfig) -> tuple[ReserveProduct, ...]:
    """Products with the capability of each unit in one hour.

    Args:
        fleet: the units.
        on: (unit,) running.
        available_mw: (unit,) output limit.
        config: product times and offers.
    """
    units = fleet.units
    alive = available_mw > 1e-6
    spinning = alive & on & ~units.renewable & ~units.river
    standing = alive & ~on & units.fast
    products = []
    for reserve in RESERVES:
        minutes = config.reserve_minutes[reserve]
        within = np.minimum(units.reserve_share * units.p_max_mw * min(minutes / 10, 1.0), units.ramp_mw_per_min * minutes)
        able = spinning | standing if reserve is Reserve.NON_SPINNING else spinning
        offer = config.reserve_offer[reserve] * (1 + 0.3 * (1 - units.reserve_share))
        capability = np.where(able, np.minimum(within, np.maximum(available_mw, 0.0)), 0.0)
        products.append(ReserveProduct(reserve.value, capability, offer, upward=reserve is not Reserve.REGULATION_DOWN))
    return tuple(products)


def reserve_requirements(sizes_mw: Floats, config: DayAheadConfig, worth: float = 1.0) -> tuple[ReserveRequirement, ...]:
    """Demand curves of one hour from the nested sizes (reserve,); `worth` of `scarcity_worth` scales their prices."""
    shares = np.array(config.curve_share)
    return tuple(
        ReserveRequirement(r.value, tuple(c.value for c in COUNTS[r]), shares * sizes_mw[k], worth * np.array(config.curve_price[r]))
        for k, r in enumerate(RESERVES)
    )


def scarcity_worth(config: DayAheadConfig, offers: Offers, price_cap: float) -> float:
    """Share of the curves' prices that fits between the dearest offer of the day and the cap.

    One MW of energy may cost an offer and the reserve that it displaces, all nested products at once. Were that dearer than the cap,
    load would be given up while there is reserve.
    """
    most = sum(max(config.curve_price[r]) for r in COUNTS[Reserve.NON_SPINNING])
    dearest = float(offers.price.max(initial=0.0))
    return float(np.clip((price_cap - dearest) / most, 0.0, 1.0))
