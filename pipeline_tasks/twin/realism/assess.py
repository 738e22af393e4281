"""Where the twin stands among real markets: inside or outside of their range, said in sentences computed from the facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Self

import polars as pl

from pipeline_tasks.twin.realism.catalogue import FACTS, GROUPS, Fact, Form, series_of, slice_text

CURVE_SHARE = 0.9
FLAT = 0.05
MARGIN, LONE_MARGIN = 0.1, 0.5  # of each end, added to it: one real market alone is weak evidence
HALF_DAY = 12.0
NAMED = 3


class Verdict(StrEnum):
    """Where the twin's value lies."""

    INSIDE = "inside"  # between the typical years of the real markets
    NEAR = "near"  # outside of those, but a single year or hub of a real market has been there
    BELOW = "below"  # below every real market, year and hub
    ABOVE = "above"
    OUTSIDE = "outside"  # a curve that leaves the range of single years and hubs
    ALONE = "alone"  # no real market publishes it
    ABSENT = "absent"  # the twin has no such value

    @property
    def is_off(self) -> bool:
        """Whether no real market, year or hub was there."""
        return self in {Verdict.BELOW, Verdict.ABOVE, Verdict.OUTSIDE}


@dataclass(frozen=True, slots=True)
class Finding:
    """The twin beside real markets for one slice of a fact, or for one curve.

    Attributes:
        fact: what is compared.
        slice: product, hour, class, ...; the series of a curve.
        twin: the twin's value; None where it has none, and for curves.
        real: data set -> value of its typical year; empty for curves.
        low, high: range of the typical years.
        wide_low, wide_high: range of all single years and hubs; the verdict adds a margin to it.
        verdict: where the twin lies.
        gap: how far outside of the wide range, in widths of it; 0 inside.
        inside, points: of a curve: points inside the range of the typical years, and points.
        sentence: the finding in words.
    """

    fact: Fact
    slice: str
    twin: float | None
    real: dict[str, float] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    wide_low: float | None = None
    wide_high: float | None = None
    verdict: Verdict = Verdict.ALONE
    gap: float = 0.0
    inside: int = 0
    points: int = 0
    sentence: str = ""

    @property
    def name(self) -> str:
        """Label with slice."""
        said = slice_text(self.slice)
        return f"{self.fact.label} ({said})" if said else self.fact.label

    @property
    def twin_text(self) -> str:
        """The twin's value as people read it; for a curve, how many of its points are in range."""
        return f"{self.inside} of {self.points} in range" if self.points else self.fact.text(self.twin)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "fact"}
        return {"fact": self.fact.key, "label": self.fact.label, "group": self.fact.group, "judged": self.fact.judged, **values}


def typical(facts: pl.DataFrame) -> pl.DataFrame:
    """One value per data set, fact and slice: the median over calendar years, or the whole window where no year is complete.

    Args:
        facts: rows of ops.stylised_facts.

    Returns:
        data_set, data_class, fact, slice, unit, value, wide_low, wide_high (smallest and largest hub of any year; of the whole
        window as well where there are not two whole years), n, window_from, window_to (of the whole window).
    """
    whole, year = pl.col("span") == "whole", pl.col("span") == "year"
    several = (year.sum() >= 2) & year | (year.sum() < 2)  # two whole years say how years differ; else the whole window counts, too
    return (
        facts.group_by("data_set", "data_class", "fact", "slice", "unit", maintain_order=True)
        .agg(
            value=pl.coalesce(pl.col("value").filter(year).median(), pl.col("value").filter(whole).first()),
            wide_low=pl.col("hub_low").filter(several).min(),
            wide_high=pl.col("hub_high").filter(several).max(),
            n=pl.col("n").filter(whole).first(),
            window_from=pl.col("window_from").filter(whole).first(),
            window_to=pl.col("window_to").filter(whole).first(),
        )
        .sort("data_set", "fact", "slice")
    )


def assess(facts: pl.DataFrame) -> list[Finding]:
    """Findings for every fact that the twin or a real market has, in the order of the catalogue.

    Args:
        facts: rows of ops.stylised_facts, newest run of every data set.
    """
    values = typical(facts)
    found: list[Finding] = []
    for fact in FACTS:
        own = values.filter(pl.col("fact") == fact.key)
        for name in sorted(own["slice"].unique().to_list(), key=_natural):
            found += [] if fact.is_curve else [_scalar(fact, name, own.filter(pl.col("slice") == name))]
        if fact.is_curve and own.height:
            with_series = own.with_columns(series=pl.col("slice").map_elements(series_of, return_dtype=pl.String))
            found += [_curve(fact, str(key[0]), rows) for key, rows in sorted(with_series.group_by("series"), key=lambda g: str(g[0][0]))]
    return found


