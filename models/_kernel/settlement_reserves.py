"""Settlement of a battery and a plant that sell energy and reserves: the rule `cooptimisation`.

A position is the MW of the battery and of the plant: in the row of energy output less charge, in the row of a reserve product the award.
The rule, per interval of h hours at energy price p and reserve price pi, award r, share d of a full call, direction s (1 up, -1 down):

* energy: h x p x (battery + plant), less the plant's fuel h x plant x c, its starts, and the battery's wear per MWh discharged;
* reserve: h x pi x r for holding it, and for the calls h x d x r of energy, s x (p - c) each for the plant, s x p for the battery, whose
  upward calls also wear. Calls are the expected ones: the rule does not draw them.
* a hub's day of an asset with a position that could not have been delivered (`undelivered`) is worth min(0, its profit) less a penalty.

A price that is not known settles as 0. Days that are not complete (an interval's energy row is missing) are settled but not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.cooptimise import Day, Schedule, ScheduleError, optimal_battery, optimal_plant
from models._kernel.delivery import Plant, Reserves
from models._kernel.storage.asset import StorageAsset
from models._kernel.undelivered import TOLERANCE, battery_faults, plant_faults

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
DAY_KEY = ("market", "hub", "delivery_date", "as_of")
PRICE = "price_ccy_per_mwh"
ASSETS = ("battery", "ccgt")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Row numbers of one hub's day: energy, shape (T,), reserves, shape (K, T), -1 where absent; and the products' names."""

    energy: Whole
    reserves: Whole
    products: tuple[str, ...]
    hours: float
    complete: bool


@dataclass(frozen=True, slots=True)
class ReserveSettlement:
    """The rule with its assets."""

    battery: StorageAsset
    plant: Plant
    reserves: Reserves

    def volume(self, rows: pl.DataFrame) -> Array:
        """Capacity of both assets over the interval, MWh, in the rows of energy; 0 in those of reserves."""
        hours = rows["resolution_min"].to_numpy() / 60
        return np.asarray(np.where(rows["is_energy"].to_numpy(), hours * (self.battery.power_mw + self.plant.max_mw), 0.0))

    def deviation(self, rows: pl.DataFrame, position: Array) -> Array:
        """Nothing is settled at a balancing price."""
        del position
        return np.full(rows.height, np.nan)

    def cost(self, rows: pl.DataFrame, position: Array) -> Array:
        """Cost (negative: profit) of both assets in every row, breached days corrected in the row of their last interval's energy."""
        return np.asarray(-self._profit(rows, position).sum(axis=1), dtype=np.float64)

    def asset_costs(self, rows: pl.DataFrame, position: Array) -> Mapping[str, Array]:
        """Cost of battery and plant apart."""
        profit = self._profit(rows, position)
        return {name: -profit[:, k] for k, name in enumerate(ASSETS)}

    def _profit(self, rows: pl.DataFrame, position: Array) -> Array:
        """Profit of battery and plant, breached days corrected, shape (n, 2)."""
        worth = self.worth(rows, position, _numbers(rows, PRICE))
        broken = self._broken(rows, position)
        for day, asset in broken:
            own = np.concatenate((day.energy, day.reserves[day.reserves >= 0]))
            profit = float(worth[own, asset].sum())
            worth[day.energy[-1], asset] += min(0.0, profit) - profit - self.reserves.breach_penalty_ccy
        return worth

    def breaches(self, rows: pl.DataFrame, position: Array) -> Array:
        """Assets with an undeliverable position, counted in the row of the day's last interval of energy."""
        found = np.zeros(rows.height)
        for day, _ in self._broken(rows, position):
            found[day.energy[-1]] += 1
        return found

    def worth(self, rows: pl.DataFrame, position: Array, price: Array) -> Array:
        """Profit of battery and plant in every row at the prices given, before any breach, currency, shape (n, 2)."""
        worth, fuel = np.zeros((rows.height, len(ASSETS))), self.marginal_cost(rows)
        known = np.nan_to_num(price, nan=0.0)
        for day in _days(rows):
            at, h = day.energy, day.hours
            p, c, battery, plant = known[at], fuel[at], position[at, 0], position[at, 1]
            on = plant > TOLERANCE
            starts = on & ~np.concatenate(([False], on[:-1]))
            wear = self.battery.degradation_ccy_per_mwh
            worth[at, 0] = h * (p * battery - wear * np.maximum(battery, 0.0))
            worth[at, 1] = h * (p - c) * plant - starts * self.plant.start_cost_ccy
            for k, name in enumerate(day.products):
                rule = self.reserves.products.get(name)
                there = day.reserves[k] >= 0
                rows_k = day.reserves[k][there]
                if rule is None:
                    continue
                call = h * rule.deployed_share * rule.sign
                battery_call = call * p[there] - (h * rule.deployed_share * wear if rule.sign > 0 else 0.0)
                worth[rows_k, 0] = position[rows_k, 0] * (h * known[rows_k] + battery_call)
                worth[rows_k, 1] = position[rows_k, 1] * (h * known[rows_k] + call * (p[there] - c[there]))
        return worth

    def marginal_cost(self, rows: pl.DataFrame) -> Array:
        """Marginal cost of the plant, currency/MWh: fuel and carbon as known at the gate, or the assumed fuel cost."""
        plant = self.plant
        gas, carbon = (_optional(rows, name) for name in ("gas_price_ccy_per_unit", "co2_price_ccy_per_unit"))
        fuel = np.where(np.isfinite(gas), plant.gas_unit_per_mwh * gas, plant.fuel_cost_ccy_per_mwh)
        return np.asarray(fuel + plant.co2_t_per_mwh * np.nan_to_num(carbon) + plant.other_cost_ccy_per_mwh, dtype=np.float64)

    def best(self, rows: pl.DataFrame, expected: Array) -> Array:
        """One program per hub, delivery date and asset (`cooptimise`); a product whose expected price is NaN is not offered."""
        return self._solved(rows, expected, expected, None)

    def sequential(self, rows: pl.DataFrame, reserves: Array, energy: Array) -> Array:
        """Reserves first: awards by `reserves` as though energy were free to the battery, then energy by `energy` with those awards.

        The plant must run to hold reserve, so its first step looks at the energy price of `reserves` too. Where awards cannot be
        served afterwards, there are none.
        """
        blind = np.where(rows["is_energy"].to_numpy(), 0.0, reserves)
        first = self._solved(rows, blind, reserves, None)
        return self._solved(rows, energy, energy, first)

    def _solved(self, rows: pl.DataFrame, for_battery: Array, for_plant: Array, awards: Array | None) -> Array:
        position, fuel = np.zeros((rows.height, len(ASSETS))), self.marginal_cost(rows)
        for day in _days(rows):
            for asset, expected in enumerate((for_battery, for_plant)):
                offered, numbers = self._day(day, expected, fuel)
                held = None if awards is None else np.where(numbers >= 0, awards[numbers, asset], 0.0)
                made = self._schedule(asset, offered, held)
                position[day.energy, asset] = made.energy_mw
                there = numbers >= 0
                position[numbers[there], asset] = made.awards_mw[there]
        return position

    def _schedule(self, asset: int, day: Day, awards: Array | None) -> Schedule:
        def solve(held: Array | None) -> Schedule:
            return optimal_battery(day, self.battery, held) if asset == 0 else optimal_plant(day, self.plant, held)

        if awards is None:
            return solve(None)
        try:
            return solve(np.maximum(awards - TOLERANCE / 10, 0.0))
        except ScheduleError:
            return solve(np.zeros_like(awards))

    def _day(self, rows: _Rows, price: Array, fuel: Array) -> tuple[Day, Whole]:
        """The day's program at the prices given, with the row numbers of its products, shape (K, T)."""
        ruled = [k for k, name in enumerate(rows.products) if name in self.reserves.products]
        numbers = rows.reserves[ruled]
        quoted = np.where(numbers >= 0, price[numbers], np.nan)
        rules = tuple(self.reserves.products[rows.products[k]] for k in ruled)
        return Day(rows.hours, price[rows.energy], quoted, rules, fuel[rows.energy]), numbers

    def _broken(self, rows: pl.DataFrame, position: Array) -> list[tuple[_Rows, int]]:
        """Complete days whose position could not have been delivered, with the asset."""
        price, fuel, found = np.zeros(rows.height), self.marginal_cost(rows), []
        for day in _days(rows):
            if not day.complete:
                continue
            offered, numbers = self._day(day, price, fuel)
            for asset in range(len(ASSETS)):
                schedule = Schedule(position[day.energy, asset], np.where(numbers >= 0, position[numbers, asset], 0.0))
                faults = battery_faults(offered, self.battery, schedule) if asset == 0 else plant_faults(offered, self.plant, schedule)
                found += [(day, asset)] if faults else []
        return found


