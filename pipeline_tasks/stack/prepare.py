"""Prepare Airflow's metadata: database and pools. `python -m pipeline_tasks.stack.prepare`, in Airflow's environment."""

from __future__ import annotations

from pipeline_tasks.steps.inprocess import ensure_database
from pipeline_tasks.steps.schedules import load_schedules


def main() -> int:
    """Create or upgrade the database, then the pools of schedules.yaml."""
    ensure_database()
    from airflow.models.pool import Pool

    for name, slots in load_schedules().pools.items():
        Pool.create_or_update_pool(name=name, slots=slots, description="powerdesk", include_deferred=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