@dataclass(frozen=True, slots=True)
class _Range:
    """Range of the real values of one slice.

    Attributes:
        low, high: range of the typical years.
        wide_low, wide_high: range of all single years and hubs.
        first, last: the same with the margin of the verdict.
        least_width: width that a range of (nearly) no width counts with.
    """

    low: float
    high: float
    wide_low: float
    wide_high: float
    first: float
    last: float
    least_width: float

    @classmethod
    def of(cls, fact: Fact, rows: pl.DataFrame) -> Self:
        low, high = float(rows["value"].min()), float(rows["value"].max())  # type: ignore[arg-type]
        wide_low, wide_high = min(low, float(rows["wide_low"].min())), max(high, float(rows["wide_high"].max()))  # type: ignore[arg-type]
        lone = rows["data_set"].n_unique() == 1
        if fact.form is Form.HOUR:
            margin = 2.0 if lone else 1.0
            return cls(low, high, wide_low, wide_high, wide_low - margin, wide_high + margin, least_width=3.0)
        share, least = LONE_MARGIN if lone else MARGIN, max(FLAT * max(abs(wide_low), abs(wide_high)), 1e-12)
        first, last = (edge + sign * share * max(abs(edge), least) for edge, sign in ((wide_low, -1), (wide_high, 1)))
        return cls(low, high, wide_low, wide_high, first, last, least_width=least)

    def near(self, value: float) -> bool:
        """Whether a single year or hub was there, give or take the margin."""
        return self.first <= value <= self.last

    def gap(self, value: float) -> float:
        """Distance to the range with its margin, in widths of the range."""
        width = max(self.wide_high - self.wide_low, self.least_width)
        return max(self.first - value, value - self.last, 0.0) / width

    def around(self, hour: float) -> float:
        """An hour of the day, moved by a day where that brings it closer: 23:00 is an hour before midnight."""
        middle = (self.wide_low + self.wide_high) / 2
        return (hour - middle + HALF_DAY) % (2 * HALF_DAY) + middle - HALF_DAY


def _natural(name: str) -> list[tuple[bool, float, str]]:
    """Sort key in which numbers count as numbers."""
    return [(not word.isdigit(), float(word) if word.isdigit() else 0.0, word) for word in name.split(" ")]


def _scalar(fact: Fact, name: str, rows: pl.DataFrame) -> Finding:
    twin_rows, real_rows = rows.filter(pl.col("data_class") == "twin"), rows.filter(pl.col("data_class") == "real")
    twin = float(twin_rows["value"][0]) if twin_rows.height else None
    real = dict(zip(real_rows["data_set"].to_list(), real_rows["value"].to_list(), strict=True))
    if not real:
        return Finding(fact, name, twin)
    span = _Range.of(fact, real_rows)
    edges = (span.low, span.high, span.wide_low, span.wide_high)
    if twin is None:
        return Finding(fact, name, None, real, *edges, verdict=Verdict.ABSENT)
    placed = span.around(twin) if fact.form is Form.HOUR else twin
    if span.low <= placed <= span.high:
        verdict = Verdict.INSIDE
    elif span.near(placed):
        verdict = Verdict.NEAR
    else:
        verdict = Verdict.BELOW if placed < span.wide_low else Verdict.ABOVE
    bare = Finding(fact, name, twin, real, *edges, verdict=verdict, gap=span.gap(placed))
    return replace(bare, sentence=_sentence(bare))


def _sentence(finding: Finding) -> str:
    """Value, range and verdict in one sentence."""
    text, twin = finding.fact.text, finding.twin or 0.0
    nearest = min(finding.real, key=lambda k: abs(finding.real[k] - twin))
    if len(finding.real) == 1:
        basis = f"{nearest}, the only real market that has it, is at {text(finding.real[nearest])}"
    else:
        basis = f"the typical years of {len(finding.real)} real markets lie at {text(finding.low)} to {text(finding.high)}"
    years = f"{text(finding.wide_low)} to {text(finding.wide_high)}"
    ends = {
        Verdict.INSIDE: "inside their range",
        Verdict.NEAR: f"outside of it, but within single years and hubs ({years})",
        Verdict.BELOW: f"below every year and hub ({years})",
        Verdict.ABOVE: f"above every year and hub ({years})",
    }
    return f"{finding.name}: {text(twin)} in the twin; {basis}: {ends[finding.verdict]}."


