"""`python -m pipeline_tasks.bench NAME`: one bench in a process of its own, rows as JSON on stdout."""

from __future__ import annotations

import json
import sys

from pipeline_tasks.bench.runner import measure


def main(arguments: list[str]) -> int:
    """Run the named bench; 2 when the name is missing."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m pipeline_tasks.bench NAME\n")
        return 2
    rows = measure(arguments[0])
    sys.stdout.write("\n" + json.dumps(rows, default=str) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
