"""Tasks: thin shells around pipeline_tasks.steps. They find the run's context, keep the journal, and sort errors."""

# mypy: disallow-untyped-decorators=False

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from dags._factory import FEATURES, RAW, REPORT, curated_asset, effort, pool
from pipeline_tasks.steps.context import RunContext

P = ParamSpec("P")
R = TypeVar("R")
Result = dict[str, Any]
FIRST = 100  # what is published one at a time goes before forecasts, or it would be left for the end


def permanent(function: Callable[P, R]) -> Callable[P, R]:
    """Errors that no retry mends (a blocked gate, a wrong value, something absent, a bug of ours) fail the task at once.

    Connections, time-outs and other `OSError`s keep their retries.
    """

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        from pipeline_tasks.steps.faults import is_permanent

        try:
            return function(*args, **kwargs)
        except Exception as error:
            if is_permanent(error):
                raise AirflowFailException(f"{type(error).__name__}: {error}") from error
            raise

    return wrapper


def run_context(dag: str = "nightly") -> RunContext:
    """Context of the present run: its form, and for an empty date (or instant) the one that belongs to the run's own date."""
    from pipeline_tasks.steps.faults import delivery_date_of

    context = get_current_context()
    params, run = context["params"], context["dag_run"]
    if "decided_at" in params:
        instant = datetime.fromisoformat(params["decided_at"]) if params["decided_at"] else run.logical_date or run.run_after
        return RunContext.at(params["source"], params["market"], instant)
    day = params.get("delivery_date") or delivery_date_of(str(params["market"]), run.logical_date or run.run_after).isoformat()
    return RunContext.from_dict({"source": params["source"], "market": params["market"], "delivery_date": day, "dag": dag})


def note(asset: Any, result: Result) -> None:
    """Put row counts into the asset event, where lineage shows them."""
    counts = {k: v for k, v in result.items() if isinstance(v, int | float | str)}
    get_current_context()["outlet_events"][asset].extra = counts


@task(outlets=[RAW], pool=pool("warehouse_write"))
@permanent
def ingest() -> Result:
    """Load what the source has; bad rows go to quarantine."""
    from pipeline_tasks.steps.flow import ingest_step

    result = ingest_step(run_context())
    note(RAW, result)
    return result


@task
@permanent
def validate(layer: str) -> Result:
    """Great Expectations gate; a broken blocking rule ends the run."""
    from pipeline_tasks.steps.flow import validate_step

    return validate_step(run_context(), layer)


@task(outlets=[FEATURES], pool=pool("warehouse_write"))
@permanent
def transform() -> Result:
    """One dbt build: staging, intermediate, features."""
    from pipeline_tasks.steps.flow import transform_step

    result = transform_step(run_context())
    note(FEATURES, result)
    return result


@task(trigger_rule=TriggerRule.ALL_DONE, pool=pool("warehouse_write"))
@permanent
def marts() -> Result:
    """One dbt build: marts."""
    from pipeline_tasks.steps.flow import marts_step

    return marts_step(run_context())


@task(pool=pool("warehouse_write"))
@permanent
def drift(models: list[str]) -> Result:
    """Judge the newest day of the features; what is severe degrades the forecasts made of it."""
    from pipeline_tasks.steps.flow import drift_step

    return drift_step(run_context(), models)


@task
@permanent
def without_champion(models: list[str]) -> list[str]:
    """Models that have no champion yet for the run's market."""
    from pipeline_tasks.steps.train import without_champion as find

    return find(run_context(), models)


@task(pool=pool("training"), map_index_template="{{ model }}")
@permanent
def bootstrap(model: str) -> Result:
    """First champion of a fresh install: trained some delivery days before the run, promoted under its own audit action."""
    from pipeline_tasks.steps.flow import bootstrap_step

    get_current_context()["model"] = model
    return bootstrap_step(run_context(), model)


def infer(model: str) -> Any:
    """Task that forecasts with the champion of a model."""

    @task(task_id="infer", trigger_rule=TriggerRule.NONE_FAILED, priority_weight=effort(model), weight_rule="absolute")
    @permanent
    def _infer() -> Result:
        from pipeline_tasks.steps.flow import infer_step

        return infer_step(run_context(), model)

    return _infer()


