"""What was learned of realised outages: as an artifact, and put on the rows of a simulation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from models._kernel.artifacts import load_arrays, load_json, save_arrays, save_json, seal
from models._kernel.grid.outage_response import HELD_OUT, LEVEL, PARTS, OutageResponse

MODEL = "opf_surrogate"
HOURS = (9, 19)
"""Local hours of a realised outage that are learned from."""
STEM = "response"
COLUMNS = ("expected_change_ccy_per_mwh", "low_90_ccy_per_mwh", "high_90_ccy_per_mwh")


@dataclass(frozen=True, slots=True)
class Known:
    """A registered response.

    Attributes:
        version: in the registry.
        response: what was learned.
    """

    version: str
    response: OutageResponse


def params() -> dict[str, Any]:
    """What decides the learning beside the data."""
    return {"estimator": "median_regression", "hours": ",".join(map(str, HOURS)), "held_out": HELD_OUT, "level": LEVEL}


def save(response: OutageResponse, directory: Path) -> str:
    """Write the artifact (npz and JSON) and return its SHA-256."""
    save_arrays(directory, STEM, {"weights": response.weights})
    save_json(directory, STEM, {"parts": list(PARTS), "scale": response.scale, "events": response.events, "params": params()})
    return seal(directory, model=MODEL)


def load(directory: Path) -> OutageResponse:
    """Read a verified artifact."""
    about = load_json(directory, STEM)
    return OutageResponse(load_arrays(directory, STEM)["weights"], float(about["scale"]), int(about["events"]))


def newest(market: str, as_of: datetime) -> Known | None:
    """The newest registered response that was learned from what was known by then; None where nothing was."""
    from pipeline_tasks.tracking.registry import fetch, newest_before

    ref = newest_before(MODEL, market, as_of)
    return Known(ref.version, load(fetch(ref))) if ref is not None else None


def with_response(impacts: pl.DataFrame, scenarios: pl.DataFrame, known: Known | None) -> pl.DataFrame:
    """Rows of curated.outage_impacts with what is expected of the simulated change and its band.

    Nothing where nothing was learned, and nothing of scenarios that split the network, because none such was learned from.

    Args:
        impacts: rows without these columns.
        scenarios: rows of curated.outage_scenarios.
        known: what was learned.
    """
    version = pl.lit(known.version if known else "").alias("response_version")
    if known is None or impacts.is_empty():
        return impacts.with_columns(*(pl.lit(None, dtype=pl.Float64).alias(c) for c in COLUMNS), version)
    key = ["scenario", "delivery_ts"]
    centred = [(pl.col(c) - pl.col(c).mean().over(key)).alias(c) for c in ("congestion_change_ccy_per_mwh", "price_before_ccy_per_mwh")]
    simulated, state = (c.to_numpy() for c in impacts.select(centred).get_columns())
    told = known.response.change(simulated)
    width = known.response.half_width(told, state)
    whole = impacts.join(scenarios.select(*key, "is_split"), on=key, how="left", maintain_order="left")["is_split"].not_()
    values = dict(zip(COLUMNS, (told, told - width, told + width), strict=True))
    return impacts.with_columns(
        *(pl.when(whole).then(pl.Series(name, v)).otherwise(None).alias(name) for name, v in values.items()), version
    )
