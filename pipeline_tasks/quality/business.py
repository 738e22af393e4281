"""Business rules: hand-written YAML with a query and its limits; ClickHouse aggregates, Great Expectations judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.settings import REPO_ROOT
from pipeline_tasks.quality.engine import evaluate
from pipeline_tasks.quality.outcome import Outcome
from pipeline_tasks.warehouse import Warehouse

BUSINESS_DIR = REPO_ROOT / "expectations" / "business"


class Limit(BaseModel):
    """Admissible values of a rule, and what happens outside of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Literal["block", "warn"]
    min: float | None = None
    max: float | None = None
    degrades: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> Limit:
        if self.min is None and self.max is None:
            raise ValueError("a limit needs min or max; add one")
        if self.degrades and self.severity == "block":
            raise ValueError("degrades belongs to warnings; a blocking break stops the run")
        return self


class BusinessRule(BaseModel):
    """One rule.

    Attributes:
        name: name in ops.check_results.
        column: column it is about; empty for the table.
        unit: unit of `value`, for people.
        meaning, remedy: sentences shown when it breaks.
        limits: judged one by one; a warning below a block is usual.
        sql: returns `subject` (text) and `value` (number, null where the rule does not apply), optionally `checked` and
            `failed` (row counts behind the value). It may bind every name of `Window.params`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    column: str = ""
    unit: str = ""
    meaning: str
    remedy: str
    limits: tuple[Limit, ...] = Field(min_length=1)
    sql: str


class BusinessRules(BaseModel):
    """The rules of one table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str
    rules: tuple[BusinessRule, ...]


@lru_cache(maxsize=4)
def load_business_rules(folder: Path = BUSINESS_DIR) -> tuple[BusinessRules, ...]:
    """All rule files of a folder, by table.

    Raises:
        ValueError: a file breaks the schema; the message names the file and the field.
    """
    found = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            found.append(BusinessRules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))))
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error
    return tuple(found)


def judge(
    wh: Warehouse, table: str, rules: Sequence[BusinessRule], params: Mapping[str, Any], *, seen: Mapping[str, Any]
) -> tuple[list[Outcome], dict[str, Any]]:
    """Evaluate the rules of a table.

    Returns:
        One outcome per limit; `rows_checked` and `rows_failed` count rows where the query says them, else subjects. Second, the
        Great Expectations result for the data docs.

    Raises:
        ValueError: a query does not return `subject` and `value`.
    """
    answers = {rule.name: _answer(wh, table, rule, params) for rule in rules}
    wide = pl.concat([a.select("subject", pl.col("value").alias(name)) for name, a in answers.items()], how="diagonal")
    suite = {"name": f"{table} (business)", "meta": {"table": table}, "expectations": [e for r in rules for e in _expectations(r)]}
    outcomes, result = evaluate(suite, wide, seen=seen)
    limits = [(rule, limit) for rule in rules for limit in rule.limits]
    return [_counted(o, r, li, answers[r.name]) for o, (r, li) in zip(outcomes, limits, strict=True)], result


def _answer(wh: Warehouse, table: str, rule: BusinessRule, params: Mapping[str, Any]) -> pl.DataFrame:
    used = {k: v for k, v in params.items() if f"{{{k}:" in rule.sql}
    frame = wh.query(rule.sql, used)
    if not {"subject", "value"} <= set(frame.columns):
        raise ValueError(f"{table}, rule {rule.name}: the query returns {frame.columns}; it must return subject and value")
    return frame.with_columns(pl.col("subject").cast(pl.String), pl.col("value").cast(pl.Float64).fill_nan(None))


def _expectations(rule: BusinessRule) -> list[dict[str, Any]]:
    found = []
    for limit in rule.limits:
        kwargs: dict[str, Any] = {"column": rule.name}
        kwargs |= {k: v for k, v in (("min_value", limit.min), ("max_value", limit.max)) if v is not None}
        meta: dict[str, Any] = {"check": rule.name, "column": rule.column, "meaning": rule.meaning, "remedy": rule.remedy}
        meta |= {"severity": limit.severity, "degrades": limit.degrades}
        severity = "critical" if limit.severity == "block" else "warning"
        found.append({"type": "expect_column_values_to_be_between", "kwargs": kwargs, "severity": severity, "meta": meta})
    return found


def _counted(outcome: Outcome, rule: BusinessRule, limit: Limit, answer: pl.DataFrame) -> Outcome:
    """The outcome with the rows behind it, and the subjects that broke the limit with their values."""
    low, high = limit.min, limit.max
    outside = pl.lit(value=False)
    if low is not None:
        outside |= pl.col("value") < low
    if high is not None:
        outside |= pl.col("value") > high
    judged = answer.filter(pl.col("value").is_not_null())
    broken = judged.filter(outside)
    counted = {"checked", "failed"} <= set(answer.columns)
    unit = f" {rule.unit}" if rule.unit else ""
    examples = [f"{s}: {v:.4g}{unit}" for s, v in broken.select("subject", "value").head(5).iter_rows()]
    return replace(
        outcome,
        rows_checked=int(judged["checked"].sum()) if counted else judged.height,
        rows_failed=int(broken["failed"].sum()) if counted else broken.height,
        seen={**outcome.seen, "examples": examples, "limit": {"min": low, "max": high, "unit": rule.unit}},
    )
