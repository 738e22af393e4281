"""Yardstick F6: what curve_dist must show, where, against whom. Declarations only."""

from __future__ import annotations

from models._kernel.yardstick import Baseline, DataSetSpec, Direction, MetricTarget, Yardstick

PUBLISHED = ("epf_np", "epf_pjm", "epf_be", "epf_fr", "epf_de")
# Epftoolbox markets: the two published years, two refits a year; between refits only LightGBM and the transforms stand still.
RECORD = tuple(DataSetSpec(name, test_days=728, refit_days=182, calibration_days=182) for name in PUBLISHED)
# Further real series; shorter where the data are.
OTHERS = (
    DataSetSpec("de_fund", test_days=364, refit_days=182, calibration_days=182),
    DataSetSpec("ercot_hb_north", test_days=182, refit_days=91, calibration_days=91),
    DataSetSpec("ercot_hb_west", test_days=182, refit_days=91, calibration_days=91),
    DataSetSpec("be", test_days=182, refit_days=91, calibration_days=91),
)
TWO_PRICES = ("ercot_hb_north", "ercot_hb_west", "be")
LEAR_MAE = (("epf_np", 1.738), ("epf_pjm", 3.013), ("epf_be", 6.140), ("epf_fr", 3.980), ("epf_de", 3.609))
MEAN_MAE = (("epf_np", 1.631), ("epf_pjm", 2.787), ("epf_be", 5.840), ("epf_fr", 3.785), ("epf_de", 3.330))
CRPS = (("epf_np", 1.46), ("epf_pjm", 2.40), ("epf_be", 4.78), ("epf_fr", 3.04), ("epf_de", 2.88))

YARDSTICK = Yardstick(
    system="curve_dist",
    identifier="F6",
    claim=(
        "Point error at most that of the published LEAR ensemble (bar to beat: the mean of LEAR and DNN), 90 % interval inside the"
        " Kupiec band pooled and in at least 80 % of the hours, CRPS below that of LEAR and DNN with rolling bands; joint scenarios better"
        " than independent hours, adding up to day, week and month within 1e-6, expected shortfall inside its Acerbi-Szekely band."
    ),
    data_sets=(*RECORD, *OTHERS),
    baselines=(
        Baseline("naive_week", "Price of the same hour one week before."),
        Baseline("published_lear", "LEAR ensemble of Lago et al. (2021), row by row.", PUBLISHED),
        Baseline("published_dnn", "DNN ensemble of Lago et al. (2021), row by row.", PUBLISHED),
        Baseline("published_mean", "Mean of the published LEAR and DNN ensembles, row by row.", PUBLISHED),
        Baseline("independent_hours", "Scenarios with the model's own hours drawn independently.", joint=True),
        Baseline("gaussian_copula", "Scenarios with a Gaussian copula of past PIT values, correlation shrunk.", joint=True),
        Baseline("schaake_shuffle", "Scenarios with the ranks of past days.", joint=True),
        Baseline("uncoupled_spread", "The same scenarios of both prices with the spread's numbers shuffled.", TWO_PRICES, joint=True),
        Baseline("unreconciled", "Daily forecasts of the days after delivery, before MinT.", joint=True),
    ),
    metrics=(
        MetricTarget("mae", Direction.AT_MOST, targets=LEAR_MAE, baseline="published_lear", test="dm", unit="currency/MWh"),
        MetricTarget("mae", Direction.AT_MOST, targets=MEAN_MAE, baseline="published_mean", test="dm", unit="currency/MWh"),
        MetricTarget("mae", Direction.AT_MOST, baseline="published_dnn", test="dm", unit="currency/MWh"),
        MetricTarget("mae", Direction.AT_MOST, baseline="naive_week", test="dm", unit="currency/MWh"),
        MetricTarget("rmae", Direction.AT_MOST, target=1.0, baseline="naive_week", test="bootstrap"),
        MetricTarget("wmape", Direction.REPORT),
        MetricTarget("rmse", Direction.REPORT, unit="currency/MWh"),
        MetricTarget("crps", Direction.AT_MOST, targets=CRPS, baseline="naive_week", test="dm", unit="currency/MWh"),
        MetricTarget("pinball", Direction.REPORT, baseline="naive_week", unit="currency/MWh"),
        MetricTarget("coverage_90", Direction.WITHIN, target=0.90, band=(0.88, 0.92), test="kupiec"),
        MetricTarget("kupiec_p", Direction.REPORT),
        MetricTarget("kupiec_hours_pass", Direction.AT_LEAST, target=0.8, test="kupiec"),
        MetricTarget("christoffersen_hours_pass", Direction.AT_LEAST, target=0.6, test="christoffersen"),
        MetricTarget("winkler_90", Direction.REPORT, baseline="naive_week", unit="currency/MWh"),
        MetricTarget("width_90", Direction.REPORT, unit="currency/MWh"),
        *(
            MetricTarget(score, direction, baseline=baseline, test="dm", unit="currency/MWh" if score == "energy_score" else "")
            for score in ("energy_score", "variogram_score")
            for baseline, direction in (
                ("independent_hours", Direction.AT_MOST),
                ("gaussian_copula", Direction.REPORT),
                ("schaake_shuffle", Direction.REPORT),
            )
        ),
        *(
            MetricTarget(score, Direction.AT_MOST, baseline="uncoupled_spread", test="dm", unit=unit)
            for score, unit in (("energy_score_da_rt", "currency/MWh"), ("variogram_score_da_rt", ""))
        ),
        MetricTarget("rank_histogram_p", Direction.REPORT),
        MetricTarget("es_z2", Direction.WITHIN, target=0.0, test="acerbi_szekely"),
        MetricTarget("es_z2_long", Direction.WITHIN, target=0.0, test="acerbi_szekely"),
        MetricTarget("es_relative_error", Direction.WITHIN, target=0.0, band=(-0.10, 0.10), test="bootstrap"),
        MetricTarget("coherence_error", Direction.AT_MOST, target=1e-6, unit="currency/MWh"),
        *(
            row
            for tenor in ("week", "month")
            for row in (
                MetricTarget(f"crps_{tenor}", Direction.AT_MOST, baseline="naive_week", test="dm", unit="currency/MWh"),
                MetricTarget(f"mae_{tenor}", Direction.REPORT, baseline="unreconciled", test="dm", unit="currency/MWh"),
                MetricTarget(f"coverage_90_{tenor}", Direction.REPORT, target=0.90),
            )
        ),
    ),
    coupled="imbalance",
    gate_metric="crps",
    gate_baseline="naive_week",
)
