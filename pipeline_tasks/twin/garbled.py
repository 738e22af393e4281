"""Rows as a faulty feed sends them, so that quarantine is exercised: a price in the wrong unit, no value, an absurd number."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from pipeline_tasks.twin.profiles import TwinProfile

WRONG = (9_999_999.0, None, -1e7)
TARGETS = (("garbled_prices", "prices_da", "price_ccy_per_mwh"), ("garbled_quantities", "quantities_system", "value"))
HOUR = 7


def garbled_rows(profile: TwinProfile, day: int, parts: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """One extra row each `bad_row_every_days` days, in turn from prices and quantities; it breaks a rule, and the true row is there too."""
    every = profile.bad_row_every_days
    if not every or day == 0 or day % every:
        return {}
    count = day // every - 1
    name, part, column = TARGETS[count % 2]
    wrong = WRONG[count // 2 % len(WRONG)]
    row = parts[part].slice(HOUR, 1).with_columns(pl.lit(wrong, dtype=pl.Float64).alias(column))
    return {name: row}
