"""The realism report: ingest what is asked for, compute, store, judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from config.markets import Market, load_markets
from config.settings import get_settings
from pipeline_tasks.twin.realism.assess import Finding, assess, summary
from pipeline_tasks.twin.realism.compute import compute_facts, inputs_sha, markets_with_prices
from pipeline_tasks.twin.realism.rules import Rules, load_rules
from pipeline_tasks.twin.realism.store import run_id_of, store_facts, stored_facts
from pipeline_tasks.warehouse import connect

Say = Callable[[str], None]
FAR_DATE = date(2099, 12, 31)


@dataclass(frozen=True, slots=True)
class RealismReport:
    """The twin beside real markets.

    Attributes:
        facts: newest rows of ops.stylised_facts of every data set.
        findings: where the twin lies, in the order of the catalogue.
        sentences: the findings in words, computed.
        written: data set -> rows written now; 0 where nothing had changed.
    """

    facts: pl.DataFrame
    findings: list[Finding]
    sentences: list[str]
    written: dict[str, int]

    @property
    def data_sets(self) -> list[str]:
        """The twin first, then the real markets."""
        return data_sets(self.facts)


def data_sets(facts: pl.DataFrame) -> list[str]:
    """Data sets of stored facts: the twin first (even where it has none), then real markets in the order of config/realism.yaml."""
    rules = load_rules()
    found = facts.filter(pl.col("data_class") == "real")["data_set"].unique().sort().to_list()
    order = [name for name in rules.data_sets if name != rules.twin]
    return [rules.twin, *sorted(found, key=lambda name: order.index(name) if name in order else len(order))]


def realism_report(
    markets: Sequence[str] | None = None, *, ingest: bool = False, fresh: bool = False, progress: Say | None = None
) -> RealismReport:
    """Compute and store the facts of the twin and of real markets, and compare them.

    Args:
        markets: real markets to compute anew; None for all with prices in the warehouse. The twin is always computed. Facts of
            other markets that were stored before stay in the comparison.
        ingest: first load the real files of config/realism.yaml from the data folder; loading them again changes nothing.
        fresh: compute also the facts whose inputs (rows of raw, SQL, thresholds) have not changed since they were stored.
        progress: told what is being done.

    Raises:
        KeyError: a market is not configured.
        FileNotFoundError: `ingest` and the data folder is absent.
        ValueError: the twin, or a market that was named, has no prices in the warehouse.
    """
    from pipeline_tasks.steps.code_version import code_sha
    from pipeline_tasks.warehouse.migrate import migrate

    say: Say = progress or (lambda _text: None)
    rules, known = load_rules(), load_markets()
    for name in markets or ():
        if name not in known:
            raise KeyError(f"market {name!r} is not configured; known: {', '.join(sorted(known))}")
    with connect() as warehouse:
        migrate(warehouse)
        if ingest:
            ingest_real(rules, markets, say)
        chosen = _chosen(rules, known, markets, markets_with_prices(warehouse))
        runs = set(stored_facts(warehouse)["run_id"].to_list())
        written = {}
        for market in chosen:
            inputs = inputs_sha(warehouse, market, rules)
            if run_id_of(market.key, inputs) in runs and not fresh:
                written[market.key] = 0
                continue
            say(f"{market.key}: facts")
            kind, facts = "twin" if market.key == rules.twin else "real", compute_facts(warehouse, market, rules)
            written[market.key] = store_facts(warehouse, facts, data_set=market.key, data_class=kind, inputs=inputs, code_sha=code_sha())
        facts = stored_facts(warehouse)
    findings = assess(facts)
    return RealismReport(facts, findings, summary(findings), written)


def stored_report() -> RealismReport:
    """The comparison of what is stored; nothing is computed from raw."""
    with connect() as warehouse:
        facts = stored_facts(warehouse)
    findings = assess(facts)
    return RealismReport(facts, findings, summary(findings), {})


def _chosen(rules: Rules, known: dict[str, Market], markets: Sequence[str] | None, present: frozenset[str]) -> list[Market]:
    """The twin, then real markets in the order of config/realism.yaml, then others by name."""
    absent = [name for name in (rules.twin, *(markets or ())) if name not in present]
    if absent:
        raise ValueError(f"no prices of {absent} in the warehouse; load them first (desk ingest, or --ingest for real ones)")
    ordered = [rules.twin, *rules.data_sets, *sorted(set(present) - set(rules.data_sets))]
    wanted = {rules.twin, *markets} if markets else present
    return [known[name] for name in dict.fromkeys(ordered) if name in wanted and name in known]


def ingest_real(rules: Rules, markets: Sequence[str] | None, say: Say) -> None:
    """Load the files of the real markets that config/realism.yaml lists, or of those named.

    Raises:
        FileNotFoundError: the data folder is absent.
    """
    from pipeline_tasks.steps.context import RunContext
    from pipeline_tasks.steps.ingest import ingest

    folder = get_settings().data_dir
    if not folder.is_dir():
        raise FileNotFoundError(f"data folder {folder} is absent; set DESK_DATA_DIR, or leave --ingest out to compare what is loaded")
    for name in markets or [m for m in rules.data_sets if m != rules.twin]:
        if name == rules.twin:
            continue
        say(f"{name}: ingest")
        objects = frozenset(rules.of(name).ingest) or None
        ingest(RunContext(source="files", market=name, delivery_date=FAR_DATE, dag="realism"), objects=objects)
