# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["energypylinear==1.4.1"]
# ///
"""energy-py-linear: one battery, prices known, a day of hours (it has neither wear, cycles nor a second market)."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from pathlib import Path

import energypylinear as epl


def main(folder: Path) -> None:
    """Solve every day of `task.json`, write `answer.json`."""
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    asset, taken, profit = task["asset"], [], []
    for prices in task["prices"]:
        began = time.perf_counter()
        battery = epl.Battery(
            power_mw=asset["power_mw"],
            capacity_mwh=asset["energy_mwh"],
            efficiency_pct=asset["round_trip_efficiency"],
            electricity_prices=prices,
            initial_charge_mwh=asset["start_mwh"],
            final_charge_mwh=asset["start_mwh"],
            freq_mins=60,
        )
        found = battery.optimize(verbose=0, objective="price")
        taken.append(time.perf_counter() - began)
        table = found.results
        net = table["site-export_power_mwh"] - table["site-import_power_mwh"]
        profit.append(float((net * table["site-electricity_prices"]).sum()))
    answer = {"seconds": taken, "profit": profit, "version": f"energypylinear {importlib.metadata.version('energypylinear')}"}
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
