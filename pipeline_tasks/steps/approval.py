"""What an approver reads: the request for a promotion as Markdown, verdict first, then the evidence in tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

VERDICTS = {
    "pass": "Gate passed",
    "miss": "Gate missed: this version cannot be promoted",
    "not_run": "Gate could not decide: this version cannot be promoted",
}
DIGEST = 12
"""Characters of a hash that are shown."""


def approval_text(request: Mapping[str, Any]) -> str:
    """The request of `promote.describe_request` in words and tables; nothing that was measured is left out.

    Numbers have four significant digits; what was not measured is said to be so.
    """
    gate = request["gate_numbers"]
    numbers, reasons = gate.get("numbers", {}), gate.get("reasons", [])
    champion = request["champion"]
    lines = [
        f"### {VERDICTS.get(request['gate'], 'Gate: ' + str(request['gate']))}",
        "Against it:\n" + "\n".join(f"- {reason}" for reason in reasons) if reasons else "",
        f"Version **{request['version']}** would replace version **{champion}**."
        if champion != "(none)"
        else f"Version **{request['version']}** would be the first champion.",
        _table(("", "mean loss", "test"), _losses(numbers)) if "loss" in numbers else "",
        _table(("check", "measured", "admitted"), [*_checks(numbers), _parity(request["parity"]), _shadow(request["shadow"])]),
        f"Trained on {_rows(request['training_rows'])} up to {request['cutoff']}; artifact `{request['artifact_sha'][:DIGEST]}`.",
    ]
    return "\n\n".join(line for line in lines if line)


def _losses(numbers: Mapping[str, float]) -> list[tuple[str, str, str]]:
    rows = [
        ("candidate", _number(numbers["loss"]), f"on {_number(numbers['rows'])} rows of {_number(numbers['days'])} unseen days"),
        ("baseline", _number(numbers["baseline_loss"]), f"candidate is better: p = {_number(numbers['dm_p_value'])}"),
    ]
    if "champion_loss" in numbers:
        worse = f"candidate is worse: p = {_number(numbers['worse_than_champion_p_value'])}"
        rows.insert(1, ("champion", _number(numbers["champion_loss"]), worse))
    if "target" in numbers:
        rows.append(("target", _number(numbers["target"]), "loss at most"))
    return rows


def _checks(numbers: Mapping[str, float]) -> list[tuple[str, str, str]]:
    found = []
    if "coverage" in numbers:
        low, high = max(numbers["coverage_low"], 0.0), min(numbers["coverage_high"], 1.0)
        found.append(("coverage of the interval", _number(numbers["coverage"]), f"{_number(low)} to {_number(high)}"))
    for name, words in (("parity_gap", "largest difference of training and serving"), ("latency_s", "inference of a day, s")):
        if name in numbers:
            limit = numbers.get(f"{name}_limit")
            found.append((words, _number(numbers[name]), "" if limit is None else f"at most {_number(limit)}"))
    return found


def _parity(parity: Mapping[str, Any]) -> tuple[str, str, str]:
    seen = f"{_number(parity['mismatches'])} of {_number(parity['samples'])} differ"
    return ("served values built again", f"{seen}: {parity['example']}" if parity["example"] else seen, "0")


def _shadow(shadow: Mapping[str, Any]) -> tuple[str, str, str]:
    if not shadow:
        return ("shadow beside the champion", "not run yet", "")
    strength = f"e-value {_number(shadow['e_value'])}, power {_number(shadow['power'])}"
    return ("shadow beside the champion", f"{shadow['verdict']} after {_number(shadow['days'])} days, {strength}", str(shadow["reason"]))


def _rows(count: int | None) -> str:
    return "rows whose number is not on record" if count is None else f"{count:,} rows"


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e12 else f"{value:.4g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; bars and line breaks in cells cannot break it."""
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in (head, *rows)]
    cells.insert(1, ["---"] * len(head))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
