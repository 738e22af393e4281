"""F4 on a model: its walked forecasts before and after the gate, which acts as it does in a run (`steps.gates`).

The regime of a row is the newest one decided by the row's own decision, of its delivery date or, within the day, of the day under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.bootstrap import ratio_ci
from models._kernel.gating import ALLOW, BLOCK, GateRule
from models._kernel.metrics import crps_losses
from models._kernel.registry import spec_of
from models._kernel.spec import Kind, ModelSpec
from models._kernel.stats import diebold_mariano_daily
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.panel import KEY, Money
from pipeline_tasks.scorecard.regime_slices import PARTS, Compared, Risked, abstention_rows, slice_rows
from pipeline_tasks.scorecard.rows import ScoreRow
from pipeline_tasks.scorecard.runner import Judged
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet
from pipeline_tasks.scorecard.systems import SystemJob, system_row
from pipeline_tasks.steps.gates import ACTED, INTERVAL, REGIME, UNKNOWN, WHY, Gates, load_gates

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Loss = Callable[[Array, pl.DataFrame], Array]
UNGATED = "ungated"
# Two gates are scored whatever config/gates.yaml says: one that is only cautious, and one that does all it can.
RULES = {"widened": GateRule(act=True, widen=1.1, block=False), "mixed": GateRule(act=True, model_share=0.8, widen=1.1, block=True)}


@dataclass(frozen=True, slots=True)
class Case:
    """A market with its walked regimes.

    Attributes:
        data: day-ahead features.
        answers: walked answers of `regime`.
        label: the frozen stress label by series and delivery date.
        data_class: real or twin.
    """

    data: DataSet
    answers: pl.DataFrame
    label: pl.DataFrame
    data_class: DataClass

    def gates(self, spec: ModelSpec, rule: GateRule) -> Gates:
        """The gate of a model on this market, of regimes and fallbacks as `curated.v_regimes_daily` and `curated.v_regime` hold them."""
        base = spec_of(REGIME)
        days = self.answers.group_by("market", "hub", pl.col("delivery_date").alias("day")).agg(
            pl.col("as_of").max().alias("decided_ts"), pl.col("state").first().alias("regime"), *(pl.col(c).first() for c in ("gate", *WHY))
        )
        fallback = self.answers.select(*INTERVAL, base.point_column, *base.quantile_columns.values()).unique(INTERVAL, keep="last")
        return Gates(spec, rule, days.sort("hub", "day"), fallback)

    def stressed(self, rows: pl.DataFrame, day: pl.Series) -> pl.Series:
        """The label of every row: of its hub on `day`, or where the hub has none of its own (a node) of any hub of the market."""
        keys = ["market", "hub", "day"]
        own = self.label.group_by("market", "hub", pl.col("delivery_date").alias("day")).agg(pl.col("stressed").max())
        whole = own.group_by("market", "day").agg(pl.col("stressed").max().alias("whole"))
        both = rows.select("market", "hub").with_columns(day.alias("day")).join(own, on=keys, how="left", maintain_order="left")
        both = both.join(whole, on=["market", "day"], how="left", maintain_order="left")
        known = set(self.label["hub"].unique().to_list())
        return both.select(pl.when(pl.col("hub").is_in(known)).then("stressed").otherwise("whole").alias("stressed"))["stressed"]


@dataclass(frozen=True, slots=True)
class Gated:
    """A model's panel beside its regimes.

    Attributes:
        spec: the model.
        judged: its walk.
        answer: its answers on the panel's rows, null where it gave none.
        told: `day`, `regime`, `gate`, `stressed_probability` of every row.
        stressed: the label.
        known: rows that are scored: answered, labelled, and with a regime.
    """

    spec: ModelSpec
    judged: Judged
    answer: pl.DataFrame
    told: pl.DataFrame
    stressed: Bools
    known: Bools

    @property
    def zone(self) -> str:
        """Time zone of the market."""
        return self.judged.data.selection.market.zone.key

    @property
    def outcome(self) -> Array:
        """Outcomes of the scored rows."""
        return self.judged.panel.outcome[self.known]

    @property
    def days(self) -> npt.NDArray[np.int64]:
        """Days whose regime and label the scored rows have, days since 1970."""
        return self.told["day"].cast(pl.Int32).cast(pl.Int64).to_numpy()[self.known]

    def at(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The scored rows of a frame of all rows."""
        return frame.filter(pl.Series(self.known))


