"""The scorecard: every model on every data set, walked forward, beside its baselines, with verdicts that can say no."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from config.settings import Settings, get_settings
from models._kernel.registry import model_class, model_names, params_of, spec_of, yardstick_of
from models._kernel.spec import ModelSpec
from models._kernel.splitter import Fold
from models._kernel.tenors import EPOCH
from models._kernel.yardstick import DataClass, DataSetSpec, Yardstick
from pipeline_tasks.contracts.ops import SCORECARD
from pipeline_tasks.scorecard.assemble import Window, panel_of, window_of, with_joint
from pipeline_tasks.scorecard.coupled import UNCOUPLED, Told, coupled_of
from pipeline_tasks.scorecard.joint import Coupled
from pipeline_tasks.scorecard.panel import Panel
from pipeline_tasks.scorecard.rows import ScoreRow, rows_frame
from pipeline_tasks.scorecard.side_by_side import Part, side_by_side
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet, FeatureSource, Say, WarehouseSource, quiet, state_for
from pipeline_tasks.scorecard.systems import SYSTEMS, SystemJob, data_sets_of, run_system
from pipeline_tasks.scorecard.verdicts import Stamp, not_measurable, score
from pipeline_tasks.scorecard.walk import Walk, Walked, model_code_sha


def run_scorecard(
    *,
    models: Sequence[str] | None = None,
    data_sets: Sequence[str] | None = None,
    start: date | None = None,
    end: date | None = None,
    data_dir: Path | None = None,
    profile: str = "full",
    seed: int = 7,
    progress: Say | None = None,
    source: FeatureSource | None = None,
    record: bool = True,
    processes: int = 1,
) -> list[ScoreRow]:
    """Score models on data sets; finished folds are kept below `home/scorecard` and resumed.

    Args:
        models: names of models and of other systems (`systems.SYSTEMS`); None for all.
        data_sets: data sets, also such that a yardstick does not name; None for those of each yardstick.
        start: first scored delivery date; None for the yardstick's last N days of the data.
        end: last scored delivery date; None for the end of the data.
        data_dir: another data folder of the same layout; it gets a warehouse of its own.
        profile: training settings of config/models.
        seed: seed of fits and bootstraps.
        progress: told what is being done.
        source: where features come from; None for the warehouse.
        record: write the rows to `ops.scorecard`.
        processes: parts scored at a time, 0 for as many as there are cores; one where a source is given. Rows do not depend on it.

    Returns:
        One row per (model, data set, metric, baseline); a data set that is not here gives rows `not_measurable`.
    """
    own, say = get_settings(), progress or quiet
    rows: list[ScoreRow] = []
    with state_for(data_dir):
        parts = [
            Part(name, data_set, own.home / "scorecard", start, end, profile, seed)
            for name in models or (*SYSTEMS, *model_names())  # systems first: their markets are loaded soonest
            for data_set in (
                data_sets_of(name, data_sets) if name in SYSTEMS else data_sets or [d.name for d in yardstick_of(name).data_sets]
            )
        ]
        count = min(processes or os.cpu_count() or 1, len(parts))
        if source is not None or count < 2:
            scored: Iterator[list[ScoreRow]] = (score_part(part, say, source) for part in parts)
        else:
            scored = side_by_side(parts, score_part, count, say)
        for found in scored:
            rows += found if not record else _recorded(found, own)
    return rows


def score_part(part: Part, say: Say, source: FeatureSource | None = None) -> list[ScoreRow]:
    """Rows of a part; features come from the warehouse unless a source is given."""
    own = source or WarehouseSource()
    if part.name in SYSTEMS:
        return run_system(SystemJob(part.name, part.data_set, own, part.start, part.end, part.seed, say))
    yardstick = yardstick_of(part.name)
    job = Job(own, part.cache, part.start, part.end, part.profile, part.seed, say)
    return job.run(part.name, yardstick, spec_on(yardstick, part.data_set))


def spec_on(yardstick: Yardstick, data_set: str) -> DataSetSpec:
    """How a data set is walked: as declared; one that is not declared like the first of the same market, else like the first.

    So a further market (`epf_be`, another `nyiso_*` zone) needs no edit of any yardstick.
    """
    declared = {d.name: d for d in yardstick.data_sets}
    if data_set in declared:
        return declared[data_set]
    family = data_set.split("_", maxsplit=1)[0]
    alike = [d for d in yardstick.data_sets if d.name.split("_", maxsplit=1)[0] == family] or list(yardstick.data_sets)
    return replace(alike[0], name=data_set, data_class=DataClass.TWIN if family == "twin" else DataClass.REAL)


@dataclass(frozen=True, slots=True)
class Judged:
    """A model's finished walk over a data set: what it is scored on."""

    panel: Panel
    data: DataSet
    window: Window
    walked: Walked


@dataclass(frozen=True, slots=True)
class _Begun:
    """A model before a data set; `walk(params laid over its own, folds)` answers the window or other folds."""

    spec: ModelSpec
    data: DataSet
    window: Window
    params: dict[str, Any]
    walk: Callable[..., Walked]


