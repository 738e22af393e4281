"""The warehouse: the only code that writes to ClickHouse, and the only code that knows about the embedded server."""

from pipeline_tasks.warehouse.client import Warehouse, connect

__all__ = ["Warehouse", "connect"]
