"""F4: the gate before and after on stressed and normal days, its order of days, and states and change points against known truth.

Baseline is the ungated forecast itself, all rows scored: the mean of the published LEAR and DNN ensembles where they exist (the strongest
known), and the registry's models. The gate's regimes are walked forward like any model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import KEY
from models._kernel.gating import ALLOW
from models._kernel.registry import spec_of, yardstick_of
from models._kernel.yardstick import DataClass, DataSetSpec, Yardstick
from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.features import DAY_AHEAD
from pipeline_tasks.scorecard.published import published
from pipeline_tasks.scorecard.regime_correction import LEAST_DAYS, DayTable, corrected
from pipeline_tasks.scorecard.regime_models import RULES, UNGATED, Case, gated_panel, model_rows
from pipeline_tasks.scorecard.regime_slices import Compared, Risked, abstention_rows, oracle_row, slice_rows, stress_label
from pipeline_tasks.scorecard.regime_synthetic import synthetic_rows
from pipeline_tasks.scorecard.regime_truth import truth_rows
from pipeline_tasks.scorecard.rows import ScoreRow
from pipeline_tasks.scorecard.runner import job_of, spec_on
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet, FeatureSource, Say
from pipeline_tasks.scorecard.systems import SystemJob, system_row
from pipeline_tasks.steps.gates import REGIME

Array = npt.NDArray[np.float64]
EPF = ("epf_np", "epf_pjm", "epf_be", "epf_fr", "epf_de")
ON_MARKETS = ("twin", *EPF, "de_fund", "ercot_hb_north", "ercot_hb_west", "ercot", "be")
DATA_SETS = ("synthetic", *ON_MARKETS)
# Days that are walked and scored, and days between refits. de_fund: 2021 to 2023, the crisis and what came after it; ercot: a whole year,
# because half of one has too few stressed days.
WINDOWS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(EPF, (728, 28)),
    **dict.fromkeys(("ercot", "ercot_hb_north", "ercot_hb_west"), (364, 28)),
    "de_fund": (1095, 91),
    "twin": (119, 28),
}
OTHERS = (182, 28)
PROFILE = "demo"  # of the walked models: what a gate is worth to them does not need their largest settings
DAY_AHEAD_MODELS = ("curve_dist", "spike_risk")
# Models whose features a data set has; the nowcast needs all nodes of a market at once.
MODELS: Mapping[str, tuple[str, ...]] = {
    "twin": (*DAY_AHEAD_MODELS, "imbalance", "price_prediction", "lmp_nowcast"),
    "ercot_hb_north": (*DAY_AHEAD_MODELS, "imbalance", "price_prediction"),
    "ercot_hb_west": (*DAY_AHEAD_MODELS, "imbalance", "price_prediction"),
    "ercot": ("lmp_nowcast",),
    "be": (*DAY_AHEAD_MODELS, "imbalance", "price_prediction"),
}
# Where a model's own data or the history it needs leave less: nodal features cover six weeks of the twin, ercot begins at the end of 2023.
SHORT: Mapping[tuple[str, str], tuple[int, int]] = {
    ("twin", "lmp_nowcast"): (27, 14),
    ("ercot_hb_north", "spike_risk"): (350, 28),
    ("ercot_hb_west", "spike_risk"): (350, 28),
}
WITH_CORRECTION = "curve_dist"  # the day-ahead price forecast that is corrected by new information
NEIGHBOURS: Mapping[str, tuple[str, ...]] = {"epf_be": ("epf_fr",), "epf_fr": ("epf_be",)}


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of F4 on one data set."""
    if job.data_set == "synthetic":
        return synthetic_rows(job)
    try:
        return _market_rows(job)
    except DataAbsentError as error:
        return [system_row(job, DataClass.REAL, "mae_stressed_ratio", None, reason=str(error), baseline=UNGATED)]


@dataclass(frozen=True, slots=True)
class _Loaded(FeatureSource):
    """A source that loads each table of a data set once."""

    inner: FeatureSource
    kept: dict[tuple[str, str], DataSet]

    def load(self, name: str, table: Table, say: Say) -> DataSet:
        """Features of the data set, read before or now."""
        if (name, table.name) not in self.kept:
            self.kept[name, table.name] = self.inner.load(name, table, say)
        return self.kept[name, table.name]


@dataclass(frozen=True, slots=True)
class _Points:
    """An ungated point forecast on feature rows, and the rows that are scored."""

    rows: pl.DataFrame
    base: Array
    known: npt.NDArray[np.bool_]


