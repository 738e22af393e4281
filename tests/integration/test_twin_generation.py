"""Generation of the twin: one process or two, today or again, the same content; a dial changes what it can affect and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from config.settings import REPO_ROOT, get_settings
from pipeline_tasks.sources.twin import OBJECTS
from pipeline_tasks.twin.cache import DayStore
from pipeline_tasks.twin.content import hashes
from pipeline_tasks.twin.dials import ElementOutage, FuelShock, NewPlant, ScenarioDials
from pipeline_tasks.twin.generate import days_of, generate, store_of
from pipeline_tasks.twin.profiles import TwinProfile, load_profile

PROFILE = load_profile("test")
LAST = PROFILE.date_of(7)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of its own, empty."""
    monkeypatch.setenv("DESK_TWIN_CACHE", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    get_settings.cache_clear()


def test_one_process_two_processes_and_a_longer_horizon_give_the_same_content(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name, processes in (("one", 1), ("two", 2)):
        monkeypatch.setenv("DESK_TWIN_CACHE", str(tmp_path / name))
        get_settings.cache_clear()
        hashes("test", PROFILE.date_of(2 if processes == 1 else 0), processes=1)  # a run that ends early: the next one goes on from it
        found.append(hashes("test", LAST, processes=processes))
    assert found[0] == found[1]
    again = hashes("test", LAST)
    assert again == found[0]
    assert all(p["rows"] for p in found[0]["parts"] if p["part"] in {"prices_da", "nodal_prices_rt", "truth_shadow_prices"})
    shorter = hashes("test", PROFILE.date_of(5))
    assert shorter["sha"] != found[0]["sha"]


SCRIPT = """
if __name__ != "__main__":
    raise SystemExit("the main script was run again")
from datetime import date
from pipeline_tasks.twin.generate import days_of, generate, store_of
from pipeline_tasks.twin.profiles import load_profile
profile = load_profile("test")
assert list(generate(profile, profile.date_of(1), store_of(profile), processes=2)) == days_of(profile, profile.date_of(1))
"""


def test_processes_do_not_run_the_main_script_again(tmp_path: Path, cache: Path) -> None:
    """An orchestrator's script may not run in them: it would open its metadata database."""
    script = tmp_path / "orchestrator"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=REPO_ROOT,
        env={**os.environ, "PYTHONPATH": str(REPO_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def _made(profile: TwinProfile, last: date) -> DayStore:
    store = store_of(profile)
    assert list(generate(profile, last, store, processes=1)) == days_of(profile, last)
    return store


def _differing(one: DayStore, other: DayStore, day: date) -> set[str]:
    first, second = one.digests(day), other.digests(day)
    return {p for p in OBJECTS if first.get(p) != second.get(p)}


def test_a_branch_outage_changes_flows_prices_and_its_own_reports_within_its_window_alone(cache: Path) -> None:
    plain = _made(PROFILE, LAST)
    branches = plain.read("grid_branches", [PROFILE.start_date])
    constraints = plain.read("constraints", [PROFILE.date_of(k) for k in range(8)])
    assert branches is not None
    assert constraints is not None
    name = str(constraints.get_column("branch").mode().sort()[0])
    window = (PROFILE.date_of(4), PROFILE.date_of(5))
    dial = ElementOutage(first=window[0], last=window[1], element_kind="line", element=name, notice_days=2)
    dialled = _made(PROFILE.model_copy(update={"dials": ScenarioDials(outages=(dial,))}), LAST)
    cleared = {"prices_da", "prices_rt", "prices_ancillary", "prices_imbalance", "nodal_prices_da", "nodal_prices_rt", "constraints"}
    cleared |= {"units", "quantities_system", "truth_shadow_prices"}
    for day in days_of(PROFILE, LAST):
        changed = _differing(plain, dialled, day)
        if window[0] <= day <= window[1]:
            assert {"nodal_prices_da", "nodal_prices_rt"} <= changed <= cleared | {"outages"}, day
        else:
            assert changed <= {"outages"}, day  # the commitment sees no network, and real time feeds nothing back
    extra = [dialled.read("outages", [d]) for d in days_of(PROFILE, LAST)]
    own = pl.concat([f for f in extra if f is not None]).filter(pl.col("kind") == "scenario")
    assert set(own["element"]) == {name}
    before = pl.concat([f for d in days_of(PROFILE, LAST) if (f := plain.read("outages", [d])) is not None])
    others = pl.concat([f for f in extra if f is not None]).filter(pl.col("kind") != "scenario")
    assert others.equals(before), "no other report changes"
    midnight = PROFILE.date_of(4) - timedelta(days=2)
    assert own["known_ts"].min().date() <= midnight  # type: ignore[union-attr]


def test_a_fuel_shock_changes_no_weather_load_or_vessel_and_nothing_before_it(cache: Path) -> None:
    plain = _made(PROFILE, LAST)
    first = PROFILE.date_of(4)
    shock = FuelShock(first=first, last=LAST, fuel="gas", multiplier=2.0)
    dialled = _made(PROFILE.model_copy(update={"dials": ScenarioDials(fuel_shocks=(shock,))}), LAST)
    untouched = {"quantities_hubs", "voyages", "outages", "grid_buses", "grid_branches", "grid_units", "truth_ptdf", "truth_regimes"}
    seen: set[str] = set()
    for day in days_of(PROFILE, LAST):
        changed = _differing(plain, dialled, day)
        assert not changed if day < first else not changed & untouched, day
        seen |= changed
    assert {"commodities", "prices_da", "offers", "truth_unit_costs"} <= seen


def test_a_new_park_is_registered_and_changes_nothing_before_it_nor_what_no_plant_can_move(cache: Path) -> None:
    plain = _made(PROFILE, LAST)
    first, last = PROFILE.date_of(4), PROFILE.date_of(5)
    park = NewPlant(first=first, last=last, name="PARK", hub="HUB_EAST", fuel="wind", capacity_mw=700)
    dialled = _made(PROFILE.model_copy(update={"dials": ScenarioDials(new_plants=(park,))}), LAST)
    never = {"quantities_hubs", "quantities_gas", "commodities", "voyages", "outages", "grid_buses", "grid_branches", "truth_ptdf"}
    never |= {"truth_regimes", "truth_lng_effect"}
    for day in days_of(PROFILE, LAST):
        changed = _differing(plain, dialled, day)
        if day < first:
            assert not changed, day
        elif day <= last:
            assert {"units", "offers", "quantities_system", "prices_da", "prices_rt"} <= changed, day
        assert not changed & never, day
        assert ("grid_units" in changed) == (day == first), day
    register = dialled.read("grid_units", days_of(PROFILE, LAST))
    assert register is not None
    assert register.row(-1, named=True)["unit_id"] == park.name
    known = dialled.read("units", [first])
    assert known is not None
    assert set(known["unit_id"]) == set(register["unit_id"])