def publish(model: str, staged: Any) -> Any:
    """Task that publishes what `infer` staged."""
    asset = curated_asset(model)

    @task(task_id="publish", outlets=[asset], pool=pool("warehouse_write"), priority_weight=FIRST, weight_rule="absolute")
    @permanent
    def _publish(staged: Result) -> Result:
        from pipeline_tasks.steps.flow import publish_step

        result = publish_step(run_context(), model, staged["run_ids"])
        note(asset, result)
        return result

    return _publish(staged)


@task
@permanent
def sensitivities() -> Result:
    """What the loss of each branch would do to the prices of the hour under way."""
    from pipeline_tasks.steps.flow import sensitivities_step

    return sensitivities_step(run_context())


@task
@permanent
def learn_sensitivities() -> Result:
    """How limits answer to nodes, as prices and shadow prices up to the gate tell it."""
    from pipeline_tasks.steps.flow import learn_sensitivities_step

    return learn_sensitivities_step(run_context())


@task(trigger_rule=TriggerRule.ALL_DONE, pool=pool("warehouse_write"))
@permanent
def evaluate(models: list[str]) -> Result:
    """Score published forecasts whose outcomes are known."""
    from pipeline_tasks.steps.flow import evaluate_step

    return evaluate_step(run_context(), models)


@task(trigger_rule=TriggerRule.ALL_DONE)
@permanent
def shadow(models: list[str]) -> Result:
    """Let challengers answer beside their champions, unpublished."""
    from pipeline_tasks.steps.flow import shadow_step

    return shadow_step(run_context(), models)


@task(trigger_rule=TriggerRule.ALL_DONE)
@permanent
def watch(models: list[str]) -> Result:
    """Parity of what was served, schema versions, verdicts on champions and challengers."""
    from pipeline_tasks.steps.flow import watch_step

    return watch_step(run_context(), models)


@task(pool=pool("warehouse_write"))
@permanent
def cross_asset() -> Result:
    """Publish spreads, netbacks, signals and the effects of LNG arrivals."""
    from pipeline_tasks.steps.flow import cross_asset_step

    return cross_asset_step(run_context())


@task(outlets=[REPORT], trigger_rule=TriggerRule.ALL_DONE)
@permanent
def report() -> Result:
    """Write the report site."""
    from pipeline_tasks.steps.flow import report_step

    result = report_step(run_context())
    note(REPORT, result)
    return result


@task(trigger_rule=TriggerRule.ONE_FAILED, retries=0)
def failed() -> None:
    """Runs only when a task before it failed, and makes the run fail whatever the later tasks said."""
    raise AirflowFailException("at least one task of this run failed; see the tasks in red")


@task
@permanent
def chosen_models() -> list[str]:
    """Models chosen in the form."""
    return list(get_current_context()["params"]["models"])


@task(pool=pool("training"), map_index_template="{{ model }}")
@permanent
def train(model: str) -> Result:
    """Train and judge a challenger."""
    from pipeline_tasks.steps.flow import train_step

    context = get_current_context()
    context["model"] = model
    return train_step(run_context("train"), model, context["params"].get("profile"))


@task
@permanent
def published_dates(models: list[str]) -> list[str]:
    """Published delivery dates of the form's range."""
    from datetime import date

    from pipeline_tasks.steps.replay import published_dates as find

    params = get_current_context()["params"]
    days = find(params["market"], models, date.fromisoformat(params["start_date"]), date.fromisoformat(params["end_date"]))
    if not days:
        raise ValueError(
            f"nothing of {params['market']} is published between {params['start_date']} and {params['end_date']}; run nightly first"
        )
    return [day.isoformat() for day in days]


@task(map_index_template="{{ day }}")
@permanent
def replay(day: str, models: list[str]) -> Result:
    """Make one delivery date again and compare."""
    from pipeline_tasks.steps.flow import replay_step

    context = get_current_context()
    context["day"] = day
    params = context["params"]
    return replay_step(
        RunContext.from_dict({"source": params["source"], "market": params["market"], "delivery_date": day, "dag": "replay"}), models
    )


@task
@permanent
def maintain(work: str) -> Result:
    """One task of the upkeep."""
    from pipeline_tasks.steps.flow import maintenance_step

    return maintenance_step(run_context("maintenance"), work)


@task
@permanent
def live_providers() -> list[str]:
    """Providers of the form's market."""
    from pipeline_tasks.steps.backfill import providers_of

    return providers_of(str(get_current_context()["params"]["market"]))


