"""Models on files: train and infer without Airflow and without a warehouse, on CSV or Parquet that follow the input contract."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from config.settings import get_settings
from models._kernel.artifacts import artifact_sha, verify_artifact
from models._kernel.protocol import Features
from models._kernel.registry import model_class, params_of, spec_of
from models._kernel.spec import ModelSpec
from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.frames import check_frame

SUFFIXES = (".parquet", ".csv")


def read_contract_folder(folder: Path, table: Table, required: tuple[str, ...]) -> pl.DataFrame:
    """Read every CSV and Parquet file of a folder as rows of one contract table, in key order.

    Optional columns that the files lack are added as nulls; columns that the contract does not know are ignored.

    Raises:
        NotADirectoryError: the folder does not exist.
        FileNotFoundError: it holds no CSV or Parquet file.
        ValueError: rows break the contract; the message names file columns, values and the remedy.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"--data {folder} is not a folder; give the folder that holds the model's input files")
    files = sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"--data {folder} holds no .parquet or .csv file; see docs/data_dictionary.md, table {table.full_name}")
    frame = pl.concat([_read(path, table) for path in files], how="vertical")
    violations = check_frame(table, frame, required=required)
    if violations:
        shown = "\n".join(f"  - {v}" for v in violations[:12])
        more = f"\n  ... and {len(violations) - 12} more" if len(violations) > 12 else ""
        raise ValueError(f"the files of {folder} do not follow the input contract {table.full_name}:\n{shown}{more}")
    return frame.sort(table.key)


def _read(path: Path, table: Table) -> pl.DataFrame:
    if path.suffix == ".csv":
        frame = pl.read_csv(path, infer_schema_length=0)
        cast = [_from_text(c.name, c.type.polars) for c in table.columns if c.name in frame.columns]
    else:
        frame = pl.read_parquet(path)
        cast = [pl.col(c.name).cast(c.type.polars, strict=False) for c in table.columns if c.name in frame.columns]
    present = [c for c in table.column_names if c in frame.columns]
    typed = frame.select(present).with_columns(cast)
    lost = [c for c in present if typed[c].null_count() > frame[c].replace("", None).null_count()] if path.suffix == ".csv" else []
    if lost:
        column = lost[0]
        example = frame.filter(typed[column].is_null() & frame[column].is_not_null() & (frame[column] != ""))[column][0]
        raise ValueError(
            f"{path.name}: column {column} holds {example!r}, which is no {table.column(column).type.name.lower()}; mend the file"
        )
    absent = [pl.lit(None, dtype=c.type.polars).alias(c.name) for c in table.columns if c.name not in frame.columns]
    return typed.with_columns(absent).select(table.column_names)


def _from_text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name).str.strip_chars().replace("", None)
    if isinstance(dtype, pl.Datetime):
        return column.str.to_datetime(time_unit="ms", time_zone="UTC", strict=False)
    if dtype == pl.Date():
        return column.str.to_date(strict=False)
    if dtype == pl.Boolean():
        return column.str.to_lowercase().replace_strict(
            {"true": True, "1": True, "false": False, "0": False}, default=None, return_dtype=dtype
        )
    return column.cast(dtype, strict=False)


def train_on_files(name: str, data: Path, output: Path, *, cutoff: date | None = None, seed: int = 7) -> dict[str, Any]:
    """Fit a model on files and save its artifact; same files and seed, same bytes.

    Args:
        name: model.
        data: folder of input files.
        output: artifact folder; must be empty or absent.
        cutoff: last delivery date whose decision time ends the training data; default: all rows.
        seed: random seed.

    Returns:
        model, artifact, artifact_sha, rows, cutoff.
    """
    if output.exists() and any(output.iterdir()):
        raise ValueError(f"--output {output} is not empty; name a new folder, artifacts are never overwritten")
    spec = spec_of(name)
    history = read_contract_folder(data, spec.inputs, spec.required)
    decided = history["as_of"] if cutoff is None else history.filter(pl.col("delivery_date") <= cutoff)["as_of"]
    at = decided.max()
    if not isinstance(at, datetime):
        first = history["delivery_date"].to_list()[0] if history.height else "none"
        raise ValueError(f"--cutoff {cutoff} lies before the first delivery date of the files, {first}; choose a later one")
    model = model_class(name)(params_of(name, get_settings().profile))
    model.fit(Features(history=history, target=history.clear()), cutoff=at, seed=seed)
    output.mkdir(parents=True, exist_ok=True)
    model.save(output)
    return {"model": name, "artifact": str(output), "artifact_sha": artifact_sha(output), "rows": history.height, "cutoff": at.isoformat()}


def infer_on_files(name: str, artifact: Path, data: Path, *, output: Path | None = None) -> dict[str, Any]:
    """Answer on the rows of the files whose target is not known, with the rest as history.

    Where every target is known, the newest delivery date is answered (a backtest of one day).

    Returns:
        model, rows, delivery dates, artifact_sha, and `output` or `forecast` (rows) when no output is named.

    Raises:
        ValueError: the artifact is corrupt, or the output suffix is neither .csv nor .parquet.
    """
    spec = spec_of(name)
    verify_artifact(artifact)
    frame = read_contract_folder(data, spec.inputs, spec.required)
    unknown = frame.filter(pl.col(spec.outcome.column).is_null())
    newest = unknown if unknown.height else frame
    target = newest.filter(pl.col("delivery_date") == newest["delivery_date"].max()) if not unknown.height else unknown
    as_of = target["as_of"].max()
    if not isinstance(as_of, datetime):
        raise ValueError(f"--data {data} holds no row to answer on; add rows of the delivery date to forecast, with their as_of")
    model = model_class(name).load(artifact)
    answer = model.predict(Features(history=frame, target=target), as_of=as_of).frame
    result = {"model": name, "rows": answer.height, "delivery_dates": _dates(answer), "artifact_sha": artifact_sha(artifact)}
    if output is None:
        return {**result, "forecast": answer.to_dicts()}
    _write(answer, output, spec)
    return {**result, "output": str(output)}


def _dates(frame: pl.DataFrame) -> list[str]:
    return [str(d) for d in frame["delivery_date"].unique().sort().to_list()]


def _write(frame: pl.DataFrame, output: Path, spec: ModelSpec) -> None:
    if output.suffix not in SUFFIXES:
        raise ValueError(f"--output {output} ends with {output.suffix!r}; use .csv or .parquet")
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == ".csv":
        frame.write_csv(output)
    else:
        frame.write_parquet(output)
    units = {c.name: c.unit for c in spec.output}
    output.with_suffix(output.suffix + ".schema.json").write_text(
        json.dumps({"model": spec.name, "units": units}, indent=2) + "\n", encoding="utf-8"
    )
