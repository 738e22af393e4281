"""Panels of arrival shocks: a market from the warehouse, and years of the twin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from config.markets import Market
from models._kernel.cross.arrivals import AROUND, KNOWN_LAG, daily, due_days, expected_arrivals
from models._kernel.cross.effects import Panel
from models._kernel.cross.spreads import clean_spread
from pipeline_tasks.cross_asset.market_frame import MarketFrame
from pipeline_tasks.warehouse import Warehouse

if TYPE_CHECKING:
    from pipeline_tasks.cross_asset.twin_years import TwinYears

Array = npt.NDArray[np.float64]
EPOCH = date(1970, 1, 1)
OUTCOMES = ("gas", "spark")
EUROPE = (
    *("Belgium", "Croatia", "Finland", "France", "Germany", "Greece", "Italy", "Lithuania", "Malta", "Netherlands", "Norway", "Poland"),
    *("Portugal", "Spain", "Sweden", "United Kingdom"),
)
SHORTEST_DAYS = AROUND + KNOWN_LAG


def _mean(value: str, order: str, where: str = "1") -> str:
    """SQL of a mean that adds up in order of time: sums must not depend on threads. Null where there is none."""
    pairs = f"arraySort(groupArrayIf(({order}, assumeNotNull({value})), isNotNull({value}) and {where}))"
    return f"if(empty({pairs}), null, arrayAvg(arrayMap(pair -> pair.2, {pairs})))"


FORECASTS = f"""
select
    delivery_date,
    {_mean("load_forecast_mw", "hour_ts")} / 1000 as load,
    {_mean("renewables_forecast_mw", "hour_ts")} / 1000 as renewables
from marts.fact_cross_asset_hourly
where market = {{market:String}} and hub = {{hub:String}}
group by delivery_date
order by delivery_date"""
WEATHER = f"""
select
    toDate32(delivery_ts) as delivery_date,
    {_mean("value", "delivery_ts", "quantity = 'temperature'")} as degc,
    {_mean("value", "delivery_ts", "quantity = 'wind'")} / 1000 as wind
