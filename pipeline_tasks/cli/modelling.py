"""Commands about models: train, infer, promote, scorecard, bench, new-model, models."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from pipeline_tasks.cli.console import (
    Day,
    JsonFlag,
    MarketName,
    Refused,
    SourceName,
    command,
    out,
    parse_day,
    print_json,
    print_rows,
    progress,
)

ModelName = Annotated[str, typer.Argument(help="Model name; `desk models` lists them.")]
DataDir = Annotated[Path | None, typer.Option("--data", help="Folder of CSV or Parquet files that follow the model's input contract.")]


@command
def models(as_json: JsonFlag = False) -> None:
    """List the registered models."""
    from models._kernel.registry import model_names, spec_of

    rows = [
        {
            "model": s.name,
            "kind": s.kind.value,
            "yardstick": s.yardstick,
            "inputs": s.inputs.full_name,
            "output": s.curated.full_name,
            "owner": s.owner,
        }
        for s in map(spec_of, model_names())
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows("models", rows)


@command
def train(
    name: ModelName,
    data: DataDir = None,
    output: Annotated[Path | None, typer.Option("--output", help="Folder for the artifact (with --data).")] = None,
    market: MarketName = "twin",
    cutoff: Annotated[
        date | None,
        typer.Option(parser=parse_day, metavar="YYYY-MM-DD", help="Learn from what was known at the gate of this delivery date."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 7,
    as_json: JsonFlag = False,
) -> None:
    """Train a model: on files (--data, --output; no warehouse, no Airflow), or a challenger for a market."""
    with progress(f"train {name}", quiet=as_json):
        if data is not None:
            from pipeline_tasks.standalone import train_on_files

            if output is None:
                raise ValueError("--output is missing: say where the artifact goes when training on --data")
            result = train_on_files(name, data, output, cutoff=cutoff, seed=seed)
        else:
            from pipeline_tasks.steps.train import train as train_step

            if cutoff is None:
                raise ValueError("--cutoff is missing: name the delivery date whose gate ends the training data, e.g. --cutoff 2026-06-01")
            result = train_step(model=name, market=market, cutoff_date=cutoff, seed=seed)
    if as_json:
        print_json(result)
    else:
        print_rows(f"trained {name}", [{"field": k, "value": v} for k, v in result.items()])


@command
def infer(
    name: ModelName,
    data: DataDir = None,
    artifact: Annotated[Path | None, typer.Option("--artifact", help="Artifact folder (with --data).")] = None,
    output: Annotated[Path | None, typer.Option("--output", help="File to write (.csv or .parquet); stdout table when absent.")] = None,
    source: SourceName = "twin",
    market: MarketName = "twin",
    day: Day = date(2026, 6, 15),
    as_json: JsonFlag = False,
) -> None:
    """Forecast: from an artifact and files (--artifact, --data), or with the champion from the warehouse, published."""
    with progress(f"infer {name}", quiet=as_json):
        if data is not None or artifact is not None:
            from pipeline_tasks.standalone import infer_on_files

            if data is None or artifact is None:
                raise ValueError("--data and --artifact go together: name the artifact folder and the folder of input files")
            result = infer_on_files(name, artifact, data, output=output)
        else:
            from pipeline_tasks.steps.context import RunContext
            from pipeline_tasks.steps.infer import infer as infer_step
            from pipeline_tasks.steps.publish import publish as publish_step

            ctx = RunContext(source=source, market=market, delivery_date=day)
            result = {"infer": infer_step(ctx, name), "publish": publish_step(ctx, name)}
    if as_json:
        print_json(result)
    else:
        print_rows(f"{name}", [{"field": k, "value": v} for k, v in result.items()])


@command
def promote(
    name: ModelName,
    version: Annotated[str, typer.Option(help="Registry version to make champion.")],
    approver: Annotated[str, typer.Option(help="Who approves; never the requester.")],
    requester: Annotated[str, typer.Option(help="Who asks; default: the actor of the settings.")] = "",
    market: MarketName = "twin",
    comment: Annotated[str, typer.Option(help="Reason, kept in the audit log.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Promote a challenger to champion, with two different people on record."""
    from config.settings import get_settings
    from pipeline_tasks.steps.promote import promote as promote_step

    result = promote_step(
        model=name, market=market, version=version, requester=requester or get_settings().actor, approver=approver, comment=comment
    )
    if as_json:
        print_json(result)
    else:
        print_rows("promoted", [{"field": k, "value": v} for k, v in result.items()])


