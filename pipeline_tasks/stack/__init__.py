"""The running stack: ClickHouse, Airflow and their accounts, started in the background and stopped as one process group."""

from pipeline_tasks.stack.control import down, status, up

__all__ = ["down", "status", "up"]
