"""Tables of what is learned of a market's limits from its prices: sensitivities, the limits themselves, and how well nodes are told."""

from __future__ import annotations

from dataclasses import replace

from pipeline_tasks.contracts.columns import Column, integer, number, symbol
from pipeline_tasks.contracts.curated import companion_table
from pipeline_tasks.contracts.tables import Table

NAME = symbol("hub", "Name of the study: made again for a market and delivery date, it replaces what it said before.")
BRANCH = symbol("branch", "Branch whose limit binds, as the market names it (raw.constraints).")
CONTINGENCY = symbol("contingency", "Branch whose loss is secured against; empty for the network as it is.")
NODE = symbol("node", "Node (raw.nodal_prices).")


def _table(name: str, columns: tuple[Column, ...], meaning: str, *, key: tuple[str, ...]) -> Table:
    table = companion_table(name, columns, meaning, key=key)
    return replace(table, columns=tuple(NAME if c.name == "hub" else c for c in table.columns))


GRID_SENSITIVITIES = _table(
    "grid_sensitivities",
    (
        BRANCH,
        CONTINGENCY,
        symbol("topology", "Branch that is out while this holds; empty for the network as it mostly is."),
        NODE,
        number(
            "sensitivity_mw_per_mw", "Flow on the branch per MW injected at the node, as prices tell it.", unit="MW/MW", ge=-100, le=100
        ),
        number("deviation_mw_per_mw", "Posterior standard deviation of it.", unit="MW/MW", ge=0),
    ),
    "How one limit answers to one node, learned from published prices and shadow prices alone.",
    key=("branch", "contingency", "topology", "node"),
)

GRID_LIMITS = _table(
    "grid_limits",
    (
        BRANCH,
        CONTINGENCY,
        integer("hours_bound", "Hours in which it bound, of those that were learned from.", unit="h", ge=0),
        number("shadow_price_mean_ccy_per_mwh", "Mean of its shadow price in these hours, without sign.", unit="currency/MWh", ge=0),
        number(
            "model_correlation",
            "Correlation over nodes with the sensitivities of the published network model; null where there is none.",
            nullable=True,
            ge=-1.0001,
            le=1.0001,
        ),
        integer("topologies", "Outages under which its sensitivities were learned apart.", ge=0),
    ),
    "One limit that bound often enough to be learned.",
    key=("branch", "contingency"),
)

GRID_NODES = _table(
    "grid_nodes",
    (
        NODE,
        number("band_90", "Half-width of the 90 % band of congestion told here, as a share of the hour's largest congestion.", ge=0),
        number("congestion_mean_ccy_per_mwh", "Mean size of its congestion in hours that have some.", unit="currency/MWh", ge=0),
    ),
    "How well congestion of one node follows from shadow prices, on hours that were not learned from.",
    key=("node",),
)

SENSITIVITY_TABLES = (GRID_SENSITIVITIES, GRID_LIMITS, GRID_NODES)
