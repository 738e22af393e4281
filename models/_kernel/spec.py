"""ModelSpec: what a model says of itself; DAG tasks, DDL, contracts, gates, reports and tests are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline_tasks.contracts import LINEAGE, Column, Database, Table, curated_table, drivers_table, shadow_table


class Cadence(StrEnum):
    """DAGs a model takes part in."""

    NIGHTLY = "nightly"
    INTRADAY = "intraday"
    WEEKLY = "weekly"


class Kind(StrEnum):
    """Shape of a model's answer; scoring and report pages follow it."""

    DISTRIBUTION = "distribution"
    PROBABILITY = "probability"
    DECISION = "decision"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a decision model decides, and how it is turned into money.

    Attributes:
        settlement: settlement rule (`models._kernel.settlement`).
        position_columns: output columns with the position, in the order the rule takes them.
        unit: unit of the positions, for people.
        acts_on: output column with the expected outcome that the position is best for; empty for the point forecast.
    """

    settlement: str
    position_columns: tuple[str, ...]
    unit: str
    acts_on: str = ""


@dataclass(frozen=True, slots=True)
class TailAnswer:
    """What a distribution says of its tails beyond quantiles.

    Attributes:
        shortfalls: probability level -> output column with the mean beyond the quantile of that level: above it from 0.5 on, below it
            for lower ones. Each level has a quantile column.
        probability: output column with the probability of more than the spec's `threshold_column`.
        alarm: output column with the alarm, a flag.
    """

    shortfalls: Mapping[float, str]
    probability: str
    alarm: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model foretells, as a column of its feature table.

    Attributes:
        column: the outcome.
        known: when it became known (a key of `contracts.features.OUTCOMES`).
        is_event: it is 1 where the event happened and 0 where not, so that a probability needs no threshold.
    """

    column: str = "price_ccy_per_mwh"
    known: str = "price_known_ts"
    is_event: bool = False


