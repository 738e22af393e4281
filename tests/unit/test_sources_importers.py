"""Importer files: the shipped ones fit their markets, and a wrong one is refused with file, field, value and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from config.markets import load_markets
from pipeline_tasks.sources import SourceError
from pipeline_tasks.sources.importers import TABLES, has_daylight_saving, load_importers
from pipeline_tasks.sources.units import CONVERSIONS, conversion

GOOD = {
    "dataset": "demo",
    "objects": [
        {
            "id": "a",
            "files": "a.csv",
            "market": "twin",
            "time": {"column": "t", "dst": "utc", "resolution_min": 60},
            "targets": [
                {
                    "table": "prices",
                    "columns": {"price_ccy_per_mwh": "p"},
                    "constants": {"hub": "H", "product": "da", "currency": "EUR"},
                    "known": {"rule": "day", "days": -1, "at": "12:45"},
                }
            ],
        }
    ],
}


def _written(folder: Path, change: dict[str, object], where: tuple[str | int, ...] = ("objects", 0)) -> Path:
    raw = yaml.safe_load(yaml.safe_dump(GOOD))
    place = raw
    for step in where:
        place = place[step]
    place.update(change)
    (folder / "demo.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    return folder


def test_shipped_importers_serve_configured_markets_and_hubs() -> None:
    markets = load_markets()
    specs = [spec for importer in load_importers() for spec in importer.objects]
    assert {"epf_np", "epf_pjm", "epf_de", "epf_be", "epf_fr", "ercot", "nyiso", "be", "aemo", "ieso", "de_fund"} <= {
        key for s in specs for key in s.markets
    }
    for spec, market in ((s, markets[key]) for s in specs for key in s.markets):
        for target in spec.targets:
            hub = target.constants.get("hub")
            if target.table == "prices" and hub:
                assert hub in (*market.hubs, market.area), (spec.id, hub)


def test_shipped_constants_are_allowed_by_the_contract() -> None:
    for importer in load_importers():
        for spec in importer.objects:
            for target in spec.targets:
                table = TABLES[target.table]
                cells = target.wide.cells().values() if target.wide else ()
                for constants in (target.constants, *(c.constants for c in cells)):
                    for name, value in constants.items():
                        allowed = table.column(name).allowed
                        assert not allowed or value in allowed, (importer.dataset, spec.id, name, value)


def test_hub_names_make_distinct_selection_keys() -> None:
    from config.markets import MarketSelection

    keys = [MarketSelection(market=m, hubs=(h,)).key for m in load_markets().values() for h in m.hubs]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        ({"fiels": "x"}, ("objects", 0), ["demo.yaml", "fiels"]),
        ({"dst": "sometimes"}, ("objects", 0, "time"), ["objects.0.time.dst", "sometimes", "fold_by_order"]),
        ({"zone": "Mars/Olympus"}, ("objects", 0, "time"), ["Mars/Olympus", "IANA"]),
        ({"zone": "Europe/Berlin", "dst": "none"}, ("objects", 0, "time"), ["Europe/Berlin", "daylight saving", "Etc/GMT-1"]),
        ({"dst": "elapsed"}, ("objects", 0, "time"), ["elapsed", "hour"]),
        ({"constants": {"hub": "H", "product": "da"}}, ("objects", 0, "targets", 0), ["currency", "raw.prices"]),
        ({"columns": {"price": "p"}}, ("objects", 0, "targets", 0), ["'price'", "price_ccy_per_mwh"]),
        ({"known": {"rule": "day", "days": -1, "at": "25:00"}}, ("objects", 0, "targets", 0), ["known", "25:00"]),
        (
            {"columns": {"price_ccy_per_mwh": {"column": "p", "unit": ["furlong", "MW"]}}},
            ("objects", 0, "targets", 0),
            ["furlong", "GW", "factor"],
        ),
    ],
)
def test_a_wrong_entry_names_file_field_value_and_remedy(
    tmp_path: Path, change: dict[str, object], where: tuple[str | int, ...], said: list[str]
) -> None:
    with pytest.raises(SourceError) as caught:
        load_importers(_written(tmp_path, change, where))
    for text in said:
        assert text in str(caught.value)


def test_broken_yaml_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: [1", encoding="utf-8")
    with pytest.raises(SourceError, match=r"x\.yaml: not valid YAML"):
        load_importers(tmp_path)


def test_the_same_object_twice_is_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(GOOD), encoding="utf-8")
    with pytest.raises(SourceError, match="demo/a"):
        load_importers(tmp_path)


def test_daylight_saving_is_known_per_zone() -> None:
    assert has_daylight_saving("America/New_York")
    assert not has_daylight_saving("Etc/GMT-1")
    assert not has_daylight_saving("Australia/Brisbane")


@pytest.mark.parametrize(
    ("pair", "value", "wanted"),
    [
        (("km/h", "m/s"), 36.0, 10.0),
        (("degF", "degC"), 212.0, 100.0),
        (("K", "degC"), 273.15, 0.0),
        (("GW", "MW"), 1.5, 1500.0),
        (("ct/kWh", "MWh"), 5.0, 50.0),
        (("MWh/15min", "MW"), 25.0, 100.0),
    ],
)
def test_unit_conversions_against_known_values(pair: tuple[str, str], value: float, wanted: float) -> None:
    assert pair in CONVERSIONS
    factor, add = conversion(*pair)
    assert value * factor + add == pytest.approx(wanted)
