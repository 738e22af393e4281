"""Where the scorecard's features come from: ingested and transformed in the warehouse, read as of the end of the data."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from config.markets import MarketSelection, resolve_market
from config.settings import REPO_ROOT, get_settings
from models._kernel.yardstick import DataClass
from pipeline_tasks.contracts import Table

Say = Callable[[str], None]
FAR_DATE = date(2099, 12, 31)
TWIN_DATE = date(2026, 6, 15)


def quiet(text: str) -> None:
    """Tell nobody."""


class DataAbsentError(LookupError):
    """A data set cannot be had here; the message is the reason a scorecard row gives."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """Features of one data set.

    Attributes:
        name: data set name, e.g. `epf_de`.
        data_class: real, twin or test_system.
        selection: market and hubs.
        frame: feature rows with outcomes, in key order.
        data_dir: folder the raw data came from.
    """

    name: str
    data_class: DataClass
    selection: MarketSelection
    frame: pl.DataFrame
    data_dir: Path


class FeatureSource(Protocol):
    """Delivers the features of a data set."""

    def load(self, name: str, table: Table, say: Say) -> DataSet:
        """Features of the data set.

        Raises:
            DataAbsentError: it is not configured, or its data are not here.
        """
        ...


@contextmanager
def state_for(data_dir: Path | None) -> Iterator[Path]:
    """Settings for a data folder: the desk's own, or a state folder of its own below `home` for any other.

    A foreign folder gets its own warehouse, so that it never mixes with the desk's data; its server is stopped afterwards.
    """
    from pipeline_tasks.warehouse.server import stop_server

    own = get_settings()
    if data_dir is None or data_dir.expanduser().resolve() == own.data_dir:
        yield own.data_dir
        return
    folder = data_dir.expanduser().resolve()
    if not folder.is_dir():
        raise FileNotFoundError(f"data folder {folder} does not exist; --data-dir names a folder of the layout of {own.data_dir}")
    home = own.home / "scorecard" / "data_dirs" / hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    before = {name: os.environ.get(name) for name in ("DESK_HOME", "DESK_DATA_DIR")}
    os.environ.update(DESK_HOME=str(home), DESK_DATA_DIR=str(folder))
    get_settings.cache_clear()
    try:
        yield folder
    finally:
        stop_server(get_settings())
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        get_settings.cache_clear()


class WarehouseSource:
    """Features from the warehouse; a market is ingested and transformed when its files or the transforms changed."""

    def prepare(self, name: str, say: Say, *, features: bool = True) -> MarketSelection:
        """Ingest and transform the market of a data set unless this very data and code went through them before.

        Args:
            name: data set.
            say: told what is being done.
            features: False where only raw tables are read: nothing is transformed then.

        Raises:
            DataAbsentError: it is not configured, or its data are not here.
        """
        from pipeline_tasks.warehouse import connect
        from pipeline_tasks.warehouse.migrate import migrate

        try:
            selection = resolve_market(name)
        except KeyError as error:
            raise DataAbsentError(str(error.args[0])) from error
        twin = selection.market.key == "twin"
        settings = get_settings()
        if not twin and not settings.data_dir.is_dir():
            raise DataAbsentError(f"data folder {settings.data_dir.name} is absent; set DESK_DATA_DIR or --data-dir")
        with connect() as warehouse:
            migrate(warehouse)
        self._prepare(selection.market.key, "twin" if twin else "files", say, features=features)
        return selection

    def load(self, name: str, table: Table, say: Say) -> DataSet:
        """Ingest, transform and read the features of a data set; see `FeatureSource.load`."""
        from pipeline_tasks.warehouse import connect
        from pipeline_tasks.warehouse.read import read_features

        selection = self.prepare(name, say)
        with connect() as warehouse:
            frame = read_features(
                warehouse,
                table,
                market=selection.market.key,
                hubs=selection.hubs,
                start_date=date(1990, 1, 1),
                end_date=FAR_DATE,
                as_of=None,
            )
        if frame.is_empty():
            raise DataAbsentError(f"no feature rows of {name}: the data folder has no files of this market")
        return DataSet(
            name,
            DataClass.TWIN if selection.market.key == "twin" else DataClass.REAL,
            selection,
            frame.sort("market", "hub", "product", "delivery_ts", "as_of"),
            get_settings().data_dir,
        )

    def _prepare(self, name: str, source: str, say: Say, *, features: bool) -> None:
        """Run ingest and transforms of a whole market unless this very data and code went through them before.

        Always all hubs, because features look across them: a hub's score must not depend on which others were scored before.
        """
        from pipeline_tasks.sources.protocol import SourceError
        from pipeline_tasks.steps.context import RunContext
        from pipeline_tasks.steps.ingest import ingest
        from pipeline_tasks.steps.transform import transform

        folder = get_settings().home / "scorecard" / "prepared"
        mark = folder / (f"{name}.json" if features else f"{name}_raw.json")
        state = _fingerprint(get_settings().data_dir if source == "files" else None)
        for done in {mark, folder / f"{name}.json"}:
            if done.is_file() and json.loads(done.read_text(encoding="utf-8"))["state"] == state:
                return
        say(f"{name}: ingest")
        try:
            counts = ingest(
                RunContext(source=source, market=name, delivery_date=TWIN_DATE if source == "twin" else FAR_DATE, dag="scorecard")
            )
        except (FileNotFoundError, SourceError) as error:
            raise DataAbsentError(f"{name}: {error}") from error
        if features:
            say(f"{name}: transform")
            transform("staging", "intermediate", "features", market=name, run_id=f"scorecard:{name}")
        mark.parent.mkdir(parents=True, exist_ok=True)
        written = {"state": state, "at": datetime.now(UTC).isoformat(), "rows_read": counts.get("rows_read")}
        mark.write_text(json.dumps(written), encoding="utf-8")


def _fingerprint(data_dir: Path | None) -> str:
    """Hash over names, sizes and times of the data files, and over the code that loads and transforms them."""
    digest = hashlib.sha256()
    if data_dir is not None:
        for path in sorted(p for p in data_dir.rglob("*") if p.is_file()):
            stat = path.stat()
            digest.update(f"{path.relative_to(data_dir)}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    code = [*(REPO_ROOT / "transforms").rglob("*.sql"), *(REPO_ROOT / "config").rglob("*.yaml")]
    code += [*(REPO_ROOT / "pipeline_tasks" / "sources").rglob("*.py"), *(REPO_ROOT / "pipeline_tasks" / "twin").rglob("*.py")]
    for path in sorted(p for p in code if "target" not in p.parts and "models" not in p.parent.parts[-1:]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
