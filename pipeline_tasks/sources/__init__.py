"""Sources: one module per provider; each yields contract frames, good and bad rows alike."""

from pipeline_tasks.sources.protocol import RawBatch, Source, SourceError, get_source, source_names

__all__ = ["RawBatch", "Source", "SourceError", "get_source", "source_names"]
