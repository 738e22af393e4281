"""F9: paths of scenario_gen on blocks fixed in advance, beside the Schaake shuffle and a Gaussian copula on the same marginals.

A block's fit is frozen at its first gate, so that no shift is learned from. Rows `kept` leave every hour its forecast distribution and so
show the dependence alone; rows `free` let the generator move the marginals by the conditions. The published choice was made by the fit.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import ndtri

from models._kernel.registry import params_of
from models._kernel.scenarios import GAUSSIAN, SCHAAKE
from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.rules import MarketRules
from models._kernel.yardstick import DataClass
from pipeline_tasks.contracts.features import DAY_AHEAD
from pipeline_tasks.scorecard.measures import Measure, ratio
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.scenario_draws import PUBLISHED, Block, Drawn, Frozen, drawn, freeze
from pipeline_tasks.scorecard.scenario_law import FLOOR, law_scores
from pipeline_tasks.scorecard.scenario_scores import METRICS, Scores, nearness, regrets, scored
from pipeline_tasks.scorecard.sources import DataAbsentError, DataSet
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
EPF = ("epf_de", "epf_np", "epf_pjm")
ON_MARKETS = ("de_fund", *EPF, "ercot_hb_north", "ercot_hb_west", "twin")
DATA_SETS = ("synthetic", *ON_MARKETS)
ANALOGUES = "analogues"
SHIFT_TARGET = 0.90
# Fixed in advance. ERCOT's data begin with January 2024, so that the cold days of that month have no history to forecast them from, and
# do not reach February 2021: its shift is the cold winter of 2025. The epftoolbox years hold no crisis.
BLOCKS: dict[str, tuple[Block, ...]] = {
    "de_fund": (
        Block("normal", date(2019, 1, 1), date(2019, 12, 31), shift=False),
        Block("crisis", date(2021, 10, 1), date(2022, 12, 31), shift=True),
    ),
    **dict.fromkeys(
        ("ercot_hb_north", "ercot_hb_west"),
        (
            Block("normal", date(2024, 9, 15), date(2024, 12, 15), shift=False),
            Block("cold", date(2025, 1, 1), date(2025, 2, 28), shift=True),
        ),
    ),
}
LAST_DAYS = {"twin": 91}  # of data sets without blocks of their own, the last days
OTHERS = 364
PROFILE = "full"
REGRET_DAYS = 60


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of F9 on one data set."""
    if job.data_set == "synthetic":
        return _law_rows(job)
    try:
        data = job.source.load(job.data_set, DAY_AHEAD, job.say)
    except DataAbsentError as error:
        return [system_row(job, DataClass.REAL, "energy_ratio", None, reason=str(error), baseline=SCHAAKE)]
    made: list[ScoreRow] = []
    for block in blocks_of(data, job):
        try:
            made += _block_rows(job, data, block)
        except DataAbsentError as error:
            made.append(system_row(job, data.data_class, f"energy_ratio_{block.name}", None, reason=str(error), baseline=SCHAAKE))
    return made


def blocks_of(data: DataSet, job: SystemJob) -> tuple[Block, ...]:
    """The window asked for, the blocks fixed for the data set, or its last days."""
    days = data.frame.filter(pl.col("price_ccy_per_mwh").is_not_null())["delivery_date"].unique().sort()
    if job.start is None and job.end is None and data.name in BLOCKS:
        return BLOCKS[data.name]
    last = min(job.end or date.max, days[-1])
    first = job.start or days.filter(days <= last)[-min(LAST_DAYS.get(data.name, OTHERS), (days <= last).sum())]
    return (Block("normal", first, last, shift=False),)


