"""Commands of decision plans: make, show, list, approve, reject, replay, lineage."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from pipeline_tasks.cli.console import Day, JsonFlag, MarketName, command, out, print_json, print_rows, progress

plan_app = typer.Typer(
    help="Decision plans: from a scenario to battery, hedge, profit and risk, approved by another person.", no_args_is_help=True
)
PlanId = Annotated[str, typer.Argument(metavar="PLAN", help="Plan, as `desk plan list` shows it.")]
Per = Annotated[float, typer.Option(help="Change, per cent.")]
Comment = Annotated[str, typer.Option("--comment", help="Reason; kept in the audit log.")]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@plan_app.command("make")
@command
def make(
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    desk: Annotated[str, typer.Option("--desk", help="Desk whose limits hold (config/risk.yaml).")] = "power",
    hubs: Annotated[str, typer.Option("--hubs", metavar="A,B,...", help="Up to five hubs; default the market's first five.")] = "",
    position: Annotated[
        str, typer.Option("--position", metavar="MW[,MW...]", help="Open position by hub, or one for all; to be sold above zero.")
    ] = "0",
    horizon: Annotated[int, typer.Option("--hours", min=1, max=25, help="Hours of the delivery day.")] = 24,
    gas: Per = 0.0,
    coal: Per = 0.0,
    co2: Per = 0.0,
    load: Per = 0.0,
    wind: Per = 0.0,
    solar: Per = 0.0,
    lines: Annotated[str, typer.Option("--lines", metavar="A,B,...", help="Branches that are out.")] = "",
    units: Annotated[str, typer.Option("--units", metavar="A,B,...", help="Generating units that are out.")] = "",
    battery: Annotated[bool, typer.Option("--battery", help="Plan the battery of config/assets/bess.yaml along.")] = False,
    battery_hub: Annotated[str, typer.Option("--battery-hub", help="Where it stands; default the first hub.")] = "",
    risk_aversion: Annotated[float, typer.Option("--risk-aversion", min=0, max=1, help="0 profit alone, 1 shortfall alone.")] = 0.5,
    risk_budget: Annotated[float, typer.Option("--risk-budget", min=0, help="Expected shortfall allowed; 0: the desk's limit.")] = 0.0,
    compare: Annotated[str, typer.Option("--compare", metavar="PLAN", help="Plan to show beside it.")] = "",
    seed: Annotated[int, typer.Option("--seed", min=0)] = 7,
    as_json: JsonFlag = False,
) -> None:
    """Forecast a scenario, solve battery and hedge, check the limits, store the plan and write its page; it is a shadow until approved."""
    from config.settings import get_settings
    from pipeline_tasks.copilot.request import PlanRequest
    from pipeline_tasks.steps.plans import make_plan

    form: dict[str, Any] = {
        "market": market, "delivery_date": day, "desk": desk, "hubs": _names(hubs), "horizon_h": horizon, "seed": seed,
        "position_mw": [float(v) for v in _names(position)], "lines": _names(lines), "units": _names(units), "battery": battery,
        "gas_pct": gas, "coal_pct": coal, "co2_pct": co2, "load_pct": load, "wind_pct": wind, "solar_pct": solar,
        "battery_hub": battery_hub, "risk_aversion": risk_aversion, "risk_budget_ccy": risk_budget, "compare_with": compare,
    }  # fmt: skip
    now = datetime.now(UTC)
    asked = PlanRequest.of(form, requester=get_settings().actor, trigger=f"desk {now.isoformat()}", requested_ts=now)
    with progress("decision plan", quiet=as_json) as say:
        made = make_plan(asked, say)
    if as_json:
        print_json(made)
        return
    print_rows("figures", [{"figure": k, "value": v} for k, v in made["figures"].items()])
    out.print(f"plan [bold]{made['plan_id']}[/bold] {made['decision']} {made['reason']} in {made['seconds']:.1f} s", highlight=False)
    out.print(f"page: {made['page']}", highlight=False, soft_wrap=True)


@plan_app.command("list")
@command
def list_plans(market: Annotated[str, typer.Option(help="Market key; default all.")] = "", as_json: JsonFlag = False) -> None:
    """Show the plans on record and their state, newest first."""
    from pipeline_tasks.copilot import store
    from pipeline_tasks.warehouse import connect

    now = datetime.now(UTC)
    names = ("plan_id", "market", "delivery_date", "desk", "requester", "reason", "requested_ts")
    with connect() as warehouse:
        found = store.plans(warehouse, market=market)
    rows = [{"state": p.state(now).value, **{n: p.row[n] for n in names}, "approver": p.approver} for p in found]
    if as_json:
        print_json(rows)
    else:
        print_rows("plans", rows)


@plan_app.command("show")
@command
def show(plan: PlanId, as_json: JsonFlag = False) -> None:
    """Print every number of a plan with its identity."""
    from pipeline_tasks.copilot import store
    from pipeline_tasks.warehouse import connect

    with connect() as warehouse:
        found = store.plan(warehouse, plan)
        rows = warehouse.query(
            "select number_id, value, unit from curated.decision_plans where market = {m:String} and hub = {p:String} order by number_id",
            {"m": found.row["market"], "p": plan},
        ).to_dicts()
    if as_json:
        print_json({"state": found.state(datetime.now(UTC)).value, "request": found.row["request_json"], "numbers": rows})
    else:
        print_rows(plan, rows)


def _answer(plan: str, *, approved: bool, comment: str, as_json: bool) -> None:
    from config.settings import get_settings
    from pipeline_tasks.steps.plans import answer_plan

    made = answer_plan(plan, approver=get_settings().actor, approved=approved, comment=comment)
    if as_json:
        print_json(made)
    else:
        out.print(f"{plan} {made['decision']} by {made['approver']}", highlight=False)


@plan_app.command("approve")
@command
def approve(plan: PlanId, comment: Comment = "", as_json: JsonFlag = False) -> None:
    """Approve a plan; the person who asked for it cannot."""
    _answer(plan, approved=True, comment=comment, as_json=as_json)


@plan_app.command("reject")
@command
def reject(plan: PlanId, comment: Comment = "", as_json: JsonFlag = False) -> None:
    """Reject a plan; the person who asked for it cannot."""
    _answer(plan, approved=False, comment=comment, as_json=as_json)


@plan_app.command("replay")
@command
def replay(plan: PlanId, as_json: JsonFlag = False) -> None:
    """Make a plan again from its recorded request and versions and compare every number bit for bit; exit 3 when one differs."""
    replay_plan(plan, as_json=as_json)


def replay_plan(plan: str, *, as_json: bool) -> None:
    """What `desk plan replay` and `desk replay PLAN` do.

    Raises:
        typer.Exit: with code 3, a number differs.
    """
    from pipeline_tasks.steps.plans import replay_plan as replay_step

    with progress("replay", quiet=as_json):
        made = replay_step(plan)
    if as_json:
        print_json(made)
    else:
        same = "identical" if made["identical"] else f"{len(made['differing'])} differ: {', '.join(made['differing'][:3])}"
        out.print(f"{plan}: {made['numbers']} numbers, {same}; changed inputs: {', '.join(made['changed']) or 'none'}", highlight=False)
    if not made["identical"]:
        raise typer.Exit(3)


@plan_app.command("settle")
@command
def settle(market: MarketName = "twin", as_json: JsonFlag = False) -> None:
    """Say what plans came to at realised prices, shadow plans included; published as curated.plan_outcomes."""
    from pipeline_tasks.steps.settle_plans import settle_plans

    made = settle_plans(market)
    if as_json:
        print_json(made)
    else:
        print_rows("settled", made["plans"])


@command
def lineage(
    number: Annotated[str, typer.Argument(metavar="NUMBER-ID", help="Number of a plan, as `desk plan show` gives it.")],
    as_json: JsonFlag = False,
) -> None:
    """Resolve a number of a plan to data, code, models, configuration, seed, people and its place in the audit chain."""
    from pipeline_tasks.steps.plans import lineage_of

    found = lineage_of(number)
    if as_json:
        print_json(found)
    else:
        print_rows(number, [{"part": k, "value": v} for k, v in found.items()])


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(plan_app, name="plan")
    app.command("lineage")(lineage)
