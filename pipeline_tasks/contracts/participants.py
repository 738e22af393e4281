"""Tables of what is learned of a market's participants: their policies, and the offers they are expected to make."""

from __future__ import annotations

from dataclasses import replace

from pipeline_tasks.contracts.columns import Column, integer, number, string, symbol
from pipeline_tasks.contracts.curated import companion_table
from pipeline_tasks.contracts.tables import Table

ALL = symbol("hub", "Always ALL: policies are those of a whole market.")
UNIT_ID = symbol("unit_id", "Generating unit or store.")
KIND = symbol(
    "kind",
    "Type of the unit's behaviour, told from its fuel or its past offers.",
    allowed=("base_load", "mid_merit", "peaker", "renewable", "hydro", "storage"),
)
WINDOW = symbol(
    "window",
    "Part of the local day: night (00-06), day (06-17), evening (17-24); interval where it is the delivery interval; all where it is both.",
    allowed=("night", "day", "evening", "interval", "all"),
)
BLOCK = integer("block", "Number of the block, from 0, in rising order of price.", ge=0, le=100)
MARKET_OF = symbol(
    "product", "Market of the offer: day-ahead energy, or a balancing mechanism's offers and bids.", allowed=("da", "bm_offer", "bm_bid")
)
PRICE_UNIT = "currency/MWh"


def _table(name: str, columns: tuple[Column, ...], meaning: str, *, key: tuple[str, ...]) -> Table:
    table = companion_table(name, columns, meaning, key=key)
    own = {"hub": ALL, "product": MARKET_OF}
    return replace(table, columns=tuple(own.get(c.name, c) for c in table.columns))


PARTICIPANT_POLICIES = _table(
    "participant_policies",
    (
        UNIT_ID,
        KIND,
        WINDOW,
        BLOCK,
        symbol("policy", "What was learned.", allowed=("habits", "marginal_cost", "markup", "store_price", "store_reward")),
        string("parameter", "Name of the parameter: a habit, an input of cost or markup, a part of a store's reward."),
        number("value", "Its value: a weight, a heat rate, currency/MWh, a share of cost, as the parameter says."),
    ),
    "One parameter of one participant's learned policy, from offers that were public at as_of.",
    key=("unit_id", "window", "block", "policy", "parameter"),
)

OFFER_CURVES = _table(
    "offer_curves",
    (
        UNIT_ID,
        KIND,
        WINDOW,
        BLOCK,
        number("start_mw", "Output at which the block begins; null where the source does not disclose MW.", unit="MW", nullable=True),
        number("block_mw", "Size of the block; null where the source does not disclose MW.", unit="MW", nullable=True, ge=0),
        number("price_ccy_per_mwh", "Expected offer: its median where the policy gives a distribution.", unit=PRICE_UNIT),
        number("price_q10_ccy_per_mwh", "10 % quantile of the offer.", unit=PRICE_UNIT, nullable=True),
        number("price_q90_ccy_per_mwh", "90 % quantile of the offer.", unit=PRICE_UNIT, nullable=True),
        number(
            "cost_ccy_per_mwh", "Marginal cost by inverse optimisation; null where offers do not tell one.", unit=PRICE_UNIT, nullable=True
        ),
        number("markup_ccy_per_mwh", "Expected offer less that cost.", unit=PRICE_UNIT, nullable=True),
    ),
    "One block of the offer that one participant is expected to make for one delivery interval or part of the delivery date.",
    key=("unit_id", "window", "block"),
)

PARTICIPANT_TABLES = (PARTICIPANT_POLICIES, OFFER_CURVES)