from staging.stg_quantities
where market = {{market:String}} and area = {{area:String}} and kind = 'actual' and quantity in ('temperature', 'wind')
group by delivery_date"""


class NoArrivalsError(LookupError):
    """A market has no arrivals to learn from; the message says what is missing."""


@dataclass(frozen=True)
class Arrivals:
    """Cargoes by day, from the first day on: what came, what was expected the day before, TWh."""

    first: int
    arrived: Array
    expected: Array
    due: Array

    @property
    def shock(self) -> Array:
        """What came less what was expected; NaN while nothing was."""
        return np.asarray(self.arrived - self.expected, dtype=np.float64)


def european_arrivals(warehouse: Warehouse, market: Market) -> Arrivals:
    """Arrivals in Europe beside what its departures made expected.

    Voyages shorter than `SHORTEST_DAYS` (within Europe) are on neither side: their departure is hardly known before they arrive.

    Raises:
        NoArrivalsError: the market has no rows of raw.lng_events.
    """
    events = warehouse.query(
        "select event, destination, delivery_ts, cargo_gwh, distance_nm from staging.stg_lng_events where market = {market:String}"
        " and destination in {europe:Array(String)} and origin not in {europe:Array(String)} order by delivery_ts",
        {"market": market.key, "europe": list(EUROPE)},
    )
    if events.is_empty():
        raise NoArrivalsError(f"{market.key}: raw.lng_events has no cargo for Europe; ingest config/importers/lng_gas.yaml")
    events = events.with_columns(day=pl.col("delivery_ts").dt.epoch("d"))
    due = due_days(events["day"].to_numpy().astype(np.int64), events["distance_nm"].to_numpy())
    events = events.with_columns(pl.Series("due", due)).filter(pl.col("due") - pl.col("day") >= SHORTEST_DAYS)
    first, last = int(events["day"].min()), int(events["day"].max())  # type: ignore[arg-type]
    days = last - first + 1
    amount = events["cargo_gwh"].to_numpy() / 1000
    came = (events["event"] == "arrival").to_numpy()
    arrived = daily((events["day"].to_numpy() - first)[came].astype(np.int64), amount[came], days)
    due_by_day = daily((events["due"].to_numpy() - first)[~came].astype(np.int64), amount[~came], days)
    return Arrivals(first, arrived, expected_arrivals(arrived, due_by_day), due_by_day)


def market_panel(warehouse: Warehouse, found: MarketFrame, outcome: str) -> Panel:
    """Panel of a market: `gas` (log settlement) or `spark` (clean spark spread of the auction held on the day, currency/MWh).

    Controls are what the day knew: load and renewables forecasts of the auction, oil, the season, the storage gap. Instruments: cargo
    overdue a week before, and wind on the day (metered output); neither is beyond doubt, and the report says so.

    Raises:
        NoArrivalsError: the market has no arrivals.
    """
    arrivals = european_arrivals(warehouse, found.market)
    frame = _daily_controls(warehouse, found)
    day = (frame["delivery_date"].to_numpy().astype("datetime64[D]") - np.datetime64("1970-01-01")).astype(np.int64)
    at = day - arrivals.first
    inside = (at >= 0) & (at < arrivals.arrived.size)
    shock = np.where(inside, arrivals.shock[np.clip(at, 0, arrivals.arrived.size - 1)], np.nan)
    overdue = np.cumsum(arrivals.due - arrivals.arrived)
    week = overdue - np.concatenate((np.full(60, np.nan), overdue[:-60]))
    late = np.where(inside & (at >= 7), week[np.clip(at - 7, 0, arrivals.arrived.size - 1)], np.nan)
    values = {c: frame[c].cast(pl.Float64).fill_null(float("nan")).to_numpy() for c in frame.columns if c != "delivery_date"}
    level = np.log(values["gas"]) if outcome == "gas" else _spark(found, values)
    names = ("load", "renewables", "oil", "storage_gap", "season_sin", "season_cos")
    angle = 2 * np.pi * day / 365.25
    columns = (values["load"], values["renewables"], _moved(np.log(values["oil"])), values["storage_gap"], np.sin(angle), np.cos(angle))
    keep = np.isfinite(shock)
    instruments = np.column_stack((late, values["wind"]))
    whole = keep & np.isfinite(np.column_stack(columns)).all(axis=1)
    usable = [k for k in range(2) if whole.any() and np.isfinite(instruments[whole, k]).mean() > 0.5]
    return Panel(
        day[keep], level[keep], shock[keep], np.column_stack(columns)[keep], instruments[keep][:, usable], values["storage_gap"][keep],
        names, tuple(("overdue_cargo", "wind")[k] for k in usable),
    )  # fmt: skip


def _moved(values: Array) -> Array:
    return np.concatenate(([np.nan], np.diff(values)))


def _spark(found: MarketFrame, values: dict[str, Array]) -> Array:
    """Clean spark spread of the power that is auctioned on the day for the next."""
    ahead = np.concatenate((values["power"][1:], [np.nan]))
    carbon = values["co2"] if found.setting.gas_plant.co2_t_per_unit else 0.0
    return clean_spread(ahead, values["gas"], carbon, found.setting.gas_plant)


def _daily_controls(warehouse: Warehouse, found: MarketFrame) -> pl.DataFrame:
    """delivery_date; power, gas, co2 of the day itself; oil and the storage gap known then; forecasts of the next day's auction."""
    forecasts = warehouse.query(FORECASTS, {"market": found.market.key, "hub": found.hub}).with_columns(
        pl.col("delivery_date") - pl.duration(days=1)
    )
    wind = warehouse.query(WEATHER, {"market": found.market.key, "area": "SMARD"}).drop("degc")
    frame = found.frame.select("delivery_date", "oil", "gas_storage_gwh", power="power_outcome")
    year_ago = pl.col("gas_storage_gwh") - pl.col("gas_storage_gwh").shift(365)
    frame = frame.with_columns(storage_gap=year_ago / year_ago.std()).drop("gas_storage_gwh")
    frame = frame.join(found.settled.select("delivery_date", "gas", "co2"), on="delivery_date", how="left", maintain_order="left")
    frame = frame.join(forecasts, on="delivery_date", how="left", maintain_order="left")
    return frame.join(wind, on="delivery_date", how="left", maintain_order="left")