PRICE = Outcome()


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything the pipeline must know about a model without importing it.

    Attributes:
        name: folder, curated table and config file name.
        label: name for people.
        kind: shape of the answer.
        inputs: the feature table the model reads (contract).
        required: columns of `inputs` without which the model cannot work.
        output: the model's own columns; lineage columns are added by `curated`.
        point_column: output column that is the point forecast or the probability.
        decision: what is decided, for decision models; their quantiles and point are forecasts of the outcome it rests on.
        threshold_column: output column with the price above which the event happened; for probabilities and tails.
        tail: what a distribution says of its tails, where it does.
        quantile_columns: probability level -> output column, ascending; empty unless a distribution.
        cadences: DAGs it runs in.
        min_history_days: shortest history to train on.
        horizon_days: delivery days forecast per decision.
        horizons_min: minutes between decision and delivery, ascending, for models that decide interval by interval; empty for those that
            decide once a day, at the market's gate. A market may offer fewer of them.
        naive_column: input column with the naive forecast that gates, daily metrics and laws compare with.
        outcome: what is foretold; a price unless said otherwise.
        per_unit: `product` names a generating unit: pages and daily metrics tell units of a class together, not one by one.
        companions: further curated tables that the model publishes beside its forecasts (`protocol.Companion`).
        precedes_all: a nightly run publishes it before any other model forecasts, because what it says acts on their forecasts.
        needs: columns of `inputs` that a market must have values of; the model does not apply to others.
        unread: columns of `inputs` that make no difference to the rows answered; who serves single requests leaves them out.
        every_product: it answers on every product of its feature table, not on the market's own only.
        lookback_days: delivery days before its cutoff that a version is shown when it answers; None: as many as it learned from.
        history_days: delivery days before its cutoff that it is trained on at most; None for `train_history_days` of the schedules.
        owner: who answers for it.
        description: one sentence.
        yardstick: identifier in the design's list of yardsticks ("F6").
    """

    name: str
    label: str
    kind: Kind
    inputs: Table
    required: tuple[str, ...]
    output: tuple[Column, ...]
    point_column: str
    description: str
    owner: str
    yardstick: str
    quantile_columns: Mapping[float, str] = field(default_factory=dict)
    threshold_column: str = ""
    decision: Decision | None = None
    tail: TailAnswer | None = None
    cadences: tuple[Cadence, ...] = (Cadence.NIGHTLY,)
    min_history_days: int = 365
    horizon_days: int = 1
    horizons_min: tuple[int, ...] = ()
    naive_column: str = "price_lag_7d_ccy_per_mwh"
    every_product: bool = False
    lookback_days: int | None = None
    history_days: int | None = None
    outcome: Outcome = PRICE
    per_unit: bool = False
    companions: tuple[Table, ...] = ()
    precedes_all: bool = False
    needs: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a spec that names columns it does not declare or a ladder that does not rise."""
        if (self.kind is Kind.DECISION) != (self.decision is not None):
            raise ValueError(
                f"spec {self.name}: kind is {self.kind.value} and decision is {self.decision}; a decision model, and no other, has one"
            )
        if self.outcome.is_event and (self.kind is not Kind.PROBABILITY or self.threshold_column):
            raise ValueError(f"spec {self.name}: an outcome that is an event calls for a probability without threshold_column")
        self._check_answer()

    def _check_answer(self) -> None:
        """Refuse outputs, companions and ladders that do not fit together."""
        if self.tail and (not self.threshold_column or set(self.tail.shortfalls) - set(self.quantile_columns)):
            raise ValueError(f"spec {self.name}: a tail needs a threshold_column, and a quantile column for each shortfall's level")
        undeclared = self._named() - {c.name for c in self.output}
        if undeclared:
            raise ValueError(f"spec {self.name}: {sorted(undeclared)} are not in output; declare them or correct the name")
        named = {*self.required, *self.needs, *self.unread, self.naive_column, self.outcome.column, self.outcome.known}
        unknown = named - set(self.inputs.column_names)
        if unknown:
            raise ValueError(f"spec {self.name}: required, naive or outcome column(s) {sorted(unknown)} are not in {self.inputs.full_name}")
        for table in self.companions:
            lacking = [c.name for c in LINEAGE if c.name not in table.column_names]
            if lacking or table.database is not Database.CURATED or table.name == self.name:
                raise ValueError(
                    f"spec {self.name}: companion {table.full_name} must be a curated table of its own name with lineage columns;"
                    f" it lacks {lacking}; make it with companion_table"
                )
        if self.companions and self.horizons_min:
            raise ValueError(f"spec {self.name}: companion tables are published once a day, at the gate; drop them or horizons_min")
        levels = list(self.quantile_columns)
        if levels != sorted(set(levels)) or any(not 0 < level < 1 for level in levels):
            raise ValueError(f"spec {self.name}: quantile levels {levels} must rise strictly inside (0, 1)")
        if list(self.horizons_min) != sorted(set(self.horizons_min)) or any(h < 1 for h in self.horizons_min):
            raise ValueError(f"spec {self.name}: horizons_min {self.horizons_min} must rise from 1 minute on")

    def _named(self) -> set[str]:
        """Output columns that the spec speaks of."""
        named = {self.point_column, *self.quantile_columns.values(), self.threshold_column}
        if self.tail:
            named |= {*self.tail.shortfalls.values(), self.tail.probability, self.tail.alarm}
        if self.decision:
            named |= {*self.decision.position_columns, self.decision.acts_on}
        return named - {""}

    @property
    def intraday(self) -> bool:
        """Whether decisions fall within the delivery day, one per interval and horizon."""
        return bool(self.horizons_min)

    @property
    def levels(self) -> tuple[float, ...]:
        """Probability levels, ascending; empty unless a distribution."""
        return tuple(self.quantile_columns)

    @property
    def curated(self) -> Table:
        """The curated table: lineage columns, then `output`."""
        return curated_table(self.name, self.output, self.description)

    @property
    def drivers(self) -> Table:
        """The table of contributions published beside the forecasts."""
        return drivers_table(self.name)

    @property
    def beside(self) -> tuple[Table, ...]:
        """Tables published beside the forecasts: contributions, then companions."""
        return (self.drivers, *self.companions)

    @property
    def shadow(self) -> Table:
        """The table that takes a challenger's answers: the contract of `curated`, in `curated_shadow`."""
        return shadow_table(self.curated)
