"""Scaffold: `desk new-model NAME` copies the template into models/NAME and config/models/NAME.yaml."""

from __future__ import annotations

import keyword
from pathlib import Path

from models._kernel.registry import NAME_PATTERN

TEMPLATE = "_template"
PARAMS = "params.yaml"
LONGEST = 40
TEXT = frozenset({".py", ".md", ".yaml", ".sql"})


def new_model(name: str, root: Path) -> list[str]:
    """Make a model that runs, trains and obeys every law as it is; filling its folder makes it yours.

    Nothing else is edited: registry, DAGs, tests find the folder; `desk gen` writes its DDL, views, dbt and dictionary entries.

    Args:
        name: lower snake case, at most 40 characters: folder, table, config file and task group are called so.
        root: repository.

    Returns:
        Paths of the files made, relative to `root`, sorted.

    Raises:
        ValueError: the name cannot be a model's, or is taken.
        FileNotFoundError: `root` holds no template.
    """
    folder, params = root / "models" / name, root / "config" / "models" / f"{name}.yaml"
    _check(name, folder, params)
    template = root / "models" / TEMPLATE
    if not template.is_dir():
        raise FileNotFoundError(f"{template} is missing; run this in a checkout of the repository")
    made = []
    for source in sorted(p for p in template.rglob("*") if p.suffix in TEXT):
        relative = source.relative_to(template)
        target = params if relative.as_posix() == PARAMS else folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_renamed(source.read_text(encoding="utf-8"), name), encoding="utf-8")
        made.append(target.relative_to(root).as_posix())
    _forget_known_models()
    return sorted(made)


def _check(name: str, folder: Path, params: Path) -> None:
    if not NAME_PATTERN.fullmatch(name) or len(name) > LONGEST:
        raise ValueError(f"model name {name!r}: use lower snake case that begins with a letter, at most {LONGEST} characters (gas_storage)")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name == TEMPLATE.strip("_"):
        raise ValueError(f"model name {name!r} is a word of Python or of the template; choose another")
    for path in (folder, params):
        if path.exists():
            raise ValueError(f"{path} exists already; choose another name, or remove it first")


def _renamed(text: str, name: str) -> str:
    """The template's text with its names replaced: package, class, label, model."""
    camel = "".join(part.capitalize() for part in name.split("_"))
    label = name.replace("_", " ").capitalize()
    for old, new in ((TEMPLATE, name), ("TemplateModel", f"{camel}Model"), ("Template", label), ("template", name)):
        text = text.replace(old, new)
    return text


def _forget_known_models() -> None:
    """A process that scaffolds sees its new model at once."""
    from models._kernel.registry import model_names

    model_names.cache_clear()
