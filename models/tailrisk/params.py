"""Parameters of tailrisk, read from config/models/tailrisk.yaml and the price limits of config/markets.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

FILE = "config/models/tailrisk.yaml"
OVERSAMPLING = ("none", "evt", "gan")
POSITIVE = (
    "threshold_days",
    "threshold_min_days",
    "train_days",
    "level_blocks",
    "oof_blocks",
    "rounds",
    "min_rows",
    "body_days",
    "threads",
)


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        limits: market -> (floor, cap) of its price, currency/MWh: no quantile and no loss lies beyond. A market that is not named has
            none.
        threshold_days: window of the spike threshold and of the unit prices are told in.
        threshold_quantile: level of the spike threshold.
        threshold_min_days: shortest history that gives a threshold.
        train_days: training rows are of the last so many days.
        level_penalties: ridge penalties of the level regressions to choose from.
        level_windows: training windows in days whose level regressions are averaged.
        level_blocks: forward-chained blocks in which the level of training rows is made.
        level_warmup: first share of the training rows that only the level regressions see.
        oof_blocks: forward-chained blocks in which the widths of training rows are made.
        oof_share: last share of the rows with a level that gets such widths; tails and alarms are fitted on it.
        rounds: boosting rounds of each width.
        leaves: leaves of a tree.
        learning_rate: step of boosting.
        min_rows: fewest rows of a leaf.
        tail_level: probability at which the tails begin, seen from the middle: 0.9 for the outer tenths.
        tail_penalty: ridge penalty of the tails' scale coefficients.
        shape_mean: where the shape is drawn to.
        shape_spread: how strongly: standard deviation of its prior.
        shape_high: highest admissible shape, in the compressed scale of prices.
        body_days: the middle of the distribution is that of the last so many days of widths.
        drift_days: days of errors whose mean is taken off the centre online.
        aci_step: change of the log exceedance rate per exceedance, online; 0 for none.
        aci_days: days of decisions that the online calibration ranks, before the cutoff and after.
        alarm_on_fpr: share of intervals without a spike whose probability would start an alarm.
        alarm_off_fpr: share of intervals without a spike whose probability keeps an alarm on.
        alarm_days: days before the cutoff that the alarm's probabilities are chosen on.
        oversample: what the tail fit is extended with: `none`, `evt` (draws from the fitted tail) or `gan` (a generator of exceedances).
        oversample_factor: synthetic exceedances per real one.
        gan_steps: training steps of the generator.
        threads: LightGBM threads; one keeps artifacts byte-identical between machines.
    """

    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    threshold_days: int = 365
    threshold_quantile: float = 0.98
    threshold_min_days: int = 90
    train_days: int = 1095
    level_penalties: tuple[float, ...] = (0.1, 0.3, 1.0)
    level_windows: tuple[int, ...] = (1095,)
    level_blocks: int = 5
    level_warmup: float = 0.25
    oof_blocks: int = 3
    oof_share: float = 0.6
    rounds: int = 60
    leaves: int = 12
    learning_rate: float = 0.07
    min_rows: int = 100
    tail_level: float = 0.9
    tail_penalty: float = 5.0
    shape_mean: float = 0.05
    shape_spread: float = 0.1
    shape_high: float = 0.4
    body_days: int = 730
    drift_days: int = 21
    aci_step: float = 0.1
    aci_days: int = 182
    alarm_on_fpr: float = 0.05
    alarm_off_fpr: float = 0.09
    alarm_days: int = 365
    oversample: str = "none"
    oversample_factor: float = 1.0
    gan_steps: int = 400
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name in ("threshold_quantile", "level_warmup", "oof_share", "learning_rate", "alarm_on_fpr", "alarm_off_fpr"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{FILE}: {name} is {getattr(self, name)}; it must lie strictly between 0 and 1")
        for name in POSITIVE:
            if getattr(self, name) < 1:
                raise ValueError(f"{FILE}: {name} is {getattr(self, name)}; it must be at least 1")
        if not 0.75 <= self.tail_level <= 0.94:
            raise ValueError(f"{FILE}: tail_level is {self.tail_level}; the tails must begin within 0.75..0.94, below the 95 % quantile")
        if self.alarm_on_fpr > self.alarm_off_fpr:
            raise ValueError(f"{FILE}: alarm_on_fpr {self.alarm_on_fpr} exceeds alarm_off_fpr {self.alarm_off_fpr}; an alarm ends later")
        if self.oversample not in OVERSAMPLING:
            raise ValueError(f"{FILE}: oversample is {self.oversample!r}; use one of {', '.join(OVERSAMPLING)}")
        if not 0 <= self.aci_step <= 1:
            raise ValueError(f"{FILE}: aci_step is {self.aci_step}; it must lie in 0..1")

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Params:
        """Parameters from a mapping; absent ones take their default, price limits come from `assets.markets` or `limits`.

        Raises:
            ValueError: a name is not known, or a value is outside its range.
        """
        given = dict(values or {})
        markets = dict(given.pop("assets", {}).get("markets", {}).get("markets", {}))
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise ValueError(f"tailrisk: unknown parameter(s) {unknown} in {FILE}; known: {sorted(known)}")
        limits = {name: (m["price_floor"], m["price_cap"]) for name, m in markets.items()} | dict(given.pop("limits", {}))
        lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        return cls(limits={name: (float(low), float(high)) for name, (low, high) in sorted(limits.items())}, **lists)

    def as_json(self) -> dict[str, Any]:
        """What `of` reads, JSON-able."""
        return asdict(self)