def _days(rows: pl.DataFrame) -> Iterator[_Rows]:
    """Days of every hub; a reserve row counts where its interval has a row of energy."""
    frame = rows.select(*DAY_KEY, "product", "delivery_ts", "is_energy", "resolution_min", "local_hour").with_row_index("row")
    for day in frame.sort("delivery_ts").partition_by(DAY_KEY, maintain_order=True):
        energy = day.filter(pl.col("is_energy")).unique("delivery_ts", keep="first", maintain_order=True)
        if energy.is_empty():
            continue
        place = energy.select("delivery_ts").with_row_index("place")
        held = day.filter(~pl.col("is_energy")).join(place, on="delivery_ts", how="inner")
        products = tuple(held["product"].cast(pl.String).unique().sort().to_list())
        numbers = np.full((len(products), energy.height), -1, dtype=np.int64)
        at = {name: k for k, name in enumerate(products)}
        index = np.array([at[name] for name in held["product"].to_list()], dtype=np.int64)
        numbers[index, held["place"].to_numpy()] = held["row"].to_numpy()
        minutes = int(energy["resolution_min"][0])
        steps = energy["delivery_ts"].dt.epoch("ms").diff().drop_nulls().to_numpy()
        whole = bool(np.all(steps == minutes * 60_000)) and energy["local_hour"][0] == 0 and energy["local_hour"][-1] == 23
        yield _Rows(energy["row"].to_numpy().astype(np.int64), numbers, products, minutes / 60, whole)


def _numbers(rows: pl.DataFrame, name: str) -> Array:
    return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _optional(rows: pl.DataFrame, name: str) -> Array:
    return _numbers(rows, name) if name in rows.columns else np.full(rows.height, np.nan)