@dataclass(frozen=True, slots=True)
class Job:
    """What all parts of one scorecard share."""

    source: FeatureSource
    cache: Path
    start: date | None
    end: date | None
    profile: str
    seed: int
    say: Say

    def run(self, name: str, yardstick: Yardstick, spec: DataSetSpec) -> list[ScoreRow]:
        """Rows of one model on one data set."""
        from pipeline_tasks.steps.code_version import code_sha

        began = time.perf_counter()
        stamp = Stamp(name, spec.name, spec.data_class, self.seed, 0.0, code_sha())
        try:
            judged = self.judged(name, yardstick, spec)
        except DataAbsentError as error:
            return not_measurable(yardstick, replace(stamp, seconds=time.perf_counter() - began), str(error))
        stamp = replace(stamp, data_class=judged.data.data_class, seconds=judged.walked.seconds)
        return score(judged.panel, yardstick, spec_of(name).kind, stamp)

    def judged(self, name: str, yardstick: Yardstick, spec: DataSetSpec) -> Judged:
        """Walk a model over a data set, beside its baselines.

        Raises:
            DataAbsentError: the data set is not here, or too short.
        """
        begun = self._begin(name, spec)
        walked = begun.walk({})
        ablated = {
            b.name: begun.walk(dict(b.params)).answers
            for b in yardstick.baselines
            if b.params and (not b.data_sets or spec.name in b.data_sets)
        }
        self.say(f"{spec.name}: {name}: scoring")
        data, window = begun.data, begun.window
        panel = panel_of(model_class(name)(begun.params), yardstick, data, window, walked, params=begun.params, ablated=ablated)
        if any(b.joint for b in yardstick.baselines):
            earlier = [begun.walk({}, window.warm).answers] if window.warm else []
            self.say(f"{spec.name}: {name}: scoring joint scenarios")
            answers = pl.concat([*earlier, walked.answers], how="diagonal_relaxed")
            panel = with_joint(panel, begun.spec, yardstick, data, window, answers)
            if panel.joint is not None and UNCOUPLED in panel.comparators:
                panel.joint.coupled = self._coupled(Told(begun.spec, data.frame, answers), window, yardstick.coupled, spec.name)
        return Judged(panel, data, window, walked)

    def _begin(self, name: str, spec: DataSetSpec) -> _Begun:
        """A model before a data set: its rows, its window, and the walk.

        Raises:
            DataAbsentError: the data set is not here, or too short.
        """
        model_spec = spec_of(name)
        loaded = self.source.load(spec.name, model_spec.inputs, self.say)
        data = loaded if model_spec.every_product else replace(loaded, frame=_one_product(loaded))
        window = window_of(data, spec, model_spec, self.start, self.end)
        cls, params = model_class(name), params_of(name, self.profile)

        def walk(over: Mapping[str, Any], folds: tuple[Fold, ...] = window.folds) -> Walked:
            own = {**params, **over}
            identity = {"model": name, "code": model_code_sha(name), "params": own}
            made = Walk(
                name, _maker(cls, own), identity, data.frame, self.cache / name / spec.name, self.seed, known=model_spec.outcome.known
            )
            return made.run(folds, lambda text: self.say(f"{spec.name}: {text}"))

        return _Begun(model_spec, data, window, params, walk)

    def _coupled(self, told: Told, window: Window, other: str, data_set: str) -> Coupled | str:
        """Scores of both prices together, or why there are none."""
        try:
            begun = self._begin(other, spec_on(yardstick_of(other), data_set))
        except DataAbsentError as error:
            return f"{other}: {error}"
        first, last = max(window.first, begun.window.first), min(window.last, begun.window.last)
        added = Told(begun.spec, begun.data.frame, begun.walk({}).answers)
        self.say(f"{data_set}: scoring scenarios together with those of {other}")
        return coupled_of(told, added, *((d - EPOCH).days for d in (first, last)))


def job_of(
    *,
    profile: str,
    seed: int,
    progress: Say,
    source: FeatureSource | None = None,
    start: date | None = None,
    end: date | None = None,
) -> Job:
    """A job over the yardsticks' own windows or one given, with the scorecard's finished folds."""
    return Job(source or WarehouseSource(), get_settings().home / "scorecard", start, end, profile, seed, progress)


def _maker(cls: Any, params: dict[str, Any]) -> Callable[[], Any]:
    return lambda: cls(params)


def _one_product(data: DataSet) -> pl.DataFrame:
    """Rows of the market's own product only."""
    own = pl.col("product") == data.selection.market.product
    return data.frame.filter(own) if data.frame["product"].n_unique() > 1 else data.frame


def _recorded(rows: list[ScoreRow], settings: Settings) -> list[ScoreRow]:
    """The rows, after appending them to `ops.scorecard` of the desk's own warehouse, whatever folder the data came from."""
    from pipeline_tasks.warehouse import connect
    from pipeline_tasks.warehouse.migrate import migrate

    with connect(settings=settings) as warehouse:
        migrate(warehouse)
        warehouse.insert(SCORECARD, rows_frame([r.to_dict() for r in rows]))
    return rows
