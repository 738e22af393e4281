"""Tracking: MLflow runs and registry, and the audited promotions that decide who is champion."""

from pipeline_tasks.tracking.promotion import PromotionRefusedError, champion_at, demote, history, promote, record_decision, rollback
from pipeline_tasks.tracking.registry import NoChampionError, VersionRef, challenger, champion, load, register, version

__all__ = [
    "NoChampionError",
    "PromotionRefusedError",
    "VersionRef",
    "challenger",
    "champion",
    "champion_at",
    "demote",
    "history",
    "load",
    "promote",
    "record_decision",
    "register",
    "rollback",
    "version",
]