def _block_rows(job: SystemJob, data: DataSet, block: Block) -> list[ScoreRow]:
    frozen = freeze(data, block, profile=PROFILE, seed=job.seed, say=job.say)
    job.say(f"{data.name}: {block.name}: draw")
    days = list(drawn(frozen))
    if not days:
        raise DataAbsentError(f"{data.name}: no day of {block.name} has all its prices")
    scores = scored(days, _tails(frozen))
    make = _Rows(job, data.data_class, block, scores)
    generator = frozen.model.generator
    chosen = f"{generator.method}_{generator.marginals}"
    made = [make.against(metric, PUBLISHED, copula, f"published: {chosen}") for metric in METRICS for copula in (SCHAAKE, GAUSSIAN)]
    for method in sorted(set(days[0].paths) - {PUBLISHED, SCHAAKE, GAUSSIAN}):
        made += [make.against(metric, method, SCHAAKE, "reported beside the published choice", judged=False) for metric in METRICS[:2]]
    made += [_seed_row(make, frozen, days), *_memory_rows(make, frozen), *_regret_rows(make, data, days)]
    return made


class _Rows:
    """Rows of one block."""

    def __init__(self, job: SystemJob, data_class: DataClass, block: Block | None, scores: Scores) -> None:
        self.job, self.data_class, self.block, self.scores = job, data_class, block, scores
        self.days = np.asarray(scores.day, dtype=np.int64)

    def against(self, metric: str, method: str, baseline: str, note: str, *, judged: bool = True) -> ScoreRow:
        """Ratio of mean scores; a shift asks for at most 0.9 of Schaake's energy score, everything else for not being worse."""
        own, other = self.scores.series(metric, method), self.scores.series(metric, baseline)
        found = ratio(own, other, self.days, seed=self.job.seed, name=f"{metric} of paths, {other.mean():.4g} by {baseline}")
        shift = self.block is not None and self.block.shift and metric == "energy" and baseline == SCHAAKE
        verdict: Verdict = "pass"
        if judged:
            verdict = _verdict(found, SHIFT_TARGET if shift else None)
        label = method if method != PUBLISHED else "published"
        return self.row(
            f"{metric}_ratio_{label}", found.value, f"{note}; {found.note}" + ("" if judged else "; reported"), verdict,
            target=(SHIFT_TARGET if shift else 1.0) if judged else None, interval=(found.ci_low, found.ci_high), p_value=found.p_value,
            baseline=baseline, baseline_value=1.0,
        )  # fmt: skip

    def row(self, metric: str, value: float | None, note: str, verdict: Verdict, **more: Any) -> ScoreRow:
        """A row of the block."""
        make: Callable[..., ScoreRow] = system_row
        name = f"{metric}_{self.block.name}" if self.block else metric
        fit = "; fit frozen at the block's first gate" if self.block else ""
        told: dict[str, Any] = {"n": len(self.days), "days": self.days.tolist()} | more
        return make(self.job, self.data_class, name, value, reason=f"{note}{fit}", verdict=verdict, **told)


def _verdict(found: Measure, target: float | None) -> Verdict:
    """A target asks for the number and for significance; without one, the ratio must not be significantly above 1."""
    if target is not None:
        return "pass" if found.value <= target and (found.p_value or 0.0) < 0.05 else "miss"
    return "pass" if found.value <= 1 or (found.ci_low or 0.0) <= 1 else "miss"


def _tails(frozen: Frozen) -> dict[str, tuple[float, float]]:
    """5 % and 95 % quantile of each hub's prices of the year before the block."""
    block = frozen.outcome["delivery_date"].min()
    past = frozen.data.history.filter(pl.col("delivery_date") < block, pl.col("price_ccy_per_mwh").is_not_null())
    year = past.filter(pl.col("delivery_date") >= pl.lit(block) - pl.duration(days=364))
    told = year.group_by("hub").agg(low=pl.col("price_ccy_per_mwh").quantile(0.05), high=pl.col("price_ccy_per_mwh").quantile(0.95))
    return {str(h): (float(a), float(b)) for h, a, b in told.iter_rows()}


def _seed_row(make: _Rows, frozen: Frozen, days: list[Drawn]) -> ScoreRow:
    """Whether every path comes out again, bit by bit, and another seed gives others."""
    again = next(iter(drawn(frozen)))
    other = next(iter(drawn(frozen, seed=1)))
    same = all(np.array_equal(days[0].paths[m], again.paths[m]) for m in again.paths)
    moved = all(not np.array_equal(days[0].paths[m], other.paths[m]) for m in other.paths)
    note = "share of methods whose paths are bit-identical when drawn again, and others under another seed"
    return make.row("seed_reproducible", float(same and moved), note, "pass" if same and moved else "miss", target=1.0)


