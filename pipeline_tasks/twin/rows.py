"""Contract rows of a cleared day: prices of hubs and nodes, binding constraints, output of units, offers."""

from __future__ import annotations

import numpy as np
import polars as pl

from models._kernel.grid.network import Floats
from pipeline_tasks.twin.market_types import RESERVES, WINDOWS, DayCommitment, DayResult, ProductResult, Reserve
from pipeline_tasks.twin.scene import DA_KNOWN, DISCLOSED, MEASURED, SYSTEM, Scene, crossed, hourly

RESERVE_PRODUCTS = {
    Reserve.REGULATION_UP: "regup",
    Reserve.REGULATION_DOWN: "regdn",
    Reserve.SPINNING: "reserve_10s",
    Reserve.NON_SPINNING: "reserve_30",
}


def market_rows(scene: Scene, day: int, commitment: DayCommitment, result: DayResult, capability_mw: Floats) -> dict[str, pl.DataFrame]:
    """Rows by part.

    Args:
        scene: the market.
        day: index of the day.
        commitment: with the day's offers.
        result: what it cleared to.
        capability_mw: (step of real time, unit) what the units could have given.
    """
    return {
        "prices_da": _hub_prices(scene, day, result.da, "da"),
        "prices_rt": _hub_prices(scene, day, result.rt, "rt"),
        "prices_ancillary": _reserve_prices(scene, day, result.da),
        "prices_imbalance": _system_prices(scene, day, "imbalance", result.imbalance.price),
        "nodal_prices_da": _nodal_prices(scene, day, result.da, "da"),
        "nodal_prices_rt": _nodal_prices(scene, day, result.rt, "rt"),
        "constraints": pl.concat([_constraints(scene, day, result.da, "da"), _constraints(scene, day, result.rt, "rt")]),
        "units": _units(scene, day, result.rt, capability_mw),
        "offers": _offers(scene, day, commitment),
    }


def _priced(scene: Scene, frame: pl.DataFrame, product: str, minutes: int) -> pl.DataFrame:
    filled = frame.with_columns(product=pl.lit(product), currency=pl.lit(scene.market.currency))
    return scene.dated(filled, MEASURED if product in {"rt", "imbalance"} else DA_KNOWN, minutes)


def _parts(price: Floats, energy: Floats, congestion: Floats, loss: Floats) -> dict[str, pl.Series]:
    names = ("price", "energy", "congestion", "loss")
    values = (price, energy, congestion, loss)
    return {f"{n}_ccy_per_mwh": pl.Series(np.ascontiguousarray(v).ravel() + 0.0) for n, v in zip(names, values, strict=True)}


def _hub_prices(scene: Scene, day: int, cleared: ProductResult, product: str) -> pl.DataFrame:
    starts = scene.starts(day, cleared.minutes)
    values = _parts(cleared.hub_price, cleared.hub_energy, cleared.hub_congestion, cleared.hub_loss)
    return _priced(scene, crossed(starts, scene.fleet.hubs, "hub").with_columns(**values), product, cleared.minutes)


def _nodal_prices(scene: Scene, day: int, cleared: ProductResult, product: str) -> pl.DataFrame:
    starts, names = scene.starts(day, cleared.minutes), scene.network.buses.names
    energy = np.repeat(cleared.energy, len(names))
    values = _parts(cleared.lmp, energy, cleared.congestion, cleared.loss)
    return _priced(scene, crossed(starts, names, "node").with_columns(**values), product, cleared.minutes)


def _system_prices(scene: Scene, day: int, product: str, price: Floats) -> pl.DataFrame:
    """Prices without parts that hold for the whole system, hourly."""
    none = pl.lit(None, dtype=pl.Float64)
    frame = crossed(scene.starts(day, 60), (SYSTEM,), "hub").with_columns(
        price_ccy_per_mwh=pl.Series(np.round(price, 2) + 0.0), energy_ccy_per_mwh=none, congestion_ccy_per_mwh=none, loss_ccy_per_mwh=none
    )
    return _priced(scene, frame, product, 60)


def _reserve_prices(scene: Scene, day: int, cleared: ProductResult) -> pl.DataFrame:
    return pl.concat([_system_prices(scene, day, RESERVE_PRODUCTS[r], cleared.reserve_price[:, k]) for k, r in enumerate(RESERVES)])


def _constraints(scene: Scene, day: int, cleared: ProductResult, product: str) -> pl.DataFrame:
    """Binding constraints; the sign of the flow says which limit."""
    bound, branches = cleared.constraints, pl.Series(scene.network.branches.names, dtype=pl.String)
    frame = pl.DataFrame(
        {
            "delivery_ts": scene.starts(day, cleared.minutes).gather(bound.step),
            "branch": branches.gather(bound.branch),
            "contingency": _contingencies(scene, bound.contingency),
            "shadow_price_ccy_per_mwh": np.round(np.abs(bound.shadow_price), 2) + 0.0,
            "flow_mw": np.round(bound.flow_mw, 2) + 0.0,
            "limit_mw": np.round(np.abs(bound.limit_mw), 2) + 0.0,
        }
    )
    return _priced(scene, frame, product, cleared.minutes)


def _contingencies(scene: Scene, position: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> pl.Series:
    names = pl.Series([*scene.network.branches.names, ""], dtype=pl.String)
    return names.gather(np.where(position < 0, len(names) - 1, position))


def _units(scene: Scene, day: int, cleared: ProductResult, capability_mw: Floats) -> pl.DataFrame:
    """Hourly mean output in real time."""
    units = scene.fleet.units
    steps = scene.starts(day, 60).len()
    frame = crossed(scene.starts(day, 60), units.names, "unit_id").with_columns(
        fuel=pl.Series(units.fuel, dtype=pl.String).gather(np.tile(np.arange(len(units.names)), steps)),
        output_mw=pl.Series(np.round(hourly(cleared.generation_mw, cleared.minutes), 2).ravel() + 0.0),
        heat_input_mmbtu=pl.lit(None, dtype=pl.Float64),
        capability_mw=pl.Series(np.round(hourly(capability_mw, cleared.minutes), 2).ravel() + 0.0),
    )
    return scene.dated(frame, MEASURED, 60)


def _offers(scene: Scene, day: int, commitment: DayCommitment) -> pl.DataFrame:
    """Day-ahead offers, disclosed two months later."""
    offers, units = commitment.offers, scene.fleet.units
    count = len(offers.unit)
    frame = pl.DataFrame(
        {
            "delivery_ts": scene.midnight(day).gather(np.zeros(count, dtype=np.int64)),
            "unit_id": pl.Series(units.names, dtype=pl.String).gather(offers.unit),
            "owner": pl.Series(units.owner, dtype=pl.String).gather(offers.unit),
            "window": pl.Series(WINDOWS, dtype=pl.String).gather(offers.window),
            "block": offers.block.astype(np.int64),
            "start_mw": np.round(offers.start_mw, 3) + 0.0,
            "block_mw": np.round(offers.size_mw, 3) + 0.0,
            "price_ccy_per_mwh": np.round(offers.price, 4) + 0.0,
        }
    ).with_columns(product=pl.lit("da"), currency=pl.lit(scene.market.currency))
    return scene.dated(frame, DISCLOSED, 1440)