def gated_panel(case: Case, spec: ModelSpec, judged: Judged) -> Gated:
    """A model's panel beside the regimes known to it.

    Raises:
        DataAbsentError: no row has both a regime and a label.
    """
    rows = judged.panel.rows
    answer = rows.select(KEY).join(judged.walked.answers, on=list(KEY), how="left", maintain_order="left")
    told = case.gates(spec, GateRule()).found(answer.with_columns(rows["delivery_date"]), judged.data.selection.market.zone.key)
    label = case.stressed(rows, told["day"])
    numbers = [spec.point_column, *spec.quantile_columns.values()]
    answered = np.isfinite(answer.select(pl.col(c).cast(pl.Float64).fill_null(float("nan")) for c in numbers).to_numpy()).all(axis=1)
    known = answered & label.is_not_null().to_numpy() & (told["regime"] != UNKNOWN).to_numpy() & np.isfinite(judged.panel.outcome)
    if not known.any():
        raise DataAbsentError(f"{case.data.name}: no row of {spec.name} has a stress label: nothing exogenous (tightness, gas) is known")
    stressed = label.fill_null(value=False).to_numpy()
    return Gated(spec, judged, answer.with_columns(rows["delivery_date"]), told, stressed, known)


def model_rows(job: SystemJob, case: Case, told: Gated) -> list[ScoreRow]:
    """Before and after the gate as it acts in a run on stressed and on normal days, what it costs a decision, and its order of days."""
    made = []
    for name, rule in _rules(told.spec):
        after, found = case.gates(told.spec, rule).acted(told.answer, told.judged.panel.rows, told.zone)
        acted = (found[ACTED] != ALLOW).to_numpy()[told.known]
        for metric, loss in losses_of(told.spec).items():
            if metric != "crps" and rule.model_share == 1 and not rule.block:
                continue  # a wider band moves no point and no probability
            before, now = (loss(told.outcome, told.at(frame)) for frame in (told.answer, after))
            label = f"{told.spec.name}: {metric} {name}"
            compared = Compared(label, told.days, told.stressed[told.known], before, now, acted)
            made += slice_rows(job, case.data_class, compared, UNGATED)
        if name == "widened" and told.spec.quantile_columns:
            made += _coverage_rows(job, case, told, after)
        money = told.judged.panel.money
        if money is not None and rule.block:
            made += _saving_rows(job, case, told, money, (name, (found[ACTED] == BLOCK).to_numpy()))
    return [*made, *_abstention(job, case, told)]


def _rules(spec: ModelSpec) -> Iterator[tuple[str, GateRule]]:
    """The gates that are scored, by name: `configured` is that of config/gates.yaml, where it acts and is neither of the others."""
    yield from RULES.items()
    own = load_gates().get(spec.name, GateRule())
    if own.act and own not in RULES.values():
        yield "configured", own


def losses_of(spec: ModelSpec) -> dict[str, Loss]:
    """Loss functions (outcome, answer rows) of a model by name; the first is that of its point or probability."""
    names, levels = list(spec.quantile_columns.values()), np.asarray(spec.levels)

    def point(frame: pl.DataFrame) -> Array:
        return frame[spec.point_column].cast(pl.Float64).to_numpy()

    if spec.kind is Kind.PROBABILITY:
        return {"brier": lambda y, frame: (y - point(frame)) ** 2}
    return {
        "mae": lambda y, frame: np.abs(y - point(frame)),
        "crps": lambda y, frame: crps_losses(y, frame.select(pl.col(c).cast(pl.Float64) for c in names).to_numpy(), levels),
    }


