"""Laws every model obeys, as functions over a model class: the contract tests run them on whatever the registry finds.

Each law raises `LawBrokenError` with what went wrong. Fits are shared between the laws of one subject.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models._kernel import artifacts, metrics
from models._kernel.frames import ANSWER, KEY, in_key_order
from models._kernel.protocol import Companion, Features, Model
from models._kernel.samples import features_of
from models._kernel.settlement import positions_of, settlement_of
from models._kernel.spec import Kind, ModelSpec
from models._kernel.synthetic import SyntheticMarket, gate
from pipeline_tasks.contracts import LINEAGE, Table
from pipeline_tasks.contracts.features import DAY_AHEAD, OUTCOMES

SEED = 7
HAPPENED = tuple(name for values in OUTCOMES.values() for name in values)


class LawBrokenError(AssertionError):
    """A model breaks a law."""


@dataclass(frozen=True)
class Sample:
    """The golden sample: a seeded synthetic market.

    Attributes:
        rows: all rows, outcomes included; 23- and 25-hour days inside.
        first_target: first of the delivery days that are answered.
    """

    rows: pl.DataFrame
    first_target: date

    @property
    def target(self) -> pl.DataFrame:
        """Rows that are answered (with their outcomes, which models must not read)."""
        return self.rows.filter(pl.col("delivery_date") >= self.first_target)

    @property
    def cutoff(self) -> datetime:
        """Decision time of the first answered day: nothing known later may be learned."""
        return gate(self.first_target)

    @property
    def as_of(self) -> datetime:
        """Latest decision time of the answered days."""
        return self.rows["as_of"].max()  # type: ignore[return-value]


def golden_sample(table: Table = DAY_AHEAD) -> Sample:
    """Thirty-three weeks of a feature table, the last three answered: the 25-hour day is history, the 23-hour day a target."""
    rows = features_of(table, SyntheticMarket(date(2019, 8, 20), date(2020, 4, 5)))
    return Sample(rows, date(2020, 3, 16))


def autumn_sample(table: Table = DAY_AHEAD) -> Sample:
    """Eight weeks half a year later, ending with a 25-hour day among the targets."""
    rows = features_of(table, SyntheticMarket(date(2020, 9, 1), date(2020, 10, 26), seed=20_27))
    return Sample(rows, date(2020, 10, 24))


@dataclass
class Subject:
    """A model class under the laws, with its parameters, shared fits, and the golden sample of its inputs."""

    model: type[Model]
    params: dict[str, Any]

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self.model.spec

    @cached_property
    def sample(self) -> Sample:
        """The golden sample in the shape of the model's inputs."""
        return golden_sample(self.spec.inputs)

    @cached_property
    def fitted(self) -> Model:
        """The model fitted on the sample."""
        return self.fit(self.sample.rows)

    @cached_property
    def answered(self) -> pl.DataFrame:
        """Its answer on the sample."""
        return self.answer(self.fitted)

    @cached_property
    def sha(self) -> str:
        """Hash of its artifact."""
        return artifact_of(self.fitted)

    def fit(self, history: pl.DataFrame, *, seed: int = SEED) -> Model:
        """A fresh fit on `history`."""
        return self.model(dict(self.params)).fit(Features(history, history.clear()), cutoff=self.sample.cutoff, seed=seed)

    def answer(self, model: Model, *, history: pl.DataFrame | None = None, target: pl.DataFrame | None = None) -> pl.DataFrame:
        """Answer on the sample, or on other rows."""
        data = Features(self.sample.rows if history is None else history, self.sample.target if target is None else target)
        return model.predict(data, as_of=self.sample.as_of).frame

    def tell(self, model: Model, target: pl.DataFrame, history: pl.DataFrame | None = None) -> Mapping[str, pl.DataFrame]:
        """Companion tables for rows of the sample."""
        _demand(isinstance(model, Companion), "the spec names companion tables and the model has no method `companions`")
        data = Features(self.sample.rows if history is None else history, target)
        return model.companions(data, as_of=self.sample.as_of)  # type: ignore[attr-defined, no-any-return]


