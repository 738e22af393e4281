"""CAISO: monthly congestion of some 2,100 nodes from the month's published shadow prices, with sensitivities learned in earlier months.

Public are means of each node's real-time congestion over the midday and the evening hours of a month, and the shadow price of every
limit in five-minute intervals. A month and part of the day is an event; some eight hundred limits bind in some month, so that
sensitivities have to be told from fewer rows than inputs. Nothing of an event but its shadow prices is used.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from config.settings import get_settings
from models._kernel.grid.recovery import correlation, recover, recover_few
from models._kernel.grid.recovery_sparse import matching_pursuit, sparse_group_lasso
from models._kernel.tenors import EPOCH
from models._kernel.yardstick import DataClass
from pipeline_tasks.scorecard.rows import ScoreRow, Verdict
from pipeline_tasks.scorecard.sources import DataAbsentError
from pipeline_tasks.scorecard.systems import SystemJob, system_row

Array = npt.NDArray[np.float64]
ZONE = "America/Los_Angeles"
PARTS = {"MCC_mid": (10, 15), "MCC_eve": (17, 21)}  # local hours of the published means
FIRST = 2  # months learned from before the first event
COVERED = 0.97  # share of a month's hours that a node's mean must rest on
FELT = 1.0  # USD/MWh: congestion whose sign counts
TARGET, FLOOR = 0.8, 0.7
OURS, LAST, MEAN, HUB, ZERO = "recovered", "month_before", "mean_response", "hub_basis", "zero"


@dataclass(frozen=True, slots=True)
class Months:
    """Rows are months and parts of the day in order.

    Attributes:
        names: month of each row, "YYYY-MM".
        shadow: mean shadow price of each limit, shape (rows, limits).
        congestion: mean congestion of each node, NaN where it is not there or covers too few hours, shape (rows, nodes).
        hub: trading hub of each node.
    """

    names: tuple[str, ...]
    shadow: Array
    congestion: Array
    hub: tuple[str, ...]


def caiso_rows(job: SystemJob) -> list[ScoreRow]:
    """Correlation per event, error per node and sign, beside nothing, the month before, the mean, and the hub."""
    months = read_months()
    truth, told = events(months, job.say)
    days = [(date(int(m[:4]), int(m[5:]), 1) - EPOCH).days for m in months.names[2 * FIRST :]]
    return [
        *_correlation_rows(job, truth, told, days),
        *_error_rows(job, truth, told, days),
        *_sign_rows(job, truth, told, days),
    ]


def read_months(folder: Path | None = None) -> Months:
    """The public files as rows.

    Raises:
        DataAbsentError: they are not here.
    """
    folder = folder or get_settings().data_dir / "caiso_congestion_2025"
    if not folder.is_dir():
        raise DataAbsentError("caiso_congestion_2025 is not in the data folder; set DESK_DATA_DIR or --data-dir")
    local = pl.col("interval_start").dt.convert_time_zone(ZONE)
    part = pl.coalesce(*(pl.when(local.dt.hour().is_between(a, b - 1)).then(pl.lit(n)) for n, (a, b) in PARTS.items()))
    bound = (
        pl.read_parquet(folder / "shadow_price_panel_5min.parquet")
        .with_columns(month=local.dt.strftime("%Y-%m"), part=part)
        .drop_nulls("part")
        .group_by("month", "part", "constraint_key")
        .agg(pl.col("mu").sum())
    )
    nodes = pl.read_parquet(folder / "node_metrics_raw_monthly.parquet")
    months = sorted(set(bound["month"]) & set(nodes["month"]))
    length = pl.col("month").replace_strict({m: monthrange(int(m[:4]), int(m[5:]))[1] for m in months}, default=None, return_dtype=pl.Int64)
    hours = pl.col("part").replace_strict({n: b - a for n, (a, b) in PARTS.items()}, return_dtype=pl.Int64)
    rows = pl.DataFrame({"month": np.repeat(months, len(PARTS)), "part": list(PARTS) * len(months)})
    shadow = bound.with_columns(pl.col("mu") / (12 * hours * length)).pivot("constraint_key", index=["month", "part"], values="mu")
    long = nodes.filter(pl.col("hours_covered") >= COVERED * 24 * length).unpivot(
        list(PARTS), index=["node", "month"], variable_name="part"
    )
    wide = long.pivot("node", index=["month", "part"], values="value", aggregate_function="first")
    names, limits = (sorted(set(f.columns) - {"month", "part"}) for f in (wide, shadow))
    places = pl.read_parquet(folder / "node_coordinates.parquet").unique("PNode ID", keep="first", maintain_order=True)
    about = pl.DataFrame({"PNode ID": names}).join(places, on="PNode ID", how="left", maintain_order="left")
    return Months(
        tuple(rows["month"].to_list()),
        _rows_of(rows, shadow, limits, 0.0),
        _rows_of(rows, wide, names, float("nan")),
        tuple(about["Aggregate PNode ID"].fill_null("none").to_list()),
    )


def _rows_of(rows: pl.DataFrame, wide: pl.DataFrame, columns: list[str], missing: float) -> Array:
    joined = rows.join(wide, on=["month", "part"], how="left", maintain_order="left")
    return np.asarray(joined.select(pl.col(columns).cast(pl.Float64).fill_null(missing)).to_numpy())


def events(months: Months, say: Callable[[str], None]) -> tuple[Array, dict[str, Array]]:
    """Congestion by event and node, and what each way of telling it says, NaN for nodes that are not known up to the event.

    Returns:
        Shape (events, nodes) each.
    """
    parts, first = len(PARTS), len(PARTS) * FIRST
    truth = np.full((len(months.names) - first, months.congestion.shape[1]), np.nan)
    told: dict[str, Array] = {}
    for begin in range(first, len(months.names), parts):
        say(f"caiso: {months.names[begin]}")
        known = np.isfinite(months.congestion[: begin + parts]).all(axis=0)
        past, shadow, hub = months.congestion[:begin, known], months.shadow[:begin], np.array(months.hub)[known]
        learned = _learned(shadow, past)
        for row in range(begin, begin + parts):
            now = months.congestion[row, known]
            answers = {name: values @ months.shadow[row] for name, values in learned.items()}
            answers |= {LAST: past[row - parts], MEAN: past[(row - begin) :: parts].mean(axis=0)}
            answers |= {HUB: _hub_means(now, hub), ZERO: np.zeros(now.size)}
            truth[row - first, known] = now
            for name, values in answers.items():
                told.setdefault(name, np.full_like(truth, np.nan))[row - first, known] = values
    return truth, told


def _learned(shadow: Array, past: Array) -> dict[str, Array]:
    """Sensitivities by each estimator, shape (nodes, limits); nodes that share a bus, and so their congestion, are learned once."""
    apart, node = np.unique(past, axis=1, return_inverse=True)
    found = {
        OURS: recover_few(shadow, apart),
        "own_noise_ridge": recover(shadow, apart, prior=0.3, centre=False).values,
        "matching_pursuit": matching_pursuit(shadow, apart, centre=False),
        "sparse_group_lasso": sparse_group_lasso(shadow, apart, share=0.5, centre=False),
    }
    return {name: values[node.ravel()] for name, values in found.items()}


def _hub_means(now: Array, hub: npt.NDArray[np.str_]) -> Array:
    """Mean congestion of the event over the other nodes of each node's hub: needs the event's own nodal prices, which ours does not."""
    found = np.zeros(now.size)
    for name in np.unique(hub):
        mine = hub == name
        found[mine] = (now[mine].sum() - now[mine]) / max(int(mine.sum()) - 1, 1)
    return found


def _correlation_rows(job: SystemJob, truth: Array, told: dict[str, Array], days: list[int]) -> list[ScoreRow]:
    known = np.isfinite(truth)
    each = {
        name: np.array([correlation(a[k], t[k]) for a, t, k in zip(values, truth, known, strict=True)]) for name, values in told.items()
    }
    own = each[OURS]
    value, (low, high) = float(np.median(own)), _interval(own, job.seed)
    said = (
        f"median over months and parts of the day of the correlation over {int(known.sum(axis=1).min())} to {int(known.sum(axis=1).max())}"
        f" nodes of congestion with that told from its shadow prices; lowest {own.min():.2f}; learned in the months before"
    )
    made = []
    for name, correlations in each.items():
        if name in {OURS, ZERO, HUB}:
            continue
        other = float(np.median(correlations))
        good: Verdict = "pass" if value >= TARGET and low > FLOOR and value > other else "miss"
        made.append(
            system_row(job, DataClass.REAL, "event_correlation", value, reason=said, n=len(own), verdict=good, target=TARGET,
                       interval=(low, high), baseline=name, baseline_value=other, days=days)
        )  # fmt: skip
    return made


def _error_rows(job: SystemJob, truth: Array, told: dict[str, Array], days: list[int]) -> list[ScoreRow]:
    """Mean absolute error over events and nodes; its median over nodes is told beside it."""
    from scipy.stats import wilcoxon

    error = {name: np.abs(told[name] - truth) for name in (OURS, ZERO, LAST, MEAN, HUB)}
    seen = np.isfinite(truth).any(axis=0)
    each = {name: np.nanmean(values, axis=1) for name, values in error.items()}
    node = {name: float(np.median(np.nanmean(values[:, seen], axis=0))) for name, values in error.items()}
    made = []
    for name in (ZERO, LAST, MEAN, HUB):
        value, other = float(each[OURS].mean()), float(each[name].mean())
        p = float(wilcoxon(each[OURS], each[name], alternative="less").pvalue)
        verdict: Verdict = "pass" if value < other and p < 0.05 else "miss"
        said = (
            f"mean over events and nodes, USD/MWh; median over {int(seen.sum())} nodes {node[OURS]:.2f}, of the baseline {node[name]:.2f};"
            " p: signed ranks of the events' errors"
        )
        said += "; the baseline knows the event's prices of all other nodes" if name == HUB else ""
        made.append(
            system_row(job, DataClass.REAL, "mae", value, reason=said, n=len(truth), verdict=verdict, p_value=p, baseline=name,
                       baseline_value=other, days=days)
        )  # fmt: skip
    return made


def _sign_rows(job: SystemJob, truth: Array, told: dict[str, Array], days: list[int]) -> list[ScoreRow]:
    """Share of nodes with congestion beyond 1 USD/MWh whose sign is right, median over events."""
    felt = np.abs(np.nan_to_num(truth)) > FELT
    names = (OURS, LAST, MEAN, HUB)
    right = {n: (np.sign(told[n]) == np.sign(truth)) & felt for n in names}
    each = {n: float(np.median(right[n].sum(axis=1) / felt.sum(axis=1))) for n in names}
    said = f"median over events of the share of nodes with congestion beyond {FELT:g} USD/MWh whose sign is right"
    made = []
    for name in names[1:]:
        verdict: Verdict = "pass" if each[OURS] > each[name] else "miss"
        made.append(
            system_row(job, DataClass.REAL, "sign_rate", each[OURS], reason=said, n=len(truth), verdict=verdict, baseline=name,
                       baseline_value=each[name], days=days)
        )  # fmt: skip
    return made


def _interval(values: Array, seed: int) -> tuple[float, float]:
    """95 % interval of the median; the parts of a month are drawn together."""
    whole = values.reshape(-1, len(PARTS))
    drawn = np.random.default_rng(seed).integers(0, len(whole), (2000, len(whole)))
    low, high = np.quantile(np.median(whole[drawn].reshape(2000, -1), axis=1), [0.025, 0.975])
    return float(low), float(high)