def _abstention(job: SystemJob, case: Case, told: Gated) -> list[ScoreRow]:
    """Coverage-risk curve over days by stressed probability, and the fallback on the riskiest tenth; own loss where there is none."""
    fallback = case.gates(told.spec, RULES["mixed"]).fallback_of(told.answer, told.judged.panel.rows)[:, :1]
    metric, loss = next(iter(losses_of(told.spec).items()))
    own = loss(told.outcome, told.at(told.answer))
    other = loss(told.outcome, told.at(told.answer.with_columns(pl.Series(told.spec.point_column, fallback[:, 0]))))
    risk = told.told["stressed_probability"].to_numpy()[told.known]
    instead = np.where(np.isfinite(other), other, own)
    return abstention_rows(job, case.data_class, Risked(f"{told.spec.name}: {metric}", told.days, risk, own, instead))


def _coverage_rows(job: SystemJob, case: Case, told: Gated, after: pl.DataFrame) -> list[ScoreRow]:
    """Share of outcomes inside the 90 % interval (the widest within it that the model has) before and after a wider band, by slice."""
    levels = [v for v in told.spec.quantile_columns if 0.05 <= v < 0.5]
    low = min(levels)
    high = min(told.spec.quantile_columns, key=lambda v: abs(v - (1 - low)))
    ends = [told.spec.quantile_columns[v] for v in (low, high)]

    def inside(frame: pl.DataFrame) -> Bools:
        low_end, high_end = told.at(frame).select(pl.col(c).cast(pl.Float64) for c in ends).to_numpy().T
        return np.asarray((low_end <= told.outcome) & (told.outcome <= high_end))

    before, now, stressed = inside(told.answer), inside(after), told.stressed[told.known]
    made, nominal = [], round(100 * (high - low))
    for part, chosen in zip(PARTS, (stressed, ~stressed), strict=True):
        if chosen.any():
            made.append(
                system_row(job, case.data_class, f"{told.spec.name}_coverage_{nominal}_widened_{part}", float(now[chosen].mean()),
                           n=int(chosen.sum()), verdict="pass", baseline=UNGATED, baseline_value=float(before[chosen].mean()),
                           days=[int(d) for d in np.unique(told.days[chosen])],
                           reason=f"reported; share of outcomes inside the {nominal} % interval on {part} days; baseline: before the gate")
            )  # fmt: skip
    return made


def _saving_rows(job: SystemJob, case: Case, told: Gated, money: Money, gate: tuple[str, Bools]) -> list[ScoreRow]:
    """What a decision saves per MWh before and after the gate, by slice: where it blocks no position is taken."""
    name, blocked = gate
    cost, idle = money.cost[told.known], money.idle[told.known]
    now = np.where(blocked[told.known], idle, cost)
    made = []
    for part, chosen in zip(PARTS, (told.stressed[told.known], ~told.stressed[told.known]), strict=True):
        days, index = np.unique(told.days[chosen], return_inverse=True)
        metric = f"{told.spec.name}_saving_{name}_{part}_per_mwh"
        if len(days) < 20:
            made.append(system_row(job, case.data_class, metric, None, reason=f"{len(days)} {part} days; 20 are needed", baseline=UNGATED))
            continue
        saved, before, volume = (np.bincount(index, weights=v[chosen]) for v in (idle - now, idle - cost, money.volume[told.known]))
        interval = ratio_ci(saved, volume, seed=job.seed)
        stood = f"{int(blocked[told.known][chosen].sum())} of {int(chosen.sum())} intervals without a position"
        same = np.array_equal(now[chosen], cost[chosen])
        p_value = None if same else diebold_mariano_daily(now[chosen], cost[chosen], told.days[chosen]).p_value
        why = (
            f"reported; saving over no hedge on {len(days)} {part} days, currency/MWh of load, after the gate; baseline: before it; {stood}"
        )
        made.append(
            system_row(job, case.data_class, metric, interval.estimate, n=int(chosen.sum()), verdict="pass", days=[int(d) for d in days],
                       interval=(interval.low, interval.high), baseline=UNGATED, baseline_value=float(before.sum() / volume.sum()),
                       p_value=p_value, reason=f"{why}; p: costs less than before, daily Diebold-Mariano, one-sided")
        )  # fmt: skip
    return made
