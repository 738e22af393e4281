"""The walk: fit at each refit cutoff, answer the following block, keep every finished fold."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models._kernel.frames import outcomes_known
from models._kernel.protocol import Features, Model
from models._kernel.registry import MODELS_ROOT
from models._kernel.spec import PRICE
from models._kernel.splitter import Fold
from pipeline_tasks.scorecard.panel import KEY

Say = Callable[[str], None]
FORMAT = 1


class PointInTimeError(RuntimeError):
    """A model answered differently when rows known only later were taken away: it looks ahead."""


@dataclass(frozen=True, slots=True)
class Walked:
    """Answers of a whole walk.

    Attributes:
        answers: prediction rows of all folds, in key order.
        seconds: computing time, of resumed folds as it was measured then.
        resumed: folds that were already there.
        validation: numbers of the fits' own search, weighted by test rows.
    """

    answers: pl.DataFrame
    seconds: float
    resumed: int
    validation: dict[str, float]


def model_code_sha(name: str) -> str:
    """SHA-256 over a model's Python files and those of the kernel it imports, directly or indirectly."""
    folder = MODELS_ROOT / name
    pending, seen = sorted(folder.rglob("*.py")), set[Path]()
    while pending:
        path = pending.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        parts = re.findall(r"models\._kernel\.(\w+)", path.read_text(encoding="utf-8"))
        pending += [MODELS_ROOT / "_kernel" / f"{part}.py" for part in parts]
    digest = hashlib.sha256()
    for path in sorted(p for p in seen if p.name not in {"yardstick.py", "report.py"}):
        digest.update(path.relative_to(MODELS_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def day_hashes(frame: pl.DataFrame) -> dict[date, int]:
    """Content hash of every delivery date's rows, independent of row order and of columns' order."""
    ordered = frame.select(sorted(frame.columns))
    hashed = ordered.select("delivery_date").with_columns(ordered.hash_rows(seed=7).alias("h"))
    daily = hashed.group_by("delivery_date").agg(pl.col("h").bitwise_xor(), pl.len()).sort("delivery_date")
    return {d: int(h) ^ int(n) for d, h, n in daily.iter_rows()}


@dataclass(frozen=True, slots=True)
class Walk:
    """One model on one data set.

    Attributes:
        name: model.
        make: makes an unfitted model with the walk's parameters.
        identity: what the answers depend on besides data and fold: model code, parameters, seed.
        frame: features with outcomes, in key order.
        cache: folder of finished folds.
        seed: seed of the fits.
        known: column that says when a row's target became known.
        audit: repeat one day of each fold with only what was known at its own decision time, and compare.
    """

    name: str
    make: Callable[[], Model]
    identity: Mapping[str, Any]
    frame: pl.DataFrame
    cache: Path
    seed: int
    audit: bool = True
    known: str = PRICE.known

    def run(self, folds: tuple[Fold, ...], say: Say) -> Walked:
        """Answer every fold's test dates.

        Raises:
            PointInTimeError: the model used something not known at a row's own decision time.
        """
        hashes = day_hashes(self.frame)
        parts, seconds, resumed, notes = [], 0.0, 0, []
        for fold in folds:
            say(f"{self.name}: fold {fold.index + 1}/{len(folds)} ({fold.test_dates[0]})")
            path = self.cache / f"{self._key(fold, hashes)}.parquet"
            meta = path.with_suffix(".json")
            if path.is_file() and meta.is_file():
                resumed += 1
            else:
                self._make_fold(fold, path, meta)
            parts.append(pl.read_parquet(path))
            told = json.loads(meta.read_text(encoding="utf-8"))
            seconds += told["fit_seconds"] + told["predict_seconds"]
            notes.append((len(parts[-1]), told["search"]))
        return Walked(pl.concat(parts, how="diagonal_relaxed").sort(KEY), seconds, resumed, _weighted(notes))

    def _key(self, fold: Fold, hashes: Mapping[date, int]) -> str:
        seen = [h for day, h in sorted(hashes.items()) if day <= fold.test_dates[-1]]
        parts = {
            "format": FORMAT,
            **self.identity,
            "seed": self.seed,
            "cutoff": fold.cutoff.isoformat(),
            "train": [fold.train_from.isoformat(), fold.train_to.isoformat()],
            "test": [fold.test_dates[0].isoformat(), fold.test_dates[-1].isoformat()],
            "data": hashlib.sha256(json.dumps(seen).encode()).hexdigest(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24]

    def _make_fold(self, fold: Fold, path: Path, meta: Path) -> None:
        target = fold.test(self.frame)
        began = time.perf_counter()
        history = outcomes_known(fold.train(self.frame, self.known), fold.cutoff)
        model = self.make().fit(Features(history, blinded(target.clear())), cutoff=fold.cutoff, seed=self.seed)
        fitted = time.perf_counter()
        answers = self._predict(model, fold, target)
        ended = time.perf_counter()
        if self.audit:
            self._check_day(model, fold, target, answers)
        told = {"fit_seconds": fitted - began, "predict_seconds": ended - fitted, "rows": len(answers), "search": numbers_of(model)}
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, answers.write_parquet)
        _replace(meta, lambda p: p.write_text(json.dumps(told), encoding="utf-8"))

    def _predict(self, model: Model, fold: Fold, target: pl.DataFrame) -> pl.DataFrame:
        last = target["as_of"].max()
        if not isinstance(last, datetime):
            return target.select(KEY)
        return model.predict(Features(history_at(self.frame, fold, last), blinded(target)), as_of=last).frame

    def _check_day(self, model: Model, fold: Fold, target: pl.DataFrame, answers: pl.DataFrame) -> None:
        """Answer the rows of one decision again with history cut at its own time; any difference is a look ahead."""
        day = fold.test_dates[self.seed % len(fold.test_dates)]
        decisions = target.filter(pl.col("delivery_date") == day)["as_of"].unique().sort()
        alone = target.filter((pl.col("delivery_date") == day) & (pl.col("as_of") == decisions[len(decisions) // 2]))
        again = self._predict(model, fold, alone)
        whole = answers.join(again.select(KEY), on=list(KEY), how="semi").sort(KEY)
        for column in (c for c, t in again.schema.items() if t == pl.Float64):
            ours, theirs = (frame[column].fill_null(0.0).to_numpy() for frame in (whole, again.sort(KEY)))
            gap = float(np.abs(ours - theirs).max()) if len(ours) == len(theirs) and len(ours) else float(len(ours) != len(theirs))
            if gap > 1e-6 * max(1.0, float(np.abs(ours).max(initial=0.0))):
                raise PointInTimeError(
                    f"{self.name}: {column} of {day} differs by {gap} between a block answer and an answer with only what was known"
                    " at its own decision time; the model reads rows known later"
                )


def blinded(target: pl.DataFrame) -> pl.DataFrame:
    """Rows to answer on, without their outcome."""
    return outcomes_known(target, None)


def history_at(frame: pl.DataFrame, fold: Fold, instant: datetime) -> pl.DataFrame:
    """Rows decided up to `instant` from the fold's training window on, outcomes nulled where not known by then."""
    return outcomes_known(frame.filter((pl.col("as_of") <= instant) & (pl.col("delivery_date") >= fold.train_from)), instant)


def numbers_of(model: Model) -> dict[str, float]:
    """Finite numbers of a model's optional `search` mapping (what its own search inside the fold found)."""
    found = getattr(model, "search", None) or {}
    return {k: float(v) for k, v in found.items() if isinstance(v, int | float) and v == v}  # noqa: PLR0124 - NaN test


def _weighted(notes: list[tuple[int, dict[str, float]]]) -> dict[str, float]:
    names = sorted({k for _, told in notes for k in told})
    means = {}
    for name in names:
        pairs = [(n, told[name]) for n, told in notes if name in told and n]
        if pairs:
            means[name] = sum(n * v for n, v in pairs) / sum(n for n, _ in pairs)
    return means


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Write beside the place and move: a killed run leaves no half file."""
    part = path.with_name(f".{path.name}.part")
    write(part)
    part.replace(path)
