"""The scorecard: walk-forward results of every model against its named baselines."""

from pipeline_tasks.scorecard.render import markdown, print_table, write_markdown
from pipeline_tasks.scorecard.rows import ScoreRow, rows_frame
from pipeline_tasks.scorecard.runner import run_scorecard
from pipeline_tasks.scorecard.stored import stored_rows

__all__ = ["ScoreRow", "markdown", "print_table", "rows_frame", "run_scorecard", "stored_rows", "write_markdown"]
