"""Great Expectations at work: a suite on a pandas frame, answers as outcomes. Imported by gates only (it takes seconds)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import polars as pl

from pipeline_tasks.quality.outcome import Outcome

EXAMPLES = 5


class ExpectationError(RuntimeError):
    """An expectation could not be evaluated: a fault of the suite, not of the data."""


def evaluate(suite: Mapping[str, Any], frame: pl.DataFrame, *, seen: Mapping[str, Any]) -> tuple[list[Outcome], dict[str, Any]]:
    """Run a suite on a frame.

    Args:
        suite: name, meta with `table`, expectations, each with the meta of `pipeline_tasks.generation.suites`.
        frame: all columns that the suite names.
        seen: goes into every outcome (the window).

    Returns:
        One outcome per expectation, in the suite's order, and the whole result as JSON-able data for the data docs.

    Raises:
        ExpectationError: an expectation raised; the message names it.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import: nothing is sent anywhere
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    definition = context.data_sources.add_pandas("frames").add_dataframe_asset(suite["name"]).add_batch_definition_whole_dataframe("all")
    batch = definition.get_batch({"dataframe": frame.to_pandas()})
    wanted = gx.ExpectationSuite(name=suite["name"], expectations=_numbered(suite))
    result = batch.validate(wanted, result_format={"result_format": "BASIC", "partial_unexpected_count": EXAMPLES}).to_json_dict()
    table = str(suite["meta"]["table"])
    ordered = sorted(result["results"], key=lambda r: int(r["expectation_config"]["meta"]["position"]))
    return [_outcome(table, r, frame.height, seen) for r in ordered], result


def _numbered(suite: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The expectations, each with its position: Great Expectations answers in an order of its own."""
    return [{**e, "meta": {**e["meta"], "position": i}} for i, e in enumerate(suite["expectations"])]


def _outcome(table: str, answer: Mapping[str, Any], height: int, seen: Mapping[str, Any]) -> Outcome:
    meta, result = answer["expectation_config"]["meta"], answer.get("result") or {}
    if "unexpected_count" not in result:
        raise ExpectationError(f"{table}: {meta['check']} could not be evaluated: {answer.get('exception_info')}; correct the suite")
    missing = int(result.get("missing_count") or 0)
    return Outcome(
        table=table,
        check=str(meta["check"]),
        column=str(meta["column"]),
        severity=str(meta["severity"]),
        success=bool(answer["success"]),
        rows_checked=height - missing if missing <= height else 0,
        rows_failed=int(result["unexpected_count"]),
        meaning=str(meta["meaning"]),
        remedy=str(meta["remedy"]),
        degrades=bool(meta.get("degrades", False)),
        seen={**seen, "examples": list(result.get("partial_unexpected_list") or [])[:EXAMPLES]},
    )
