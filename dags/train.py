"""Train: a challenger per model, weekly and on demand."""

# mypy: disallow-untyped-decorators=False

from airflow.sdk import dag

from dags import _tasks as tasks
from dags._factory import cron, dag_options, models_param, profile_param, run_params

DOC = """
### Training
One task per model. Each learns from what was known `gate_days` before the delivery date (config/schedules.yaml), is judged on the
days in between beside its naive baseline and the present champion, and is registered as **challenger**. Nothing becomes champion
here: the `promote` DAG asks a person.
"""


@dag(
    schedule=cron("train"),
    **dag_options("train", doc=DOC, tags=("training",), params={**run_params(), "models": models_param(), "profile": profile_param()}),
)
def train() -> None:
    """Build the DAG."""
    tasks.train.expand(model=tasks.chosen_models())


dag = train()