def panels_of(warehouse: Warehouse, found: MarketFrame, *, as_of: datetime | None = None) -> dict[str, Panel]:
    """Panels of a market by outcome, cut at the days whose arrivals and settlements are known at `as_of`.

    Raises:
        NoArrivalsError: the market has neither voyages nor cargoes.
    """
    has_voyages = warehouse.scalar("select count() > 0 from raw.voyages where market = {market:String}", {"market": found.market.key})
    panels = (
        {"gas": voyage_panel(warehouse, found)}
        if has_voyages
        else {outcome: market_panel(warehouse, found, outcome) for outcome in OUTCOMES}
    )
    if as_of is None:
        return panels
    last = (as_of.date() - EPOCH).days - KNOWN_LAG
    return {outcome: until(panel, last) for outcome, panel in panels.items()}


def until(panel: Panel, last: int) -> Panel:
    """The panel up to and with a day."""
    keep = panel.day <= last
    parts = {n: getattr(panel, n)[keep] for n in ("day", "level", "shock", "controls", "instruments", "tightness")}
    truths = {n: v[keep] for n in ("truth", "truth_move") if (v := getattr(panel, n)) is not None}
    return replace(panel, **parts, **truths)


def voyage_panel(warehouse: Warehouse, found: MarketFrame) -> Panel:
    """Panel of a market whose voyages are reported one by one: shocks are cargo arrived less scheduled; rows are days with a settlement.

    Tightness is stock below its mean, in standard deviations.
    """
    key, zone = {"market": found.market.key}, found.market.time_zone
    reports = warehouse.query(
        "select voyage, status, cargo_gwh, scheduled_ts, arrival_ts from raw.voyages where market = {market:String}"
        " order by voyage, known_ts", key
    )  # fmt: skip
    days = found.frame["delivery_date"]
    first, size = (days[0] - EPOCH).days, days.len()

    def by_day(rows: pl.DataFrame, column: str) -> Array:
        local = rows[column].dt.convert_time_zone(zone).dt.date().cast(pl.Int32).to_numpy().astype(np.int64)
        return daily(local - first, rows["cargo_gwh"].to_numpy() / 1000, size)

    came = by_day(reports.filter(pl.col("status") == "arrived").drop_nulls("arrival_ts"), "arrival_ts")
    planned = by_day(reports.unique("voyage", keep="first", maintain_order=True), "scheduled_ts")
    weather = warehouse.query(WEATHER, {**key, "area": found.market.area})
    frame = found.settled.join(weather, on="delivery_date", how="left", maintain_order="left")
    frame = frame.join(found.frame.select("delivery_date", "gas_storage_gwh"), on="delivery_date", how="left", maintain_order="left")
    gas, degc, wind, stock = (
        frame[c].cast(pl.Float64).fill_null(float("nan")).to_numpy() for c in ("gas", "degc", "wind", "gas_storage_gwh")
    )
    rows = np.flatnonzero(np.isfinite(gas) & (np.diff(gas, prepend=np.nan) != 0))
    shock = np.cumsum(came - planned)
    tight = -(stock - np.nanmean(stock)) / max(float(np.nanstd(stock)), 1e-9)
    return Panel(
        (rows + first).astype(np.int64), np.log(gas[rows]), _moved(shock[rows]),
        np.column_stack((_moved(degc[rows]), _moved(wind[rows]))), np.zeros((rows.size, 0)), tight[rows],
        ("degc_change", "wind_change"), (),
    )  # fmt: skip


def twin_panel(years: TwinYears) -> Panel:
    """Panel of the twin: rows are trading days, shocks are cargo arrived less scheduled since the row before, closures instrument them."""
    lng = years.lng
    rows = np.flatnonzero(years.trading)
    total = {name: np.cumsum(values)[rows] / 1000 for name, values in (("shock", lng.unexpected_gwh), ("instrument", lng.instrument_gwh))}
    level = np.log(years.gas)[rows]
    cold, calm = years.cold_degc[rows], years.calm[rows]
    move = np.concatenate(([np.nan], np.diff(lng.effect_log[rows])))
    day = rows + (years.first - EPOCH).days
    return Panel(
        day.astype(np.int64), level, _moved(total["shock"]), np.column_stack((_moved(cold), _moved(calm))),
        _moved(total["instrument"])[:, None], lng.tightness[rows], ("cold_change_degc", "calm_change"), ("closures",),
        truth=lng.effect_per_twh[rows], truth_move=move,
    )  # fmt: skip
