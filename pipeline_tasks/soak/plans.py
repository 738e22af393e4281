"""Soak of decision plans: the scenario DAG many times, several at once, through Airflow's own API, and the proof of what it left behind."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from config.markets import resolve_market
from pipeline_tasks.soak.airflow_api import AirflowApi

Say = Callable[[str], None]
ASKER, ANSWERER = "trader", "risk"
DAG, PLAN, APPROVE = "scenario", "make_plan", "approve"
WAIT_S, POLL_S = 600.0, 1.0
SELF_EVERY, LIMIT_EVERY, REPLAYED = 20, 25, 10
LARGE_MW, SMALL_MW = 1e5, 0.2


@dataclass(frozen=True, slots=True)
class Ran:
    """One run.

    Attributes:
        plan_id: the plan.
        seconds: from the request to Airflow until the plan was stored, chained and its page written.
        compute_s: of it inside the task's own work.
        kind: plain, limit (asks for more than the desk may), self (its requester tries to approve it).
        decision: proposed or blocked.
        run_state: state of the DAG run in the end.
    """

    plan_id: str
    seconds: float
    compute_s: float
    kind: str
    decision: str
    run_state: str


def soak_plans(*, market: str, day: str, runs: int, parallel: int, seed: int = 7, say: Say = lambda _: None) -> dict[str, Any]:
    """Trigger plans on a running stack, answer them, and prove what is on record.

    Every plan is made by a task in a process of its own; nothing of a plan is computed before its form is sent. The compiled code of the
    grid kernel and what the operating system caches stay from one run to the next.

    Args:
        market: market key.
        day: delivery date.
        runs: plans.
        parallel: asked for at once.
        seed: of the forms.
        say: told of progress.

    Returns:
        `seconds` (median, p95, most), `compute_s`, `proof`, `holds`.
    """
    from pipeline_tasks.stack import up

    api = AirflowApi(up(say))
    api.unpause(DAG)
    forms = [_form(market, day, k, random.Random(f"{seed}-{k}")) for k in range(runs)]  # noqa: S311 - forms, not secrets

    def one(k: int) -> Ran:
        ran = _run(api, k, *forms[k])
        say(f"plan {k + 1}/{runs} {ran.kind} {ran.decision} in {ran.seconds:.1f} s")
        return ran

    with ThreadPoolExecutor(parallel) as pool:
        done = list(pool.map(one, range(runs)))
    say("proving")
    proof = prove(done)
    took, work = (np.array([getattr(r, name) for r in done]) for name in ("seconds", "compute_s"))

    def told(values: Any) -> dict[str, float]:
        return {"median": float(np.median(values)), "p95": float(np.quantile(values, 0.95)), "most": float(values.max())}

    holds = all(proof[name] == 0 for name in ("incomplete", "differing", "self_approved", "limit_not_blocked", "not_ended"))
    made = {"runs": runs, "parallel": parallel, "seconds": told(took), "compute_s": told(work), "proof": proof, "holds": holds}
    return made | {"plans": [asdict(r) for r in done]}


def _form(market: str, day: str, k: int, rng: random.Random) -> tuple[str, dict[str, Any]]:
    """Kind and form of a run: five hubs, dials drawn, positions so small that all plans of the day fit the desk's budget."""
    hubs = list(resolve_market(market).hubs[:5])
    kind = "limit" if k % LIMIT_EVERY == LIMIT_EVERY - 1 else "self" if k % SELF_EVERY == SELF_EVERY - 1 else "plain"
    position = [LARGE_MW] if kind == "limit" else [round(rng.uniform(-SMALL_MW, SMALL_MW), 3) for _ in hubs]
    dials = {name: round(rng.uniform(-20, 20), 1) for name in ("gas_pct", "co2_pct", "load_pct", "wind_pct", "solar_pct")}
    return kind, {"market": market, "delivery_date": day, "desk": "power", "hubs": hubs, "position_mw": position, **dials}


def _run(api: AirflowApi, k: int, kind: str, form: Mapping[str, Any]) -> Ran:
    """Ask, wait for the plan, answer it, wait for the end."""
    began = time.perf_counter()
    run = api.trigger(ASKER, DAG, form)
    _until(lambda: api.task_state(DAG, run, PLAN) in {"success", "failed", "upstream_failed"})
    seconds = time.perf_counter() - began
    made = api.returned(DAG, run, PLAN)
    if made["decision"] == "proposed":
        _until(lambda: api.task_state(DAG, run, APPROVE) in {"awaiting_input", "deferred"})
        answerer = ASKER if kind == "self" else ANSWERER
        api.answer(answerer, DAG, run, APPROVE, "Approve" if k % 2 else "Reject")
    _until(lambda: api.run_state(DAG, run) in {"success", "failed"})
    return Ran(made["plan_id"], seconds, float(made["seconds"]), kind, made["decision"], api.run_state(DAG, run))


def _until(probe: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not probe():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing after {WAIT_S:.0f} s; look at the scheduler's log (desk status)")
        time.sleep(POLL_S)


def prove(done: list[Ran]) -> dict[str, int]:
    """What is on record: numbers with whole lineage, plans that replay exactly, refusals that held, tampering."""
    from pipeline_tasks.copilot import store
    from pipeline_tasks.copilot.lineage import completeness
    from pipeline_tasks.steps.plans import replay_plan
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.audit import verify

    with connect() as warehouse:
        found = {p.plan_id: p for p in store.plans(warehouse)}
        whole = [completeness(warehouse, found[r.plan_id]) for r in done]
        chain = verify(warehouse)
    step = max(len(done) // REPLAYED, 1)
    replays = [replay_plan(r.plan_id) for r in done[::step][:REPLAYED]]
    return {
        "plans": len({r.plan_id for r in done}),
        "numbers": sum(w["numbers"] for w in whole),
        "incomplete": sum(w["numbers"] - w["complete"] for w in whole),
        "replayed": len(replays),
        "differing": sum(not r["identical"] for r in replays),
        "self_tried": sum(r.kind == "self" for r in done),
        "self_approved": sum(r.kind == "self" and (r.run_state != "failed" or bool(found[r.plan_id].decision)) for r in done),
        "limit_tried": sum(r.kind == "limit" for r in done),
        "limit_not_blocked": sum(r.kind == "limit" and r.decision != "blocked" for r in done),
        "not_ended": sum(r.kind != "self" and r.run_state != "success" for r in done) + (not chain.ok),
    }


def write_result(made: Mapping[str, Any], path: Path) -> None:
    """Keep a soak's result as JSON."""
    path.write_text(json.dumps(made, indent=1, default=str), encoding="utf-8")


__all__ = ["Ran", "prove", "soak_plans", "write_result"]
