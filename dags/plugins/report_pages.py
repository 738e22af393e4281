"""Airflow plugin: the report site inside the UI, for those who are logged in."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from pipeline_tasks.stack.pages import PREFIX, guarded_site


class ReportPages(AirflowPlugin):
    """Mounts the site and adds it to the navigation."""

    name = "powerdesk_reports"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [{"app": guarded_site(), "url_prefix": PREFIX, "name": "powerdesk reports"}]
    external_views: ClassVar[list[dict[str, Any]]] = [
        {"name": "Reports", "href": f"{PREFIX}/index.html", "destination": "nav", "category": "browse", "url_route": "powerdesk-reports"}
    ]
