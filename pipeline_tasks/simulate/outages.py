"""Outage simulation of a market's delivery date: every scenario in every interval asked, as rows of the curated tables."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models._kernel.grid.network import Network
from models._kernel.grid.opf_types import NO_CONTINGENCY, Binding
from models._kernel.grid.outage_study import Impact, Outage, OutageStudy
from pipeline_tasks.contracts import LINEAGE, SIMULATION_TABLES
from pipeline_tasks.contracts.simulation import OUTAGE_CONSTRAINTS, OUTAGE_IMPACTS, OUTAGE_SCENARIOS
from pipeline_tasks.simulate.market_case import MarketCase, market_cases
from pipeline_tasks.simulate.requests import RequestError, requested
from pipeline_tasks.simulate.response import MODEL, Known, with_response
from pipeline_tasks.steps.code_version import code_sha
from pipeline_tasks.steps.context import RunContext
from pipeline_tasks.warehouse import Warehouse

NAME = "[a-z][a-z0-9_]{0,39}"
DAY_BEGINS, EVENING_BEGINS = 6, 17
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        market: market key.
        delivery_date: market-local delivery date; known is what was known at its gate, or at `decided_at`.
        hours: local hours, each told in the interval of 60 minutes that begins then; empty for all.
        lines, units, batch: scenarios (`requests.requested`).
        name: name of the simulation.
        decided_at: decision time of a study within the day, UTC; None for the market's gate.
    """

    market: str
    delivery_date: date
    hours: tuple[int, ...] = ()
    lines: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    batch: Path | None = None
    name: str = "adhoc"
    decided_at: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse a name that cannot be part of a run's."""
        if not re.fullmatch(NAME, self.name):
            raise RequestError(f"simulation name {self.name!r}; give a letter, then up to 39 lower-case letters, digits and underscores")

    @property
    def context(self) -> RunContext:
        """The run it is."""
        return RunContext("twin", self.market, self.delivery_date, dag=f"simulate_{self.name}", decided_at=self.decided_at)


def simulate(warehouse: Warehouse, request: Request, say: Say, known: Known | None = None) -> dict[str, pl.DataFrame]:
    """Rows of the three tables by table name, in key order.

    Args:
        warehouse: a connection that may read raw.
        request: what is asked.
        say: told what is being done.
        known: what was learned of realised outages; None for the exact answer alone.

    Raises:
        MarketStateError: the market's state is not known.
        RequestError: a scenario cannot be simulated.
    """
    found: dict[str, list[pl.DataFrame]] = {t.name: [] for t in SIMULATION_TABLES}
    for at, state in states(warehouse, request):
        outages = requested(state.network, lines=request.lines, units=request.units, batch=request.batch)
        say(f"{at:%Y-%m-%d %H:%M} UTC: {len(outages)} scenarios on {state.network.n_buses} buses")
        for name, frame in interval_rows(state, outages).items():
            found[name].append(_with_lineage(frame, request, at, state))
    whole = {name: pl.concat(frames) for name, frames in found.items() if frames}
    if OUTAGE_IMPACTS.name in whole:
        whole[OUTAGE_IMPACTS.name] = with_response(whole[OUTAGE_IMPACTS.name], whole[OUTAGE_SCENARIOS.name], known)
    return {t.name: whole[t.name].select(t.column_names).sort(t.key) if t.name in whole else t.empty() for t in SIMULATION_TABLES}


def states(warehouse: Warehouse, request: Request) -> Iterator[tuple[datetime, MarketCase]]:
    """The market's state in each hour that is asked, by the start of the hour, as known at the decision time.

    Raises:
        MarketStateError: the market's state is not known.
    """
    market, as_of = request.context.selection.market, request.context.as_of
    begin, end = market.day_bounds(request.delivery_date)
    hours = [begin + timedelta(hours=k) for k in range(round((end - begin) / timedelta(hours=1)))]
    asked = [(at, window_at(local)) for at in hours if (local := at.astimezone(market.zone).hour) in request.hours or not request.hours]
    return zip([at for at, _ in asked], market_cases(warehouse, request.market, asked, as_of=as_of), strict=True)


def interval_rows(state: MarketCase, outages: Sequence[Outage]) -> dict[str, pl.DataFrame]:
    """Own columns of the three tables, and status and reason, for one interval."""
    study = OutageStudy(state.network, state.case, state.options)
    frames: dict[str, list[pl.DataFrame]] = {t.name: [] for t in SIMULATION_TABLES}
    for impact in study.impacts(outages):
        status = pl.lit(_reason(impact)).alias("status_reason")
        for name, frame in ((OUTAGE_SCENARIOS.name, _whole(impact)), (OUTAGE_IMPACTS.name, _nodes(study, impact)),
                            (OUTAGE_CONSTRAINTS.name, _limits(study, impact))):  # fmt: skip
            frames[name].append(frame.with_columns(pl.lit(impact.outage.name).alias("scenario"), status))
    return {name: pl.concat(parts) for name, parts in frames.items()}