def artifact_of(model: Model) -> str:
    """Artifact hash of a model saved to a temporary folder and verified there."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        return artifacts.verify_artifact(Path(folder))


def same_seed_same_bytes(subject: Subject) -> None:
    """Two fits with the same data and seed give the same artifact, whatever the global random state, which stays as it was."""
    wanted = subject.sha
    _shake_global_state(1)
    before = _global_state()
    again = artifact_of(subject.fit(subject.sample.rows))
    _demand(_global_state() == before, "fit draws from the global random state; use numpy.random.default_rng(seed)")
    _demand(again == wanted, "a second fit with the same seed gives other bytes")


def inputs_not_mutated(subject: Subject) -> None:
    """Frames come back as they were given."""
    data = Features(subject.sample.rows, subject.sample.target)
    history, target = data.history.hash_rows(), data.target.hash_rows()
    model = subject.model(dict(subject.params)).fit(data, cutoff=subject.sample.cutoff, seed=SEED)
    model.predict(data, as_of=subject.sample.as_of)
    model.explain(data)
    _demand(data.history.hash_rows().equals(history), "history was changed in place")
    _demand(data.target.hash_rows().equals(target), "target was changed in place")


def row_order_irrelevant(subject: Subject) -> None:
    """Shuffled history fits to the same artifact; shuffled rows are answered alike, in key order."""
    shuffled = subject.sample.rows.sample(fraction=1.0, shuffle=True, seed=1)
    _demand(artifact_of(subject.fit(shuffled)) == subject.sha, "shuffled history gives another artifact")
    answer = subject.answer(subject.fitted, history=shuffled, target=subject.sample.target.sample(fraction=1.0, shuffle=True, seed=2))
    _same(answer, subject.answered, "shuffled rows are answered differently")


def future_cannot_teach(subject: Subject) -> None:
    """What becomes known after the cutoff changes nothing in fit, whether it is absurd or missing."""
    for value in (1e9, float("nan")):
        poisoned = poison(subject.sample.rows, subject.sample.cutoff, value)
        _demand(artifact_of(subject.fit(poisoned)) == subject.sha, f"values known only after the cutoff, set to {value}, change the fit")


def future_cannot_answer(subject: Subject) -> None:
    """No row's answer uses what is known after its own decision time, even where it is known at the call's `as_of`."""
    target = subject.sample.target
    for value in (1e9, float("nan")):
        blind = target.with_columns(pl.lit(value).alias(name) for name in HAPPENED if name in target.columns)
        answer = subject.answer(subject.fitted, history=poison(subject.sample.rows, subject.sample.as_of, value), target=blind)
        _same(answer, subject.answered, f"targets and later prices set to {value} change the answer")
        decision = target["as_of"].min()
        first = pl.col("as_of") == decision
        answer = subject.answer(subject.fitted, history=poison(subject.sample.rows, decision, value), target=blind)  # type: ignore[arg-type]
        _same(
            answer.filter(first), subject.answered.filter(first), f"prices known after a row's own as_of, set to {value}, change its answer"
        )


def chunks_equal_whole(subject: Subject) -> None:
    """A day or a hub alone, answered by a model that has answered nothing else, gives what answering all at once gives, to the last bit.

    A published date then comes out the same whichever run makes it, and after whatever others.
    """
    target = subject.sample.target
    days = target.get_column("delivery_date").unique().sort()
    few = target.filter(pl.col("delivery_date").is_in([days[0], days[len(days) // 2], days[-1]]))
    for column, part in (("delivery_date", few), ("hub", target)):
        for chunk in part.partition_by(column, maintain_order=True):
            with tempfile.TemporaryDirectory() as folder:
                subject.fitted.save(Path(folder))
                alone = subject.answer(subject.model.load(Path(folder)), target=chunk)
            same = subject.answered.join(chunk.select(KEY), on=KEY, how="semi", maintain_order="left")
            _same(alone, same, f"an answer by {column} differs from the answer to all rows", exact=True)


def block_equals_single_decisions(subject: Subject) -> None:
    """Rows decided at several times and answered together get what each got at its own decision, to the last bit.

    Outcomes become known interval by interval here, as in real time: parts of days are known at a decision, unlike day-ahead.
    """
    rows = subject.sample.rows
    published = pl.col("delivery_ts") + pl.duration(minutes=pl.col("resolution_min") + 15)
    late = [pl.when(pl.col(n).is_not_null()).then(published.cast(rows.schema[n])).alias(n) for n in OUTCOMES if n in rows.columns]
    rows = rows.with_columns(late)
    block = rows.filter(pl.col("delivery_date") >= subject.sample.first_target)["as_of"].unique().sort()[3:6]
    target = rows.filter(pl.col("as_of").is_in(block.implode()))
    together = subject.fitted.predict(Features(rows, target), as_of=block[-1]).frame
    for decision in block:
        alone = subject.fitted.predict(Features(rows, target.filter(pl.col("as_of") == decision)), as_of=decision).frame
        wanted = together.filter(pl.col("as_of") == decision)
        _same(alone, wanted, f"the answer decided at {decision} changes where later decisions are answered with it", exact=True)


def round_trip(subject: Subject) -> None:
    """A saved and loaded model answers alike and saves to the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        subject.fitted.save(Path(folder))
        loaded = subject.model.load(Path(folder))
    _same(subject.answer(loaded), subject.answered, "the loaded model answers differently", exact=True)
    _demand(artifact_of(loaded) == subject.sha, "saving the loaded model gives other bytes")