@command
def scorecard(
    model: Annotated[list[str] | None, typer.Option("--model", help="Model; repeatable; default all.")] = None,
    data_set: Annotated[
        list[str] | None, typer.Option("--data-set", help="Data set, e.g. epf_de; repeatable; default all of the yardstick.")
    ] = None,
    start: Annotated[
        date | None, typer.Option("--from", parser=parse_day, metavar="YYYY-MM-DD", help="First scored delivery date.")
    ] = None,
    end: Annotated[date | None, typer.Option("--to", parser=parse_day, metavar="YYYY-MM-DD", help="Last scored delivery date.")] = None,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Another data folder of the same layout.")] = None,
    profile: Annotated[str, typer.Option(help="Training settings: demo or full.")] = "full",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 7,
    processes: Annotated[int, typer.Option(help="Parts scored at a time; 0 for as many as there are cores.", min=0)] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Score models walk-forward against their named baselines; finished parts are kept and resumed."""
    from pipeline_tasks.scorecard import print_table, run_scorecard

    with progress("scorecard", quiet=as_json) as say:
        rows = run_scorecard(
            models=model or None,
            data_sets=data_set or None,
            start=start,
            end=end,
            data_dir=data_dir,
            profile=profile,
            seed=seed,
            progress=say,
            processes=processes,
        )
    if as_json:
        print_json([row.to_dict() for row in rows])
    else:
        print_table(rows, out)


@command
def compare(
    model: ModelName,
    data_set: Annotated[list[str] | None, typer.Option("--data-set", help="Data set (repeatable); default those of the yardstick.")] = None,
    peer: Annotated[list[str] | None, typer.Option("--peer", help="Peer (repeatable); default all.")] = None,
    published_only: Annotated[bool, typer.Option("--no-peers", help="Published forecasts and baselines only.")] = False,
    start: Annotated[
        date | None, typer.Option("--from", parser=parse_day, metavar="YYYY-MM-DD", help="First delivery date compared.")
    ] = None,
    end: Annotated[date | None, typer.Option("--to", parser=parse_day, metavar="YYYY-MM-DD", help="Last delivery date compared.")] = None,
    profile: Annotated[str, typer.Option(help="Training settings: demo or full.")] = "full",
    as_json: JsonFlag = False,
) -> None:
    """Compare a model with public libraries on the same rows; each runs in an environment of its own, outside the lock."""
    from pipeline_tasks.compare import compare as standings

    with progress("compare", quiet=as_json) as say:
        chosen = [] if published_only else peer or None
        rows = standings(model, data_sets=data_set or None, peers=chosen, profile=profile, progress=say, start=start, end=end)
    if as_json:
        print_json([row.to_dict() for row in rows])
    else:
        print_rows("standings, best first", [row.to_dict() for row in rows])


@command
def bench(
    name: Annotated[str, typer.Argument(help="Bench to run; default all.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Measure speed and memory beside a peer in the same run."""
    from pipeline_tasks.bench import run_bench

    with progress("bench", quiet=as_json) as say:
        rows = run_bench(name or None, progress=say)
    if as_json:
        print_json(rows)
    else:
        print_rows("bench", rows, ["bench", "case", "metric", "value", "unit", "peer", "peer_value", "ratio", "runs"])


@command
def new_model(name: Annotated[str, typer.Argument(help="Lower snake case.")], as_json: JsonFlag = False) -> None:
    """Scaffold a model folder and its config, then regenerate; nothing else needs an edit."""
    from config.settings import REPO_ROOT
    from models._kernel.registry import model_names
    from pipeline_tasks.generation import generate
    from pipeline_tasks.scaffold import new_model as scaffold

    made = scaffold(name, REPO_ROOT)
    model_names.cache_clear()
    made += [str(d.path) for d in generate()]
    if as_json:
        print_json({"created": made})
        return
    print_rows("created", [{"path": path} for path in made])
    out.print("next: fill the folder, then `make gen` and `make test`; nothing else needs an edit", highlight=False)


@command
def serve(
    model: ModelName,
    market: MarketName = "twin",
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65_535, help="Port to listen on.")] = 5005,
    as_json: JsonFlag = False,
) -> None:
    """Serve the champion of a model that decides interval by interval over HTTP, by MLflow's own model server."""
    from pipeline_tasks.serving.server import serve as become_server

    url = f"http://{host}:{port}/invocations"
    if as_json:
        print_json({"model": model, "market": market, "url": url})
    else:
        out.print(f'POST {url} with {{"dataframe_records": [{{"horizon_min": 15}}]}}', highlight=False)
    become_server(model, market, host=host, port=port)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for name, function in (
        ("models", models),
        ("train", train),
        ("infer", infer),
        ("promote", promote),
        ("scorecard", scorecard),
        ("bench", bench),
        ("compare", compare),
        ("new-model", new_model),
        ("serve", serve),
    ):
        app.command(name)(function)


__all__ = ["Refused", "register"]
