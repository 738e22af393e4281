"""Quality gates: generated suites and hand-written business rules, run by Great Expectations, kept in ops.check_results."""

from pipeline_tasks.quality.outcome import GateBlocked, Outcome

__all__ = ["GateBlocked", "Outcome"]
