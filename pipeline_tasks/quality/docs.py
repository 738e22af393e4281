"""Data docs: the results of the gates as a site that works from a folder, without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.settings import get_settings

KEPT_RESULTS = 200
_REMOTE = re.compile(
    r"<script[^>]*\bsrc=[\"']https?://[^>]*>\s*</script>|<link[^>]*\bhref=[\"']https?://[^>]*>|<img[^>]*\bsrc=[\"']https?://[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_SCRIPT = re.compile(r"<script\b.*?</script>", re.IGNORECASE | re.DOTALL)
_STYLE = """<style>
body{font-family:system-ui,sans-serif;margin:0 auto;max-width:1200px;padding:1rem;line-height:1.4}
table{border-collapse:collapse;width:100%;margin:.5rem 0}th,td{border:1px solid #bbb;padding:.3rem .5rem;text-align:left;vertical-align:top}
.row{display:flex;flex-wrap:wrap;gap:1rem}.col,[class*="col-"]{flex:1 1 20rem;min-width:0}.collapse,.modal{display:block}
.nav{list-style:none;padding:0}.tab-pane{display:block}img{max-height:2.5rem}pre{white-space:pre-wrap}
</style>
</head>"""


def keep_result(run_id: str, name: str, result: dict[str, Any]) -> Path:
    """Keep one Great Expectations result for the data docs; the latest of each run and table, at most `KEPT_RESULTS` in all.

    Returns:
        The file, below `DESK_HOME/gx/results`.
    """
    folder = get_settings().home / "gx" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{_safe(run_id)}__{_safe(name)}.json"
    content = {"run_id": run_id, "name": name, "at": datetime.now(UTC).isoformat(), "result": result}
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".part", delete=False, encoding="utf-8") as stream:
        json.dump(content, stream, default=str)
    Path(stream.name).replace(target)
    kept = sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime_ns, reverse=True)
    for old in kept[KEPT_RESULTS:]:
        old.unlink(missing_ok=True)
    return target


def build_data_docs() -> Path:
    """Render the kept results with Great Expectations and make the site independent of the network.

    Returns:
        `index.html` of the site, below `DESK_HOME/gx/data_docs`.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    home = get_settings().home / "gx"
    home.mkdir(parents=True, exist_ok=True)
    site = home / "data_docs"
    with tempfile.TemporaryDirectory(dir=home) as folder:
        context = gx.get_context(mode="file", project_root_dir=folder)
        for path in sorted((home / "results").glob("*.json")):
            _add(context, json.loads(path.read_text(encoding="utf-8")))
        context.build_data_docs()
        built = next(Path(folder).glob("**/data_docs/local_site"))
        fresh = Path(folder) / "site"
        shutil.move(built, fresh)
        for page in fresh.rglob("*.html"):
            page.write_text(_offline(page.read_text(encoding="utf-8")), encoding="utf-8")
        shutil.rmtree(site, ignore_errors=True)
        shutil.move(fresh, site)
    return site / "index.html"


def _add(context: Any, kept: dict[str, Any]) -> None:
    """Put one kept result, and the suite it answers, into the stores of a context."""
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationSuiteValidationResultSchema,
    )
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import ExpectationSuiteIdentifier, ValidationResultIdentifier

    result = kept["result"]
    name = _safe(kept["name"])
    expectations = [
        {**r["expectation_config"], "kwargs": {k: v for k, v in r["expectation_config"]["kwargs"].items() if k != "batch_id"}}
        for r in result["results"]
    ]
    context.suites.add_or_update(gx.ExpectationSuite(name=name, expectations=expectations))
    key = ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(name),
        run_id=RunIdentifier(run_name=_safe(kept["run_id"]), run_time=datetime.fromisoformat(kept["at"])),
        batch_identifier=name,
    )
    loaded = ExpectationSuiteValidationResultSchema().load({**result, "suite_name": name})
    whole = loaded if isinstance(loaded, ExpectationSuiteValidationResult) else ExpectationSuiteValidationResult(**loaded)
    context.validation_results_store.set(key, whole)


def _offline(page: str) -> str:
    """The page without anything fetched from elsewhere, with a style of its own; links that a reader follows stay."""
    return _SCRIPT.sub("", _REMOTE.sub("", page)).replace("</head>", _STYLE, 1)


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text)
