"""Scorecard rows that are in the warehouse already."""

from __future__ import annotations

from dataclasses import fields

from pipeline_tasks.scorecard.rows import NO_WINDOW, ScoreRow
from pipeline_tasks.warehouse import connect

LATEST = """
select *
from ops.scorecard
order by system, data_set, metric, baseline, at_ts desc
limit 1 by system, data_set, metric, baseline
"""


def stored_rows() -> list[ScoreRow]:
    """The newest row of every (system, data set, metric, baseline) in `ops.scorecard`."""
    names = [f.name for f in fields(ScoreRow)]
    with connect() as warehouse:
        found = warehouse.query(LATEST).to_dicts()
    rows = []
    for row in found:
        values = {name: row[name] for name in names}
        for edge in ("window_from", "window_to"):
            values[edge] = None if values[edge] == NO_WINDOW else values[edge]
        rows.append(ScoreRow(**values))
    return rows
