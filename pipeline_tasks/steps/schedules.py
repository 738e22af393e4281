"""Schedules: config/schedules.yaml, checked on load."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

import yaml
from pydantic import BaseModel, ConfigDict, Field

from config.settings import REPO_ROOT

SCHEDULES_FILE = REPO_ROOT / "config" / "schedules.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DagSchedule(_Strict):
    """Cron expression (UTC; null for manual only) and time limit of one DAG."""

    cron: str | None = None
    timeout_min: int = Field(ge=1, le=10_080)


class Defaults(_Strict):
    """What a form shows first and a schedule uses."""

    source: str
    market: str
    delivery_date: date
    owner: str


class Retries(_Strict):
    """Exponential backoff with a cap."""

    count: int = Field(ge=0, le=10)
    first_delay_s: int = Field(ge=1)
    max_delay_s: int = Field(ge=1)


class Watch(_Strict):
    """Limits of the watch over models.

    Attributes:
        parity_days: delivery days of served values that are compared again.
        drift_history_days: delivery days the monitors learn from.
        false_alarms_per_quarter: budget of a feature's detectors together.
        shadow_min_days: paired days before a challenger can win.
        shadow_horizon_days: paired days within which the declared effect should be found.
        shadow_effect: declared effect, mean of (champion - challenger) / (champion + challenger) of daily losses.
        shadow_min_power: chance to find it within the horizon.
        promotion_alpha: chance that a challenger that is no better ever wins.
        demotion_alpha: chance that a champion no worse than its baseline is ever demoted.
        demotion_min_days: paired days before a champion can be demoted.
        inputs_equal_share: smallest share of shadow days with identical inputs.
        backups: registry backups that are kept.
    """

    parity_days: int = Field(ge=1, le=365)
    drift_history_days: int = Field(ge=90)
    false_alarms_per_quarter: float = Field(gt=0)
    shadow_min_days: int = Field(ge=30)
    shadow_horizon_days: int = Field(ge=30)
    shadow_effect: float = Field(gt=0, lt=1)
    shadow_min_power: float = Field(gt=0, lt=1)
    promotion_alpha: float = Field(gt=0, lt=1)
    demotion_alpha: float = Field(gt=0, lt=1)
    demotion_min_days: int = Field(ge=7)
    inputs_equal_share: float = Field(gt=0, le=1)
    backups: int = Field(ge=5)


class IntradayRuns(_Strict):
    """What runs within the day look at.

    Attributes:
        catch_up_days: longest pause between two runs that news bridge, days.
        check_days: delivery days that the gates of a run look at, the run's own included.
        stale_after_min: market -> minutes: a last price is stale where its interval began longer before the decision than this and two
            intervals; what is forecast from it is DEGRADED and has a wider band. Other markets have the models' own limits alone.
        sensitivities: name of the outage study that every run makes anew; empty for none.
    """

    catch_up_days: int = Field(ge=1, le=30)
    check_days: int = Field(ge=1, le=400)
    stale_after_min: dict[str, int]
    sensitivities: str


class Schedules(_Strict):
    """All of schedules.yaml.

    Attributes:
        dags: DAG -> schedule.
        defaults: form defaults.
        retries: retry policy of every task.
        pools: pool -> slots.
        approval_hours: life of a promotion request.
        bootstrap_days: delivery days between the first champion's cutoff and the run.
        gate_days: unseen delivery days of the promotion gate.
        evaluate_days: published delivery days scored by a run.
        train_history_days: longest training window, days.
        stale_after_h: age of the newest known price that degrades a forecast, hours.
        seed: random seed of training.
        intraday: runs within the day.
        watch: limits of the watch over models.
    """

    dags: dict[str, DagSchedule]
    defaults: Defaults
    retries: Retries
    pools: dict[str, int]
    approval_hours: int = Field(ge=1, le=720)
    bootstrap_days: int = Field(ge=1, le=365)
    gate_days: int = Field(ge=1, le=365)
    evaluate_days: int = Field(ge=1, le=365)
    train_history_days: int = Field(ge=30)
    stale_after_h: int = Field(ge=1)
    seed: int
    intraday: IntradayRuns
    watch: Watch


@lru_cache(maxsize=1)
def load_schedules() -> Schedules:
    """The schedules.

    Raises:
        ValueError: the file breaks its schema; the message names field and value.
    """
    return Schedules.model_validate(yaml.safe_load(SCHEDULES_FILE.read_text(encoding="utf-8")))
