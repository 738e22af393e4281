"""What was learned of a market's limits as rows of the curated tables and as an artifact."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models._kernel.artifacts import load_arrays, load_json, save_arrays, save_json, seal
from models._kernel.grid.learned_limits import FEWEST_HOURS, PRIOR, SHIFT_PRIOR, History, LearnedLimits, learn_limits
from models._kernel.grid.network import Floats, Network
from models._kernel.grid.recovery import correlation
from pipeline_tasks.contracts import SENSITIVITY_TABLES, Table, with_lineage
from pipeline_tasks.contracts.sensitivities import GRID_LIMITS, GRID_NODES, GRID_SENSITIVITIES
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.warehouse.hashing import data_version

MODEL = "grid_sensitivities"
NAMES = "[a-z][a-z0-9_]{0,39}"
DAYS = 90
STEM = "limits"


class SensitivityError(ValueError):
    """Sensitivities that cannot be learned or told as asked; names the field, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        market: market key.
        delivery_date: market-local delivery date; known is what was known at its gate.
        days: days of prices that are learned from.
        name: name of the study.
    """

    market: str
    delivery_date: date
    days: int = DAYS
    name: str = "nightly"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not re.fullmatch(NAMES, self.name):
            raise SensitivityError(f"name {self.name!r}; give a letter, then up to 39 lower-case letters, digits and underscores")
        if not 7 <= self.days <= 2000:
            raise SensitivityError(f"days is {self.days}; give 7 to 2000")

    @property
    def context(self) -> RunContext:
        """The run it is."""
        return RunContext("twin", self.market, self.delivery_date, dag=f"sensitivities_{self.name}")


@dataclass(frozen=True)
class Made:
    """What was learned, with what it was learned from.

    Attributes:
        request: what was asked.
        history: hours.
        learned: sensitivities and bands.
        model: correlation of each told limit with the published network model, NaN where there is none, shape (told,).
        data_version: SHA-256 of the hours.
    """

    request: Request
    history: History
    learned: LearnedLimits
    model: Floats
    data_version: str

    @property
    def fault(self) -> str:
        """Why the gate says no; empty where the later hours were told better than by the mean response, and than by nothing."""
        held = self.learned.held_out
        if held["correlation"] > held["mean_response_correlation"] and held["mae"] < held["zero_mae"]:
            return ""
        return (
            f"hours not learned from: correlation {held['correlation']:.3f} (mean response {held['mean_response_correlation']:.3f}),"
            f" error {held['mae']:.2f} (nothing {held['zero_mae']:.2f})"
        )


def make(history: History, starts: pl.Series, network: Network | None, request: Request) -> Made:
    """Learn from a history.

    Raises:
        GridError: too few hours have congestion.
    """
    learned = learn_limits(history)
    read = pl.DataFrame({"at": starts}).hstack(
        [pl.Series(f"{kind}{k}", column) for kind in ("congestion", "shadow", "out") for k, column in enumerate(getattr(history, kind).T)]
    )
    return Made(request, history, learned, _model_correlation(learned, network), data_version(read))


def params(request: Request) -> dict[str, Any]:
    """What decides the learning beside the data."""
    return {"days": request.days, "prior": PRIOR, "shift_prior": SHIFT_PRIOR, "fewest_hours": FEWEST_HOURS, "estimator": "bayesian_ridge"}


def metrics(made: Made) -> dict[str, float]:
    """Numbers of the training run: sizes, and how later hours were told."""
    learned = made.learned
    found = {f"held_out_{k}": v for k, v in learned.held_out.items()}
    found |= {
        "limits": float(len(learned.told)),
        "topology_shifts": float(len(learned.signals)),
        "band_90_median": float(np.median(learned.band)),
    }
    known = made.model[np.isfinite(made.model)]
    return found | ({"model_correlation_median": float(np.median(known))} if known.size else {})


def save(made: Made, directory: Path) -> str:
    """Write the artifact (npz and JSON) and return its SHA-256."""
    learned = made.learned
    arrays = {name: getattr(learned, name) for name in ("signals", "hours", "values", "deviation", "band")}
    about = {"nodes": list(learned.nodes), "limits": [list(x) for x in learned.limits], "branches": list(learned.branches)}
    save_arrays(directory, STEM, arrays)
    save_json(directory, STEM, about | {"held_out": dict(learned.held_out), "params": params(made.request)})
    return seal(directory, model=MODEL)


def load(directory: Path) -> LearnedLimits:
    """Read a verified artifact."""
    arrays, about = load_arrays(directory, STEM), load_json(directory, STEM)
    return LearnedLimits(
        nodes=tuple(about["nodes"]),
        limits=tuple((b, c) for b, c in about["limits"]),
        branches=tuple(about["branches"]),
        held_out=about["held_out"],
        **arrays,
    )


def tables(made: Made, lineage: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    """Rows of the three tables by table name, in key order; `lineage`: model_version, artifact_sha, code_sha."""
    own = {GRID_SENSITIVITIES: _sensitivities(made), GRID_LIMITS: _limits(made), GRID_NODES: _nodes(made)}
    return {t.name: _with_lineage(t, own[t], made, lineage) for t in SENSITIVITY_TABLES}


def _sensitivities(made: Made) -> pl.DataFrame:
    learned, frames = made.learned, []
    count = len(learned.limits)
    shifts = [(int(k), count + s, learned.branches[b]) for s, (k, b) in enumerate(learned.signals.tolist())]
    told = set(learned.told.tolist())
    for limit, shift, topology in [*((int(k), -1, "") for k in learned.told), *(x for x in shifts if x[0] in told)]:
        values, deviation = learned.values[:, limit], learned.deviation[:, limit]
        if shift >= 0:
            values, deviation = values + learned.values[:, shift], np.hypot(deviation, learned.deviation[:, shift])
        branch, contingency = learned.limits[limit]
        frames.append(
            pl.DataFrame({"node": learned.nodes, "sensitivity_mw_per_mw": values, "deviation_mw_per_mw": deviation}).with_columns(
                branch=pl.lit(branch), contingency=pl.lit(contingency), topology=pl.lit(topology)
            )
        )
    return pl.concat(frames) if frames else pl.DataFrame()


def _limits(made: Made) -> pl.DataFrame:
    learned, size = made.learned, np.abs(made.history.shadow)
    told = learned.told
    return pl.DataFrame(
        {
            "branch": [learned.limits[k][0] for k in told],
            "contingency": [learned.limits[k][1] for k in told],
            "hours_bound": learned.hours[told],
            "shadow_price_mean_ccy_per_mwh": size[:, told].sum(axis=0) / np.maximum(learned.hours[told], 1),
            "model_correlation": pl.Series(made.model, dtype=pl.Float64).fill_nan(None),
            "topologies": [int((learned.signals[:, 0] == k).sum()) for k in told],
        }
    )


def _nodes(made: Made) -> pl.DataFrame:
    size = np.abs(made.history.congestion)
    active = size.max(axis=1) > 0
    mean = size[active].mean(axis=0)
    return pl.DataFrame({"node": made.learned.nodes, "band_90": made.learned.band, "congestion_mean_ccy_per_mwh": mean})


def _model_correlation(learned: LearnedLimits, network: Network | None) -> Floats:
    """Correlation over nodes of each told limit with the published network's shift factors, after its contingency where it has one."""
    from models._kernel.grid.sensitivities import Sensitivities

    found = np.full(len(learned.told), np.nan)
    if network is None:
        return found
    exact, at = Sensitivities(network), {name: k for k, name in enumerate(network.branches.names)}
    bus = {name: k for k, name in enumerate(network.buses.names)}
    if not set(learned.nodes) <= set(bus):
        return found
    order = [bus[n] for n in learned.nodes]
    for row, k in enumerate(learned.told.tolist()):
        branch, contingency = learned.limits[k]
        if branch not in at or (contingency and contingency not in at):
            continue
        true = exact.ptdf([at[branch]])[0]
        if contingency:
            if exact.splits([at[contingency]])[0]:
                continue
            true = true + exact.lodf([at[branch]], [at[contingency]])[0, 0] * exact.ptdf([at[contingency]])[0]
        found[row] = correlation(learned.values[:, k], np.asarray(true[order]))
    return found


def _with_lineage(table: Table, frame: pl.DataFrame, made: Made, lineage: Mapping[str, Any]) -> pl.DataFrame:
    """The rows with the lineage every curated row carries."""
    request, context = made.request, made.request.context
    values: dict[str, Any] = {
        "run_id": context.run_id,
        "model": MODEL,
        "data_version": made.data_version,
        "regime": "unknown",
        "status": "DEGRADED" if made.fault else "OK",
        "status_reason": made.fault,
        "as_of": context.as_of,
        "market": request.market,
        "hub": request.name,
        "product": "da",
        "delivery_ts": context.selection.market.day_bounds(request.delivery_date)[0],
        "delivery_date": request.delivery_date,
        **lineage,
    }
    return with_lineage(table, frame, values)
