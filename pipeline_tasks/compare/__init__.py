"""Comparator lab: public libraries beside a model of ours, on the same rows, each in an environment of its own."""

from pipeline_tasks.compare.lab import Standing, compare
from pipeline_tasks.compare.peers_run import PEERS, PeerError

__all__ = ["PEERS", "PeerError", "Standing", "compare"]
