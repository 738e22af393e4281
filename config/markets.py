"""Markets: time zone, gate, currency, price limits, hubs; read from markets.yaml and checked on load."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from config.settings import get_settings

MARKETS_FILE = Path(__file__).parent / "markets.yaml"


def _rising(horizons_min: tuple[int, ...]) -> tuple[int, ...]:
    if list(horizons_min) != sorted(set(horizons_min)) or not 1 <= horizons_min[0] <= horizons_min[-1] <= 1440:
        raise ValueError(f"horizons_min {list(horizons_min)} must rise and lie within 1..1440")
    return horizons_min


class Intraday(BaseModel):
    """Decisions shortly before delivery.

    Attributes:
        product: product they are about; every hub's finest published interval of it is forecast.
        horizons_min: minutes between decision and start of delivery, one decision per interval and horizon.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    product: str
    horizons_min: tuple[int, ...] = Field(min_length=1)

    @field_validator("horizons_min")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return _rising(value)


class Nodal(BaseModel):
    """Decisions shortly before delivery at every node, or at every hub of markets whose data hold no nodes.

    Attributes:
        product: product they are about.
        resolution_min: longest delivery interval that counts; coarser history is left out.
        horizons_min: minutes between decision and start of delivery, one decision per interval and horizon.
        step_min: only intervals that start at multiples of it, in minutes of the local day, are decided on.
        from_date: first delivery date that features are made of.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    product: str
    resolution_min: int = Field(ge=1, le=60)
    horizons_min: tuple[int, ...] = Field(min_length=1)
    step_min: int = Field(default=60, ge=1, le=60)
    from_date: date = date(1990, 1, 1)

    @field_validator("horizons_min")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return _rising(value)


class Ancillary(BaseModel):
    """Reserve products that are cleared beside energy.

    Attributes:
        products: their names in raw.prices; how each is delivered is in config/assets/reserves.yaml.
        price_hub: hub of raw.prices at which they are quoted, for all hubs alike; empty where every hub has prices of its own.
        hubs: hubs that are co-forecast with them; empty for all of the market.
        changes: first delivery dates of another product design; what was learned before one does not hold after it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    products: tuple[str, ...] = Field(min_length=1)
    price_hub: str = ""
    hubs: tuple[str, ...] = ()
    changes: tuple[date, ...] = ()


class Units(BaseModel):
    """Generating units whose starts, stops and ramps are foretold.

    Attributes:
        hub: hub of the market under which their forecasts are published, and whose prices and fundamentals they look at.
        decision_hours: local hours at which is decided, once each.
        horizons_min: minutes between decision and the start of the foretold hour.
        exclude_fuels: fuels of raw.units whose units are not committed (wind, sun, storage).
        telemetry_min: minutes after an hour at which its output counts as known, where whoever asks sees the units themselves (their
            operator, a metering service) long before the file says it; None for the publication of the file.
        since: first delivery date with rows; earlier hours are only looked back at. None for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hub: str
    decision_hours: tuple[int, ...] = Field(default=(0, 6, 12, 18), min_length=1)
    horizons_min: tuple[int, ...] = Field(default=(60, 240, 720, 1440), min_length=1)
    exclude_fuels: tuple[str, ...] = ()
    telemetry_min: int | None = Field(default=None, ge=0, le=1440)
    since: date | None = None

    @field_validator("decision_hours")
    @classmethod
    def _hours_of_a_day(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)) or not 0 <= value[0] <= value[-1] <= 23:
            raise ValueError(f"decision_hours {list(value)} must rise and lie within 0..23")
        return value

    @field_validator("horizons_min")
    @classmethod
    def _whole_hours(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)) or not 60 <= value[0] <= value[-1] <= 1440 or any(h % 60 for h in value):
            raise ValueError(f"horizons_min {list(value)} must rise, be whole hours and lie within 60..1440")
        return value


class Band(BaseModel):
    """A band of deviation from the schedule and its penalty, as a share of the interval's reference price.

    Attributes:
        up_to_share: upper end over the battery's power; None in the last band.
        surplus_share: penalty per MWh delivered beyond the schedule.
        shortage_share: penalty per MWh short of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    up_to_share: float | None = Field(default=None, gt=0)
    surplus_share: float = Field(ge=0)
    shortage_share: float = Field(ge=0)


