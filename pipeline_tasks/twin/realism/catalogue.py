"""What each stylised fact is called, which group it belongs to, how it is written and whether it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """How a value is written."""

    SHARE = "share"
    RATIO = "ratio"
    NUMBER = "number"
    HOUR = "hour"


@dataclass(frozen=True, slots=True)
class Fact:
    """One stylised fact; docs/realism.md says more.

    Attributes:
        key: `fact` of ops.stylised_facts.
        label: name for people.
        group: heading it stands under.
        form: how its value is written.
        meaning: one sentence.
        judged: whether the twin is compared with real markets; false for what a market is free to have, like its price level.
        is_curve: its slices (hours, weekdays, tenths) are points of one curve and are judged together.
    """

    key: str
    label: str
    group: str
    form: Form
    meaning: str
    judged: bool = True
    is_curve: bool = False

    def text(self, value: float | None) -> str:
        """The value as people read it; a dash where there is none."""
        if value is None:
            return "–"
        if self.form is Form.SHARE:
            return f"{100 * value:.1f} %" if abs(value) < 0.995 else f"{100 * value:.0f} %"
        if self.form is Form.HOUR:
            return f"{int(value):02d}:00"
        if self.form is Form.NUMBER:
            return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
        return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


PRICES, SPIKES, SHAPES, MEMORY = "Prices", "Spikes", "Daily and weekly shape", "Memory"
SPREADS, CONGESTION, LOAD = "Day-ahead and real time", "Congestion", "Price and load"
RENEWABLES, FORECASTS, UNITS, RESERVES = "Wind and solar", "Forecast errors", "Unit starts", "Reserves"

FACTS: tuple[Fact, ...] = (
    Fact("price_mean", "Mean price", PRICES, Form.NUMBER, "Mean price in the market's currency.", judged=False),
    Fact("price_quantile", "Price quantile", PRICES, Form.NUMBER, "Quantile of the hourly price.", judged=False),
    Fact("quantile_ratio", "Quantile over mean", PRICES, Form.RATIO, "Quantile of the hourly price over the mean price."),
    Fact("negative_share", "Negative prices", PRICES, Form.SHARE, "Share of hours with a price below zero."),
    Fact("volatility", "Standard deviation over mean", PRICES, Form.RATIO, "Standard deviation of the hourly price over its mean."),
    Fact(
        "hourly_change",
        "Hourly change over mean",
        PRICES,
        Form.RATIO,
        "Standard deviation of the change from hour to hour over the mean price.",
    ),
    Fact(
        "daily_range", "Range of a day over mean", PRICES, Form.RATIO, "Median over days of highest less lowest hour, over the mean price."
    ),
    Fact("spike_hours", "Spike hours a year", SPIKES, Form.NUMBER, "Hours above the spike threshold of their calendar month, per year."),
    Fact("spike_episodes", "Spikes a year", SPIKES, Form.NUMBER, "Runs of consecutive spike hours, per year."),
    Fact("spike_size", "Spike over monthly mean", SPIKES, Form.RATIO, "Mean price of spike hours over the mean of their month."),
    Fact("daily_shape", "Daily shape", SHAPES, Form.RATIO, "Mean by local hour over the mean of all hours.", is_curve=True),
    Fact("weekly_shape", "Weekly shape", SHAPES, Form.RATIO, "Mean by weekday over the mean of all hours; 1 is Monday.", is_curve=True),
    Fact(
        "peak_off_peak",
        "Peak over off-peak",
        SHAPES,
        Form.RATIO,
        "Mean of 08:00-20:00 on Monday to Friday over the mean of all other hours.",
    ),
    Fact("hour_of_peak", "Dearest hour", SHAPES, Form.HOUR, "Local hour with the highest mean."),
    Fact("hour_of_trough", "Cheapest hour", SHAPES, Form.HOUR, "Local hour with the lowest mean."),
    Fact("shape_amplitude", "Amplitude of the day", SHAPES, Form.RATIO, "Highest less lowest mean by hour, over the mean."),
    Fact("midday_ratio", "Midday over mean", SHAPES, Form.RATIO, "Mean of 11:00-15:00 over the mean of all hours."),
    Fact("weekend_weekday", "Weekend over working day", SHAPES, Form.RATIO, "Mean of Saturday and Sunday over the mean of the other days."),
    Fact("load_factor", "Load factor", SHAPES, Form.RATIO, "Mean load over highest load."),
    Fact("autocorrelation", "Autocorrelation", MEMORY, Form.RATIO, "Correlation of an hour with the hour so many hours before."),
    Fact("spread_mean", "Mean spread", SPREADS, Form.RATIO, "Mean of day-ahead less real-time price, over the mean day-ahead price."),
    Fact("spread_median", "Median spread", SPREADS, Form.RATIO, "Median of day-ahead less real-time price, over the mean day-ahead price."),
    Fact(
        "spread_sd",
        "Standard deviation of the spread",
        SPREADS,
        Form.RATIO,
        "Of day-ahead less real-time price, over the mean day-ahead price.",
    ),
    Fact(
        "spread_positive_share",
        "Day-ahead above real time",
        SPREADS,
        Form.SHARE,
        "Share of hours in which day-ahead is dearer than real time.",
    ),
    Fact(
        "da_rt_correlation", "Correlation of the two", SPREADS, Form.RATIO, "Correlation of day-ahead and real-time price of the same hour."
    ),
    Fact("volatility_ratio", "Volatility, real time over day-ahead", SPREADS, Form.RATIO, "Ratio of the two standard deviations."),
    Fact("congestion_share", "Congested hub-hours", CONGESTION, Form.SHARE, "Share with a congestion component beyond the threshold."),
    Fact("congestion_positive_share", "Congestion that raises the price", CONGESTION, Form.SHARE, "Share of congested hub-hours."),
    Fact("congestion_size", "Congestion when congested", CONGESTION, Form.RATIO, "Mean absolute congestion component over the mean price."),
    Fact(
        "hub_spread_share",
        "Hours with a spread between hubs",
        CONGESTION,
        Form.SHARE,
        "Share with highest less lowest hub beyond the threshold.",
    ),
    Fact("hub_spread_size", "Spread between hubs", CONGESTION, Form.RATIO, "Median of highest less lowest hub, over the mean price."),
    Fact(
        "hub_correlation",
        "Correlation of hub and all hubs",
        CONGESTION,
        Form.RATIO,
        "Correlation of a hub's price with the mean of all hubs.",
    ),
    Fact("price_load_slope", "Slope of price on load", LOAD, Form.RATIO, "Regression slope in units of the means: % price for 1 % load."),
    Fact("price_load_rank", "Rank correlation with load", LOAD, Form.RATIO, "Spearman correlation of price and load."),
    Fact("price_residual_slope", "Slope on residual load", LOAD, Form.RATIO, "As the slope on load, with load less wind and solar."),
    Fact(
        "price_residual_rank",
        "Rank correlation with residual load",
        LOAD,
        Form.RATIO,
        "Spearman correlation of price and load less wind and solar.",
    ),
    Fact(
        "price_by_load_tenth",
        "Price by tenth of residual load",
        LOAD,
        Form.RATIO,
        "Mean price of the tenth over the mean price.",
        is_curve=True,
    ),
    Fact("price_renewables_rank", "Rank correlation of price and wind and solar", RENEWABLES, Form.RATIO, "Spearman correlation."),
    Fact("renewable_share", "Share in load", RENEWABLES, Form.SHARE, "Energy of wind, solar, or both, over the energy of load."),
    Fact("wind_lull_share", "Lulls", RENEWABLES, Form.SHARE, "Share of hours with wind below a tenth of its 99.9 % quantile."),
    Fact("forecast_error", "Day-ahead forecast error", FORECASTS, Form.SHARE, "Mean absolute error over the mean of what was forecast."),
    Fact(
        "forecast_bias",
        "Day-ahead forecast bias",
        FORECASTS,
        Form.SHARE,
        "Mean of forecast less actual over the mean of the actual.",
        judged=False,
    ),
    Fact(
        "price_forecast_error",
        "Error of the price known before",
        FORECASTS,
        Form.SHARE,
        "Mean absolute difference from real time, over the mean price.",
    ),
    Fact(
        "unit_starts",
        "Starts a year and unit",
        UNITS,
        Form.NUMBER,
        "Starts of a unit in a year; thermal units by utilisation, all by fuel.",
    ),
    Fact("unit_hours_per_start", "Running hours a start", UNITS, Form.NUMBER, "Hours on over starts."),
    Fact("unit_utilisation", "Utilisation", UNITS, Form.SHARE, "Mean output over largest output."),
    Fact("unit_count", "Units", UNITS, Form.NUMBER, "Number of units.", judged=False),
    Fact("reserve_energy_rank", "Rank correlation of reserve and energy price", RESERVES, Form.RATIO, "Spearman correlation."),
    Fact("reserve_energy_correlation", "Correlation of reserve and energy price", RESERVES, Form.RATIO, "Pearson correlation."),
    Fact("reserve_price_ratio", "Reserve price over energy price", RESERVES, Form.SHARE, "Ratio of the means."),
    Fact(
        "reserve_free_share", "Hours in which reserve is free", RESERVES, Form.SHARE, "Share of hours below 1 % of the mean energy price."
    ),
)

BY_KEY: dict[str, Fact] = {fact.key: fact for fact in FACTS}
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(fact.group for fact in FACTS))
_NAMES = {"da": "day-ahead", "rt": "real time"}


def series_of(slice_name: str) -> str:
    """What a point of a curve belongs to: the slice without its last word (`da 07` -> `da`)."""
    return slice_name.rsplit(" ", 1)[0]


def slice_text(slice_name: str) -> str:
    """A slice as people read it."""
    return " ".join(_NAMES.get(word, word) for word in slice_name.replace("_", " ").split(" ")) if slice_name not in _SAME else ""


_SAME = {"da - rt", "da, rt"}
