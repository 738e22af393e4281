"""A new model appears everywhere by itself: a temporary copy of the repository, `new_model`, `generate`, nothing else edited."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_tasks import scaffold

REPO = Path(__file__).resolve().parents[2]
NAME = "demo_x"


def _python(root: Path, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run python in the copy, with the copy's packages first on the path and a state folder of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DESK_", "PYTEST", "PYTHON"))}
    environment |= {
        "PYTHONPATH": str(root),
        "DESK_HOME": str(home),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
    }
    return subprocess.run([sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=300)


def _value(root: Path, code: str, home: Path):
    """The JSON that a piece of code prints last in the copy."""
    done = _python(root, "-c", code, home=home)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def _files(root: Path) -> dict[str, bytes]:
    skipped = {"__pycache__", ".git"}
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file() and not skipped & set(p.parts)}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def copy(tmp_path_factory, home) -> Path:
    """The repository's own files, generated once before the new model comes."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=REPO, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("needs a git checkout, to copy the repository's own files")
    root = tmp_path_factory.mktemp("repo")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (REPO / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, root / name)
    _value(root, "from pipeline_tasks.generation import generate; generate(); print('{}')", home)
    return root


@pytest.fixture(scope="module")
def scaffolded(copy, home) -> dict[str, list[str]]:
    """Scaffold and generate in the copy; which files were made and which changed."""
    before = _files(copy)
    code = (
        "import json, pathlib; from pipeline_tasks.scaffold import new_model; from pipeline_tasks.generation import generate;"
        f"made = new_model({NAME!r}, pathlib.Path('.').resolve()); generate(); print(json.dumps(made))"
    )
    made = _value(copy, code, home)
    after = _files(copy)
    return {
        "made": made,
        "new": sorted(set(after) - set(before)),
        "changed": sorted(n for n in before if after.get(n) != before[n]),
    }


def test_scaffold_makes_the_folder_and_its_parameters(scaffolded):
    parts = ("README.md", "__init__.py", "model.py", "spec.py", "yardstick.py")
    assert scaffolded["made"] == sorted([f"config/models/{NAME}.yaml", *(f"models/{NAME}/{part}" for part in parts)])


def test_only_generated_files_change(scaffolded):
    """Whatever is not of the model's own folder is written by `desk gen`, never by hand."""
    generated = ("sql/ddl/", "sql/views/", "expectations/suites/", "transforms/models/", "docs/data_dictionary.md")
    own = set(scaffolded["made"])
    assert [n for n in [*scaffolded["new"], *scaffolded["changed"]] if n not in own and not n.startswith(generated)] == []


def test_nothing_of_the_template_stays_behind(copy, scaffolded):
    for name in scaffolded["made"]:
        assert "template" not in (copy / name).read_text().lower().replace("map_index_template", "")


def test_registry_finds_it(copy, scaffolded, home):
    code = (
        "import json; from models._kernel import registry as r;"
        f"m = r.model_class({NAME!r}); y = r.yardstick_of({NAME!r});"
        f"print(json.dumps([{NAME!r} in r.model_names(), r.spec_of({NAME!r}).name, m.__name__, y.system, r.params_of({NAME!r}, 'demo')]))"
    )
    assert _value(copy, code, home) == [True, NAME, "DemoXModel", NAME, {"window_days": 90}]


def test_ddl_and_view_are_generated(copy, scaffolded):
    ddl = (copy / f"sql/ddl/curated.{NAME}.sql").read_text()
    assert "price_q05_ccy_per_mwh Float64" in ddl.replace("`", "")
    assert "artifact_sha" in ddl
    assert (copy / f"sql/views/curated.v_{NAME}.sql").is_file()


def test_dbt_knows_its_published_view(copy, scaffolded):
    sources = (copy / "transforms/models/sources.yml").read_text()
    assert f"name: v_{NAME}\n" in sources