def _whole(impact: Impact) -> pl.DataFrame:
    row = {
        "cost_change_ccy_per_h": impact.cost,
        "unserved_mw": impact.unserved_mw,
        "worst_residual": impact.result.residual.worst,
        "is_split": impact.split,
        "is_certified": impact.result.certified,
    }
    return pl.DataFrame([row])


def _nodes(study: OutageStudy, impact: Impact) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "node": list(study.network.buses.names),
            "price_before_ccy_per_mwh": study.base.lmp,
            "price_after_ccy_per_mwh": impact.result.lmp,
            "price_change_ccy_per_mwh": impact.change,
            "congestion_change_ccy_per_mwh": impact.result.congestion - study.base.congestion,
        }
    )


def _limits(study: OutageStudy, impact: Impact) -> pl.DataFrame:
    """Limits that bind during the outage, with their worth before."""
    base, limits = study.base.binding, impact.result.binding
    before = dict(zip(zip(base.branch.tolist(), base.contingency.tolist(), strict=True), np.abs(base.shadow_price).tolist(), strict=True))
    pairs = list(zip(limits.branch.tolist(), limits.contingency.tolist(), strict=True))
    return limits_frame(study.network, limits).with_columns(
        pl.Series("shadow_price_before_ccy_per_mwh", [before.get(pair, 0.0) for pair in pairs], dtype=pl.Float64),
        pl.Series("excess_mw", np.maximum(limits.excess_mw, 0.0)),
    )


def limits_frame(network: Network, limits: Binding) -> pl.DataFrame:
    """Limits that bind, by name: branch, contingency (empty for the network as it is), shadow_price_ccy_per_mwh, flow_mw, limit_mw."""
    names = network.branches.names
    return pl.DataFrame(
        {
            "branch": [names[k] for k in limits.branch.tolist()],
            "contingency": ["" if k == NO_CONTINGENCY else names[k] for k in limits.contingency.tolist()],
            "shadow_price_ccy_per_mwh": np.abs(limits.shadow_price),
            "flow_mw": limits.flow_mw,
            "limit_mw": limits.limit_mw,
        },
        schema_overrides={"branch": pl.String, "contingency": pl.String},
    )


def _reason(impact: Impact) -> str:
    """Why an answer is DEGRADED; empty where it is not."""
    parts = [] if impact.result.certified else [f"not proven: residual {impact.result.residual.worst:.3g}"]
    if impact.unserved_mw > 0.01:
        parts.append(f"{impact.unserved_mw:.1f} MW cannot be served: prices are penalties there")
    return "; ".join(parts)


def window_at(local_hour: int) -> str:
    """Part of the local day whose offers count (`raw.offers`)."""
    return "night" if local_hour < DAY_BEGINS else "day" if local_hour < EVENING_BEGINS else "evening"


def _with_lineage(frame: pl.DataFrame, request: Request, at: datetime, state: MarketCase) -> pl.DataFrame:
    """The rows with the lineage every curated row carries."""
    context, code = request.context, code_sha()
    values: dict[str, Any] = {
        "run_id": context.run_id,
        "model": MODEL,
        "model_version": "exact",
        "artifact_sha": "",
        "code_sha": code,
        "data_version": data_version(state),
        "regime": "unknown",
        "as_of": context.as_of,
        "market": request.market,
        "hub": request.name,
        "product": "da",
        "delivery_ts": at,
        "delivery_date": request.delivery_date,
    }
    types = {c.name: c.type.polars for c in LINEAGE}
    status = pl.when(pl.col("status_reason") == "").then(pl.lit("OK")).otherwise(pl.lit("DEGRADED")).alias("status")
    return frame.with_columns(status, *(pl.lit(v).cast(types[n]).alias(n) for n, v in values.items()))


def data_version(state: MarketCase) -> str:
    """SHA-256 of the network, loads, ranges and offers that were read."""
    network, case = state.network, state.case
    digest = hashlib.sha256("\x1f".join((*network.buses.names, *network.branches.names, *network.generators.names)).encode())
    arrays = (network.branches.reactance_pu, network.branches.rating_mw, case.load_mw, case.p_max_mw,
              network.generators.cost.block_mw, network.generators.cost.block_price, np.array(case.outages, dtype=np.int64))  # fmt: skip
    for values in arrays:
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