def _market_rows(job: SystemJob) -> list[ScoreRow]:
    days, refit = WINDOWS.get(job.data_set, OTHERS)
    spec = DataSetSpec(job.data_set, test_days=days, refit_days=refit, calibration_days=0)
    source = _Loaded(job.source, {})
    walks = job_of(profile=PROFILE, seed=job.seed, progress=job.say, source=source, start=job.start, end=job.end)
    regime = walks.judged(REGIME, yardstick_of(REGIME), spec)
    case = Case(regime.data, regime.walked.answers, stress_label(regime.data.frame), regime.data.data_class)
    made = truth_rows(job, case.answers) if case.data_class is DataClass.TWIN else []
    if job.data_set in EPF:
        return [*made, *_published_rows(job, case, source)]
    for model in MODELS.get(job.data_set, DAY_AHEAD_MODELS):
        try:
            told = gated_panel(case, spec_of(model), walks.judged(model, _alone(model), _walk_of(model, spec)))
        except DataAbsentError as error:
            made.append(system_row(job, case.data_class, f"{model}_stressed_ratio", None, reason=str(error), baseline=UNGATED))
            continue
        made += model_rows(job, case, told)
        if model == WITH_CORRECTION:
            point = told.answer[told.spec.point_column].cast(pl.Float64).to_numpy()
            made += _correction_rows(job, case, _Points(told.judged.panel.rows, point, told.known))
    return made


def _alone(model: str) -> Yardstick:
    """The yardstick without metrics and what they compare with, which would be walked too: the forecast is its own baseline here."""
    own = yardstick_of(model)
    return replace(own, metrics=(), baselines=tuple(b for b in own.baselines if b.name == own.gate_baseline))


def _walk_of(model: str, spec: DataSetSpec) -> DataSetSpec:
    """How a model is walked: over the regime's window, or the part that its own data cover, as its yardstick trains it."""
    days, refit = SHORT.get((spec.name, model), (spec.test_days, spec.refit_days))
    own = spec_on(yardstick_of(model), spec.name)
    return replace(own, test_days=days, refit_days=refit, calibration_days=0)


def _beside(case: Case, rows: pl.DataFrame) -> tuple[pl.DataFrame, npt.NDArray[np.bool_]]:
    """Regime answers of rows (null where there is none), and whether the row's label is known."""
    told = rows.select(KEY).join(case.answers, on=list(KEY), how="left", maintain_order="left")
    series = ["market", "hub", "product", "delivery_date"]
    label = rows.select(series).join(case.label, on=series, how="left", maintain_order="left")
    both = told.with_columns(label["stressed"])
    return both, (both["stressed"].is_not_null() & both["gate"].is_not_null()).to_numpy()


