"""What all DAGs share: schedules, limits, retries, pools, forms; taken from config and the model registry, never written twice."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, Param

from config.markets import MarketSelection, load_markets
from config.risk import load_risk
from dags._notify import FailureNotifier
from models._kernel.registry import PROFILES, spec_of, specs
from models._kernel.spec import Cadence, ModelSpec
from pipeline_tasks.steps.schedules import load_schedules

START = datetime(2000, 1, 1, tzinfo=UTC)  # before any data: Airflow runs no task whose logical date lies before it
SOURCES = ("twin", "files", "live")
LIVE_SOURCES = (*SOURCES, "twin_faults")  # what a run within the day may read
POOLS_ENV = "DESK_AIRFLOW_POOLS"

RAW = Asset(name="raw", uri="powerdesk://warehouse/raw")
FEATURES = Asset(name="features", uri="powerdesk://warehouse/features")
REPORT = Asset(name="report", uri="powerdesk://reports/site")


def curated_asset(model: str) -> Asset:
    """The curated table of a model."""
    return Asset(name=f"curated_{model}", uri=f"powerdesk://warehouse/curated/{model}")


def models_in(cadence: Cadence) -> tuple[ModelSpec, ...]:
    """Specs of the models that take part in a cadence; a new folder below models/ appears by itself."""
    return tuple(s for s in specs() if cadence in s.cadences)


def effort(model: str) -> int:
    """Priority of a model's forecast: models that publish more tables take longest, and go first."""
    return len(spec_of(model).beside)


def pool(name: str) -> str:
    """The pool, or default_pool where `desk up` (or an operator) did not create ours."""
    return name if os.environ.get(POOLS_ENV) else "default_pool"


def cron(name: str) -> str | None:
    """Cron expression of a DAG (UTC); None for manual runs only."""
    return load_schedules().dags[name].cron


def dag_options(name: str, *, doc: str, tags: tuple[str, ...], params: dict[str, Param]) -> dict[str, Any]:
    """Keyword arguments of `@dag` besides its schedule: time limits, one run at a time, no catch-up, owner, tags, form."""
    settings = load_schedules()
    own = settings.dags[name]
    return {
        "dag_id": name,
        "start_date": START,
        "catchup": False,
        "max_active_runs": 1,
        "dagrun_timeout": timedelta(minutes=own.timeout_min),
        "doc_md": doc,
        "tags": ["powerdesk", *tags],
        "params": params,
        "default_args": {
            "owner": settings.defaults.owner,
            "retries": settings.retries.count,
            "retry_delay": timedelta(seconds=settings.retries.first_delay_s),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(seconds=settings.retries.max_delay_s),
            "execution_timeout": timedelta(minutes=own.timeout_min),
            "on_failure_callback": [FailureNotifier()],
        },
    }


def market_names() -> list[str]:
    """Every market and every single hub of a market with several."""
    names: list[str] = []
    for key, market in load_markets().items():
        names.append(key)
        names += [MarketSelection(market=market, hubs=(hub,)).key for hub in market.hubs if len(market.hubs) > 1]
    return names


def run_params() -> dict[str, Param]:
    """Form of a run: source, market, delivery date."""
    defaults = load_schedules().defaults
    return {
        "source": Param(defaults.source, type="string", enum=list(SOURCES), description="Where raw data come from."),
        "market": Param(defaults.market, type="string", enum=market_names(), description="Market, or one hub of it."),
        "delivery_date": date_param("Delivery date, market-local; empty: the one whose gate belongs to the run's date."),
    }


def backfill_params() -> dict[str, Param]:
    """Form of a backfill: market and days."""
    market = Param(
        load_schedules().defaults.market, type="string", enum=market_names(), description="Market with live feeds (config/live)."
    )
    return {
        "market": market,
        "start_date": date_param("First local day.", required=True),
        "end_date": date_param("Last local day.", required=True),
    }


def instant_params() -> dict[str, Param]:
    """Form of an intraday run: source, market, decision time."""
    meaning = "Decision time, UTC; empty: the run's own date."
    instant = Param(None, type=["null", "string"], format="date-time", description=meaning)
    source = Param(
        load_schedules().defaults.source,
        type="string",
        enum=list(LIVE_SOURCES),
        description="Where raw data come from; twin_faults: the simulated market with faults (config/faults.yaml), for tests.",
    )
    return {**{k: v for k, v in run_params().items() if k != "delivery_date"}, "source": source, "decided_at": instant}


def date_param(description: str, *, required: bool = False) -> Param:
    """A calendar date of a form."""
    if required:
        return Param(load_schedules().defaults.delivery_date.isoformat(), type="string", format="date", description=description)
    return Param(None, type=["null", "string"], format="date", description=description)


def models_param() -> Param:
    """Models to work on; all by default."""
    names = [s.name for s in models_in(Cadence.NIGHTLY)]
    return Param(names, type="array", items={"type": "string", "enum": names}, minItems=1, description="Models.")


def model_param() -> Param:
    """One model."""
    names = [s.name for s in specs()]
    return Param(names[0] if names else "", type="string", enum=names, description="Model.")


def plan_params() -> dict[str, Param]:
    """Form of a decision plan: where and when, the dials, the position, and the appetite for risk."""
    defaults, risk = load_schedules().defaults, load_risk()
    desks = sorted(risk.desks)
    names = {"type": "array", "items": {"type": "string", "maxLength": 200}}
    hubs = sorted({hub for market in load_markets().values() for hub in market.hubs})
    dials = {
        name: Param(0.0, type="number", minimum=low, maximum=high, description=f"Change of {name.removesuffix('_pct')}, per cent.")
        for name, (low, high) in risk.dials.items()
    }
    return {
        "market": Param(defaults.market, type="string", enum=market_names(), description="Market, or one hub of it."),
        "delivery_date": date_param("Delivery date, market-local.", required=True),
        "desk": Param(desks[-1], type="string", enum=desks, description="Desk whose limits hold (config/risk.yaml)."),
        "hubs": Param([], type="array", items={"type": "string", "enum": hubs}, maxItems=risk.most_hubs, description="Empty: five."),
        "horizon_h": Param(24, type="integer", minimum=1, maximum=25, description="Hours from the start of the delivery day."),
        "position_mw": Param(
            [50], type="array", items={"type": "number"}, maxItems=risk.most_hubs,
            description="Open position by hub, MW, or one number for all: above zero to be sold, below zero to be bought.",
        ),
        **dials,
        "lines": Param([], description="Branches that are out.", **names),
        "units": Param([], description="Generating units that are out.", **names),
        "battery": Param(False, type="boolean", description="Plan the battery of config/assets/bess.yaml along."),
        "battery_hub": Param(None, type=["null", "string"], description="Hub of the battery; empty: the first."),
        "risk_aversion": Param(0.5, type="number", minimum=0, maximum=1, description="0: expected profit alone, 1: shortfall alone."),
        "risk_budget_ccy": Param(0, type="number", minimum=0, description="Expected shortfall allowed; 0: the desk's limit."),
        "compare_with": Param(None, type=["null", "string"], description="Plan to show beside it."),
        "seed": Param(load_schedules().seed, type="integer", minimum=0, description="Seed."),
    }  # fmt: skip


def profile_param() -> Param:
    """Training settings."""
    return Param(None, type=["null", "string"], enum=[None, *PROFILES], description="Training settings; empty: those of the installation.")