@task(outlets=[RAW], pool=pool("live"), map_index_template="{{ provider }}")
@permanent
def backfill(provider: str) -> Result:
    """Load the form's days of one provider's feeds."""
    from pipeline_tasks.steps.flow import backfill_step

    context = get_current_context()
    context["provider"] = provider
    result = backfill_step(context["params"], provider)
    note(RAW, result)
    return result


@task
@permanent
def request_promotion() -> Result:
    """What the approver must see."""
    from pipeline_tasks.steps.promote import describe_request

    params = get_current_context()["params"]
    return describe_request(model=params["model"], market=params["market"], version=params["version"] or "")


@task(retries=0)
@permanent
def decide_promotion(request: Result, answer: Result) -> Result:
    """Act on the answer; the person who asked must not be the one who answered."""
    from pipeline_tasks.steps.promote import answer_request

    context = get_current_context()
    params, responder = context["params"], answer["responded_by_user"] or {}
    return answer_request(
        model=params["model"],
        market=params["market"],
        version=request["version"],
        requester=str(context["dag_run"].triggering_user_name or ""),
        approver=str(responder.get("name") or responder.get("id") or ""),
        approved=answer["chosen_options"] == ["Approve"],
        comment=str((answer.get("params_input") or {}).get("comment", "")),
    )


@task(max_active_tis_per_dag=8)
@permanent
def make_plan() -> Result:
    """From the form's scenario to a stored decision plan with its page."""
    from pipeline_tasks.steps.flow import make_plan_step

    context = get_current_context()
    run = context["dag_run"]
    person, params = str(run.triggering_user_name or ""), dict(context["params"])
    return make_plan_step(params, requester=person, trigger=run.run_id, requested_ts=run.run_after)


@task.short_circuit
@permanent
def awaits_answer(plan: Result) -> bool:
    """Whether anybody can approve it: a plan that breaks a limit is shown and goes no further."""
    return bool(plan["decision"] == "proposed")


@task(retries=0)
@permanent
def decide_plan(plan: Result, answer: Result) -> Result:
    """Act on the answer; the person who asked must not be the one who answered."""
    from pipeline_tasks.steps.flow import answer_plan_step

    responder = answer["responded_by_user"] or {}
    return answer_plan_step(
        plan["plan_id"],
        approver=str(responder.get("name") or responder.get("id") or ""),
        approved=answer["chosen_options"] == ["Approve"],
        comment=str((answer.get("params_input") or {}).get("comment", "")),
    )


@task(retries=0)
@permanent
def turn_switch() -> Result:
    """Hide what the form names from every reader, or show it again; the desk page says so."""
    from pipeline_tasks.steps.flow import turn_switch_step

    context = get_current_context()
    run = context["dag_run"]
    return turn_switch_step(context["params"], actor=str(run.triggering_user_name or ""), on=run.run_after.date())


@task(pool=pool("warehouse_write"))
@permanent
def settle_plans() -> Result:
    """What decision plans came to at prices that are known by now."""
    from pipeline_tasks.steps.flow import settle_plans_step

    return settle_plans_step(run_context())


@task(pool=pool("warehouse_write"))
@permanent
def simulate_outages() -> Result:
    """Solve the outages of the form and publish what they do."""
    from pipeline_tasks.steps.flow import simulate_outages_step

    return simulate_outages_step(get_current_context()["params"])


@task(pool=pool("training"))
@permanent
def embed_nodes() -> Result:
    """Embed the market's nodes and publish vectors, neighbours, hubs and nowcasts."""
    from pipeline_tasks.steps.flow import embed_step

    params = get_current_context()["params"]
    return embed_step(run_context("embeddings"), int(params["days"]), str(params["name"]))


@task(pool=pool("training"))
@permanent
def learn_participants() -> Result:
    """Learn the participants of the form's market and publish what they are expected to offer."""
    from pipeline_tasks.steps.flow import learn_participants_step

    return learn_participants_step(get_current_context()["params"])


@task(pool=pool("training"))
@permanent
def learn_outage_response() -> Result:
    """Compare the simulator with outages that really happened, and register what is learned."""
    from pipeline_tasks.steps.flow import learn_outage_response_step

    return learn_outage_response_step(run_context("outage_response"), int(get_current_context()["params"]["days"]))
