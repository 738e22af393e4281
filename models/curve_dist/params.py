"""Parameters of curve_dist, read from config/models/curve_dist.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class KernelParams:
    """Kernel ridge regression of day vectors (both variants).

    Attributes:
        window_days: training days, at most.
        weights: how much a group of inputs counts in the kernel; keys are those of `kernel_ridge.GROUPS`.
        noise: ridge (noise variance) on the diagonal.
        linear: weight of the linear kernel.
        shape: exponent of the rational quadratic kernel; large is Gaussian.
        memory_days: decay of the kernel over calendar time.
        drift: weight of the decaying copy of the rational quadratic kernel.
        level: weight of the decaying constant.
        mean_days: days over which the prior mean is taken.
    """

    window_days: int = 1456
    weights: Mapping[str, float] = field(
        default_factory=lambda: {
            "price_1d": 0.59,
            "price_2d": 0.168,
            "price_3d": 0.054,
            "price_7d": 0.159,
            "forecast": 0.538,
            "forecast_1d": 0.212,
            "forecast_7d": 0.042,
            "weekday": 0.179,
            "season": 0.051,
            "level": 0.1,
            "scalar": 0.1,
        }
    )
    noise: float = 0.16
    linear: float = 0.83
    shape: float = 7.5
    memory_days: float = 263.0
    drift: float = 0.006
    level: float = 0.002
    mean_days: int = 364


@dataclass(frozen=True, slots=True)
class BoostingParams:
    """LightGBM on hourly rows.

    Attributes:
        train_days: training days, at most.
        rounds: boosting rounds of the median.
        leaves: leaves of the median's trees.
        quantile_rounds: boosting rounds of the other quantiles, which shape the width only.
        quantile_leaves: their leaves.
        learning_rate: shrinkage of both.
        threads: LightGBM threads; one keeps artifacts byte-identical between machines.
    """

    train_days: int = 1456
    rounds: int = 300
    leaves: int = 63
    quantile_rounds: int = 200
    quantile_leaves: int = 31
    learning_rate: float = 0.05
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters with their defaults.

    Attributes:
        lasso_windows: training window in days -> penalty as a share of the smallest one that empties the regression.
        kernel: kernel ridge regressions.
        boosting: LightGBM.
        weights: member -> weight in the point forecast.
        calibration_days: out-of-sample days before the cutoff that calibration starts from.
        calibration_step_days: days between re-estimations within those.
        aci_gamma: step of adaptive conformal inference.
        aci_window: scores remembered per interval of the day.
        median_trust: share of the conformal correction that the median takes.
        min_train_days: fewer known days than that, and the artifact's own training days are used (DEGRADED).
        stored_days: training days kept in the artifact for that case.
        scenarios: joint scenarios drawn per series and delivery date.
    """

    lasso_windows: Mapping[int, float] = field(default_factory=lambda: {56: 0.03, 84: 0.02, 364: 0.006, 1456: 0.003})
    kernel: KernelParams = field(default_factory=KernelParams)
    boosting: BoostingParams = field(default_factory=BoostingParams)
    weights: Mapping[str, float] = field(
        default_factory=lambda: {"lasso": 1.0, "kernel_level": 1.0, "kernel_relative": 1.0, "boosting": 1.0}
    )
    calibration_days: int = 182
    calibration_step_days: int = 7
    aci_gamma: float = 0.02
    aci_window: int = 364
    median_trust: float = 0.5
    min_train_days: int = 84
    stored_days: int = 364
    scenarios: int = 500

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Params:
        """Parameters from a mapping; absent ones take their default.

        Raises:
            ValueError: a name is not known, or a value is outside its range.
        """
        given = dict(values or {})
        _known(cls, given, "")
        for name, part in (("kernel", KernelParams), ("boosting", BoostingParams)):
            inner = dict(given.get(name) or {})
            _known(part, inner, f"{name}.")
            if name == "kernel" and "weights" in inner:
                inner["weights"] = {**KernelParams().weights, **inner["weights"]}
            given[name] = part(**inner)
        if "lasso_windows" in given:
            given["lasso_windows"] = {int(days): float(share) for days, share in given["lasso_windows"]}
        params = cls(**given)
        params.check()
        return params

    def check(self) -> None:
        """Refuse values that mean nothing."""
        if not self.lasso_windows or any(not 0 < s < 1 or d < 14 for d, s in self.lasso_windows.items()):
            raise ValueError(f"curve_dist: lasso_windows is {dict(self.lasso_windows)}; give days >= 14 and penalty shares inside (0, 1)")
        if set(self.weights) != set(MEMBERS) or min(self.weights.values()) < 0 or sum(self.weights.values()) <= 0:
            raise ValueError(f"curve_dist: weights is {dict(self.weights)}; give {', '.join(MEMBERS)}, none negative, not all zero")
        extra = set(self.kernel.weights) - set(KernelParams().weights)
        if extra:
            raise ValueError(f"curve_dist: kernel.weights has unknown group(s) {sorted(extra)}; known: {sorted(KernelParams().weights)}")
        for name in ("calibration_days", "calibration_step_days", "aci_window", "min_train_days", "stored_days", "scenarios"):
            if getattr(self, name) < 1:
                raise ValueError(f"curve_dist: {name} is {getattr(self, name)}; it must be at least 1")
        if not 0 < self.aci_gamma < 1 or not 0 <= self.median_trust <= 1:
            raise ValueError(f"curve_dist: aci_gamma {self.aci_gamma} and median_trust {self.median_trust} must lie in (0, 1) and [0, 1]")

    @property
    def window(self) -> int:
        """Longest training window in days."""
        return max(self.kernel.window_days, *self.lasso_windows)

    def as_json(self) -> dict[str, Any]:
        """A mapping that `of` reads back; windows as pairs, because a profile replaces lists and merges mappings."""
        values = asdict(self)
        values["lasso_windows"] = [[days, share] for days, share in self.lasso_windows.items()]
        return values


MEMBERS = ("lasso", "kernel_level", "kernel_relative", "boosting")


def _known(cls: type, values: Mapping[str, Any], prefix: str) -> None:
    names = {f.name for f in fields(cls)}
    unknown = sorted(set(values) - names)
    if unknown:
        raise ValueError(
            f"curve_dist: unknown parameter(s) {[prefix + u for u in unknown]} in config/models/curve_dist.yaml; known: {sorted(names)}"
        )
