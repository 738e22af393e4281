"""ENTSO-E documents (IEC 62325-451) as records: every published point, repeats of curve type A03 written out, gaps kept as gaps.

Curve type A01 lists every position: one that is absent is truly missing. A03 ("variable sized blocks") leaves a position out when its value
equals its predecessor (ENTSO-E's Common Information Model guide, curve types), so an absent position after the first is a repeat up to
the end of its Period; a first position that is absent, and time between Periods, is missing. entsoe-py reads both kinds too, but drops
revisions, units and auction sequences and wants pandas, so documents are read here; tests compare both on captured answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

import polars as pl

from pipeline_tasks.sources.live.answers import AnswerError, Member, NoDataError, xml_of

RESOLUTIONS = {"PT1M": 1, "PT4S": 0, "PT5M": 5, "PT15M": 15, "PT30M": 30, "PT60M": 60, "PT1H": 60, "P1D": 1440}
VALUES = ("price.amount", "quantity", "imbalance_Price.amount")
SERIES = {
    "business": "businessType",
    "psr": "MktPSRType/psrType",
    "currency": "currency_Unit.name",
    "price_unit": "price_Measure_Unit.name",
    "unit": "quantity_Measure_Unit.name",
    "curve": "curveType",
    "auction": "auction.type",
    "in_domain": "in_Domain.mRID",
    "out_domain": "out_Domain.mRID",
    "in_zone": "inBiddingZone_Domain.mRID",
    "out_zone": "outBiddingZone_Domain.mRID",
    "sequence": "classificationSequence_AttributeInstanceComponent.position",
    "direction": "flowDirection.direction",
}
DOCUMENT = {"revision": "revisionNumber", "document": "type", "process": "process.processType", "created": "createdDateTime"}
COLUMNS = (*DOCUMENT, *SERIES, "start", "resolution", "value", "category")


@dataclass(frozen=True)
class _Points:
    """Points of a Period by position."""

    start: datetime
    end: datetime
    minutes: int
    values: dict[int, tuple[str, str]]
    curve: str

    def written_out(self) -> Iterator[tuple[datetime, str, str]]:
        count = int((self.end - self.start) / timedelta(minutes=self.minutes))
        last: tuple[str, str] | None = None
        for position in range(1, count + 1):
            own = self.values.get(position)
            last = own if own is not None or self.curve != "A03" else last
            if last is not None:
                yield self.start + timedelta(minutes=self.minutes * (position - 1)), *last
        beyond = [p for p in self.values if p > count or p < 1]
        if beyond:
            raise AnswerError(
                "not_xml",
                f"positions {beyond[:3]} lie outside the period {self.start:%Y-%m-%dT%H:%MZ}..{self.end:%Y-%m-%dT%H:%MZ}",
                transient=False,
            )


def instant(text: str | None) -> datetime:
    """`2025-09-28T22:00Z` as an instant."""
    return datetime.fromisoformat((text or "").strip()).astimezone(UTC)


def document_of(member: Member) -> Element:
    """The root of a document.

    Raises:
        NoDataError: an acknowledgement that says that nothing matches (reason 999).
        AnswerError: an acknowledgement that says something else.
    """
    root = xml_of(member)
    if root.tag == "Acknowledgement_MarketDocument":
        code, text = root.findtext(".//Reason/code") or "", root.findtext(".//Reason/text") or ""
        if "no matching data" in text.lower():
            raise NoDataError(text)
        raise AnswerError("error_body", f"ENTSO-E reason {code}: {text}", transient=code != "999")  # 999: the request is wrong
    return root


def points(member: Member) -> pl.DataFrame:
    """All points of a document, one row each, text columns `COLUMNS`; `start` is the point's UTC start in ISO 8601.

    Raises:
        NoDataError: the document says that nothing matches.
        AnswerError: it is no such document, or names a resolution that is not known.
    """
    root = document_of(member)
    head = {k: root.findtext(path) for k, path in DOCUMENT.items()}
    out: dict[str, list[str | None]] = {c: [] for c in COLUMNS}
    for series in root.iter("TimeSeries"):
        about = head | {k: series.findtext(path) for k, path in SERIES.items()}
        for period in series.iter("Period"):
            for start, value, category in _period(period, about["curve"] or "A01").written_out():
                row = {
                    **about,
                    "start": start.isoformat(),
                    "resolution": period.findtext("resolution"),
                    "value": value,
                    "category": category,
                }
                for name, cell in row.items():
                    out[name].append(cell)
    return pl.DataFrame(out, schema=dict.fromkeys(COLUMNS, pl.String))


def _period(period: Element, curve: str) -> _Points:
    resolution = period.findtext("resolution") or ""
    minutes = RESOLUTIONS.get(resolution, 0)
    if not minutes:
        raise AnswerError("not_xml", f"resolution {resolution!r} is not known; known: {', '.join(RESOLUTIONS)}", transient=False)
    values: dict[int, tuple[str, str]] = {}
    for point in period.iter("Point"):
        found = next((point.findtext(v) for v in VALUES if point.findtext(v) is not None), None)
        values[int(point.findtext("position") or 0)] = ((found or "").strip(), point.findtext("imbalance_Price.category") or "")
    return _Points(instant(period.findtext("timeInterval/start")), instant(period.findtext("timeInterval/end")), minutes, values, curve)


def outages(member: Member) -> pl.DataFrame:
    """Unavailability documents (A77, A80), one row per period of available capacity, text columns.

    Returns:
        mrid, revision, status, created, business, unit, nominal, psr, start, end, available.
    """
    root = document_of(member)
    status = root.findtext("docStatus/value") or "A05"
    out: list[dict[str, str | None]] = []
    for series in root.iter("TimeSeries"):
        about = {
            "mrid": root.findtext("mRID"),
            "revision": root.findtext("revisionNumber"),
            "status": status,
            "created": root.findtext("createdDateTime"),
            "business": series.findtext("businessType"),
            "unit": series.findtext("production_RegisteredResource.pSRType.powerSystemResources.name")
            or series.findtext("production_RegisteredResource.name"),
            "nominal": series.findtext("production_RegisteredResource.pSRType.powerSystemResources.nominalP"),
            "psr": series.findtext("production_RegisteredResource.pSRType.psrType"),
        }
        out.extend(
            {**about, "start": _time(period, "start"), "end": _time(period, "end"), "available": period.findtext("Point/quantity")}
            for period in series.iter("Available_Period")
        )
    names = ("mrid", "revision", "status", "created", "business", "unit", "nominal", "psr", "start", "end", "available")
    return pl.DataFrame(out, schema=dict.fromkeys(names, pl.String))


def _time(period: Element, edge: str) -> str:
    return instant(period.findtext(f"timeInterval/{edge}")).isoformat()
