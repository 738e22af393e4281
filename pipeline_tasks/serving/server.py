"""Start MLflow's model server for the champion of a model and market."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.settings import REPO_ROOT, get_settings
from models._kernel.registry import spec_of
from pipeline_tasks import tracking
from pipeline_tasks.serving.answers import NOT_SERVED, RequestError

SCORER = Path(__file__).with_name("scorer.py")


def packaged(model: str, market: str) -> Path:
    """The champion as a model that MLflow can serve, made once per version below the state folder.

    Raises:
        NoChampionError: the model has no champion for the market.
        RequestError: the model decides once a day; there is nothing to serve between two gates.
    """
    from pipeline_tasks.tracking.registry import fetch

    if not spec_of(model).intraday:
        raise RequestError(NOT_SERVED.format(name=model))
    ref = tracking.champion(model, market)
    if ref is None:
        raise tracking.NoChampionError(
            f"{model} has no champion for {market}; run the nightly DAG (it makes the first one) or promote a version"
        )
    target = get_settings().home / "serving" / f"{ref.name}_{ref.version}_{ref.artifact_sha[:12]}"
    if (target / "MLmodel").is_file():
        return target
    return package(ref.to_dict(), fetch(ref), target)


def package(head: Mapping[str, Any], artifact: Path, target: Path) -> Path:
    """An artifact as a model in MLflow's format, run by `scorer.py`.

    Args:
        head: model, market, version, artifact_sha and cutoff of it.
        artifact: folder that `Model.save` wrote.
        target: folder to make.
    """
    import mlflow

    from pipeline_tasks.tracking.registry import pip_requirements

    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        told, made = Path(scratch) / "head.json", Path(scratch) / "packaged"
        told.write_text(json.dumps(dict(head)), encoding="utf-8")
        mlflow.pyfunc.save_model(
            str(made),
            python_model=str(SCORER),
            artifacts={"head": str(told), "model": str(artifact)},
            pip_requirements=pip_requirements().split(),
        )
        made.rename(target)
    return target


def command(folder: Path, *, host: str, port: int) -> list[str]:
    """The server's command line: one worker, this very environment."""
    address = ["--host", host, "--port", str(port)]
    return [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder), "--env-manager", "local", "--workers", "1", *address]


def environment() -> dict[str, str]:
    """The server's environment: the project importable, this interpreter's programs found, MLflow quiet, one thread per library.

    A request's frames have thousands of rows: Polars' second thread is woken for less work than waking it is, and memory that is given
    back to the system between two requests costs more than the arithmetic of a graph transformer (`MALLOC_*`: glibc, ignored elsewhere).
    """
    from pipeline_tasks.processes import MATH_THREADS

    modules = os.pathsep.join(p for p in (str(REPO_ROOT), os.environ.get("PYTHONPATH", "")) if p)
    # MLflow starts `uvicorn` by name, which is on the path only where the virtual environment is activated.
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    quiet = {"MLFLOW_DISABLE_ENV_CREATION": "true", "DO_NOT_TRACK": "1"}
    memory = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
    return {**MATH_THREADS, "POLARS_MAX_THREADS": "1", **memory, **os.environ, "PYTHONPATH": modules, "PATH": programs, **quiet}


def serve(model: str, market: str, *, host: str, port: int) -> None:
    """Become MLflow's model server for the champion; returns never."""
    line = command(packaged(model, market), host=host, port=port)
    os.execvpe(line[0], line, environment())  # noqa: S606 - the process becomes the server: signals reach it