def _curve(fact: Fact, series: str, rows: pl.DataFrame) -> Finding:
    """A curve is inside where nine tenths of its points are; the sentence names the point that is farthest off."""
    twin = rows.filter(pl.col("data_class") == "twin")
    points: list[tuple[str, float, _Range]] = []
    has_real = rows.filter(pl.col("data_class") == "real").height > 0
    for name, value in twin.select("slice", "value").iter_rows():
        real = rows.filter((pl.col("slice") == name) & (pl.col("data_class") == "real"))
        if real.height:
            points.append((name, value, _Range.of(fact, real)))
    if not points:
        return Finding(fact, series, None, verdict=Verdict.ABSENT if has_real else Verdict.ALONE)
    inside = sum(span.low <= value <= span.high for _, value, span in points)
    near = sum(span.near(value) for _, value, span in points)
    needed = CURVE_SHARE * len(points)
    verdict = Verdict.INSIDE if inside >= needed else Verdict.NEAR if near >= needed else Verdict.OUTSIDE
    name, value, span = max(points, key=lambda p: p[2].gap(p[1]))
    gap = span.gap(value)
    far = f"; farthest at {name.rsplit(' ', 1)[1]}: {fact.text(value)} against {fact.text(span.wide_low)} to {fact.text(span.wide_high)}"
    label = f"{fact.label} ({slice_text(series)})"
    counts = f"{inside} of {len(points)} points inside the typical years of real markets, {near} within single years and hubs"
    sentence = f"{label}: {counts}{far if gap else ''}."
    return Finding(fact, series, None, verdict=verdict, gap=gap, inside=inside, points=len(points), sentence=sentence)


def compared(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that are judged: the twin and at least one real market have a value."""
    return [f for f in findings if f.fact.judged and f.verdict not in {Verdict.ALONE, Verdict.ABSENT}]


def summary(findings: Sequence[Finding]) -> list[str]:
    """The whole in a sentence, then one sentence for every group of facts."""
    judged = compared(findings)
    if not judged:
        return ["Nothing can be compared: the warehouse has no facts of the twin, or none of a real market."]
    off = sorted((f for f in judged if f.verdict.is_off), key=lambda f: -f.gap)
    inside, near = (sum(f.verdict is v for f in judged) for v in (Verdict.INSIDE, Verdict.NEAR))
    counts = f"inside the range of typical years for {inside}, within single years and hubs for {near}, and outside of all for {len(off)}"
    lines = [f"Of {len(judged)} facts that twin and real markets share, the twin is {counts}."]
    if off:
        lines.append("Farthest off: " + "; ".join(f"{f.name} {_short(f)}" for f in off[:NAMED]) + ".")
    return lines + [line for group in GROUPS if (line := _group_line(group, [f for f in judged if f.fact.group == group]))]


def _short(finding: Finding) -> str:
    if finding.fact.is_curve:
        return "leaves the range"
    text = finding.fact.text
    return f"{text(finding.twin)} against {text(finding.wide_low)} to {text(finding.wide_high)}"


def _group_line(group: str, findings: Sequence[Finding]) -> str:
    """How many of a group are off, and in which direction."""
    if not findings:
        return ""
    parts = []
    words = {Verdict.BELOW: ("too low", "too early"), Verdict.ABOVE: ("too high", "too late"), Verdict.OUTSIDE: ("off in shape", "")}
    ranked = sorted((f for f in findings if f.verdict.is_off), key=lambda f: -f.gap)
    said = [(words[f.verdict][f.fact.form is Form.HOUR], f.name[0].lower() + f.name[1:]) for f in ranked]
    for word in dict.fromkeys(word for pair in words.values() for word in pair):
        names = [name for w, name in said if w == word]
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            parts.append(f"{word}: {', '.join(names[:NAMED])}{more}")
    fine = sum(not f.verdict.is_off for f in findings)
    return f"{group}: {fine} of {len(findings)} where real markets are" + (f"; {'; '.join(parts)}." if parts else ".")
