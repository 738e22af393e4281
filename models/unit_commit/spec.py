"""Spec of unit_commit: what it reads, what it answers, who owns it. Imports no model library: the DAGs read it."""

from __future__ import annotations

from models._kernel.spec import Cadence, Kind, ModelSpec, Outcome
from pipeline_tasks.contracts.columns import integer, number, symbol
from pipeline_tasks.contracts.features import UNIT_CLASSES, UNIT_COMMIT

HORIZONS_MIN = (60, 240, 720, 1440)
OUTCOME = Outcome("online", "status_known_ts", is_event=True)
OUTCOMES = ("online", "started", "stopped", "ramp_mw")

SPEC = ModelSpec(
    name="unit_commit",
    label="Starts, stops and ramps of units",
    kind=Kind.PROBABILITY,
    inputs=UNIT_COMMIT,
    required=(
        "market",
        "hub",
        "product",
        "delivery_ts",
        "delivery_date",
        "as_of",
        "horizon_min",
        "local_hour",
        "day_of_week",
        "month",
        "is_holiday",
        "unit_class",
        "capacity_mw",
        "online_last",
        "state_h",
        *OUTCOMES,
        OUTCOME.known,
    ),
    output=(
        integer("horizon_min", "Minutes from the decision to the start of the hour.", unit="min", ge=60),
        symbol("unit_class", "Class of the unit at as_of: base_load, cycling or peaker.", allowed=UNIT_CLASSES),
        number("online_probability", "Calibrated probability that the unit is online in the hour.", ge=0, le=1),
        number("start_probability", "Calibrated probability that it starts in an hour from as_of on and before this one.", ge=0, le=1),
        number("stop_probability", "Calibrated probability that it stops in those hours.", ge=0, le=1),
        number("ramp_mw", "Expected (median) output of the hour less that of the hour before.", unit="MW"),
        number(
            "markov_probability",
            "What the unit's past alone says: share online at the hour of the week after the last known state, shrunk to its class.",
            ge=0,
            le=1,
        ),
    ),
    point_column="online_probability",
    cadences=(Cadence.NIGHTLY, Cadence.WEEKLY),
    min_history_days=60,
    horizons_min=HORIZONS_MIN,
    naive_column="online_last",
    outcome=OUTCOME,
    every_product=True,
    per_unit=True,
    lookback_days=2,
    history_days=731,
    owner="quant-desk",
    description="Probability that a generating unit is online, starts or stops within a horizon, and its ramp, by boosted hazards.",
    yardstick="M5",
)
