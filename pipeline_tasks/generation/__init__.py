"""Generation: SQL, dbt contracts, expectation suites and the data dictionary, all written from the contracts."""

from pipeline_tasks.generation.artefacts import HEADER, Artefact, build_artefacts
from pipeline_tasks.generation.write import Drift, generate

__all__ = ["HEADER", "Artefact", "Drift", "build_artefacts", "generate"]
