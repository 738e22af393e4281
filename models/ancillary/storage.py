"""The artifact of ancillary: JSON, npz and LightGBM text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from models._kernel.artifacts import load_arrays, load_booster, load_json, save_arrays, save_booster, save_json, seal, verify_artifact
from models._kernel.quantile_boosting import Boosters
from models._kernel.replay import Past
from models.ancillary.params import Params

MODEL = "ancillary"
Series = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Products:
    """Boosters of all products.

    Attributes:
        names: products, sorted.
        first: boosters whose forecasts are inputs of the stacked ones; empty where nothing is stacked.
        second: boosters that answer.
        stacked: whether each product's answer looks at the forecasts of all.
    """

    names: tuple[str, ...]
    first: Mapping[str, Boosters]
    second: Mapping[str, Boosters]
    stacked: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training leaves behind.

    Attributes:
        products: the boosters.
        hubs: (market, hub) of the training rows; the number of one is an input.
        past: calibration rows by series.
        expected: optional inputs that training rows had.
        regimes: product designs that training saw.
        slots: intervals of a local day.
        cutoff: nothing known later was learned.
    """

    products: Products
    hubs: tuple[tuple[str, str], ...]
    past: Mapping[Series, Past]
    expected: tuple[str, ...]
    regimes: tuple[int, ...]
    slots: int
    cutoff: datetime


def write(directory: Path, fitted: Fitted, params: Params) -> None:
    """Write and seal the artifact."""
    series = sorted(fitted.past)
    products = fitted.products
    head: dict[str, Any] = {
        "params": params.as_json(),
        "names": list(products.names),
        "stacked": [bool(products.stacked[name]) for name in products.names],
        "inputs": [list(products.second[name].names) for name in products.names],
        "first_inputs": [list(products.first[name].names) for name in products.names] if products.first else [],
        "hubs": [list(h) for h in fitted.hubs],
        "series": [list(s) for s in series],
        "expected": list(fitted.expected),
        "regimes": list(fitted.regimes),
        "slots": fitted.slots,
        "cutoff": fitted.cutoff.isoformat(),
    }
    save_json(directory, "model", head)
    for number, key in enumerate(series):
        save_arrays(directory, f"past_{number:03d}", asdict(fitted.past[key]))
    for number, name in enumerate(products.names):
        for row, boosters in (("first", products.first.get(name)), ("second", products.second[name])):
            for knot, booster in enumerate(boosters.models if boosters else ()):
                save_booster(directory, f"{row}_{number:02d}_{knot:02d}", booster)
    seal(directory, model=MODEL)


def read(directory: Path) -> tuple[Fitted, Params]:
    """Read what `write` wrote.

    Raises:
        ArtifactError: the artifact is incomplete, altered or belongs to another model.
    """
    verify_artifact(directory, model=MODEL)
    head = load_json(directory, "model")
    params = Params.of(head["params"])
    names = tuple(str(name) for name in head["names"])

    def boosters(row: str, number: int, inputs: list[str], levels: tuple[float, ...]) -> Boosters:
        models = tuple(load_booster(directory, f"{row}_{number:02d}_{knot:02d}") for knot in range(len(levels)))
        return Boosters(tuple(inputs), levels, models)

    first = {names[k]: boosters("first", k, inputs, params.co_levels) for k, inputs in enumerate(head["first_inputs"])}
    second = {names[k]: boosters("second", k, inputs, params.knots) for k, inputs in enumerate(head["inputs"])}
    series: tuple[Series, ...] = tuple((str(m), str(h), str(p)) for m, h, p in head["series"])
    fitted = Fitted(
        products=Products(names, first, second, dict(zip(names, map(bool, head["stacked"]), strict=True))),
        hubs=tuple((str(m), str(h)) for m, h in head["hubs"]),
        past={s: Past.restore(load_arrays(directory, f"past_{number:03d}")) for number, s in enumerate(series)},
        expected=tuple(head["expected"]),
        regimes=tuple(int(r) for r in head["regimes"]),
        slots=int(head["slots"]),
        cutoff=datetime.fromisoformat(head["cutoff"]),
    )
    return fitted, params
