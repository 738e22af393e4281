"""Answers of a champion between two runs of the intraday DAG: the decision asked for, from features as the warehouse holds them."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, Self, runtime_checkable

import polars as pl
import polars.selectors as cs

from config.markets import resolve_market
from models._kernel.frames import KEY
from models._kernel.protocol import Features, Model
from models._kernel.spec import ModelSpec
from pipeline_tasks.serving.decisions import Decisions
from pipeline_tasks.steps.reading import history_start, known_rows
from pipeline_tasks.warehouse import Warehouse

REFRESH = timedelta(minutes=15)
FORMS = ("columns", "arrow")
NOT_SERVED = "model is {name!r}: it decides once a day, at the gate; read curated.v_{name} instead of serving it"


class RequestError(ValueError):
    """A request that cannot be answered; the message names the field, its value and the remedy."""


@runtime_checkable
class Carried(Protocol):
    """A model whose online calibration can be carried forward, so that answers need no history."""

    def carried(self, history: pl.DataFrame, *, as_of: datetime) -> Self:
        """The model as it stands once the outcomes known at `as_of` are learned."""
        ...


class Answers:
    """A loaded champion of one market. Requests may come from several threads.

    Args:
        fitted: the champion.
        spec: its spec.
        market: market selection key.
        cutoff: its training cutoff.
        warehouse: where features are read.
    """

    def __init__(self, fitted: Model, spec: ModelSpec, market: str, cutoff: datetime, warehouse: Warehouse) -> None:
        """Remember the parts; nothing is read yet."""
        if not spec.intraday:
            raise RequestError(
                f"model is {spec.name!r}: it decides once a day, at the gate; read curated.v_{spec.name} instead of serving it"
            )
        self._spec, self._selection, self._warehouse = spec, resolve_market(market), warehouse
        self._base, self._model, self._cutoff, self._calibrated_to = fitted, fitted, cutoff, cutoff
        self._decisions = Decisions(spec, self._selection, warehouse)
        self._lock, self._renewing = threading.Lock(), threading.Lock()

    def newest(self) -> datetime:
        """The newest decision the features hold that lies at or before the last one with a known price.

        Raises:
            RequestError: there is none.
        """
        found = self._decisions.newest()
        if found is None:
            raise RequestError(
                f"market is {self._selection.key!r}: {self._spec.inputs.full_name} has no decision of it; run the intraday DAG"
            )
        return found

    def answer(self, as_of: datetime, horizon_min: int | None = None) -> pl.DataFrame:
        """Forecasts decided at `as_of`: key, status and outputs, one row per series and horizon decided then.

        Raises:
            RequestError: nothing was decided then.
        """
        target = self._decisions.at(as_of, horizon_min)
        if target.is_empty():
            raise RequestError(
                f"as_of is {as_of.isoformat()}, horizon_min {horizon_min}: {self._spec.inputs.full_name} holds no such decision of"
                f" {self._selection.key}; ask for one of a step of the market's horizons, or leave as_of out for the newest"
            )
        with self._lock:
            model = self._model
        return model.predict(Features(target.clear(), target), as_of=as_of).frame

    def calibrate(self, as_of: datetime) -> None:
        """Learn the outcomes known at `as_of`; nothing within a quarter of an hour of the last time, or beside another call.

        Later outcomes are learned on top of earlier ones; for an earlier instant than the last, all is learned again from training on.
        """
        if timedelta(0) <= as_of - self._calibrated_to < REFRESH or not self._renewing.acquire(blocking=False):
            return
        try:
            later = as_of >= self._calibrated_to
            model, since = (self._model, self._calibrated_to) if later else (self._base, self._cutoff)
            if not isinstance(model, Carried):
                return
            start, end = history_start(self._spec, since), (as_of + timedelta(days=1)).date()
            history = known_rows(self._warehouse, self._spec, self._selection, start=start, end=end, as_of=as_of, since=since)
            carried = model.carried(history, as_of=as_of)
            with self._lock:
                self._model, self._calibrated_to = carried, as_of
        finally:
            self._renewing.release()

    @property
    def calibrated_to(self) -> datetime:
        """Outcomes known by then have been learned."""
        return self._calibrated_to


def told(frame: pl.DataFrame, spec: ModelSpec, outputs: Sequence[str] = (), form: str = FORMS[0]) -> dict[str, Any]:
    """Forecasts for JSON: `shared` holds the columns that have one value in all rows, the others are told as the form says.

    Args:
        frame: of `Answers.answer`.
        spec: the model's spec.
        outputs: output columns to tell; all when empty. Key and status are told in any case.
        form: `columns`, a list for each of them, or `arrow`, an Arrow IPC stream in base64: the same values, in a fraction of the time.

    Raises:
        RequestError: the model has no such output, or there is no such form.
    """
    own = [c for c in frame.columns if c not in (*KEY, "status", "status_reason")]
    unknown = sorted(set(outputs) - set(own))
    if unknown:
        raise RequestError(f"outputs has {', '.join(unknown)}; {spec.name} has {', '.join(own)}")
    if form not in FORMS:
        raise RequestError(f"form is {form!r}; use one of {', '.join(FORMS)}")
    asked = frame.drop(set(own) - set(outputs) if outputs else ())
    alike = asked.select(pl.all().eq_missing(pl.all().first()).all()).row(0) if asked.height else [False] * asked.width
    same = [c for c, one in zip(asked.columns, alike, strict=True) if one]
    shared = _plain(asked.select(same).head(1)).row(0, named=True) if same else {}
    rest = asked.drop(same)
    return {"shared": shared, form: _arrow(rest) if form == "arrow" else _plain(rest).to_dict(as_series=False)}


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Instants and dates as text."""
    return frame.with_columns(cs.datetime().dt.strftime("%Y-%m-%dT%H:%M:%SZ"), cs.date().cast(pl.String))


def _arrow(frame: pl.DataFrame) -> str:
    stream = io.BytesIO()
    frame.write_ipc_stream(stream, compat_level=pl.CompatLevel.oldest())  # plain strings, which every reader of Arrow knows
    return base64.b64encode(stream.getbuffer()).decode("ascii")
