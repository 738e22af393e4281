"""Frames in and out of models: required columns, key order, and the answer in the shape the protocol asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.protocol import Features, Prediction
from models._kernel.spec import PRICE, ModelSpec, Outcome
from pipeline_tasks.contracts import LINEAGE, Table
from pipeline_tasks.contracts.features import OUTCOMES

KEY = ("market", "hub", "product", "delivery_ts", "as_of")
ANSWER = ("market", "hub", "product", "delivery_ts", "delivery_date", "as_of", "status", "status_reason")


class InputError(ValueError):
    """A frame lacks what a model cannot do without; the message names the columns and the remedy."""


def require(frame: pl.DataFrame, columns: Iterable[str], *, model: str, part: str) -> None:
    """Refuse a frame without the columns.

    Args:
        frame: history or target rows.
        columns: the spec's required columns, or those this part needs.
        model: model that asks.
        part: "history" or "target", for the message.

    Raises:
        InputError: columns are missing.
    """
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise InputError(f"{model}: {part} lacks required column(s) {', '.join(missing)}; give frames of the model's input contract")


def in_key_order(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows sorted by their key, so that the order they came in cannot matter."""
    return frame.sort([c for c in KEY if c in frame.columns], maintain_order=True)


def shown(data: Features, asked: Sequence[str]) -> pl.DataFrame:
    """History decided by the latest decision of the target, and the target, whose rows stand before history rows of the same key.

    Args:
        data: history and target.
        asked: columns wanted, where both frames have them.
    """
    target, history = data.target, data.history
    past = history.filter(pl.col("as_of") <= target["as_of"].max()).join(target, on=list(KEY), how="anti")
    columns = [c for c in dict.fromkeys((*KEY, *asked)) if c in target.columns and c in past.columns]
    return pl.concat([target.select(columns), past.select(columns)], how="vertical_relaxed")


def outcomes_known(rows: pl.DataFrame, instant: datetime | pl.Expr | None) -> pl.DataFrame:
    """The rows with every outcome that was not known at `instant`, and the instant it became known, as null.

    `pl.col("as_of")` gives each row what its own decision knew; None hides all outcomes.
    """
    hidden = []
    for known, values in OUTCOMES.items():
        if known in rows.columns:
            seen = pl.lit(value=False) if instant is None else pl.col(known) <= instant
            hidden += [pl.when(seen).then(pl.col(name)).alias(name) for name in (*values, known)]
    return rows.with_columns(hidden)


def learnable(history: pl.DataFrame, cutoff: datetime, outcome: Outcome = PRICE) -> pl.DataFrame:
    """Rows to learn from, in key order: decided and known by the cutoff, with a finite target."""
    return decided(history, cutoff).filter(is_learnable(cutoff, outcome))


def decided(history: pl.DataFrame, instant: datetime) -> pl.DataFrame:
    """Rows decided by the instant, in key order, outcome known or not.

    What a row says about its whole day must be read from these: where prices become known hour by hour (real time), the rows that can
    be learned from are a part of the newest day, and the day would look different an hour later.
    """
    return in_key_order(history.filter(pl.col("as_of") <= instant))


def is_learnable(cutoff: datetime, outcome: Outcome = PRICE) -> pl.Expr:
    """Whether a decided row has a finite target that was known by the cutoff."""
    value, known_ts = pl.col(outcome.column), pl.col(outcome.known)
    known = known_ts.is_not_null() & (known_ts <= cutoff)
    return known & value.is_not_null() & value.is_finite()


def companion(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of a companion table as `Companion.companions` returns them: key and own columns with the declared types, in key order.

    Raises:
        ValueError: a column is missing.
    """
    lineage = {c.name for c in LINEAGE}
    own = {c.name: c.type.polars for c in table.columns if c.name in KEY or c.name not in lineage}
    missing = [name for name in own if name not in frame.columns]
    if missing:
        raise ValueError(f"{table.full_name}: column(s) {', '.join(missing)} are declared and not given; fill them or drop the declaration")
    return frame.select(pl.col(name).cast(dtype) for name, dtype in own.items()).sort(table.key)


def answer(spec: ModelSpec, target: pl.DataFrame, outputs: Mapping[str, npt.ArrayLike], reasons: Sequence[str]) -> Prediction:
    """The prediction for `target`, in key order.

    Args:
        spec: the model's spec.
        target: rows answered, already in key order (`in_key_order`).
        outputs: output column -> values, one per row of `target`.
        reasons: why each row is DEGRADED; empty text where it is OK.

    Raises:
        ValueError: an output column is missing or not declared.
    """
    declared = [c.name for c in spec.output]
    if sorted(outputs) != sorted(declared):
        raise ValueError(f"{spec.name}: outputs {sorted(outputs)} differ from those declared in spec.py {sorted(declared)}")
    types = {c.name: c.type.polars for c in (*LINEAGE, *spec.output)}
    reason = pl.Series("status_reason", list(reasons), dtype=pl.String)
    frame = target.select(ANSWER[:6]).with_columns(
        pl.select(pl.when(reason.str.len_bytes() > 0).then(pl.lit("DEGRADED")).otherwise(pl.lit("OK")).alias("status")).to_series(),
        reason,
        *(pl.Series(name, np.asarray(outputs[name])).cast(types[name]) for name in declared),
    )
    return Prediction(frame.select(pl.col(name).cast(types[name]) for name in (*ANSWER, *declared)))
