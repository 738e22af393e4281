"""Contract rows of the exogenous world: load, wind, sun, weather, gas and LNG volumes, settlements, outages, voyages, the network."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from models._kernel.grid.network import Floats
from pipeline_tasks.contracts import TS_DTYPE
from pipeline_tasks.twin.market_types import ProductResult
from pipeline_tasks.twin.scene import FORECAST_KNOWN, MEASURED, SETTLED, Scene, hourly

FUEL_QUANTITIES = {"uranium": "nuclear", "lignite": "coal", "coal": "coal", "gas": "gas", "oil": "oil", "water": "hydro"}
DIGITS = {"degC": 2, "MW": 1, "GWh": 3}


def world_rows(scene: Scene, day: int, cleared: ProductResult) -> dict[str, pl.DataFrame]:
    """Rows by part; `cleared` is the real-time product, whose output is what wind, sun and plants delivered."""
    parts = {
        "quantities_system": _system(scene, day, cleared),
        "quantities_hubs": _hubs(scene, day),
        "quantities_gas": _gas(scene, day),
        "commodities": _settlements(scene, day),
        "outages": _outages(scene, day),
        "voyages": _voyages(scene, day),
        "grid_units": _grid_units(scene, day),
    }
    return parts | _network(scene) if day == 0 else parts


def _quantity(scene: Scene, day: int, area: str, named: tuple[str, str], values: Floats, *, unit: str = "MW") -> pl.DataFrame:
    """One hourly series; `named` is quantity and kind."""
    quantity, kind = named
    frame = pl.DataFrame({"delivery_ts": scene.starts(day, 60), "value": np.round(values, DIGITS[unit]) + 0.0}).with_columns(
        area=pl.lit(area), quantity=pl.lit(quantity), kind=pl.lit(kind), unit=pl.lit(unit)
    )
    return scene.dated(frame, FORECAST_KNOWN if kind == "forecast" else MEASURED, 60)


def _system(scene: Scene, day: int, cleared: ProductResult) -> pl.DataFrame:
    world, hours, area = scene.world, scene.world.hours_of(day), scene.market.area
    output = hourly(cleared.generation_mw, cleared.minutes)
    weight = world.geography.hub_load_mw / world.geography.hub_load_mw.sum()
    wind = world.geography.sites.is_wind
    units = scene.fleet.units
    sites = world.sites.forecast_mw[:, hours]
    series: list[tuple[str, str, Floats]] = [
        ("load", "forecast", world.load.forecast_mw[:, hours].sum(axis=0)),
        ("wind", "forecast", sites[wind].sum(axis=0)),
        ("solar", "forecast", sites[~wind].sum(axis=0)),
        ("load", "actual", world.load.actual_mw[:, hours].sum(axis=0)),
        ("wind", "actual", output[:, units.of("wind")].sum(axis=1)),
        ("solar", "actual", output[:, units.of("solar")].sum(axis=1)),
        ("storage", "actual", output[:, units.storage].sum(axis=1)),
    ]
    fuels = np.array([FUEL_QUANTITIES.get(f, "other") for f in units.fuel])
    plain = ~units.renewable & ~units.storage
    series += [(q, "actual", output[:, plain & (fuels == q)].sum(axis=1)) for q in sorted(set(fuels[plain]))]
    frames = [_quantity(scene, day, area, (quantity, kind), values) for quantity, kind, values in series]
    for kind, values in (("forecast", world.weather.forecast_degc), ("actual", world.weather.temperature_degc)):
        frames.append(_quantity(scene, day, area, ("temperature", kind), weight @ values[:, hours], unit="degC"))
    return pl.concat(frames)


def _hubs(scene: Scene, day: int) -> pl.DataFrame:
    """Load and temperature of the hubs, forecast and actual."""
    world, hours = scene.world, scene.world.hours_of(day)
    frames = []
    for k, hub in enumerate(world.geography.hubs):
        for kind, load, degc in (
            ("forecast", world.load.forecast_mw, world.weather.forecast_degc),
            ("actual", world.load.actual_mw, world.weather.temperature_degc),
        ):
            frames.append(_quantity(scene, day, hub, ("zonal_load", kind), load[k, hours]))
            frames.append(_quantity(scene, day, hub, ("temperature", kind), degc[k, hours], unit="degC"))
    return pl.concat(frames)


def _gas(scene: Scene, day: int) -> pl.DataFrame:
    """LNG terminals and underground storage, one value per day."""
    lng, config = scene.world.lng, scene.world.config.lng
    series = [
        (name, quantity, unit, float(values[k, day]) * factor)
        for k, name in enumerate(lng.terminals)
        for quantity, unit, values, factor in (("lng_sendout", "MW", lng.sendout_gwh, 1000 / 24), ("lng_stock", "GWh", lng.stock_gwh, 1.0))
    ]
    series.append((scene.market.area, "gas_storage", "GWh", float(lng.storage_fill[day]) * config.storage_gwh))
    frame = pl.DataFrame(
        {
            "delivery_ts": scene.midnight(day).gather(np.zeros(len(series), dtype=np.int64)),
            "area": [s[0] for s in series],
            "quantity": [s[1] for s in series],
            "unit": [s[2] for s in series],
            "value": [round(s[3], DIGITS[s[2]]) + 0.0 for s in series],
        }
    ).with_columns(kind=pl.lit("actual"))
    return scene.dated(frame, SETTLED, 1440)


def _settlements(scene: Scene, day: int) -> pl.DataFrame:
    """Gas hubs, coal and allowances on trading days; other days are gaps."""
    fuels, names = scene.world.fuels, scene.market.commodities
    series = [("gas", hub, "MWh", float(fuels.gas[k, day])) for k, hub in enumerate(fuels.gas_hubs)]
    series += [
        (name, names.get(name, name.upper()), unit, float(v[day]))
        for name, unit, v in (("coal", "MWh", fuels.coal), ("co2", "t", fuels.co2))
    ]
    frame = pl.DataFrame(
        {
            "delivery_ts": scene.midnight(day).gather(np.zeros(len(series), dtype=np.int64)),
            "commodity": [s[0] for s in series],
            "hub": [s[1] for s in series],
            "unit": [s[2] for s in series],
            "price_ccy_per_unit": [round(s[3], 3) + 0.0 for s in series],
        }
    ).with_columns(currency=pl.lit(scene.market.currency))
    return scene.dated(frame, SETTLED, 1440).head(len(series) if fuels.trading[day] else 0)


def _published(scene: Scene, frame: pl.DataFrame, day: int) -> pl.DataFrame:
    """Rows that became known on the local day; on the first day those from before it too."""
    first = datetime(1990, 1, 1, tzinfo=UTC) if day == 0 else scene.midnight(day)[0]
    last = scene.starts(day, 60)[-1] + timedelta(hours=1)
    known = frame.with_columns(pl.col("known_ts").cast(TS_DTYPE))
    return known.filter((pl.col("known_ts") >= first) & (pl.col("known_ts") < last)).with_columns(market=pl.lit(scene.market.key))


def _outages(scene: Scene, day: int) -> pl.DataFrame:
    """Reports of outages of units and branches, and of closed passages."""
    branches, known = scene.network.branches, [scene.fleet.units, *(u for _, u in scene.plants)]
    size = {f"unit {name}": mw for units in known for name, mw in zip(units.names, units.p_max_mw, strict=True)}
    size |= dict(zip((f"line {n}" for n in branches.names), branches.rating_mw, strict=True))
    nominal = pl.concat_str("element_kind", "element", separator=" ").replace_strict(list(size), list(size.values()), default=None)
    reports = scene.world.outages.reports.with_columns(nominal_mw=nominal.cast(pl.Float64).round(2)).select(
        "known_ts",
        "element",
        "outage_id",
        "kind",
        "nominal_mw",
        element_kind=pl.col("element_kind").replace({"line": "branch"}),
        delivery_ts=pl.col("start_ts").cast(TS_DTYPE),
        end_ts=pl.col("expected_end_ts").cast(TS_DTYPE),
        revision=pl.col("revision").cast(pl.Int64),
        available_mw=(pl.col("nominal_mw") * (1 - pl.col("derate_share"))).round(2),
    )
    closures = scene.world.lng.closures.select(
        "known_ts",
        element=pl.col("passage"),
        outage_id=pl.concat_str(pl.col("passage"), pl.col("start_ts").dt.to_string("%Y%m%d"), separator="-"),
        kind=pl.lit("forced"),
        nominal_mw=pl.lit(None, dtype=pl.Float64),
        element_kind=pl.lit("passage"),
        delivery_ts=pl.col("start_ts").cast(TS_DTYPE),
        end_ts=pl.col("end_ts").cast(TS_DTYPE),
        revision=pl.lit(0, dtype=pl.Int64),
        available_mw=pl.lit(None, dtype=pl.Float64),
    )
    return pl.concat([_published(scene, reports, day), _published(scene, closures, day)])


def _voyages(scene: Scene, day: int) -> pl.DataFrame:
    """Reports of voyages; the arrival stands in the last one."""
    reports = scene.world.lng.voyages.select(
        "known_ts",
        "vessel",
        "origin",
        "terminal",
        "status",
        voyage=pl.col("voyage_id"),
        delivery_ts=pl.col("departed_ts").cast(TS_DTYPE),
        scheduled_ts=pl.col("scheduled_ts").cast(TS_DTYPE),
        eta_ts=pl.col("eta_ts").cast(TS_DTYPE),
        arrival_ts=pl.when(pl.col("status") == "arrived").then("eta_ts").cast(TS_DTYPE),
        revision=pl.col("revision").cast(pl.Int64),
        cargo_gwh=pl.col("cargo_gwh").round(3),
    )
    return _published(scene, reports, day)


def _grid_units(scene: Scene, day: int) -> pl.DataFrame:
    """Units that are in force from the day on: all on the first day, later new plants on the first day of their windows.

    Known on the day before; a new plant's end is known with it.
    """
    units, delivery = scene.fleet.units, scene.delivery(day)
    hubs, buses = pl.Series(scene.fleet.hubs, dtype=pl.String), pl.Series(scene.network.buses.names, dtype=pl.String)
    windows = {p.name: p for p, _ in scene.plants}
    ends = [_after(scene, windows[n].last) if n in windows else None for n in units.names]
    begins = pl.Series([day == 0 or (n in windows and windows[n].first == delivery) for n in units.names], dtype=pl.Boolean)
    frame = pl.DataFrame(
        {
            "unit_id": pl.Series(units.names, dtype=pl.String),
            "bus": buses.gather(units.bus),
            "hub": hubs.gather(units.hub),
            "fuel": pl.Series(units.fuel, dtype=pl.String),
            "owner": pl.Series(units.owner, dtype=pl.String),
            "p_min_mw": np.round(units.p_min_mw, 3),
            "p_max_mw": np.round(units.p_max_mw, 3),
            "ramp_mw_per_min": _finite(np.round(units.ramp_mw_per_min, 4)),
            "valid_to_ts": pl.Series(ends, dtype=TS_DTYPE),
        }
    ).filter(begins)
    return _in_force(scene, frame, day)


def _after(scene: Scene, last: date) -> datetime:
    """UTC instant of the midnight that ends a market-local date."""
    return datetime.combine(last + timedelta(days=1), time(), tzinfo=scene.market.zone).astimezone(UTC)


def _in_force(scene: Scene, frame: pl.DataFrame, day: int) -> pl.DataFrame:
    """Rows of the network model that hold from a day on and are known on the day before."""
    dated = frame.with_columns(delivery_ts=pl.lit(scene.midnight(day)[0]).cast(TS_DTYPE))
    return scene.dated(dated, FORECAST_KNOWN, 1440).drop("resolution_min")


def _network(scene: Scene) -> dict[str, pl.DataFrame]:
    """Buses and branches, in force from the first day on."""
    network, fleet, places = scene.network, scene.fleet, scene.world.geography.buses
    hubs, buses = pl.Series(fleet.hubs, dtype=pl.String), pl.Series(network.buses.names, dtype=pl.String)
    lines, endless = network.branches, pl.lit(None, dtype=TS_DTYPE)
    parts = {
        "grid_buses": pl.DataFrame(
            {
                "bus": buses,
                "hub": hubs.gather(fleet.hub_of_bus),
                "base_kv": network.buses.base_kv,
                "load_share": fleet.bus_share,
                "latitude_deg": np.round(places.lat, 4),
                "longitude_deg": np.round(places.lon, 4),
            }
        ),
        "grid_branches": pl.DataFrame(
            {
                "branch": pl.Series(lines.names, dtype=pl.String),
                "kind": [_kind(float(t), float(s)) for t, s in zip(lines.tap, lines.shift_rad, strict=True)],
                "from_bus": buses.gather(lines.from_bus),
                "to_bus": buses.gather(lines.to_bus),
                "reactance_pu": lines.reactance_pu,
                "tap": lines.tap,
                "shift_rad": lines.shift_rad,
                "rating_mw": _finite(lines.rating_mw),
                "emergency_mw": _finite(lines.emergency_mw),
            }
        ),
    }
    return {name: _in_force(scene, frame.with_columns(valid_to_ts=endless), 0) for name, frame in parts.items()}


def _kind(tap: float, shift: float) -> str:
    if shift:
        return "phase_shifter"
    return "line" if tap == 1.0 else "transformer"


def _finite(values: Floats) -> pl.Series:
    return pl.Series(values).set(pl.Series(~np.isfinite(values)), None)
