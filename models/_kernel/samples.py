"""Synthetic rows of every feature table, for the laws that each registered model obeys."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from models._kernel.synthetic import SyntheticMarket, day_ahead_features, intraday_features, nodal_features
from models._kernel.synthetic_reserves import reserve_features
from models._kernel.synthetic_spread import spread_features
from models._kernel.synthetic_units import unit_features
from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.features import ANCILLARY, DAY_AHEAD, INTRADAY, NODAL, SPREAD, UNIT_COMMIT

MAKERS: Mapping[str, Callable[[SyntheticMarket], pl.DataFrame]] = {
    DAY_AHEAD.name: day_ahead_features,
    INTRADAY.name: intraday_features,
    SPREAD.name: spread_features,
    ANCILLARY.name: reserve_features,
    NODAL.name: nodal_features,
    UNIT_COMMIT.name: unit_features,
}


def features_of(table: Table, what: SyntheticMarket) -> pl.DataFrame:
    """Synthetic rows of a feature table.

    Raises:
        LookupError: there is no synthetic market for the table.
    """
    if table.name not in MAKERS:
        raise LookupError(
            f"no synthetic rows of {table.full_name}; add a maker to models/_kernel/samples.py, known: {', '.join(sorted(MAKERS))}"
        )
    return MAKERS[table.name](what)
