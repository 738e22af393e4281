"""Running a peer: a script with its own pinned requirements (PEP 723), started through uv in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from config.settings import REPO_ROOT
from models._kernel.spec import ModelSpec
from models._kernel.splitter import Fold
from pipeline_tasks.contracts.features import DAY_AHEAD

FOLDER = Path(__file__).parent / "peers"
PEERS: dict[str, str] = {p.stem: p.name for p in sorted(FOLDER.glob("*.py")) if p.stem != "exchange"}
TIMEOUT_S = 4 * 3600
Array = npt.NDArray[np.float64]


class PeerError(RuntimeError):
    """A peer could not be run; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer answered: NaN where it said nothing; quantiles by level."""

    point: Array
    quantiles: dict[float, Array]
    versions: str
    seconds: float


def about(name: str) -> dict[str, object]:
    """The inline metadata of a peer's script (PEP 723): requirements, and under `tool.desk` which rows it `answers`."""
    head = (FOLDER / PEERS[name]).read_text(encoding="utf-8").split("# /// script\n")[1].split("# ///\n")[0]
    return tomllib.loads("".join(line.removeprefix("#").removeprefix(" ") + "\n" for line in head.splitlines()))


def peers_for(spec: ModelSpec) -> tuple[str, ...]:
    """Peers that can answer a model's rows: all where it forecasts days from the day-ahead features, else those that take any rows."""
    whole_days = spec.inputs.name == DAY_AHEAD.name and not spec.intraday
    return tuple(name for name in PEERS if whole_days or _answers(name) == "any")


def _answers(name: str) -> str:
    tool = about(name).get("tool")
    return str(tool["desk"]["answers"]) if isinstance(tool, dict) else "day_ahead"


def run_peer(name: str, frame: pl.DataFrame, scored: npt.NDArray[np.bool_], folds: tuple[Fold, ...], levels: Array) -> Answer:
    """Answers of a peer on the scored rows of `frame`, in their order.

    Raises:
        PeerError: unknown peer, uv is missing, or the script failed (its own last words are in the message).
    """
    if name not in PEERS:
        raise PeerError(f"peer {name!r} is not known; known: {', '.join(PEERS)}")
    with tempfile.TemporaryDirectory(prefix="desk-compare-") as made:
        folder = Path(made)
        frame.with_row_index("row").with_columns(pl.Series("scored", scored)).write_parquet(folder / "rows.parquet")
        refits = [{"first": f.test_dates[0].isoformat(), "cutoff": f.cutoff.isoformat()} for f in folds]
        (folder / "task.json").write_text(json.dumps({"levels": levels.tolist(), "refits": refits}), encoding="utf-8")
        run_script(FOLDER / PEERS[name], folder)
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        answered = pl.read_parquet(folder / "answer.parquet")
    rows = pl.DataFrame({"row": np.flatnonzero(scored)}, schema={"row": answered.schema["row"]})
    joined = rows.join(answered.unique("row", keep="first"), on="row", how="left", maintain_order="left").fill_null(float("nan"))
    ladder = {float(c.removeprefix("q")): joined[c].cast(pl.Float64).to_numpy() for c in joined.columns if c.startswith("q")}
    versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items())
    return Answer(joined["point"].cast(pl.Float64).to_numpy(), ladder, versions, float(about["seconds"]))


def run_script(script: Path, folder: Path) -> None:
    """Run a peer's script on a folder of files, in the environment that its inline metadata ask for.

    Raises:
        PeerError: uv is missing, or the script failed.
    """
    command = [uv(), "run", "--quiet", "--no-project", "--script", str(script), str(folder)]
    passed = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT"}}
    done = subprocess.run(command, env=passed, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 - our own script
    if done.returncode != 0:
        last = "; ".join(done.stderr.strip().splitlines()[-3:])
        raise PeerError(f"peer {script.stem} failed: {last}. It needs the package index once; afterwards its environment is cached")


def uv() -> str:
    """Path of uv.

    Raises:
        PeerError: neither on PATH nor among the project's tools.
    """
    found = shutil.which("uv") or str(REPO_ROOT / ".tools" / "bin" / "uv")
    if not Path(found).is_file():
        raise PeerError("uv is missing: peers run in environments that uv makes; run `make setup` or put uv on PATH")
    return found
