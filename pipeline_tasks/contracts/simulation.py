"""Tables of simulations that a person or a DAG asks for: outages and what they do to prices and limits."""

from __future__ import annotations

from dataclasses import replace

from pipeline_tasks.contracts.columns import Column, flag, number, symbol
from pipeline_tasks.contracts.curated import companion_table
from pipeline_tasks.contracts.tables import Table

SIMULATION = symbol("hub", "Name of the simulation: asked again for a market and delivery date, it replaces what it said before.")
SCENARIO = symbol("scenario", "Outage or derate that is simulated, alone or with others of one line of a batch.")
UNIT = "currency/MWh"
EXPECTED = "Change of congestion that markets made of such answers on realised outages"


def _table(name: str, columns: tuple[Column, ...], meaning: str, *, key: tuple[str, ...]) -> Table:
    table = companion_table(name, columns, meaning, key=key)
    return replace(table, columns=tuple(SIMULATION if c.name == "hub" else c for c in table.columns))


OUTAGE_IMPACTS = _table(
    "outage_impacts",
    (
        SCENARIO,
        symbol("node", "Bus of the network (raw.grid_buses)."),
        number("price_before_ccy_per_mwh", "Price without the outage.", unit=UNIT),
        number("price_after_ccy_per_mwh", "Price with it.", unit=UNIT),
        number("price_change_ccy_per_mwh", "Price with the outage less price without.", unit=UNIT),
        number("congestion_change_ccy_per_mwh", "Part of it that is congestion, at the network's reference bus.", unit=UNIT),
        number("expected_change_ccy_per_mwh", f"{EXPECTED}, mean over nodes taken off.", unit=UNIT, nullable=True),
        number("low_90_ccy_per_mwh", "Lower end of the 90 % band around it; null where none was learned.", unit=UNIT, nullable=True),
        number("high_90_ccy_per_mwh", "Upper end.", unit=UNIT, nullable=True),
        symbol("response_version", "Version in the registry of what was learned of realised outages; empty where none was."),
    ),
    "What one simulated outage does to the price of one node in one interval; exact under the DC equations with the offers as disclosed.",
    key=("scenario", "node"),
)

OUTAGE_CONSTRAINTS = _table(
    "outage_constraints",
    (
        SCENARIO,
        symbol("branch", "Branch at its limit (raw.grid_branches)."),
        symbol("contingency", "Branch whose loss is secured against; empty for the network as it is in the scenario."),
        number("shadow_price_ccy_per_mwh", "Worth of one MW more limit during the outage, never negative.", unit=UNIT, ge=0),
        number("shadow_price_before_ccy_per_mwh", "The same without the outage; 0 where the limit does not bind.", unit=UNIT, ge=0),
        number("flow_mw", "Flow (after the contingency) from the branch's from-bus to its to-bus.", unit="MW"),
        number("limit_mw", "Limit in either direction.", unit="MW", ge=0),
        number("excess_mw", "MW beyond the limit, where it cannot be kept.", unit="MW", ge=0),
    ),
    "One limit that binds in one interval of a simulated outage.",
    key=("scenario", "branch", "contingency"),
)

OUTAGE_SCENARIOS = _table(
    "outage_scenarios",
    (
        SCENARIO,
        number("cost_change_ccy_per_h", "Cost of the dispatch with the outage less without, penalties included.", unit="currency/h"),
        number("unserved_mw", "Load that cannot be served.", unit="MW", ge=0),
        number("worst_residual", "Largest residual of the optimality conditions: the proof of the answer.", ge=0),
        flag("is_split", "The outage splits the network."),
        flag("is_certified", "Every residual is at most 1e-6."),
    ),
    "One simulated outage in one interval as a whole.",
    key=("scenario",),
)

SIMULATION_TABLES = (OUTAGE_SCENARIOS, OUTAGE_IMPACTS, OUTAGE_CONSTRAINTS)
