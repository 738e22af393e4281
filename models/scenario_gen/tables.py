"""The scenario bank: every published path with what it was conditioned on."""

from __future__ import annotations

from pipeline_tasks.contracts.columns import integer, number, symbol
from pipeline_tasks.contracts.curated import companion_table

GAUSSIAN, ANALOGUES, FLOW, DIFFUSION = "gaussian", "analogues", "flow", "diffusion"
METHODS = (GAUSSIAN, ANALOGUES, FLOW, DIFFUSION)
FREE, KEPT = "free", "kept"

SCENARIO_BANK = companion_table(
    "scenario_bank",
    (
        symbol("scenario_set", "Set of paths (config/models/scenario_gen.yaml): base is conditioned on what was known at as_of alone."),
        integer("path_id", "Number of the path; the same number of all hubs of a market, delivery date and set belongs together.", ge=1),
        number("price_ccy_per_mwh", "Price of the interval on the path.", unit="currency/MWh"),
        symbol("generator", "What drew the set: chosen on training weeks that were left out of the fit.", allowed=METHODS),
        symbol("marginals", "free: the generator moves the hours' distributions; kept: they are the forecast's own.", allowed=(FREE, KEPT)),
        number("stressed_probability", "Condition: probability of the stressed state.", ge=0, le=1, nullable=True),
        number("renewables_share", "Condition: wind and solar forecast over load forecast of the day.", ge=0, nullable=True),
        number("tightness", "Condition: highest residual load forecast of the day over that of 28 days.", nullable=True),
        number("tail_dial", "Added to the fitted shape of the Pareto tails; 0 leaves them as fitted.", ge=-1, le=1),
        integer("seed", "Seed of the set's random numbers: the same artifact, conditions and seed give the same paths.", ge=0),
    ),
    "Scenario bank: equally likely price paths of the delivery day at all hubs of a market, one row per set, path and delivery interval.",
    key=("scenario_set", "path_id"),
)
COMPANIONS = (SCENARIO_BANK,)
