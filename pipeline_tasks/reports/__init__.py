"""Reports: a self-contained HTML site per run, and exports with units."""

from pipeline_tasks.reports.site import build_site, reports_root

__all__ = ["build_site", "reports_root"]
