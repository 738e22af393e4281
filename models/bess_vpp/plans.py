"""The schedule of a day: what a controller that sees prices one by one can make of it, for every risk aversion.

The two-stage program lets a delivery see its whole scenario. A schedule chosen for that leans on recourse nobody has, the more so the more
it is to hedge. So the program's risk-neutral schedule only begins: values of charge follow for it, the controller plays the scenarios on
them, and the schedule of each risk aversion is the best one for those deliveries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.rules import MarketRules
from models._kernel.storage.two_stage import StoragePlan, frontier, solve_two_stage
from models._kernel.storage.value import Problem, dispatch, value_of_charge

Array = npt.NDArray[np.float64]
LEVELS, NODES = 33, 3


@dataclass(frozen=True, slots=True)
class Planned:
    """Plans of a day by rising risk aversion, and the two-stage program's own risk-neutral plan."""

    plans: list[StoragePlan]
    program: StoragePlan


def planned(asset: StorageAsset, rules: MarketRules, first: Array, second: Array, lambdas: Sequence[float], *, few: int) -> Planned:
    """Plans for equally likely scenarios of both prices, shape (S, T).

    Args:
        asset: the battery.
        rules: rules of the market.
        first: day-ahead prices.
        second: balancing prices.
        lambdas: risk aversions, rising.
        few: scenarios of the two-stage program: the first so many, which go around in the newest past days.
    """
    program = solve_two_stage(asset, rules, first[:few], second[:few], risk_aversion=0.0)
    values = value_of_charge(Problem(asset, rules, program.day_ahead_mw, first.mean(axis=0), second), levels=LEVELS, nodes=NODES)
    return Planned(frontier(asset, rules, first, second, lambdas=lambdas, delivered=dispatch(values, second)), program)
