"""Models on files: train and infer through the CLI, without Airflow and without a warehouse, with errors a person can act on."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from config.settings import get_settings
from models._kernel.registry import model_names, spec_of
from models._kernel.samples import features_of
from models._kernel.synthetic import SyntheticMarket
from pipeline_tasks.cli import app
from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.features import DAY_AHEAD, OUTCOMES

runner = CliRunner()


def rows_of(table: Table) -> pl.DataFrame:
    """Features of two synthetic hubs; the last day's target is not known."""
    frame = features_of(table, SyntheticMarket(first=date(2025, 9, 1), last=date(2026, 4, 2)))
    last = frame["delivery_date"].max()
    happened = [c for known, values in OUTCOMES.items() for c in (known, *values) if c in frame.columns]
    return frame.with_columns(pl.when(pl.col("delivery_date") != last).then(pl.col(c)).alias(c) for c in happened)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Day-ahead features."""
    return rows_of(DAY_AHEAD)


@pytest.fixture(autouse=True)
def small_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest training settings."""
    small = get_settings().model_copy(update={"profile": "test"})
    monkeypatch.setattr("pipeline_tasks.standalone.get_settings", lambda: small)


def _folder(path: Path, frame: pl.DataFrame, suffix: str) -> Path:
    path.mkdir()
    if suffix == ".csv":
        frame.write_csv(path / "features.csv")
    else:
        frame.write_parquet(path / "features.parquet")
    return path


@pytest.mark.parametrize("name", model_names())
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_train_then_infer_on_files(tmp_path: Path, name: str, suffix: str) -> None:
    rows = rows_of(spec_of(name).inputs)
    data = _folder(tmp_path / "data", rows, suffix)
    artifact = tmp_path / "artifact"
    trained = runner.invoke(app, ["train", name, "--data", str(data), "--output", str(artifact), "--json"])
    assert trained.exit_code == 0, trained.output
    answer = tmp_path / "answer.parquet"
    inferred = runner.invoke(app, ["infer", name, "--artifact", str(artifact), "--data", str(data), "--output", str(answer), "--json"])
    assert inferred.exit_code == 0, inferred.output
    asked = rows.filter(pl.col(spec_of(name).outcome.column).is_null() & (pl.col("delivery_date") == rows["delivery_date"].max()))
    answered = pl.read_parquet(answer).filter(pl.col("delivery_date") == rows["delivery_date"].max())
    assert answered.height == asked.height > 0
    assert json.loads(inferred.stdout)["artifact_sha"] == json.loads(trained.stdout)["artifact_sha"]
    assert (tmp_path / "answer.parquet.schema.json").is_file()


def test_csv_and_parquet_give_the_same_artifact(tmp_path: Path, rows: pl.DataFrame) -> None:
    shas = []
    for suffix in (".parquet", ".csv"):
        data = _folder(tmp_path / f"data{suffix[1:]}", rows, suffix)
        done = runner.invoke(app, ["train", "spike_risk", "--data", str(data), "--output", str(tmp_path / f"a{suffix[1:]}"), "--json"])
        shas.append(json.loads(done.stdout)["artifact_sha"])
    assert shas[0] == shas[1]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: f.drop("as_of"), "as_of"),
        (lambda f: f.with_columns(pl.lit(31).cast(pl.Int64).alias("local_hour")), "local_hour"),
        (lambda f: pl.concat([f, f.head(1)]), "duplicate_key"),
    ],
)
def test_rows_that_break_the_contract_are_named(tmp_path: Path, rows: pl.DataFrame, spoil: object, said: str) -> None:
    data = _folder(tmp_path / "data", spoil(rows), ".parquet")  # type: ignore[operator]
    done = runner.invoke(app, ["train", "spike_risk", "--data", str(data), "--output", str(tmp_path / "a")])
    assert done.exit_code == 2
    assert said in done.output
    assert "features.ftr_day_ahead" in done.output


def test_text_in_a_number_column_names_file_column_and_value(tmp_path: Path, rows: pl.DataFrame) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows.with_columns(pl.lit("n/a").alias("load_forecast_mw")).write_csv(data / "features.csv")
    done = runner.invoke(app, ["train", "spike_risk", "--data", str(data), "--output", str(tmp_path / "a")])
    assert done.exit_code == 2
    assert all(word in done.output for word in ("features.csv", "load_forecast_mw", "n/a"))


def test_an_empty_folder_a_used_output_and_a_flipped_bit_are_refused(tmp_path: Path, rows: pl.DataFrame) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = runner.invoke(app, ["train", "spike_risk", "--data", str(empty), "--output", str(tmp_path / "a")])
    assert (done.exit_code, "no .parquet or .csv" in done.output) == (2, True)
    data = _folder(tmp_path / "data", rows, ".parquet")
    artifact = tmp_path / "artifact"
    assert runner.invoke(app, ["train", "spike_risk", "--data", str(data), "--output", str(artifact)]).exit_code == 0
    again = runner.invoke(app, ["train", "spike_risk", "--data", str(data), "--output", str(artifact)])
    assert (again.exit_code, "not empty" in again.output) == (2, True)
    victim = next(p for p in sorted(artifact.iterdir()) if p.name != "manifest.json")
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content))
    refused = runner.invoke(app, ["infer", "spike_risk", "--artifact", str(artifact), "--data", str(data)])
    assert refused.exit_code != 0
    assert victim.name in refused.output
