"""Policies of a battery and a plant between energy and reserves: the model's assets, limits and programs on other prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import polars as pl

from models._kernel.settlement_reserves import ReserveSettlement
from pipeline_tasks.scorecard.decision_baselines import Array, Asked, Policy
from pipeline_tasks.scorecard.point_baselines import persistence


def _energy_only(price: Array, asked: Asked) -> tuple[Array, Array]:
    """No reserve is offered."""
    expected = np.where(asked.rows["is_energy"].to_numpy(), price, np.nan)
    return expected, asked.rule.best(asked.rows, expected)


def energy_only(asked: Asked) -> tuple[Array, Array]:
    """Energy alone, on the model's own forecast."""
    return _energy_only(asked.acted_on, asked)


def energy_only_foresight(asked: Asked) -> tuple[Array, Array]:
    """Energy alone, its prices known in advance."""
    return _energy_only(_column(asked.rows, "price_ccy_per_mwh"), asked)


def sequential(asked: Asked) -> tuple[Array, Array]:
    """Reserves first, by the mean of each product at the same local time over the last week; then energy, on the model's own forecast."""
    rows = asked.rows
    week = _column(rows, "price_hour_mean_7d_ccy_per_mwh")
    week = np.where(np.isfinite(week), week, np.nan_to_num(persistence(rows)))
    position = cast("ReserveSettlement", asked.rule).sequential(rows, week, asked.acted_on)
    return np.where(rows["is_energy"].to_numpy(), asked.acted_on, week), position


def persistence_joint(asked: Asked) -> tuple[Array, Array]:
    """Energy and reserves together, each at its newest known price of the same local time."""
    expected = np.nan_to_num(persistence(asked.rows))
    return expected, asked.rule.best(asked.rows, expected)


def _column(rows: pl.DataFrame, name: str) -> Array:
    return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


POLICIES: Mapping[str, Policy] = {
    "energy_only": energy_only,
    "energy_only_foresight": energy_only_foresight,
    "sequential": sequential,
    "persistence_joint": persistence_joint,
}
