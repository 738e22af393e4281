"""The report site as a web application behind Airflow's log-in; a plugin route answers anybody unless it asks itself."""

# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING

from config.settings import get_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

PREFIX = "/powerdesk-reports"
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; frame-ancestors 'self'"
)
EMPTY = "<!doctype html><title>Reports</title><p>No report yet: run the nightly DAG, then reload this page.</p>"


def guarded_site() -> FastAPI:
    """Web application that serves files of the reports folder to users who are logged in to Airflow, and 401 to all others."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import FileResponse, HTMLResponse, Response

    app = FastAPI(title="powerdesk reports", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(get_user)])

    @app.get("/{path:path}")
    def page(path: str) -> Response:
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        root = get_settings().home / "reports"
        found = resolve(root, path)
        if found is None and path in {"", "index.html"}:
            return HTMLResponse(EMPTY, headers=headers)
        if found is None:
            raise HTTPException(status_code=404, detail="no such report page")
        return FileResponse(found, media_type=mimetypes.guess_type(found.name)[0], headers=headers)

    return app


def resolve(root: Path, path: str) -> Path | None:
    """The file of the site that a URL path names; None when there is none or it lies outside the site."""
    target = (root / path).resolve()
    if target.is_dir():
        target /= "index.html"
    inside = target.is_relative_to(root.resolve())
    return target if inside and target.is_file() else None
