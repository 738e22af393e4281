"""Systems of the scorecard that are no models: the watch over models and whatever else is measured on real data.

A system is a module here with `DATA_SETS` (names), and `rows(job)`, which measures one data set and returns its rows.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pipeline_tasks.scorecard.rows import ScoreRow
from pipeline_tasks.scorecard.sources import FeatureSource, Say

if TYPE_CHECKING:
    from types import ModuleType

SYSTEMS = {"drift": "pipeline_tasks.scorecard.drift", "recalibration": "pipeline_tasks.scorecard.recalibration"}


@dataclass(frozen=True, slots=True)
class SystemJob:
    """One system on one data set.

    Attributes:
        system, data_set: names.
        source: where features come from.
        start, end: first and last scored delivery date; None for the system's own window at the end of the data.
        seed: seed of bootstraps.
        say: told what is being done.
    """

    system: str
    data_set: str
    source: FeatureSource
    start: date | None
    end: date | None
    seed: int
    say: Say


def module_of(system: str) -> ModuleType:
    """The module that measures a system."""
    return importlib.import_module(SYSTEMS[system])


def data_sets_of(system: str, chosen: Sequence[str] | None) -> Sequence[str]:
    """The data sets asked for, or those of the system."""
    return chosen or tuple(module_of(system).DATA_SETS)


def run_system(job: SystemJob) -> list[ScoreRow]:
    """Rows of a system on a data set; a data set that is not here gives rows `not_measurable`."""
    from dataclasses import replace

    began = time.perf_counter()
    rows: list[ScoreRow] = module_of(job.system).rows(job)
    seconds = round(time.perf_counter() - began, 3)
    return [replace(row, seconds=seconds) for row in rows]
