"""Decisions that a model server keeps in memory are always those that the warehouse holds, whatever is written meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import cast

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from config.markets import resolve_market
from models._kernel import registry
from models._kernel.synthetic import SyntheticMarket, nodal_features
from pipeline_tasks.contracts import Table
from pipeline_tasks.contracts.features import NODAL
from pipeline_tasks.serving.decisions import KEPT, Decisions
from pipeline_tasks.warehouse import Warehouse
from pipeline_tasks.warehouse.ddl import create_table_sql

SELECTION = resolve_market("twin")
TABLE = replace(NODAL, name="ftr_nodal_served")
OTHER = replace(NODAL, name="ftr_nodal_staged")
SPEC = replace(registry.spec_of("lmp_nowcast"), inputs=TABLE)
LAST = "price_last_ccy_per_mwh"
LATE = 777.0


class Counted:
    """A warehouse that counts how often the features were read."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse, self.reads = warehouse, 0
        self.scalar = warehouse.scalar

    def query(self, sql: str, params: dict[str, object]) -> pl.DataFrame:
        self.reads += 1
        return self.warehouse.query(sql, params)


def rows(day: int = 2) -> pl.DataFrame:
    made = date(2020, 3, day)
    frame = nodal_features(SyntheticMarket(made, made, hubs=SELECTION.hubs, market="twin"))
    return frame.select(pl.col(c.name).cast(c.type.polars) for c in NODAL.columns)


def late(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows once a price became known late."""
    return frame.with_columns(pl.lit(LATE).alias(LAST))


@pytest.fixture
def counted(warehouse: Warehouse) -> Iterator[Counted]:
    for table in (TABLE, OTHER):
        warehouse.command(f"drop table if exists {table.full_name} sync")
        warehouse.command(create_table_sql(table))
    warehouse.insert(TABLE, rows())
    yield Counted(warehouse)
    for table in (TABLE, OTHER):
        warehouse.command(f"drop table {table.full_name} sync")


@pytest.fixture
def decisions(counted: Counted) -> Decisions:
    made = Decisions(SPEC, SELECTION, cast("Warehouse", counted))
    made.newest()  # as a server asks when it starts
    return made


def _replaced(wh: Warehouse) -> None:
    wh.insert(OTHER, late(rows()))
    partition = "('twin', toYYYYMMDD(toStartOfWeek(toDate32('2020-03-02'))))"
    wh.command(f"alter table {TABLE.full_name} replace partition {partition} from {OTHER.full_name}")


def _exchanged(wh: Warehouse) -> None:
    wh.insert(OTHER, late(rows()))
    wh.command(f"exchange tables {TABLE.full_name} and {OTHER.full_name}")


def _updated(wh: Warehouse) -> None:
    wh.command(f"alter table {TABLE.full_name} update {LAST} = {LATE} where 1 settings mutations_sync = 2")


def _truncated(wh: Warehouse) -> None:
    wh.command(f"truncate table {TABLE.full_name}")
    wh.insert(TABLE, late(rows()))


def _first_decision() -> datetime:
    return cast("datetime", rows().filter(pl.col(LAST).is_not_null())["as_of"].min())


def test_a_decision_is_read_once(counted: Counted, decisions: Decisions) -> None:
    as_of = _first_decision()
    first = decisions.at(as_of, 15)
    assert first.height == len(SELECTION.hubs)
    assert not {"price_ccy_per_mwh", "price_known_ts", "month"} & set(first.columns)
    assert decisions.at(as_of, 15) is first
    assert counted.reads == 1
    whole = decisions.at(as_of)
    assert_frame_equal(whole.filter(pl.col("horizon_min") == 15), first, check_row_order=False)


def test_a_decision_is_read_once_by_one_who_never_asked_for_the_newest(counted: Counted) -> None:
    decisions = Decisions(SPEC, SELECTION, cast("Warehouse", counted))
    first = decisions.at(_first_decision(), 15)
    assert decisions.at(_first_decision(), 15) is first
    assert counted.reads == 1


@pytest.mark.parametrize("write", [_replaced, _exchanged, _updated, _truncated])
def test_late_data_are_answered_on(counted: Counted, decisions: Decisions, write: Callable[[Warehouse], None]) -> None:
    as_of = _first_decision()
    before = decisions.at(as_of, 15)
    assert LATE not in before[LAST].to_list()
    write(counted.warehouse)
    after = decisions.at(as_of, 15)
    assert after[LAST].unique().to_list() == [LATE]
    fresh = Decisions(SPEC, SELECTION, counted.warehouse).at(as_of, 15)
    assert_frame_equal(after, fresh, check_row_order=False)
    assert decisions.at(as_of, 15) is after


def test_rows_read_after_an_unseen_change_are_read_again(counted: Counted, decisions: Decisions) -> None:
    as_of = _first_decision()
    _replaced(counted.warehouse)
    first = decisions.at(as_of, 15)
    assert first[LAST].unique().to_list() == [LATE]
    again = decisions.at(as_of, 15)  # what was there before the first reading was not known, so it does not vouch for it
    assert again is not first
    assert decisions.at(as_of, 15) is again
    assert counted.reads == 2


def test_the_newest_decision_is_looked_for_when_the_table_was_written_to(counted: Counted, decisions: Decisions) -> None:
    known = rows().filter(pl.col(LAST).is_not_null())
    assert decisions.newest() == known["as_of"].max()
    later = rows(3)
    counted.warehouse.insert(TABLE, later)
    assert decisions.newest() == later.filter(pl.col(LAST).is_not_null())["as_of"].max()
    counted.warehouse.command(f"truncate table {TABLE.full_name}")
    assert decisions.newest() is None


def test_a_decision_made_later_is_found(counted: Counted, decisions: Decisions) -> None:
    later = rows(3)
    as_of = cast("datetime", later["as_of"].max())
    assert decisions.at(as_of, 15).is_empty()
    counted.warehouse.insert(TABLE, later)
    assert decisions.at(as_of, 15).height == len(SELECTION.hubs)


def test_memory_is_bounded(counted: Counted, decisions: Decisions) -> None:
    asked = rows().filter(pl.col(LAST).is_not_null())["as_of"].unique().sort().to_list()[: KEPT + 1]
    assert len(asked) == KEPT + 1
    for as_of in asked:
        decisions.at(as_of)
    assert counted.reads == KEPT + 1
    decisions.at(asked[-1])
    assert counted.reads == KEPT + 1
    decisions.at(asked[0])
    assert counted.reads == KEPT + 2


def test_a_table_without_parts_of_its_own_is_always_read(counted: Counted) -> None:
    view: Table = replace(NODAL, name="ftr_nodal_view")
    counted.warehouse.command(f"create view {view.full_name} as select * from {TABLE.full_name}")
    try:
        decisions = Decisions(replace(SPEC, inputs=view), SELECTION, cast("Warehouse", counted))
        as_of = _first_decision().astimezone(UTC)
        assert_frame_equal(decisions.at(as_of), decisions.at(as_of), check_row_order=False)
        assert counted.reads == 2
    finally:
        counted.warehouse.command(f"drop view {view.full_name} sync")
