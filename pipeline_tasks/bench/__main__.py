"""`python -m pipeline_tasks.bench NAME`: one bench in a process of its own, rows as JSON on stdout; `models MODEL`: one model's figures."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from pipeline_tasks.bench.models import night_of
from pipeline_tasks.bench.runner import measure


def main(arguments: list[str]) -> int:
    """Run the named bench, or one model's part of `models`; 2 when the name is missing."""
    if len(arguments) not in {1, 2} or (len(arguments) == 2 and arguments[0] != "models"):
        sys.stderr.write("usage: python -m pipeline_tasks.bench NAME | models MODEL\n")
        return 2
    rows = measure(arguments[0]) if len(arguments) == 1 else [asdict(f) for f in night_of(arguments[1])]
    sys.stdout.write("\n" + json.dumps(rows, default=str) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