def _published_rows(job: SystemJob, case: Case, source: FeatureSource) -> list[ScoreRow]:
    """The gate on the mean of the published LEAR and DNN ensembles; point forecasts only."""
    public, note = published(case.data, case.data.frame)
    if "published_mean" not in public:
        raise DataAbsentError(note)
    told, known = _beside(case, case.data.frame)
    price = case.data.frame["price_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    experts = {**public, "fallback": told["point_ccy_per_mwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy()}
    known &= np.isfinite(price) & np.all([np.isfinite(v) for v in experts.values()], axis=0)
    base, rule = experts["published_mean"], RULES["mixed"]
    gate = told["gate"].cast(pl.String).fill_null(ALLOW).to_numpy()
    share = np.where(gate == ALLOW, 1.0, np.where((gate == "block") & rule.block, 0.0, rule.model_share))
    after = share * base + (1 - share) * experts["fallback"]
    days = case.data.frame["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy()
    stressed = told["stressed"].fill_null(value=False).to_numpy()
    losses = {name: np.abs(price - value)[known] for name, value in experts.items()}
    compared = Compared(
        "published_mean: mae mixed",
        days[known],
        stressed[known],
        losses["published_mean"],
        np.abs(price - after)[known],
        (share < 1)[known],
    )
    made = slice_rows(job, case.data_class, compared, UNGATED)
    made.append(oracle_row(job, case.data_class, days[known], stressed[known], losses, "published_mean"))
    beside = {f"neighbour_{other}": _neighbour(case, source, other, job) for other in NEIGHBOURS.get(job.data_set, ())}
    risk = told["stressed_probability"].cast(pl.Float64).to_numpy()[known]
    risked = Risked("published_mean: mae", days[known], risk, losses["published_mean"], losses["fallback"])
    made += abstention_rows(job, case.data_class, risked)
    return [*made, *_correction_rows(job, case, _Points(case.data.frame, base, known), beside)]


def _correction_rows(
    job: SystemJob,
    case: Case,
    forecast: _Points,
    beside: Mapping[str, Mapping[date, float]] | None = None,
) -> list[ScoreRow]:
    """The correction by new information before and after, hub by hub."""
    rows, known = forecast.rows, forecast.known
    told, _ = _beside(case, rows)
    chosen = pl.Series(known)
    frame = rows.filter(chosen).with_columns(
        base=pl.Series(forecast.base[known]),
        fallback=told["point_ccy_per_mwh"].cast(pl.Float64).filter(chosen),
        risk=told["stressed_probability"].cast(pl.Float64).filter(chosen),
        label=told["stressed"].filter(chosen),
    )
    parts = [_corrected(part, beside or {}) for _, part in frame.group_by("hub", "product", maintain_order=True)]
    after = pl.concat(parts)
    if after.is_empty():
        return []
    y, stressed = after["price_ccy_per_mwh"].to_numpy(), after["label"].to_numpy()
    before, now = np.abs(y - after["base"].to_numpy()), np.abs(y - after["corrected"].to_numpy())
    told_days = after["delivery_date"].cast(pl.Int32).cast(pl.Int64).to_numpy()
    compared = Compared("new information: mae", told_days, stressed, before, now, before != now)
    return slice_rows(job, case.data_class, compared, UNGATED)


def _corrected(part: pl.DataFrame, beside: Mapping[str, Mapping[date, float]]) -> pl.DataFrame:
    """Rows of one hub from the first corrected day on, with the column `corrected`."""
    slot = part["local_hour"].to_numpy().astype(np.int64) * 60 + part["delivery_ts"].dt.minute().to_numpy()
    slot = slot * 2 + part["dst_fold"].to_numpy()
    dates = part["delivery_date"].unique().sort()
    day = dates.search_sorted(part["delivery_date"]).to_numpy()
    slots, at = np.unique(slot, return_inverse=True)
    shape = (len(dates), len(slots))

    def table(name: str) -> Array:
        values = np.full(shape, np.nan)
        values[day, at] = part[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return values

    daily = part.group_by("delivery_date").agg(
        pl.col("risk").first(), pl.col("as_of").max(), pl.col("price_known_ts").max(),
        *(pl.col(c).cast(pl.Float64).max() for c in ("gas_price_ccy_per_unit", "residual_load_tightness", "price_prev_day_mean_ccy_per_mwh",
                                                    "price_mean_7d_ccy_per_mwh", "price_prev_day_spread_to_market_ccy_per_mwh")),
    ).sort("delivery_date").with_columns(pl.selectors.float().fill_null(float("nan")))  # fmt: skip
    level = daily["price_mean_7d_ccy_per_mwh"].to_numpy()
    gas = daily["gas_price_ccy_per_unit"].to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        move = np.concatenate((np.full(5, np.nan), np.log(gas[5:] / gas[:-5])))[: len(gas)]
    found = {
        "gas_move": level * move,
        "tightness": level * (daily["residual_load_tightness"].to_numpy() - 0.8),
        "own_move": daily["price_prev_day_mean_ccy_per_mwh"].to_numpy() - level,
        "spread_to_market": daily["price_prev_day_spread_to_market_ccy_per_mwh"].to_numpy(),
        **{name: np.array([values.get(d, np.nan) for d in dates]) for name, values in beside.items()},
    }
    late = (daily["price_known_ts"].shift(1) > daily["as_of"]).fill_null(value=False)
    lag = 2 if late.any() else 1
    made = corrected(DayTable(table("price_ccy_per_mwh"), table("base"), table("fallback"), daily["risk"].to_numpy(), found, lag))
    answer = part.with_columns(corrected=pl.Series(made[day, at]))
    columns = ["delivery_date", "price_ccy_per_mwh", "base", "corrected", "label"]
    return answer.filter(pl.Series(day >= LEAST_DAYS)).select(columns)


def _neighbour(case: Case, source: FeatureSource, other: str, job: SystemJob) -> dict[date, float]:
    """Yesterday's mean price of a neighbour less that of its week, as known at its own gate (no later than ours)."""
    try:
        frame = source.load(other, DAY_AHEAD, job.say).frame
    except DataAbsentError:
        return {}
    ours = dict(case.data.frame.group_by("delivery_date").agg(pl.col("as_of").max()).iter_rows())
    days = frame.group_by("delivery_date").agg(
        pl.col("as_of").max(), (pl.col("price_prev_day_mean_ccy_per_mwh") - pl.col("price_mean_7d_ccy_per_mwh")).first().alias("move")
    )
    return {d: m for d, at, m in days.iter_rows() if m is not None and d in ours and at <= ours[d]}


__all__ = ["DATA_SETS", "ON_MARKETS", "rows"]
