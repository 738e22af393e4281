"""Failure notifier: one structured line per failed task, in the log and in notifications.jsonl of the state folder."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class FailureNotifier(BaseNotifier):
    """Says which task of which run failed and why."""

    def notify(self, context: Context) -> None:
        """Write the notification; Airflow calls it after the last try."""
        from config.settings import get_settings

        ti = context["ti"]
        message = {
            "at_ts": datetime.now(UTC).isoformat(),
            "dag": ti.dag_id,
            "task": ti.task_id,
            "run": ti.run_id,
            "try": ti.try_number,
            "error": str(context.get("exception") or "unknown"),
        }
        log.error("task failed: %s", message)
        target = get_settings().home / "notifications.jsonl"
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(message) + "\n")
