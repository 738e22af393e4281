"""The scored window of a data set, and the folds that answer it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from models._kernel.splitter import Fold


@dataclass(frozen=True, slots=True)
class Window:
    """The scored window and the folds that answer it.

    Attributes:
        first: first scored delivery date.
        last: last scored delivery date.
        folds: the walk.
        warm: folds of the calibration days before, for baselines that need past forecasts of their own.
    """

    first: date
    last: date
    folds: tuple[Fold, ...]
    warm: tuple[Fold, ...]
