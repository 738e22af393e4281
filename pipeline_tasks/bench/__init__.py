"""Benches: speed and memory of the pipeline's own functions beside a peer, measured in the same run."""

from pipeline_tasks.bench.runner import bench_names, run_bench

__all__ = ["bench_names", "run_bench"]
