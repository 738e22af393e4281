"""curve_dist: lasso, kernel regressions and LightGBM, averaged and calibrated online (yardstick F6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel.frames import KEY, answer, in_key_order, require
from models._kernel.protocol import Contributions, Features, Prediction
from models._kernel.spec import ModelSpec
from models.curve_dist import storage
from models.curve_dist.fallback import ladder
from models.curve_dist.panel import HOURS, SERIES, Panel, build, slot_of_row, slots_of
from models.curve_dist.params import Params
from models.curve_dist.scenarios import draw, tables
from models.curve_dist.series import Series, epoch_ms
from models.curve_dist.spec import QUANTILES, SPEC

Array = npt.NDArray[np.float64]
Key = tuple[str, ...]
CONTRACT = SPEC.inputs.polars_schema()
MISSING_SHARE = 0.1


class CurveDist:
    """Quantiles and mean of the price of every delivery interval of a day."""

    spec: ClassVar[ModelSpec] = SPEC

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        """Take the parameters of config/models/curve_dist.yaml; unknown ones are refused."""
        self.params = Params.of(params)
        self._trained: dict[Key, Series] | None = None
        self._slots = HOURS
        self._cutoff: datetime | None = None

    def fit(self, data: Features, *, cutoff: datetime, seed: int) -> Self:
        """Train every series of `data.history` on days known at `cutoff`; same data and seed, same bytes.

        Raises:
            ValueError: no series has enough days.
        """
        require(data.history, SPEC.required, model=SPEC.name, part="history")
        past = in_key_order(data.history.filter((pl.col("as_of") <= cutoff) & (pl.col("price_known_ts") <= cutoff)))
        self._slots = slots_of(past) if past.height else HOURS
        trained = {}
        for key, rows in _by_series(past).items():
            series = Series.train(build(rows, self._slots, with_price=True)[0], self.params, cutoff=cutoff, seed=seed)
            if series is not None:
                trained[key] = series
        if not trained:
            raise ValueError(f"curve_dist: no series has 60 complete days known at {cutoff}; give a longer history or a later cutoff")
        self._trained, self._cutoff = trained, cutoff
        return self

    def predict(self, data: Features, *, as_of: datetime) -> Prediction:
        """Answer on every row of `data.target`, each with what was known at its own as_of."""
        trained = self._ready()
        require(data.target, set(SPEC.required) - {"price_ccy_per_mwh", "price_known_ts"}, model=SPEC.name, part="target")
        target = in_key_order(data.target)
        levels, means = np.full((target.height, len(QUANTILES)), np.nan), np.full((target.height, 2), np.nan)
        reasons = np.full(target.height, "", dtype=object)
        history = _by_series(data.history.filter(pl.col("as_of") <= as_of)) if data.history.width else {}
        for key, rows in _by_series(target.with_row_index("position")).items():
            where = rows["position"].to_numpy()
            past = history.get(key, pl.DataFrame(schema=CONTRACT))
            found = self._answer(trained[key], past, rows) if key in trained else ladder(rows, _typical(trained))
            levels[where], means[where], reasons[where] = found
        columns = {name: levels[:, k] for k, name in enumerate(QUANTILES.values())}
        return answer(
            SPEC, target, {"point_ccy_per_mwh": means[:, 0], "mean_ccy_per_mwh": means[:, 1], **columns}, [str(r) for r in reasons]
        )

    def companions(self, data: Features, *, as_of: datetime) -> Mapping[str, pl.DataFrame]:
        """Joint scenarios of the target rows, and what they say of the day, its week and its month.

        Series that were not trained have none. Scenario k of all hubs of a market and delivery date belongs together.
        """
        trained, target = self._ready(), in_key_order(data.target)
        history = _by_series(data.history.filter(pl.col("as_of") <= as_of)) if data.history.width else {}
        parts = []
        for key, rows in _by_series(target).items():
            if key in trained:
                past = history.get(key, pl.DataFrame(schema=CONTRACT))
                panel, _ = build(past, self._slots, with_price=True)
                whole = _whole_days(past, rows)
                days, entry = build(whole, self._slots, with_price=False)
                asked = whole.select(KEY).with_columns(
                    pl.Series("entry", entry),
                    pl.Series("slot", slot_of_row(whole, self._slots)),
                    pl.col("delivery_ts").is_in(rows["delivery_ts"].implode()).alias("asked"),
                )
                parts.append(draw(key, trained[key].answer(panel, days), days, asked, count=self.params.scenarios))
        return tables(parts)

    def explain(self, data: Features) -> Contributions:
        """TreeSHAP contributions to the boosted median, one member of the ensemble (the only one that is a sum of features)."""
        trained = self._ready()
        target = in_key_order(data.target)
        parts = [self._contributions(trained[k], rows) for k, rows in _by_series(target).items() if k in trained]
        schema = {c: CONTRACT[c] for c in KEY} | {"feature": pl.String(), "contribution": pl.Float64()}
        frame = pl.concat([pl.DataFrame(schema=schema), *parts]) if parts else pl.DataFrame(schema=schema)
        return Contributions(frame.sort(*KEY, "feature"), "boosted median of the price, currency/MWh")

    def boosted_median(self, data: Features) -> Array:
        """What `explain` explains, one value per target row in key order; NaN for series that were not trained."""
        trained, target = self._ready(), in_key_order(data.target)
        result = np.full(target.height, np.nan)
        for key, rows in _by_series(target.with_row_index("position")).items():
            if key in trained:
                panel, entry = build(rows, self._slots, with_price=False)
                median = trained[key].ensemble.boosters.median(trained[key].ensemble.inputs, panel, self._slots)
                result[rows["position"].to_numpy()] = median[entry, slot_of_row(rows, self._slots)]
        return result

    def save(self, directory: Path) -> None:
        """Write the artifact and seal it."""
        trained = self._ready()
        if self._cutoff is None:
            raise RuntimeError("curve_dist has no cutoff; call fit before save")
        storage.write(directory, trained, self.params, self._slots, self._cutoff)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; altered files are refused."""
        trained, params, slots, cutoff = storage.read(directory)
        model = cls()
        model.params, model._trained, model._slots, model._cutoff = params, trained, slots, cutoff
        return model

    def _ready(self) -> dict[Key, Series]:
        if self._trained is None:
            raise RuntimeError("curve_dist is not fitted; call fit, or load an artifact")
        return self._trained

    def _answer(self, series: Series, past: pl.DataFrame, rows: pl.DataFrame) -> tuple[Array, Array, npt.NDArray[np.object_]]:
        """Quantiles, points and means, and reasons of the rows of one series."""
        history, _ = build(past, self._slots, with_price=True)
        whole, _ = build(_whole_days(past, rows), self._slots, with_price=False)
        own, entry = build(rows, self._slots, with_price=False)
        found = series.answer(history, whole)
        slot = slot_of_row(rows, self._slots)
        notes = _notes(series, own, found.borrowed, rows, self._slots)
        quantiles = found.quantiles[entry, slot]
        centre = np.column_stack([found.point[entry, slot], found.mean[entry, slot]])
        reasons = notes[entry]
        lost = ~np.isfinite(quantiles).all(axis=1)
        if lost.any():
            quantiles[lost], centre[lost], reasons[lost] = ladder(rows.filter(pl.Series(lost)), _typical({(): series}))
        return quantiles, centre, reasons

    def _contributions(self, series: Series, rows: pl.DataFrame) -> pl.DataFrame:
        panel, entry = build(rows, self._slots, with_price=False)
        table, names, shift = series.ensemble.inputs.boosting(panel, self._slots)
        asked = table[entry, slot_of_row(rows, self._slots)]
        values = series.ensemble.boosters.contributions(asked)
        values[:, names.index("reference_price")] += shift[entry]
        wide = pl.DataFrame(values, schema=[*names, "(base)"], orient="row")
        keyed = rows.select(KEY).hstack(wide)
        return keyed.unpivot(index=list(KEY), variable_name="feature", value_name="contribution")


