"""Yardstick M4: what tailrisk must show, where, against whom. Declarations only."""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Yardstick

TAILS = (
    Baseline("static_gpd", "Generalised Pareto tails of the price, fitted once before the window."),
    Baseline("rolling_gpd", "The same, refitted every week on the prices of 365 days."),
    Baseline("historical_simulation", "Quantiles of the prices of 365 days, renewed every week."),
    Baseline("garch_evt", "GJR-GARCH of each hour of the day around its last known price, Pareto tails of the standardised errors."),
    Baseline("level_gpd", "Point forecast (published LEAR, else a ridge regression) with weekly Pareto tails of its errors."),
)
ALARMS = (
    Baseline("level_alarm", "Point forecast less spike threshold."),
    Baseline("yesterday_spike", "The last known price of the same hour was a spike."),
)
OVERSAMPLED = ("ercot_hb_north",)
ABLATIONS = (
    Baseline("oversample_evt", "Exceedances doubled by draws from the fitted tail.", OVERSAMPLED, (("oversample", "evt"),)),
    Baseline("oversample_gan", "Exceedances doubled by a generative network.", OVERSAMPLED, (("oversample", "gan"),)),
)
NAIVE_WEEK = Baseline("naive_week", "Price of the same local hour one week before, with quantiles of its past errors.")
LEVELS = ("95", "99", "99_5")


def _calibrated(level: str) -> tuple[MetricTarget, ...]:
    return (
        MetricTarget(f"exceedance_{level}", Direction.WITHIN, test="kupiec"),
        MetricTarget(f"kupiec_p_{level}", Direction.AT_LEAST, target=0.05, test="kupiec"),
        MetricTarget(f"christoffersen_p_{level}", Direction.AT_LEAST, target=0.05, test="christoffersen"),
        MetricTarget(f"christoffersen_hours_pass_{level}", Direction.REPORT),
    )


def _against(baseline: str) -> tuple[MetricTarget, ...]:
    return (
        MetricTarget("fz0_97_5", Direction.AT_MOST, baseline=baseline, test="dm"),
        MetricTarget("fz0_99", Direction.AT_MOST, baseline=baseline, test="dm"),
        MetricTarget("twcrps", Direction.AT_MOST, baseline=baseline, test="dm", unit="currency/MWh"),
        MetricTarget("exceedance_99", Direction.REPORT, baseline=baseline),
    )


def _alarmed(baseline: str) -> tuple[MetricTarget, ...]:
    return (
        MetricTarget("spike_pr_auc_gain", Direction.AT_LEAST, target=0.0, baseline=baseline, test="bootstrap"),
        *(MetricTarget(f"recall_at_fpr_{fpr}", Direction.REPORT, baseline=baseline) for fpr in ("1", "5", "10")),
        MetricTarget("recall_at_fdr_50", Direction.REPORT, baseline=baseline),
    )


YARDSTICK = Yardstick(
    system="tailrisk",
    identifier="M4",
    claim=(
        "Price quantiles at 95, 99 and 99.5 % are exceeded as often as they say (Kupiec p > 0.05), shortfalls pass Acerbi-Szekely, both"
        " beat Pareto, GARCH and point-forecast tails; spikes are caught with recall 0.90 at a false positive rate of at most 0.10."
    ),
    data_sets=(
        *(DataSetSpec(name, test_days=364, refit_days=182, calibration_days=364) for name in ("epf_np", "epf_pjm", "epf_de")),
        *(DataSetSpec(name, test_days=180, refit_days=91, calibration_days=120) for name in ("ercot_hb_north", "ercot_hb_west")),
        DataSetSpec("nyiso_capitl", test_days=364, refit_days=182, calibration_days=364),
        DataSetSpec("de_fund", test_days=728, refit_days=182, calibration_days=364),
        DataSetSpec("aemo_vic1", test_days=91, refit_days=91, calibration_days=60),
    ),
    baselines=(*TAILS, *ALARMS, *ABLATIONS, NAIVE_WEEK),
    metrics=(
        *(row for level in LEVELS for row in _calibrated(level)),
        MetricTarget("exceedance_5", Direction.WITHIN, test="kupiec"),
        MetricTarget("exceedance_1", Direction.WITHIN, test="kupiec"),
        MetricTarget("es_z2_97_5", Direction.REPORT),
        MetricTarget("es_z2_99", Direction.REPORT),
        MetricTarget("es_z2_p_97_5", Direction.AT_LEAST, target=0.05, test="acerbi_szekely"),
        MetricTarget("es_z2_p_99", Direction.AT_LEAST, target=0.05, test="acerbi_szekely"),
        MetricTarget("es_error_97_5", Direction.WITHIN, target=0.0, band=(-0.1, 0.1), test="bootstrap"),
        *(row for baseline in (*TAILS, *ABLATIONS) for row in _against(baseline.name)),
        MetricTarget("recall_at_fpr_10", Direction.AT_LEAST, target=0.90),
        MetricTarget("precision_at_fpr_10", Direction.REPORT),
        MetricTarget("recall_at_fpr_5", Direction.REPORT),
        MetricTarget("recall_at_fpr_1", Direction.REPORT),
        MetricTarget("recall_at_fdr_50", Direction.REPORT),
        MetricTarget("alarm_recall", Direction.AT_LEAST, target=0.90),
        MetricTarget("alarm_fpr", Direction.AT_MOST, target=0.10),
        MetricTarget("alarm_precision", Direction.REPORT),
        MetricTarget("episode_recall", Direction.REPORT),
        MetricTarget("episode_precision", Direction.REPORT),
        MetricTarget("lead_time_h", Direction.REPORT, unit="h"),
        MetricTarget("spike_pr_auc", Direction.REPORT),
        *(row for baseline in ALARMS for row in _alarmed(baseline.name)),
        MetricTarget("spike_rate", Direction.REPORT),
        MetricTarget("spike_brier", Direction.REPORT),
        MetricTarget("spike_ece", Direction.REPORT),
        MetricTarget("mae", Direction.REPORT, baseline="naive_week", test="dm", unit="currency/MWh"),
    ),
    gate_metric="pinball",
    gate_baseline="naive_week",
    standard=False,
)
