"""Published forecasts (LEAR and DNN of Lago et al. 2021) on the rows of a data set, joined row by row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_tasks.scorecard.sources import DataSet

FOLDER = "epf_published_forecasts"
COLUMNS = {"published_lear": ("LEAR Ensemble",), "published_dnn": ("DNN Ensemble",), "published_mean": ("LEAR Ensemble", "DNN Ensemble")}
ALIASES = {
    "published_lear_dnn_mean": "published_mean",
    "published_mean_lear_dnn": "published_mean",
    "published_lear_dnn": "published_mean",
    "mean_lear_dnn": "published_mean",
}
Array = npt.NDArray[np.float64]


def published(data: DataSet, rows: pl.DataFrame) -> tuple[dict[str, Array], str]:
    """Published point forecasts on `rows` (NaN where there is none), and why there are none or on how many rows.

    The files carry naive local stamps in the data set's own zone; each is matched with the delivery interval that begins
    then. A file whose "Real price" disagrees with our outcomes is refused: it would be a comparison on shifted rows.
    """
    path = data.data_dir / FOLDER / f"{data.name.removeprefix('epf_').upper()}.parquet"
    if not data.name.startswith("epf_") or not path.is_file():
        return {}, f"no published forecasts of {data.name}: {FOLDER}/{path.name} is not in the data folder"
    table = pl.read_parquet(path).with_columns(pl.col("date").cast(pl.Datetime("ms")).alias("local"))
    local = rows.with_row_index("row").with_columns(
        pl.col("delivery_ts")
        .dt.convert_time_zone(data.selection.market.time_zone)
        .dt.replace_time_zone(None)
        .cast(pl.Datetime("ms"))
        .alias("local")
    )
    joined = local.join(table.drop("date").unique("local", keep="first"), on="local", how="left").sort("row")
    both = joined.filter(pl.col("Real price").is_not_null() & pl.col("price_ccy_per_mwh").is_not_null())
    if both.is_empty():
        return {}, f"published forecasts of {data.name} cover none of the scored rows"
    apart = both.filter((pl.col("Real price") - pl.col("price_ccy_per_mwh")).abs() > 0.01)
    if len(apart) > 0.01 * len(both):
        return {}, f"published forecasts of {data.name} disagree with our outcomes in {len(apart)} of {len(both)} rows; are stamps shifted?"
    values = {
        name: joined.select(pl.mean_horizontal(cols)).to_series().fill_null(float("nan")).to_numpy() for name, cols in COLUMNS.items()
    }
    return values, f"published on {len(both)} of {len(rows)} rows"
