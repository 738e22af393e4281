"""Rows of the database `truth`: what the simulation knows of itself. None of it reaches a table of the market."""

from __future__ import annotations

import numpy as np
import polars as pl

from models._kernel.grid.network import Floats
from models._kernel.grid.sensitivities import Sensitivities
from pipeline_tasks.contracts import TS_DTYPE
from pipeline_tasks.twin.market_types import WINDOWS, DayCommitment, DayResult, ProductResult
from pipeline_tasks.twin.scene import Scene, crossed

MOST_PTDF_BUSES = 1_000
"""Networks with more buses keep the factors of their corridors only (branches between hubs): all of them would be hundreds of millions."""


def truth_rows(scene: Scene, day: int, commitment: DayCommitment, result: DayResult) -> dict[str, pl.DataFrame]:
    """Truth by part; the network's factors with the first day."""
    parts = {
        "truth_shadow_prices": pl.concat([_shadow_prices(scene, day, result.da, "da"), _shadow_prices(scene, day, result.rt, "rt")]),
        "truth_unit_costs": _unit_costs(scene, day, commitment),
        "truth_lng_effect": _lng_effect(scene, day),
        "truth_regimes": _regimes(scene, day),
    }
    return parts | {"truth_ptdf": _ptdf(scene)} if day == 0 else parts


def _placed(scene: Scene, frame: pl.DataFrame, minutes: int) -> pl.DataFrame:
    return frame.with_columns(market=pl.lit(scene.market.key), resolution_min=pl.lit(minutes, dtype=pl.Int64))


def _ptdf(scene: Scene) -> pl.DataFrame:
    network, hub = scene.network, scene.fleet.hub_of_bus
    rows = np.arange(network.n_branches)
    if network.n_buses > MOST_PTDF_BUSES:
        rows = np.flatnonzero(hub[network.branches.from_bus] != hub[network.branches.to_bus])
    factors = Sensitivities(network).ptdf(rows)
    branches, buses = (pl.Series(n, dtype=pl.String) for n in (network.branches.names, network.buses.names))
    return pl.DataFrame(
        {
            "branch": branches.gather(np.repeat(rows, network.n_buses)),
            "bus": buses.gather(np.tile(np.arange(network.n_buses), len(rows))),
            "ptdf": np.asarray(factors).ravel() + 0.0,
        }
    ).with_columns(market=pl.lit(scene.market.key), delivery_ts=pl.lit(scene.midnight(0)[0]).cast(TS_DTYPE))


def _shadow_prices(scene: Scene, day: int, cleared: ProductResult, product: str) -> pl.DataFrame:
    bound = cleared.constraints
    branches = pl.Series([*scene.network.branches.names, ""], dtype=pl.String)
    base = len(branches) - 1
    frame = pl.DataFrame(
        {
            "delivery_ts": scene.starts(day, cleared.minutes).gather(bound.step),
            "branch": branches.gather(bound.branch),
            "contingency": branches.gather(np.where(bound.contingency < 0, base, bound.contingency)),
            "shadow_price_ccy_per_mwh": bound.shadow_price * bound.direction + 0.0,
            "flow_mw": bound.flow_mw + 0.0,
            "limit_mw": np.abs(bound.limit_mw) + 0.0,
        }
    ).with_columns(product=pl.lit(product), currency=pl.lit(scene.market.currency))
    return _placed(scene, frame, cleared.minutes)


def _unit_costs(scene: Scene, day: int, commitment: DayCommitment) -> pl.DataFrame:
    offers = commitment.offers
    frame = pl.DataFrame(
        {
            "delivery_ts": scene.midnight(day).gather(np.zeros(len(offers.unit), dtype=np.int64)),
            "unit_id": pl.Series(scene.fleet.units.names, dtype=pl.String).gather(offers.unit),
            "window": pl.Series(WINDOWS, dtype=pl.String).gather(offers.window),
            "block": offers.block.astype(np.int64),
            "start_mw": offers.start_mw + 0.0,
            "block_mw": offers.size_mw + 0.0,
            "cost_ccy_per_mwh": offers.cost + 0.0,
            "markup_ccy_per_mwh": offers.markup + 0.0,
        }
    ).with_columns(currency=pl.lit(scene.market.currency))
    return _placed(scene, frame, 1440)


def _lng_effect(scene: Scene, day: int) -> pl.DataFrame:
    lng, fuels = scene.world.lng, scene.world.fuels
    frame = pl.DataFrame(
        {
            "hub": pl.Series(fuels.gas_hubs, dtype=pl.String),
            "price_ccy_per_mwh": fuels.gas[:, day],
            "price_without_delays_ccy_per_mwh": fuels.gas_without_lng[:, day],
        }
    ).with_columns(
        delivery_ts=pl.lit(scene.midnight(day)[0]).cast(TS_DTYPE),
        currency=pl.lit(scene.market.currency),
        late_gwh=pl.lit(float(lng.late_gwh[day])),
        unexpected_gwh=pl.lit(float(lng.unexpected_gwh[day])),
        instrument_gwh=pl.lit(float(lng.instrument_gwh[day])),
        effect_log_per_twh=pl.lit(float(lng.effect_per_twh[day])),
        effect_log=pl.lit(float(lng.effect_log[day])),
        weather_log=pl.lit(float(lng.weather_log[day])),
    )
    return _placed(scene, frame, 1440)


def _regimes(scene: Scene, day: int) -> pl.DataFrame:
    regimes = scene.world.regimes
    frame = pl.DataFrame({"delivery_ts": scene.midnight(day), "regime": [regimes.names[int(regimes.path[day])]]})
    return _placed(scene, frame, 1440)


def sample_rows(scene: Scene, day: int, draws: list[Floats]) -> pl.DataFrame:
    """The law of hourly real-time prices: one (hour, hub) array per draw."""
    frames = [
        crossed(scene.starts(day, 60), scene.fleet.hubs, "hub").with_columns(
            price_ccy_per_mwh=pl.Series(np.ascontiguousarray(prices).ravel() + 0.0), sample=pl.lit(k, dtype=pl.Int64)
        )
        for k, prices in enumerate(draws)
    ]
    return _placed(scene, pl.concat(frames).with_columns(product=pl.lit("rt"), currency=pl.lit(scene.market.currency)), 60)
