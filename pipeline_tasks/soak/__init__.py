"""Soak: the intraday DAG many times in a row on the simulated market, with faults, and the proof that nothing was lost or doubled."""

from pipeline_tasks.soak.cycles import Cycle, soak_intraday

__all__ = ["Cycle", "soak_intraday"]
