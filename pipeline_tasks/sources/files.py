"""The `files` source: Parquet and CSV below the data folder, read as config/importers says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import structlog

from config.markets import MarketSelection
from config.settings import get_settings
from pipeline_tasks.sources.importers import IMPORTERS_DIR, FileObject, has_daylight_saving, load_importers
from pipeline_tasks.sources.protocol import RawBatch, SourceError
from pipeline_tasks.sources.reading import Reading, read_object

log = structlog.get_logger(__name__)


class FilesSource:
    """Declarative importers over a folder; adding a market's files needs one YAML entry and no code.

    Args:
        data_dir: folder that file patterns are relative to; `DESK_DATA_DIR` when None.
        importers_dir: folder of importer files; config/importers when None.
    """

    def __init__(self, data_dir: Path | None = None, importers_dir: Path | None = None) -> None:
        """Keep the folders; nothing is read yet."""
        self._data_dir = data_dir or get_settings().data_dir
        self._importers_dir = importers_dir or IMPORTERS_DIR

    @property
    def name(self) -> str:
        """`files`."""
        return "files"

    def objects(self, selection: MarketSelection) -> tuple[str, ...]:
        """`dataset/id` of every object that the selection reads."""
        return tuple(self._configured(selection))

    def batches(self, selection: MarketSelection, *, until: datetime, objects: frozenset[str] | None = None) -> Iterator[RawBatch]:
        """Rows of the selection, object by object, file by file, target by target.

        Raises:
            SourceError: no importer serves the market, an object is unknown, or none of the files that are not optional is there.
        """
        wanted = self._wanted(selection, objects)
        reading = Reading(selection.market, selection.hubs, until)
        found = {n: sorted(p for p in self._data_dir.glob(s.files) if p.is_file()) for n, s in wanted.items()}
        needed = [n for n, s in wanted.items() if not s.optional] or list(wanted)
        if not any(found[n] for n in needed):
            patterns = sorted({wanted[n].files for n in needed})
            raise SourceError(
                f"market {selection.key}: no file matches {patterns} below {self._data_dir}; put it there or set DESK_DATA_DIR"
            )
        for name, spec in wanted.items():
            if not found[name]:
                said = {"object": name, "pattern": spec.files, "folder": str(self._data_dir)}
                log.warning("optional source object is absent" if spec.optional else "source object has no file", source="files", **said)
            for path in found[name]:
                rows = 0
                for batch in read_object(path, str(path.relative_to(self._data_dir)), spec, reading):
                    rows += batch.rows_read
                    yield batch
                if not rows:
                    log.warning("source object has no row for the run", source="files", object=name, file=path.name, hubs=selection.hubs)

    def _configured(self, selection: MarketSelection) -> dict[str, FileObject]:
        whole = selection.hubs == selection.market.hubs
        found = {
            f"{importer.dataset}/{spec.id}": spec
            for importer in load_importers(self._importers_dir)
            for spec in importer.objects
            if selection.market.key in spec.markets and (whole or spec.scope == "hub")
        }
        for name, spec in found.items():
            zone = spec.time.zone or selection.market.time_zone
            if spec.time.dst == "none" and spec.time.sample_hour is None and has_daylight_saving(zone):
                raise SourceError(
                    f"{name}: `dst: none`, but {zone} has daylight saving; give the market a fixed zone (Etc/GMT-1) or use another rule"
                )
        return found

    def _wanted(self, selection: MarketSelection, objects: frozenset[str] | None) -> dict[str, FileObject]:
        configured = self._configured(selection)
        if not configured:
            raise SourceError(f"market {selection.key}: no importer of {self._importers_dir} serves it; add an entry (docs/sources.md)")
        unknown = sorted((objects or frozenset()) - set(configured))
        if unknown:
            raise SourceError(f"objects {unknown} are not read by market {selection.key}; known: {sorted(configured)}")
        return {n: s for n, s in configured.items() if objects is None or n in objects}