def one_bit_is_refused(subject: Subject) -> None:
    """An artifact of which one bit of one file was turned does not load, whichever file it is."""
    with tempfile.TemporaryDirectory() as folder:
        subject.fitted.save(Path(folder))
        for path in sorted(Path(folder).iterdir()):
            whole = path.read_bytes()
            path.write_bytes(bytes([*whole[: len(whole) // 2], whole[len(whole) // 2] ^ 1, *whole[len(whole) // 2 + 1 :]]))
            try:
                subject.model.load(Path(folder))
            except artifacts.ArtifactError:
                path.write_bytes(whole)
                continue
            raise LawBrokenError(f"an artifact whose {path.name} was altered is loaded; call verify_artifact first in load")


def answer_follows_contract(subject: Subject) -> None:
    """The declared columns and types, one row per target row in key order, numbers finite and within their bounds."""
    frame, spec = subject.answered, subject.spec
    expected = [*ANSWER, *(c.name for c in spec.output)]
    _demand(frame.columns == expected, f"columns are {frame.columns}, not {expected}")
    keys = in_key_order(subject.sample.target).select(KEY)
    _demand(frame.select(KEY).equals(keys), "rows are not the target's rows in key order")
    for column in spec.output:
        series = frame[column.name]
        _demand(series.dtype == column.type.polars, f"{column.name} is {series.dtype}, declared {column.type.polars}")
        _demand(column.nullable or series.null_count() == 0, f"{column.name} has nulls and is not declared nullable")
        if series.dtype.is_float():
            values = series.drop_nulls().to_numpy()
            _demand(bool(np.all(np.isfinite(values))), f"{column.name} has values that are not finite")
            low, high = (-np.inf if column.ge is None else column.ge), (np.inf if column.le is None else column.le)
            _demand(bool(np.all((values >= low) & (values <= high))), f"{column.name} leaves its bounds {low}..{high}")


def quantiles_sorted(subject: Subject) -> None:
    """Quantiles rise with their level, in every row."""
    if subject.spec.quantile_columns:
        ladder = subject.answered.select(subject.spec.quantile_columns.values()).to_numpy()
        _demand(bool(np.all(np.isfinite(ladder))), "quantiles are not finite")
        _demand(bool(np.all(np.diff(ladder, axis=1) >= 0)), "quantiles cross")


def clock_changes(subject: Subject) -> None:
    """A 23-hour day has 23 answers per hub, a 25-hour day 25."""
    autumn = autumn_sample(subject.spec.inputs)
    data = Features(autumn.rows, autumn.target)
    fall = subject.fitted.predict(data, as_of=autumn.as_of).frame
    for frame, day, hours in ((subject.answered, date(2020, 3, 29), 23), (fall, date(2020, 10, 25), 25)):
        counts = frame.filter(pl.col("delivery_date") == day).group_by("hub").agg(pl.col("delivery_ts").n_unique())["delivery_ts"].to_list()
        _demand(counts == [hours, hours], f"{day} has {counts} answers per hub instead of {hours}")
        numbers = frame.filter(pl.col("delivery_date") == day)[subject.spec.point_column].to_numpy()
        _demand(bool(np.all(np.isfinite(numbers))), f"answers on {day} are not finite")


def missing_optional_degrades(subject: Subject) -> None:
    """Complete rows are OK; rows without optional inputs are answered as DEGRADED, with a reason."""
    optional = [c.name for c in subject.spec.inputs.columns if c.nullable and c.name not in subject.spec.required]
    given = [c for c in optional if subject.sample.target[c].null_count() < subject.sample.target.height]
    complete = subject.answered.filter(
        in_key_order(subject.sample.target).select(pl.all_horizontal(pl.col(given).is_not_null())).to_series()
    )
    _demand(complete["status"].unique().to_list() == ["OK"], f"complete rows are not OK: {_reasons(complete)}")
    bare = subject.sample.target.with_columns(pl.lit(None, subject.sample.target.schema[c]).alias(c) for c in optional)
    answer = subject.answer(subject.fitted, target=bare)
    _demand(answer.height == bare.height, "rows without optional inputs are not all answered")
    _demand(answer["status"].unique().to_list() == ["DEGRADED"], "rows without any optional input are not DEGRADED")
    _demand(bool((answer["status_reason"].str.len_chars() > 0).all()), "DEGRADED rows give no reason")
    _demand(bool(answer[subject.spec.point_column].is_finite().all()), "DEGRADED answers are not finite")


def missing_required_is_said(subject: Subject) -> None:
    """A frame without a required column is refused with a ValueError that names it."""
    rows, target = subject.sample.rows, subject.sample.target
    for column in subject.spec.required:
        _refuses(lambda c=column: subject.fit(rows.drop(c)), column, "fit")  # type: ignore[misc]
        if column not in {*HAPPENED, *OUTCOMES}:
            _refuses(lambda c=column: subject.answer(subject.fitted, target=target.drop(c)), column, "predict")  # type: ignore[misc]


def empty_in_empty_out(subject: Subject) -> None:
    """No target rows: no answers, in the declared columns."""
    frame = subject.answer(subject.fitted, target=subject.sample.target.clear())
    _demand(frame.height == 0, f"{frame.height} answers to no question")
    _demand(frame.schema == subject.answered.schema, "the empty answer has other columns or types")


def beats_naive(subject: Subject) -> None:
    """On the golden sample: MAE and CRPS below the naive column's, Brier score below the base rate, cost below that of deciding nothing."""
    spec, truth = subject.spec, in_key_order(subject.sample.target)
    y = truth[spec.outcome.column].to_numpy()
    instead = [c for c in ("price_lag_14d_ccy_per_mwh", "price_lag_1d_ccy_per_mwh") if c in truth.columns]
    known_before = truth.select(pl.coalesce(spec.naive_column, *instead))
    point = subject.answered[spec.point_column].to_numpy()
    if spec.decision is not None:
        rule = settlement_of(spec, subject.params)
        positions = positions_of(subject.answered, spec)
        own, idle = (float(rule.cost(truth, p).sum()) for p in (positions, np.zeros_like(positions)))
        _demand(own < idle, f"the decisions cost {own:.2f}, deciding nothing {idle:.2f}")
        broken = int(rule.breaches(truth, positions).sum())
        _demand(broken == 0, f"the decisions break {broken} obligation(s)")
    if spec.kind in {Kind.DISTRIBUTION, Kind.DECISION}:
        naive = metrics.mae(y, known_before.to_series().to_numpy())
        _demand(metrics.mae(y, point) < naive, f"MAE {metrics.mae(y, point):.3f} is not below the {naive:.3f} of {spec.naive_column}")
        if spec.quantile_columns:
            ladder = subject.answered.select(spec.quantile_columns.values()).to_numpy()
            crps = metrics.crps_from_quantiles(y, ladder, spec.levels)
            _demand(crps < naive, f"CRPS {crps:.3f} is not below the {naive:.3f} of {spec.naive_column}")
        return
    threshold = np.full(y.size, 0.5) if spec.outcome.is_event else subject.answered[_threshold_column(spec)].to_numpy()
    event = y > threshold
    past = subject.sample.rows.filter(pl.col(spec.outcome.known) <= subject.sample.cutoff)
    rate = float((past[spec.outcome.column] > float(np.mean(threshold))).mean() or 0.0)  # type: ignore[arg-type]
    naive = metrics.brier(event, np.full(y.size, rate))
    _demand(metrics.brier(event, point) < naive, f"Brier score {metrics.brier(event, point):.5f} is not below the base rate's {naive:.5f}")


def contributions_add_up(subject: Subject) -> None:
    """Every target row has finite contributions and a base; where the output is a column, they add up to it."""
    target = subject.sample.target.filter(pl.col("delivery_date") < subject.sample.first_target + timedelta(days=2))
    explained = subject.fitted.explain(Features(subject.sample.rows, target))
    frame = explained.frame
    _demand(set(frame.columns) >= {*KEY, "feature", "contribution"}, f"contributions have columns {frame.columns}")
    _demand(bool(frame["contribution"].is_finite().all()), "contributions are not finite")
    sums = frame.group_by(KEY).agg(pl.col("contribution").sum(), (pl.col("feature") == "(base)").sum().alias("bases")).sort(KEY)
    _demand(sums.select(KEY).equals(in_key_order(target).select(KEY)), "contributions do not cover the target's rows")
    _demand(bool((sums["bases"] == 1).all()), "rows have no contribution '(base)', or several")
    if explained.output in subject.answered.columns:
        whole = sums.join(subject.answered, on=KEY)
        gap = float(np.max(np.abs((whole["contribution"] - whole[explained.output]).to_numpy())))
        _demand(gap <= 1e-6, f"contributions miss {explained.output} by {gap:.3g}")


def companions_are_pure(subject: Subject) -> None:
    """Companion tables follow their contract, stand on the target's rows, and obey the laws of answers: order, chunks, no look ahead."""
    spec, target = subject.spec, subject.sample.target
    if not spec.companions:
        return
    days = target.get_column("delivery_date").unique().sort()
    few = target.filter(pl.col("delivery_date").is_in([days[0], days[-1]]))
    whole = subject.tell(subject.fitted, few)
    _demand(
        set(whole) == {t.name for t in spec.companions}, f"companions are {sorted(whole)}, declared {[t.name for t in spec.companions]}"
    )
    for table in spec.companions:
        frame, lineage = whole[table.name], {c.name for c in LINEAGE}
        own = [c for c in table.columns if c.name in KEY or c.name not in lineage]
        _demand(frame.schema == pl.Schema({c.name: c.type.polars for c in own}), f"{table.name} has columns {frame.schema}")
        _demand(
            frame.height > 0 and frame.join(few, on=list(KEY), how="anti").is_empty(), f"{table.name} is empty or not on the target's rows"
        )
        _demand(frame.select(table.key).is_duplicated().sum() == 0, f"{table.name} repeats a key")
        problems = [f"{c.name} has nulls" for c in own if not c.nullable and frame[c.name].null_count()]
        problems += [f"{c.name} is not finite" for c in own if frame[c.name].dtype.is_float() and not frame[c.name].is_finite().all()]
        _demand(not problems, f"{table.name}: {problems}")
    shuffled = subject.sample.rows.sample(fraction=1.0, shuffle=True, seed=1)
    blind = few.with_columns(pl.lit(1e9).alias(name) for name in HAPPENED if name in few.columns)
    poisoned = poison(subject.sample.rows, subject.sample.as_of, 1e9)
    for history, asked, why in ((shuffled, few.reverse(), "shuffled rows"), (poisoned, blind, "targets and later prices")):
        _same_tables(subject.tell(subject.fitted, asked, history), whole, f"{why} change companions")
    for chunk in (few.filter(pl.col("delivery_date") == days[-1]), few.filter(pl.col("hub") == few["hub"].min())):
        with tempfile.TemporaryDirectory() as folder:
            subject.fitted.save(Path(folder))
            alone = subject.tell(subject.model.load(Path(folder)), chunk)
        same = {name: frame.join(chunk.select(KEY), on=KEY, how="semi", maintain_order="left") for name, frame in whole.items()}
        _same_tables(alone, same, "companions of a part differ from those of all rows", exact=True)


LAWS: tuple[Callable[[Subject], None], ...] = (
    same_seed_same_bytes,
    inputs_not_mutated,
    row_order_irrelevant,
    future_cannot_teach,
    future_cannot_answer,
    chunks_equal_whole,
    block_equals_single_decisions,
    round_trip,
    one_bit_is_refused,
    answer_follows_contract,
    quantiles_sorted,
    clock_changes,
    missing_optional_degrades,
    missing_required_is_said,
    empty_in_empty_out,
    beats_naive,
    contributions_add_up,
    companions_are_pure,
)


def poison(rows: pl.DataFrame, instant: datetime, value: float) -> pl.DataFrame:
    """The rows with every outcome known after `instant`, and every number decided after it, set to `value`."""
    late = {
        name: pl.col(known).is_null() | (pl.col(known) > instant)
        for known, values in OUTCOMES.items()
        for name in values
        if name in rows.columns
    }
    late_row = pl.col("as_of") > instant
    numbers = [c for c, t in rows.schema.items() if t.is_float()]
    return rows.with_columns(pl.when(late.get(c, late_row)).then(pl.lit(value)).otherwise(pl.col(c)).alias(c) for c in numbers)


def _shake_global_state(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the very state that models must not use


def _global_state() -> str:
    return repr((random.getstate(), np.random.get_state(legacy=False)))  # noqa: NPY002 - as above


def _threshold_column(spec: ModelSpec) -> str:
    """The spec's threshold column, or the one output that is named like it."""
    named = [c.name for c in spec.output if c.name.endswith("threshold_ccy_per_mwh")]
    _demand(bool(spec.threshold_column) or len(named) == 1, "a probability needs spec.threshold_column to be judged")
    return spec.threshold_column or named[0]


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise LawBrokenError(message)


def _same(left: pl.DataFrame, right: pl.DataFrame, message: str, *, exact: bool = False) -> None:
    """Equal frames; numbers up to rounding (1e-9 relative) unless `exact`."""
    _demand(left.columns == right.columns and left.height == right.height, f"{message}: {left.shape} against {right.shape}")
    for column in left.columns:
        a, b = left[column], right[column]
        if a.dtype.is_float() and not exact:
            close = bool(np.allclose(a.to_numpy(), b.to_numpy(), rtol=1e-9, atol=1e-9, equal_nan=True))
            _demand(close, f"{message}: {column} differs by up to {np.nanmax(np.abs((a - b).to_numpy()))}")
        else:
            _demand(a.equals(b, null_equal=True), f"{message}: {column} differs")


def _same_tables(left: Mapping[str, pl.DataFrame], right: Mapping[str, pl.DataFrame], message: str, *, exact: bool = False) -> None:
    for name, frame in right.items():
        _same(left[name], frame, f"{message} ({name})", exact=exact)


def _refuses(act: Callable[[], object], column: str, verb: str) -> None:
    try:
        act()
    except ValueError as error:
        _demand(column in str(error), f"{verb} without {column} raises an error that does not name it: {error}")
        return
    except Exception as error:
        raise LawBrokenError(f"{verb} without {column} raises {type(error).__name__} instead of a ValueError: {error}") from error
    raise LawBrokenError(f"{verb} accepts a frame without the required column {column}")


def _reasons(frame: pl.DataFrame) -> list[str]:
    return frame.filter(pl.col("status") != "OK")["status_reason"].unique().sort().to_list()[:3]
