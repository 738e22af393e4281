"""The `twin` source: the simulated market as contract rows, with publication times and a few garbled rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta

import numpy as np
import polars as pl

from config.markets import Market, MarketSelection
from pipeline_tasks.contracts import TS_DTYPE, Table
from pipeline_tasks.contracts.raw import COMMODITIES, PRICES, QUANTITIES
from pipeline_tasks.sources.clock import publication
from pipeline_tasks.sources.importers import DayRule, LagRule
from pipeline_tasks.sources.protocol import RawBatch, SourceError, contract_columns
from pipeline_tasks.twin.clearing import HubPrices, clear
from pipeline_tasks.twin.config import TwinConfig, load_twin
from pipeline_tasks.twin.fundamentals import Fundamentals, simulate
from pipeline_tasks.twin.noise import Calendar

FORECAST_KNOWN = DayRule(rule="day", days=-1, at=time(8))
DA_KNOWN = DayRule(rule="day", days=-1, at=time(12, 45))
MEASURED = LagRule(rule="interval_end", minutes=60)
SETTLED = DayRule(rule="day", days=0, at=time(18))
OBJECTS = ("prices_da", "prices_rt", "quantities_system", "quantities_hubs", "commodities", "garbled_prices", "garbled_quantities")


class TwinSource:
    """Deterministic in its configuration: same seed, same rows; a longer horizon changes no earlier row.

    Args:
        config: the twin's numbers; config/twin.yaml when None.
    """

    def __init__(self, config: TwinConfig | None = None) -> None:
        """Keep the configuration; nothing is simulated yet."""
        self._config = config or load_twin()

    @property
    def name(self) -> str:
        """`twin`."""
        return "twin"

    def objects(self, selection: MarketSelection) -> tuple[str, ...]:
        """The parts of the simulation."""
        self._check(selection, None)
        return OBJECTS

    def batches(self, selection: MarketSelection, *, until: datetime, objects: frozenset[str] | None = None) -> Iterator[RawBatch]:
        """Rows of the simulated market whose delivery starts before `until`.

        Raises:
            SourceError: the market is not the twin's, an object is unknown, or `until` is before the first day or ten years after it.
        """
        self._check(selection, objects)
        market = selection.market
        last = until.astimezone(market.zone).date()
        first = self._config.start_date
        if not first <= last <= first + timedelta(days=3653):
            raise SourceError(f"twin: {last} is not within ten years of {first}; choose another date or move start_date (config/twin.yaml)")
        calendar = Calendar.build(first, last, market.time_zone)
        state = simulate(self._config, calendar)
        for part, table, frame in self._parts(market, selection.hubs, calendar, state):
            rows = frame.filter(pl.col("delivery_ts") < until).select(contract_columns(table))
            if rows.height and (objects is None or part in objects):
                yield RawBatch(table, rows, part, market.key)

    def _check(self, selection: MarketSelection, objects: frozenset[str] | None) -> None:
        missing = sorted(set(selection.hubs) - set(self._config.hubs))
        if missing:
            raise SourceError(
                f"source twin: market {selection.key} has hubs {missing} that are not simulated; use --market twin or --source files"
            )
        unknown = sorted((objects or frozenset()) - set(OBJECTS))
        if unknown:
            raise SourceError(f"objects {unknown} are not parts of the twin; known: {', '.join(OBJECTS)}")

    def _parts(
        self, market: Market, hubs: tuple[str, ...], calendar: Calendar, state: Fundamentals
    ) -> Iterator[tuple[str, Table, pl.DataFrame]]:
        da = _prices(market, hubs, calendar, clear(self._config, calendar, state, "da"), "da")
        yield "prices_da", PRICES, da
        yield "prices_rt", PRICES, _prices(market, hubs, calendar, clear(self._config, calendar, state, "rt"), "rt")
        system = _quantities(market, calendar, state)
        yield "quantities_system", QUANTITIES, system
        yield "quantities_hubs", QUANTITIES, _hub_loads(market, hubs, calendar, state)
        yield "commodities", COMMODITIES, _settlements(market, calendar, state)
        every = self._config.bad_row_every_days
        if every:
            yield "garbled_prices", PRICES, _garbled(da, "price_ccy_per_mwh", calendar, every, parity=0)
            yield "garbled_quantities", QUANTITIES, _garbled(system, "value", calendar, every, parity=1)


def _known(frame: pl.DataFrame, rule: DayRule | LagRule, market: Market) -> pl.DataFrame:
    known = publication(rule, zone=market.time_zone, resolution_min=60, schema=frame.schema)
    return frame.with_columns(known.alias("known_ts"), market=pl.lit(market.key))


def _hours(calendar: Calendar) -> pl.DataFrame:
    return calendar.frame.select(pl.col("delivery_ts").cast(TS_DTYPE), resolution_min=pl.lit(60, dtype=pl.Int64))


def _prices(market: Market, hubs: tuple[str, ...], calendar: Calendar, prices: dict[str, HubPrices], product: str) -> pl.DataFrame:
    blocks = [
        _hours(calendar).with_columns(
            hub=pl.lit(hub),
            price_ccy_per_mwh=pl.Series(prices[hub].price),
            energy_ccy_per_mwh=pl.Series(prices[hub].energy),
            congestion_ccy_per_mwh=pl.Series(prices[hub].congestion),
            loss_ccy_per_mwh=pl.Series(prices[hub].loss),
        )
        for hub in hubs
    ]
    frame = pl.concat(blocks).with_columns(product=pl.lit(product), currency=pl.lit(market.currency))
    return _known(frame, DA_KNOWN if product == "da" else MEASURED, market)


def _series(
    calendar: Calendar, area: str, quantity: str, kind: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> pl.DataFrame:
    unit = "degC" if quantity == "temperature" else "MW"
    digits = 2 if quantity == "temperature" else 1
    return _hours(calendar).with_columns(
        area=pl.lit(area), quantity=pl.lit(quantity), kind=pl.lit(kind), unit=pl.lit(unit), value=pl.Series(np.round(values, digits))
    )


def _quantities(market: Market, calendar: Calendar, state: Fundamentals) -> pl.DataFrame:
    ahead = pl.concat([_series(calendar, market.area, q, "forecast", v) for q, v in state.forecast.items()])
    after = pl.concat([_series(calendar, market.area, q, "actual", v) for q, v in state.actual.items()])
    return pl.concat([_known(ahead, FORECAST_KNOWN, market), _known(after, MEASURED, market)])


def _hub_loads(market: Market, hubs: tuple[str, ...], calendar: Calendar, state: Fundamentals) -> pl.DataFrame:
    ahead = pl.concat([_series(calendar, h, "zonal_load", "forecast", state.hub_load_forecast[h]) for h in hubs])
    after = pl.concat([_series(calendar, h, "zonal_load", "actual", state.hub_load_actual[h]) for h in hubs])
    return pl.concat([_known(ahead, FORECAST_KNOWN, market), _known(after, MEASURED, market)])


def _settlements(market: Market, calendar: Calendar, state: Fundamentals) -> pl.DataFrame:
    """One settlement per trading day (Monday to Friday); weekends are gaps."""
    midnights = calendar.local_midnights().cast(TS_DTYPE)
    blocks = [
        pl.DataFrame({"delivery_ts": midnights, "price_ccy_per_unit": np.round(values, 3)}).with_columns(
            commodity=pl.lit(name), hub=pl.lit(market.commodities.get(name, name.upper())), unit=pl.lit(unit)
        )
        for name, unit, values in (("gas", "MWh", state.gas), ("co2", "t", state.co2))
    ]
    frame = pl.concat(blocks).with_columns(resolution_min=pl.lit(1440, dtype=pl.Int64), currency=pl.lit(market.currency))
    weekday = pl.col("delivery_ts").dt.convert_time_zone(market.time_zone).dt.weekday() <= 5
    return _known(frame.filter(weekday), SETTLED, market)


def _garbled(good: pl.DataFrame, column: str, calendar: Calendar, every: int, *, parity: int) -> pl.DataFrame:
    """Extra rows as a faulty feed sends them: a price in the wrong unit, no value, an absurd number; each breaks a rule.

    One row each `every` days, in turn from prices (parity 0) and quantities (parity 1); the true row is delivered too.
    """
    days = [d for k, d in enumerate(range(every, calendar.days, every)) if k % 2 == parity]
    stamps = pl.DataFrame({"delivery_ts": calendar.local_midnights().gather(days).cast(TS_DTYPE), "nth": range(len(days))})
    hours = stamps.with_columns(delivery_ts=pl.col("delivery_ts") + pl.duration(hours=7))
    first = good.unique(subset=["delivery_ts"], keep="first", maintain_order=True)
    rows = hours.join(first, on="delivery_ts", how="inner", maintain_order="left")
    wrong = pl.when(pl.col("nth") % 3 == 0).then(9_999_999.0).when(pl.col("nth") % 3 == 1).then(None).otherwise(-1e7)
    return rows.with_columns(wrong.alias(column)).drop("nth")