def test_suite_and_dictionary_are_generated(copy, scaffolded):
    dictionary = (copy / "docs/data_dictionary.md").read_text()
    assert f"curated.{NAME}" in dictionary
    suite = copy / f"expectations/suites/curated.{NAME}.json"
    assert suite.is_file()
    assert "price_point_ccy_per_mwh" in suite.read_text()


def test_generated_files_are_up_to_date_afterwards(copy, scaffolded, home):
    assert _value(copy, "import json; from pipeline_tasks.generation import generate; print(len(generate(check=True)))", home) == 0


@pytest.mark.parametrize(("dag", "tasks"), [("nightly", [f"{NAME}.infer", f"{NAME}.publish"])])
def test_dag_has_its_tasks(copy, scaffolded, home, dag, tasks):
    code = f"import json; from dags.{dag} import dag; print(json.dumps(sorted(dag.task_ids)))"
    found = _value(copy, code, home)
    assert set(tasks) <= set(found)


def test_forms_offer_it(copy, scaffolded, home):
    code = "import json; from dags._factory import models_param; print(json.dumps(models_param().value))"
    assert NAME in _value(copy, code, home)


REPORT = f"""
import json
from datetime import date
import polars as pl
from models._kernel import laws, registry
from pipeline_tasks.reports.collect import collect
from pipeline_tasks.reports.pages import model_page

sample = laws.golden_sample()
answer = laws.Subject(registry.model_class("{NAME}"), registry.params_of("{NAME}", "test")).answered
lineage = dict.fromkeys(("run_id", "model", "model_version", "artifact_sha", "code_sha", "data_version", "regime"), "1")
published = answer.with_columns(pl.lit(v).alias(k) for k, v in lineage.items())

class Warehouse:
    def query(self, sql, params=None):
        if "curated.v_{NAME}\\n" in sql + "\\n" or "curated.v_{NAME} " in sql:
            return published
        if "features.ftr_day_ahead" in sql:
            return sample.rows.select("hub", "product", "delivery_ts", "delivery_date", "local_hour", "price_ccy_per_mwh")
        texts = dict.fromkeys(("at_ts", "table_name", "series", "hub", "metric", "delivery_date", "feature"), pl.String)
        return pl.DataFrame(schema=texts | dict.fromkeys(("value", "contribution"), pl.Float64))

site = collect(Warehouse(), run_id="nightly", market="twin", delivery_date=date(2020, 4, 12))
mine = [m for m in site.models if m.spec.name == "{NAME}"]
page = model_page(site, mine[0])
print(json.dumps([[hub["name"], len(hub["hours"]), len(hub["figures"])] for hub in page["hubs"]]))
"""


def test_report_has_a_page_for_it(copy, scaffolded, home):
    """From published rows alone, read through the reports' own queries: 24 intervals per hub, a fan chart, errors by hour."""
    assert _value(copy, REPORT, home) == [["HUB_A", 24, 2], ["HUB_B", 24, 2]]


def test_law_tests_run_for_it_and_pass(copy, scaffolded, home):
    done = _python(copy, "-m", "pytest", "tests/contract/test_model_laws.py", "-k", NAME, "-rA", "-p", "no:xdist", home=home)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert f"test_law[{NAME}-beats_naive]" in done.stdout
    assert f"test_registered_model_is_complete[{NAME}]" in done.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Demo", "lower snake case"),
        ("_hidden", "lower snake case"),
        ("a__b", "lower snake case"),
        ("../up", "lower snake case"),
        ("x" * 41, "at most 40"),
        ("class", "word of Python"),
        ("template", "word of Python"),
    ],
)
def test_names_that_cannot_be_models_are_refused(tmp_path, name, words):
    with pytest.raises(ValueError, match=words):
        scaffold.new_model(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_taken_names_and_missing_templates_are_refused(tmp_path):
    (tmp_path / "config" / "models").mkdir(parents=True)
    (tmp_path / "config" / "models" / "taken.yaml").write_text("")
    with pytest.raises(ValueError, match="exists already"):
        scaffold.new_model("taken", tmp_path)
    with pytest.raises(FileNotFoundError, match="is missing"):
        scaffold.new_model("fresh", tmp_path)
