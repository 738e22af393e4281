"""What MLflow's model server runs: a request names decisions, the answer holds their forecasts column by column.

MLflow executes this file (models from code): nothing is pickled, the artifact is our own and checked by its SHA-256.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow  # noqa: TID253 - MLflow itself runs this file
import pandas as pd
import polars as pl

from models._kernel.artifacts import verify_artifact
from models._kernel.registry import model_class, spec_of
from pipeline_tasks.serving.answers import FORMS, Answers, RequestError, told
from pipeline_tasks.warehouse import connect

ROW = ("as_of", "horizon_min", "outputs", "form")  # as_of in ISO 8601; outputs and form are those of the first row

SOON_S = 0.05


class Scorer(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """A champion that answers the decisions a request names."""

    def load_context(self, context: Any) -> None:
        """Load the verified champion, connect, and learn what is known since its training."""
        head = json.loads(Path(context.artifacts["head"]).read_text(encoding="utf-8"))
        folder = Path(context.artifacts["model"])
        verify_artifact(folder, model=head["model"], expected_sha=head["artifact_sha"])
        self._head = head
        fitted = model_class(head["model"]).load(folder)
        self._held = connect()
        cutoff = datetime.fromisoformat(head["cutoff"])
        self._spec = spec_of(head["model"])
        self._answers = Answers(fitted, self._spec, head["market"], cutoff, self._held.__enter__())
        self._answers.calibrate(self._answers.newest())

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Forecasts of the decisions that `model_input` names: columns of `ROW`; no `as_of` asks for the newest."""
        rows = model_input.to_dict("records")
        if not rows:
            raise RequestError(f"the request has no row; give one, which may name {', '.join(ROW)}")
        asked = [self._asked(row) for row in rows]
        frame = pl.concat(self._answers.answer(as_of, horizon) for as_of, horizon in asked)
        self._learn_soon(asked[-1][0])
        first = {name: str(value) for name, value in rows[0].items() if value and not pd.isna(value)}
        outputs = [name.strip() for name in first.get("outputs", "").split(",") if name.strip()]
        version = {k: self._head[k] for k in ("model", "market", "version", "artifact_sha")}
        return {
            **version,
            "calibrated_to": self._answers.calibrated_to.isoformat(),
            **told(frame, self._spec, outputs, first.get("form", FORMS[0])),
        }

    def _learn_soon(self, as_of: datetime) -> None:
        """Learn the outcomes known at `as_of` beside the requests, once this one is answered."""
        beside = threading.Timer(SOON_S, self._answers.calibrate, (as_of,))
        beside.daemon = True
        beside.start()

    def _asked(self, row: Mapping[Any, Any]) -> tuple[datetime, int | None]:
        unknown = sorted(set(row) - set(ROW))
        if unknown:
            raise RequestError(f"column(s) {unknown} are not known; a row may name {', '.join(ROW)}")
        horizon, text = row.get("horizon_min"), str(row.get("as_of") or "")
        try:
            as_of = datetime.fromisoformat(text) if text and text != "nan" else self._answers.newest()
        except ValueError as error:
            raise RequestError(f"as_of is {text!r}; write an instant such as 2026-06-15T10:00:00Z") from error
        if as_of.tzinfo is None:
            raise RequestError(f"as_of is {text!r}, which has no time zone; write it as 2026-06-15T10:00:00Z")
        return as_of.astimezone(UTC), None if horizon is None or pd.isna(horizon) else int(horizon)


mlflow.models.set_model(Scorer())