class Storage(BaseModel):
    """How a battery is settled between the day-ahead and the balancing product (models/_kernel/storage/rules.py).

    Attributes:
        interval_min: interval of schedule and delivery.
        day_ahead_fee_ccy_per_mwh: fee per MWh bought or sold day-ahead.
        real_time_fee_ccy_per_mwh: fee per MWh bought or sold afterwards.
        real_time_limit_share: most that is traded in real time over the battery's power; None for no limit.
        bands: penalties of deviations beyond that.
        price_delay_intervals: intervals by which the newest balancing price that is seen lags; 0 where a bid clears at the present one.
        degradation_ccy_per_mwh: wear in this market's currency; None for that of the asset.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval_min: int = Field(ge=1, le=60)
    day_ahead_fee_ccy_per_mwh: float = Field(default=0, ge=0)
    real_time_fee_ccy_per_mwh: float = Field(default=0, ge=0)
    real_time_limit_share: float | None = Field(default=None, ge=0)
    bands: tuple[Band, ...] = ()
    price_delay_intervals: int = Field(default=0, ge=0)
    degradation_ccy_per_mwh: float | None = Field(default=None, ge=0)


class Market(BaseModel):
    """One market.

    Attributes:
        key: name used everywhere (`epf_de`).
        label: name for people.
        time_zone: IANA zone of delivery dates; markets without daylight saving use a fixed zone (`Etc/GMT-1`).
        currency: ISO 4217 code.
        product: product that day-ahead models forecast (`da`, or `rt` where no day-ahead price is to be had).
        balancing_product: product that deviations from a day-ahead schedule are settled at; empty where the data hold none.
        resolution_min: delivery interval of that product.
        gate_time: local time of the decision, `gate_days_before` days before delivery.
        price_floor, price_cap: admissible prices, currency/MWh.
        limit_price: published penalty at which a transmission limit gives way, currency/MWh; never above the cap.
        hubs: settlement points, first one the default.
        holidays: country (and subdivision) code of the `holidays` package, `US-NY` style.
        commodities: commodity -> hub of raw.commodities that matters here.
        area: area of raw.quantities whose forecasts are the market's fundamentals.
        intraday: decisions shortly before delivery; None where there is no price to forecast then.
        ancillary: reserve products beside energy; None where the data hold none.
        nodal: decisions shortly before delivery at every node; None where there is no price to forecast then.
        units: generating units whose commitment is foretold; None where the data hold none.
        storage: how a battery is settled; None where one of its two prices is missing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    label: str
    time_zone: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    product: str = "da"
    balancing_product: Literal["", "rt", "imbalance"] = ""
    resolution_min: int = Field(default=60, ge=1, le=1440)
    gate_time: time
    gate_days_before: int = Field(default=1, ge=0, le=7)
    price_floor: float
    price_cap: float
    limit_price: float = Field(default=1500, gt=0)
    hubs: tuple[str, ...] = Field(min_length=1)
    holidays: str = ""
    commodities: dict[str, str] = Field(default_factory=dict)
    area: str = "system"
    intraday: Intraday | None = None
    ancillary: Ancillary | None = None
    nodal: Nodal | None = None
    units: Units | None = None
    storage: Storage | None = None

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        ZoneInfo(value)
        return value

    @model_validator(mode="after")
    def _units_have_a_hub(self) -> Market:
        if self.units and self.units.hub not in self.hubs:
            raise ValueError(f"units.hub {self.units.hub!r} is none of the market's hubs {list(self.hubs)}")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """Time zone of delivery dates."""
        return ZoneInfo(self.time_zone)

    def gate(self, delivery_date: date) -> datetime:
        """Decision time for a delivery date, UTC."""
        local_day = delivery_date - timedelta(days=self.gate_days_before)
        return datetime.combine(local_day, self.gate_time, tzinfo=self.zone).astimezone(UTC)

    def day_bounds(self, delivery_date: date) -> tuple[datetime, datetime]:
        """UTC start (inclusive) and end (exclusive) of a local delivery date; 23, 24 or 25 hours apart."""
        start = datetime.combine(delivery_date, time(0), tzinfo=self.zone).astimezone(UTC)
        end = datetime.combine(delivery_date + timedelta(days=1), time(0), tzinfo=self.zone).astimezone(UTC)
        return start, end


class MarketSelection(BaseModel):
    """A market and the hubs of it that a run works on."""

    model_config = ConfigDict(frozen=True)

    market: Market
    hubs: tuple[str, ...]

    @property
    def key(self) -> str:
        """`epf_de`, or `ercot_hb_north` when one hub of several was chosen."""
        return (
            self.market.key
            if self.hubs == self.market.hubs
            else f"{self.market.key}_{self.hubs[0].lower().replace(' ', '_').replace('.', '')}"
        )


@lru_cache(maxsize=1)
def load_markets() -> dict[str, Market]:
    """All markets by key: those of markets.yaml, then those that a file of the folder of live markets brings along.

    Raises:
        ValueError: an entry breaks its schema; the message names market, field and value. Or a live file declares a market that
            markets.yaml has.
    """
    raw: dict[str, dict[str, Any]] = dict(yaml.safe_load(MARKETS_FILE.read_text(encoding="utf-8"))["markets"])
    for path in sorted(get_settings().live_dir.glob("*.yaml")):
        own = yaml.safe_load(path.read_text(encoding="utf-8")).get("market")
        if own and path.stem in raw:
            raise ValueError(f"{path}: market {path.stem} stands in markets.yaml already; drop `market` here, or name the file otherwise")
        if own:
            raw[path.stem] = own
    return {key: Market(key=key, **fields) for key, fields in raw.items()}


def resolve_market(name: str) -> MarketSelection:
    """The market called `name`, or one hub of it (`ercot_hb_north`, `nyiso_capitl`).

    Raises:
        KeyError: no market or hub has that name; the message lists the markets.
    """
    markets = load_markets()
    if name in markets:
        return MarketSelection(market=markets[name], hubs=markets[name].hubs)
    for market in markets.values():
        for hub in market.hubs:
            selection = MarketSelection(market=market, hubs=(hub,))
            if selection.key == name.lower():
                return selection
    raise KeyError(f"market {name!r} is not configured; known: {', '.join(sorted(markets))} (or MARKET_HUB); add it to config/markets.yaml")
