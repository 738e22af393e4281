"""O2: battery policies on unseen days: capture of perfect foresight, Q-learning and learned opportunity values against plain rules.

Every day begins with the same charge and ends with at least it; perfect foresight is the exact program of that day. Everything a policy
learns (price bins, thresholds, profile, forecasts, values) is of days before its block of test days, a day of embargo between. Prices are
seen one by one by the sequential policies, and not at all by those that schedule at the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models._kernel.bootstrap import stationary_bootstrap_ci
from models._kernel.cooptimise import Day, optimal_battery
from models._kernel.registry import params_of
from models._kernel.stats import diebold_mariano
from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.environment import BatteryEnvironment
from models._kernel.storage.opportunity import Days, OpportunityPolicy, ValueSettings
from models._kernel.storage.q_learning import QLearningAgent, QSettings
from models._kernel.tenors import EPOCH
from models._kernel.yardstick import DataClass
from pipeline_tasks.contracts.features import DAY_AHEAD
from pipeline_tasks.scorecard.battery_days import Panel, panel_of
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
DATA_SETS = ("aemo_vic1", "ercot_hb_north", "epf_np", "epf_pjm", "epf_be", "epf_fr", "epf_de", "twin_hub_north")
SEEDS = 20
TEST_DAYS, SHORT = 182, {"aemo_vic1": 120, "twin_hub_north": 91}
BLOCK_DAYS, TRAIN_DAYS, EMBARGO_DAYS, FEWEST_TRAIN = 182, 540, 1, 60
FEE = 0.1
FIVE_MINUTES = {"epochs": 15, "every": 6}  # of 288 intervals a day: fewer passes, every sixth interval teaches
LEARNED = ("q_learning", "value_policy")
PLAIN = ("threshold", "hourly_profile", "lp_naive_week", "lp_forecast")
QUANTILES = (0.1, 0.2, 0.3, 0.4)


@dataclass(frozen=True, slots=True)
class _Block:
    """Test days that one fit serves, and the training days before them, as slices of the panel."""

    train: slice
    test: slice


def rows(job: SystemJob) -> list[ScoreRow]:
    """Rows of O2 on one data set."""
    kind = DataClass.TWIN if job.data_set.startswith("twin") else DataClass.REAL
    try:
        panel, blocks = _loaded(job)
    except DataAbsentError as error:
        return [system_row(job, kind, "capture_value_policy", None, reason=str(error))]
    asset = _asset()
    parts = [_walked(job, panel, block, asset) for block in blocks]
    earned = {name: np.concatenate([p[0][name] for p in parts], axis=-1) for name in parts[0][0]}
    faults = [fault for p in parts for fault in p[1]]
    days = [(d - EPOCH).days for d in panel.dates[blocks[0].test.start : blocks[-1].test.stop]]
    return _rows(job, kind, earned, faults, days, panel.left_out)


def _asset() -> StorageAsset:
    return StorageAsset.of(params_of("bess_vpp")["assets"]["bess"], "bess")


def _loaded(job: SystemJob) -> tuple[Panel, list[_Block]]:
    data = job.source.load(job.data_set, DAY_AHEAD, job.say)
    frame = data.frame.filter((data.frame["hub"] == data.selection.hubs[0]) & (data.frame["product"] == data.selection.market.product))
    panel = panel_of(frame)
    inside = [k for k, d in enumerate(panel.dates) if (job.start is None or d >= job.start) and (job.end is None or d <= job.end)]
    inside = inside if job.start else inside[-SHORT.get(job.data_set, TEST_DAYS) :]
    if not inside or inside[0] < FEWEST_TRAIN + EMBARGO_DAYS:
        raise DataAbsentError(f"{job.data_set}: {len(panel.dates)} whole days; {FEWEST_TRAIN} before the window are needed")
    blocks = []
    for start in range(inside[0], inside[-1] + 1, BLOCK_DAYS):
        last = start - EMBARGO_DAYS
        blocks.append(_Block(slice(max(0, last - TRAIN_DAYS), last), slice(start, min(start + BLOCK_DAYS, inside[-1] + 1))))
    return panel, blocks


def _walked(job: SystemJob, panel: Panel, block: _Block, asset: StorageAsset) -> tuple[dict[str, Array], list[str]]:
    """What every policy earned by day (of learned ones by seed and day), and limits left."""
    fine = panel.prices.shape[1] > 96
    job.say(f"{job.data_set}: {block.train.stop - block.train.start} days teach, {block.test.stop - block.test.start} are unseen")
    forecast = panel.forecasts(block.train, block.test, seed=job.seed)
    taught, unseen = panel.prices[block.train], panel.prices[block.test]
    nets: dict[str, Array] = {
        "perfect_foresight": _scheduled(asset, unseen, panel.hours),
        "threshold": _threshold(asset, taught, unseen, panel.hours),
        "hourly_profile": np.repeat(_scheduled(asset, taught.mean(axis=0)[None, :], panel.hours), len(unseen), axis=0),
        "lp_naive_week": _scheduled(asset, panel.naive[block.test], panel.hours),
        "lp_forecast": _scheduled(asset, forecast, panel.hours),
    }
    settings = QSettings(epochs=FIVE_MINUTES["epochs"]) if fine else QSettings()
    agents = [QLearningAgent(asset, settings).train(taught, panel.hours, fee_ccy_per_mwh=FEE, seed=job.seed + k) for k in range(SEEDS)]
    job.say(f"{job.data_set}: Q-learning done; opportunity values")
    nets |= {f"q_learning {k}": _played(agent, asset, unseen, panel.hours) for k, agent in enumerate(agents)}
    policy = OpportunityPolicy(asset, panel.hours, fee_ccy_per_mwh=FEE, settings=ValueSettings(every=FIVE_MINUTES["every"] if fine else 1))
    lesson, days = policy.lesson(panel.lesson(block.train, seed=job.seed), seed=job.seed), Days(unseen, forecast)
    expected = policy.expected(days)
    nets |= {f"value_policy {k}": policy.learn(lesson, seed=job.seed + k).run(days, expected)[0] for k in range(SEEDS)}
    faults = [f"{name}: {fault}" for name, net in nets.items() for day in net for fault in asset.faults(day, panel.hours)]
    earned = {name: _earned(asset, unseen, net, panel.hours) for name, net in nets.items()}
    found = {name: earned[name] for name in ("perfect_foresight", *PLAIN)}
    return found | {name: np.stack([earned[f"{name} {k}"] for k in range(SEEDS)]) for name in LEARNED}, faults


def _earned(asset: StorageAsset, prices: Array, net: Array, hours: float) -> Array:
    """Profit by day, wear and fees paid."""
    paid = asset.degradation_ccy_per_mwh * np.maximum(net, 0.0) + FEE * np.abs(net)
    return np.asarray(hours * (prices * net - paid).sum(axis=1), dtype=np.float64)


def _scheduled(asset: StorageAsset, prices: Array, hours: float) -> Array:
    """The best schedule of every day at the prices given, MW; the exact program of the co-optimiser without reserves."""
    # the fee on what is taken, as a part of the wear of what is given: 1 / efficiency MWh are taken for each MWh given
    fees = FEE * (1 + 1 / asset.round_trip_efficiency)
    own = replace(asset, degradation_ccy_per_mwh=asset.degradation_ccy_per_mwh + fees)
    none = np.empty((0, prices.shape[1]))
    return np.stack([optimal_battery(Day(hours, p, none, (), np.zeros_like(p)), own).energy_mw for p in prices])


def _threshold(asset: StorageAsset, taught: Array, unseen: Array, hours: float) -> Array:
    """Charge below and discharge above two quantiles of the training prices; the pair that earned most in training."""

    def play(days: Array, low: float, high: float) -> Array:
        game, net = BatteryEnvironment(asset, days, hours, FEE), np.zeros(days.shape)
        for t in range(days.shape[1]):
            price = game.state.price
            net[:, t] = game.deliver(asset.power_mw * ((price > high).astype(float) - (price < low)))[0]
        return net

    pairs = [tuple(np.quantile(taught, [q, 1 - r])) for q in QUANTILES for r in QUANTILES]
    best = max(pairs, key=lambda pair: float(_earned(asset, taught, play(taught, *pair), hours).sum()))
    return play(unseen, *best)


def _played(agent: QLearningAgent, asset: StorageAsset, unseen: Array, hours: float) -> Array:
    game, net = BatteryEnvironment(asset, unseen, hours, FEE), np.zeros(unseen.shape)
    for t in range(unseen.shape[1]):
        action, _ = agent.get_action(game.state)
        net[:, t] = game.deliver((action - 1) * asset.power_mw)[0]
    return net


def _rows(
    job: SystemJob, kind: DataClass, earned: Mapping[str, Array], faults: list[str], days: list[int], left_out: int
) -> list[ScoreRow]:
    best = earned["perfect_foresight"]
    middle = {name: _median_seed(earned[name]) for name in LEARNED}
    note = f"{left_out} days of another length or with a missing price are not in the data" if left_out else "every day is in"

    def row(metric: str, value: float, reason: str, verdict: Verdict = "pass", **more: object) -> ScoreRow:
        return system_row(job, kind, metric, value, reason=reason, n=len(days), verdict=verdict, days=days, **more)  # type: ignore[arg-type]

    made = [row("foresight_profit_per_day", float(best.mean()), f"reported; currency per day; {note}")]
    for name in (*PLAIN, *LEARNED):
        profit = middle.get(name, earned[name])
        share = stationary_bootstrap_ci(np.column_stack((profit, best)), lambda m: m[:, 0] / m[:, 1], seed=job.seed)
        seeds = earned[name].sum(axis=1) / best.sum() if name in LEARNED else np.array([])
        spread = f"; median of {SEEDS} seeds, {seeds.min():.3f} to {seeds.max():.3f}" if seeds.size else ""
        made.append(
            row(f"capture_{name}", share.estimate, f"reported; profit over perfect foresight{spread}", interval=(share.low, share.high))
        )
    for name in LEARNED:
        for other in _rivals(name):
            columns = np.column_stack((middle[name], middle.get(other, earned.get(other, best)), best))
            made.append(_gain(row, job.seed, f"capture_gain_{name}", other, columns))
    text = "limits of power, charge (10 to 90 %), cycles and terminal charge left by any policy, seed and day"
    return [*made, row("faults", float(len(faults)), text + (f": {faults[0]}" if faults else ""), "miss" if faults else "pass", target=0.0)]


def _rivals(name: str) -> tuple[str, ...]:
    return (*PLAIN, "q_learning") if name == "value_policy" else PLAIN


def _gain(row: Callable[..., ScoreRow], seed: int, metric: str, other: str, columns: Array) -> ScoreRow:
    """Capture of a learned policy less that of another, paired by day; columns: own, other's, perfect foresight's profit."""
    gain = stationary_bootstrap_ci(columns, lambda m: (m[:, 0] - m[:, 1]) / m[:, 2], seed=seed)
    must = other in PLAIN[:3]
    verdict: Verdict = "pass" if not must or gain.low > 0 else "miss"
    said = "target above 0 with its interval" if must else "reported"
    return row(
        metric, gain.estimate, f"capture less that of {other}, paired by day, median seed; {said}", verdict,
        target=0.0 if must else None, interval=(gain.low, gain.high), p_value=diebold_mariano(-columns[:, 0], -columns[:, 1]).p_value,
        baseline=other, baseline_value=float(columns[:, 1].sum() / columns[:, 2].sum()),
    )  # fmt: skip


def _median_seed(earned: Array) -> Array:
    """Days of the seed whose total is the median one (the lower of the two middle ones)."""
    order = np.argsort(earned.sum(axis=1), kind="stable")
    return np.asarray(earned[order[(len(order) - 1) // 2]], dtype=np.float64)
