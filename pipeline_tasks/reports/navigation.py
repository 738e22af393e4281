"""Navigation of a report site: pages in named groups, so that it stays readable with a page for each of many models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models._kernel.spec import Kind

RUN, EVIDENCE, OTHER_MODELS, NETWORK, CROSS_ASSET = "This run", "Evidence", "Other models", "Network", "Cross-asset"
OF_KIND = {Kind.DISTRIBUTION: "Price forecasts", Kind.PROBABILITY: "Risks", Kind.DECISION: "Decisions"}


@dataclass(frozen=True, slots=True)
class Link:
    """One page in the navigation; `degraded` marks a model whose forecast of the run is DEGRADED."""

    file: str
    label: str
    group: str
    degraded: bool = False


def group_of(kind: Kind) -> str:
    """The group of a model's page."""
    return OF_KIND.get(kind, OTHER_MODELS)


def grouped(links: Sequence[Link]) -> list[tuple[str, list[Link]]]:
    """(group, its links), groups in reading order: the run, models by what they answer, the network, evidence; empty ones left out."""
    order = (RUN, *OF_KIND.values(), OTHER_MODELS, CROSS_ASSET, NETWORK, EVIDENCE)
    return [(name, mine) for name in order if (mine := [link for link in links if link.group == name])]
