"""Licences of the data that a market's tables hold, by what was loaded: what may leave the house, and what to write beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline_tasks.contracts import Database
from pipeline_tasks.sources.live.providers import load_providers

OWN = {
    "twin": ("synthetic", "simulated by this project, not a real market"),
    "twin_faults": ("synthetic", "simulated by this project, not a real market"),
    "files": ("as supplied", "files of the desk's own; this project does not know their terms"),
}


class RedistributionError(PermissionError):
    """An export that the licence of its data forbids."""


@dataclass(frozen=True)
class Tag:
    """Licence of one source.

    Attributes:
        source: provider, `twin` or `files`.
        licence: its name.
        url: where the terms stand; empty for none.
        attribution: what to write beside the data.
        redistribute: `yes`, `derived` (results, not values) or `no`.
    """

    source: str
    licence: str
    url: str
    attribution: str
    redistribute: Literal["yes", "derived", "no"]


def tag_of(source: str) -> Tag:
    """The licence of a source; one that is not known may not be redistributed."""
    if source in OWN:
        licence, attribution = OWN[source]
        return Tag(source, licence, "", attribution, "yes")
    provider = load_providers().get(source)
    if provider is None:
        return Tag(source, "unknown", "", "", "no")
    terms = provider.licence
    return Tag(source, terms.name, terms.url, terms.attribution, terms.redistribute)


def insist_on_export(table: str, database: Database, tags: Sequence[Tag]) -> None:
    """Refuse an export that holds what may not be redistributed: anything of a `no` source, values (marts) of a `derived` one.

    Raises:
        RedistributionError: names table, sources, licences and what is open instead.
    """
    values = database is not Database.CURATED
    bad = [t for t in tags if t.redistribute == "no" or (values and t.redistribute == "derived")]
    if bad:
        said = "; ".join(f"{t.source} ({t.licence}, redistribute: {t.redistribute}; {t.url})" for t in bad)
        raise RedistributionError(
            f"{table} may not be exported: it holds data of {said}. Read it with `desk query`; export another market (--market)"
            " or a curated view where only values are barred; a contract that allows more: `licence` in config/providers.yaml"
        )