def _by_series(frame: pl.DataFrame) -> dict[Key, pl.DataFrame]:
    parts = frame.partition_by(SERIES, as_dict=True, maintain_order=True) if frame.height else {}
    return {tuple(str(v) for v in key): rows for key, rows in sorted(parts.items())}


def _whole_days(past: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The asked rows and, where only some hours of a day are asked, the day's other hours as the same decision saw them."""
    asked = [c for c in rows.columns if c in past.columns]
    day, row = ["delivery_date", "as_of"], ["delivery_ts", "as_of"]
    others = past.join(rows.select(day).unique(), on=day, how="semi").join(rows.select(row), on=row, how="anti")
    return pl.concat([rows.select(asked), others.select(asked)], how="vertical_relaxed").sort("delivery_ts", "as_of")


def _notes(series: Series, own: Panel, borrowed: npt.NDArray[np.bool_], rows: pl.DataFrame, slots: int) -> npt.NDArray[np.object_]:
    """Why the answers of an entry are DEGRADED; empty text where they are not."""
    expected = series.ensemble.inputs.expected_missing
    none = np.ones(own.days)
    lacking = {c: own.missing.get(c, none) > share + MISSING_SHARE for c, share in expected.items()}
    finest = int(rows["resolution_min"].min() or 60)  # type: ignore[arg-type]
    coarse = f"prices modelled in steps of {1440 // slots} min" if finest < 1440 // slots else ""
    notes = []
    for i in range(own.days):
        names = [c for c, flags in lacking.items() if flags[i]]
        parts = [f"missing inputs: {', '.join(names)}"] if names else []
        parts += ["history given is too short: training days of the artifact used"] if borrowed[i] else []
        notes.append("; ".join([*parts, coarse] if coarse else parts))
    return np.array(notes, dtype=object)


def _typical(trained: Mapping[Key, Series]) -> tuple[float, float]:
    """Median price and typical error over the trained series."""
    price = float(np.median([np.nanmedian(s.stored.price) for s in trained.values()]))
    return price, float(np.median([s.calibrator.typical for s in trained.values()]))


MODEL = CurveDist
__all__ = ["MODEL", "CurveDist", "epoch_ms"]