def _memory_rows(make: _Rows, frozen: Frozen) -> list[ScoreRow]:
    """Nearness of every method's paths to the training days, beside that of weeks left out of the fit."""
    made, rng = frozen.model.generator, np.random.default_rng(make.job.seed)
    held = (made.training.date + 3) // 7 % frozen.model.params.hold_out_every == 0
    train, fresh = made.training.score[~held], made.training.score[held]
    at = rng.choice(np.flatnonzero(held), min(100, int(held.sum())), replace=False)
    found = []
    for method in made.methods:
        u = [
            made.levels(
                int(made.training.hub[i]), made.training.condition[i], seed=int(i), count=10, method=method, marginals="free",
                sample_steps=frozen.model.params.sample_steps, training=~held,
            )
            for i in at
        ]  # fmt: skip
        near, share = nearness(np.asarray(ndtri(np.concatenate(u))), train, fresh)
        note = f"median distance to the nearest training day over that of weeks left out; {share:.1%} of paths nearer than 99 % of those"
        verdict: Verdict = "pass" if near >= 0.8 and share <= 0.05 else "miss"
        told = {"target": 0.8} if method != ANALOGUES else {}
        if not told:
            note, verdict = f"{note}; past days by construction, reported", "pass"
        found.append(make.row(f"memorisation_ratio_{method}", near, note, verdict, **told))
    return found


def _regret_rows(make: _Rows, data: DataSet, days: list[Drawn]) -> list[ScoreRow]:
    """Regret of the battery on the published paths beside that on copula paths, on days spread evenly over the block."""
    market = data.selection.market
    hourly = [d for d in days if d.price.size == 24]
    chosen = [hourly[i] for i in np.unique(np.linspace(0, len(hourly) - 1, min(REGRET_DAYS, len(hourly))).astype(int))]
    if len(chosen) < 3:
        return [make.row("regret_ratio", None, "fewer than three days of 24 hours", "not_measurable", baseline=SCHAAKE)]
    asset = StorageAsset.of(params_of("ancillary", "full")["assets"]["battery"])
    rules = MarketRules(60, float(market.price_floor), float(market.price_cap), real_time_limit_share=0.0)
    found = regrets(chosen, (PUBLISHED, SCHAAKE, GAUSSIAN), asset, rules)
    number = np.array([d.day for d in chosen])
    made = []
    for copula in (SCHAAKE, GAUSSIAN):
        name = f"regret of a battery scheduled on the paths (half mean, half CVaR), {found[copula].mean():.4g} per day by {copula}"
        told = ratio(found[PUBLISHED], found[copula], number, seed=make.job.seed, name=name)
        row = make.row(
            "regret_ratio_published", told.value, f"{told.note}; {len(chosen)} days spread evenly", _verdict(told, None), target=1.0,
            interval=(told.ci_low, told.ci_high), p_value=told.p_value, baseline=copula, baseline_value=1.0, n=len(chosen),
        )  # fmt: skip
        made.append(row)
    return made


def _law_rows(job: SystemJob) -> list[ScoreRow]:
    """Every method over the floor: the energy score of paths drawn from the law itself."""
    job.say("synthetic: a law that is known")
    found = law_scores(job.seed)
    scores = Scores(list(range(len(found[FLOOR]))), {"energy": {m: v.tolist() for m, v in found.items()}})
    make = _Rows(job, DataClass.TWIN, None, scores)
    made = [make.against("energy", PUBLISHED, SCHAAKE, "marginals are the law's own, unconditional")]
    made += [make.against("energy", m, FLOOR, f"floor {found[FLOOR].mean():.4g}", judged=False) for m in sorted(set(found) - {FLOOR})]
    return made


__all__ = ["DATA_SETS", "ON_MARKETS", "blocks_of", "rows"]
