"""Benches of models: training and inference of every registered model on synthetic features."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

import polars as pl

from pipeline_tasks.bench.core import Figure, seconds

FIRST, LAST = date(2019, 1, 1), date(2020, 3, 31)
HUBS = ("HUB_A",)


def _sample() -> pl.DataFrame:
    from models._kernel.synthetic import SyntheticMarket, day_ahead_features

    return day_ahead_features(SyntheticMarket(FIRST, LAST, hubs=HUBS))


def training() -> list[Figure]:
    """Seconds to fit each model with its demo settings on fifteen months of one hub, beside one ridge fit per hour."""
    from models._kernel.protocol import Features, Model
    from models._kernel.registry import model_class, model_names, params_of
    from models._kernel.splitter import walk_forward
    from models._kernel.synthetic import gate
    from pipeline_tasks.scorecard.ridge import ridge_walk

    rows = _sample()
    cutoff = gate(LAST)
    folds = walk_forward(rows["delivery_date"].to_list(), gate=gate, first_test=LAST, last_test=LAST)
    peer = seconds(lambda: ridge_walk(rows, folds), runs=3)
    figures = []
    for name in model_names():
        cls, params = model_class(name), params_of(name, "demo")

        def fit(make: Callable[[], Model]) -> None:
            make().fit(Features(rows, rows.clear()), cutoff=cutoff, seed=7)

        taken = seconds(partial(fit, partial(cls, params)), runs=1)
        figures.append(Figure(f"{name}, demo settings, {len(rows):,} rows", "fit", taken, "s", "ridge regression per hour", peer))
    return figures


def inference() -> list[Figure]:
    """Milliseconds to answer one delivery day, and rows per second over four weeks, of each model with its test settings."""
    from models._kernel.protocol import Features
    from models._kernel.registry import model_class, model_names, params_of
    from models._kernel.synthetic import gate

    rows = _sample()
    cutoff = gate(LAST - timedelta(days=27))
    block = rows.filter(pl.col("delivery_date") > LAST - timedelta(days=28))
    day = rows.filter(pl.col("delivery_date") == LAST)
    figures = []
    for name in model_names():
        model = model_class(name)(params_of(name, "test")).fit(Features(rows, rows.clear()), cutoff=cutoff, seed=7)
        one = seconds(partial(model.predict, Features(rows, day), as_of=gate(LAST)), runs=7)
        many = seconds(partial(model.predict, Features(rows, block), as_of=gate(LAST)), runs=3)
        figures += [
            Figure(f"{name}, one hub, one day", "predict", one * 1000, "ms", runs=7),
            Figure(f"{name}, one hub, {len(block):,} rows", "predict", len(block) / many, "rows/s", runs=3),
        ]
    return figures
