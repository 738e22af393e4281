"""What is learned of every participant of a pool from its disclosed offers: costs, markups, and its offers of a coming day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models._kernel.behaviour.inverse import CostFit, cost_of_offers
from models._kernel.behaviour.thermal_policy import Markup, State, learn_costs, learn_markup

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
KINDS = ("base_load", "mid_merit", "peaker", "renewable", "hydro", "storage")
FUEL_KINDS = {"uranium": 0, "lignite": 0, "coal": 1, "gas": 1, "oil": 2, "wind": 3, "solar": 3, "water": 4, "storage": 5, "battery": 5}
THERMAL, STORES = (0, 1, 2), (4, 5)
PEAKER_HEAT = 2.35
"""Heat rate (MWh of gas per MWh) from which a gas plant is an open-cycle peaker: an efficiency below 43 %."""
STORE_LEVEL = 0.5


@dataclass(frozen=True, slots=True)
class Offers:
    """Columns of offers.

    Attributes:
        unit: (column,) position of the unit.
        window, block: (column,) part of the day and number of the block.
        fuel: (column,) fuel of the unit.
    """

    unit: Ints
    window: Ints
    block: Ints
    fuel: tuple[str, ...]

    def cost_column(self, night: int) -> Ints:
        """(column,) column whose offers tell the cost: the block's of the quiet window; the first block's by the one above it.

        Inflexible units offer their first block below cost, to stay on, so its offers say nothing of cost.
        """
        place = {
            (u, w, b): k for k, (u, w, b) in enumerate(zip(self.unit.tolist(), self.window.tolist(), self.block.tolist(), strict=True))
        }
        own = zip(self.unit.tolist(), self.block.tolist(), strict=True)
        return np.array([place.get((u, night, max(b, 1)), place.get((u, night, b), k)) for k, (u, b) in enumerate(own)], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Learned:
    """Policies of all columns, learned up to a day.

    Attributes:
        offers: the columns.
        kind: (column,) position in KINDS.
        fits: cost fits of the columns that tell costs; None where there is none.
        cost_column: (column,) whose fit is whose.
        markup: of thermal columns.
        stores: (column,) answer of a store's offer to recent prices; None for others.
        newest: (column,) last disclosed offer.
    """

    offers: Offers
    kind: Ints
    fits: tuple[CostFit | None, ...]
    cost_column: Ints
    markup: Markup
    stores: tuple[CostFit | None, ...]
    newest: Array

    def cost(self, fuels: Array, names: tuple[str, ...]) -> Array:
        """Marginal cost (day, column) of thermal columns by fuel prices (day, fuel); NaN elsewhere."""
        found = np.full((len(fuels), len(self.kind)), np.nan)
        for column, teller in enumerate(self.cost_column.tolist()):
            fit = self.fits[teller]
            if fit is not None and self.kind[column] in THERMAL:
                found[:, column] = fit.cost(fuel_inputs(self.offers.fuel[column], fuels, names))
        return found

    def forecast(self, fuels: Array, names: tuple[str, ...], state: State, recent: Array) -> Array:
        """Offers (day, column) of coming days, rising with the block; the last disclosed one where nothing was learned."""
        cost = self.cost(fuels, names)
        made = cost * (1 + self.markup.share(state, self.offers.window))
        for column, fit in enumerate(self.stores):
            if fit is not None:
                made[:, column] = fit.cost(store_inputs(recent))
        made = np.where(np.isfinite(made), made, self.newest)
        return rising(made, self.offers)


def fuel_inputs(fuel: str, fuels: Array, names: tuple[str, ...]) -> Array:
    """What a plant's cost is linear in (day, parameter): its fuel at every hub, allowances, a constant."""
    wanted = [k for k, n in enumerate(names) if n.startswith((f"{fuel}/", "co2/"))]
    return np.column_stack([fuels[:, wanted], np.ones(len(fuels))])


def store_inputs(recent: Array) -> Array:
    """What a store's offers are linear in: recent prices and a constant."""
    return np.column_stack([np.maximum(recent, 0.0), np.ones(len(recent))])


def rising(price: Array, offers: Offers) -> Array:
    """The offers with blocks of a unit and window made to rise (columns are in order of unit, window, block)."""
    made = price.copy()
    for column in range(1, made.shape[1]):
        same = offers.unit[column] == offers.unit[column - 1] and offers.window[column] == offers.window[column - 1]
        if same:
            made[:, column] = np.fmax(made[:, column], made[:, column - 1])
    return made


def learn_offers(price: Array, offers: Offers, fuels: tuple[Array, tuple[str, ...]], state: State, recent: Array) -> Learned:
    """Learn every column from disclosed days.

    Args:
        price: (day, column) disclosed offers, NaN where there is none.
        offers: the columns.
        fuels: prices (day, fuel) known at the gate of each day, and their names.
        state: of the same days.
        recent: (day,) recent price level known at the gate.
    """
    kind = np.array([FUEL_KINDS.get(f, 1) for f in offers.fuel], dtype=np.int64)
    teller = offers.cost_column(state.night)
    inputs = tuple(fuel_inputs(f, *fuels) for f in offers.fuel)
    tells = np.zeros(len(kind), dtype=bool)
    tells[teller[np.isin(kind, THERMAL)]] = True
    fits = learn_costs(price, inputs, tells)
    gas = [k for k, f in enumerate(offers.fuel) if f == "gas"]
    for column in gas:
        fit = fits[teller[column]]
        if fit is not None and fit.theta[: len([n for n in fuels[1] if n.startswith("gas/")])].sum() >= PEAKER_HEAT:
            kind[column] = KINDS.index("peaker")
    stores = tuple(_store(price[:, c], recent) if kind[c] in STORES else None for c in range(len(kind)))
    learned = Learned(offers, kind, tuple(fits), teller, _none(kind), stores, _newest(price))
    markup = learn_markup(price, learned.cost(*fuels), state, offers.window, kind)
    return Learned(offers, kind, tuple(fits), teller, markup, stores, learned.newest)


def _store(price: Array, recent: Array) -> CostFit | None:
    rows = np.isfinite(price) & np.isfinite(recent) & (price > 0)
    if rows.sum() < 20:
        return None
    return cost_of_offers(store_inputs(recent[rows]), price[rows], level=STORE_LEVEL)


def _none(kind: Ints) -> Markup:
    return Markup(np.zeros((len(kind), 0)), np.zeros((len(KINDS), 0)), np.zeros(0))


def _newest(price: Array) -> Array:
    there = np.where(np.isfinite(price), np.arange(len(price))[:, None], 0).max(axis=0)
    return np.asarray(price[there, np.arange(price.shape[1])], dtype=np.float64)
