"""The two-stage program of a battery: written down in Pyomo, compiled once, kept in HiGHS between objectives.

`two_stage` tells what it says. Pyomo's own persistent interface takes minutes to hand a hundred thousand rows over one by one; its compiler
of standard forms and one call of HiGHS take seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models._kernel.storage.asset import StorageAsset
from models._kernel.storage.rules import MarketRules

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SEED = 7
GAP = 1e-7
SAME_MW = 1e-6
LARGE = 20_000  # scenarios x intervals from which the interior point method is faster than the simplex method


class ScheduleError(RuntimeError):
    """A day was not solved; the message says what the solver said."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Schedule, shape (T,), deliveries, shape (S, T), output less charge, MW; status and seconds of the solver."""

    committed_mw: Array
    net_mw: Array
    status: str
    solver_s: float


class Program:
    """The program, written down once and solved for any risk aversion."""

    def __init__(
        self,
        asset: StorageAsset,
        rules: MarketRules,
        day_ahead: Array,
        real_time: Array,
        share: Array,
        *,
        alpha: float,
        committed: Array | None,
        delivered: Array | None = None,
        time_limit_s: float,
    ) -> None:
        """Write the program of prices of shape (S, T) down; `committed`, (T,), fixes its first stage, `delivered`, (S, T), its second."""
        from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

        self.asset, self.share, self.alpha, self.committed, self.delivered = asset, share, alpha, committed, delivered
        model = _written(asset, rules, day_ahead, real_time, committed, delivered)
        form = LinearStandardFormCompiler().write(model, mixed_form=True, set_sense=None)
        at = {id(column): k for k, column in enumerate(form.columns)}

        def columns(family: Any) -> Ints:
            return np.array([at.get(id(v), -1) for v in family.values()], dtype=np.int64)

        shape = (day_ahead.shape[0] + 1, day_ahead.shape[1])
        self.charge, self.discharge = columns(model.charge).reshape(shape), columns(model.discharge).reshape(shape)
        self.profit, self.below, self.threshold = columns(model.profit), columns(model.below), columns(model.threshold)
        self.highs = _loaded(form, "ipm" if day_ahead.size >= LARGE else "choose", time_limit_s)
        self.exclusive = np.zeros(shape, dtype=np.bool_)

    def solve(self, risk_aversion: float) -> Answer:
        """The best plan.

        Raises:
            ScheduleError: there is none, or none was found in time.
        """
        self._weigh(risk_aversion)
        spent = 0.0
        while True:
            status, seconds, values = self._run()
            spent += seconds
            charge, discharge = (np.where(at >= 0, values[at], 0.0) for at in (self.charge, self.discharge))
            both = (np.minimum(charge, discharge) > SAME_MW) & ~self.exclusive
            if not both.any():
                break
            self._exclude(both)
        net = _clean(discharge - charge)
        schedule = net[0] if self.committed is None else self.committed
        return Answer(schedule, net[1:] if self.delivered is None else self.delivered, status, spent)

    def _weigh(self, risk_aversion: float) -> None:
        """Mean and CVaR in the objective."""
        cost = np.concatenate(((1 - risk_aversion) * self.share, -risk_aversion / (1 - self.alpha) * self.share, [risk_aversion]))
        columns = np.concatenate((self.profit, self.below, self.threshold))
        self.highs.changeColsCost(columns.size, columns.astype(np.int32), cost)

    def _run(self) -> tuple[str, float, Array]:
        import highspy

        began = time.perf_counter()
        self.highs.run()
        seconds = time.perf_counter() - began
        state, info = self.highs.getModelStatus(), self.highs.getInfo()
        solution = self.highs.getSolution()
        if state == highspy.HighsModelStatus.kOptimal:
            status = "optimal"
        elif state == highspy.HighsModelStatus.kTimeLimit and info.primal_solution_status == highspy.kSolutionStatusFeasible:
            status = "time_limit"
        else:
            told = self.highs.modelStatusToString(state)
            raise ScheduleError(f"two-stage program: {told}; check prices, time_limit_s and, where given, the committed schedule")
        return status, seconds, np.asarray(solution.col_value, dtype=np.float64)

    def _exclude(self, both: npt.NDArray[np.bool_]) -> None:
        """One binary for each interval that both charged and discharged."""
        import highspy

        power = self.asset.power_mw
        for s, t in np.argwhere(both):
            giving = self.highs.getNumCol()
            self.highs.addVar(0.0, 1.0)
            self.highs.changeColIntegrality(giving, highspy.HighsVarType.kInteger)
            for column, low in ((self.discharge[s, t], 0.0), (self.charge[s, t], power)):
                sign = -power if low == 0.0 else power
                self.highs.addRow(-highspy.kHighsInf, low, 2, np.array([column, giving], dtype=np.int32), np.array([1.0, sign]))
        self.exclusive |= both


def _loaded(form: Any, method: str, time_limit_s: float) -> Any:
    """HiGHS with the compiled model: one thread, fixed seed."""
    import highspy

    model, infinity = highspy.HighsLp(), highspy.kHighsInf
    matrix = form.A.tocsc()
    kind = np.array([row.bound_type for row in form.rows])
    model.num_row_, model.num_col_ = matrix.shape
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_ = np.zeros(matrix.shape[1])
    low_high = [(v.lb, v.ub) for v in form.columns]
    model.col_lower_ = np.array([-infinity if low is None else low for low, _ in low_high], dtype=np.float64)
    model.col_upper_ = np.array([infinity if high is None else high for _, high in low_high], dtype=np.float64)
    model.row_lower_, model.row_upper_ = np.where(kind > 0, -infinity, form.rhs), np.where(kind < 0, infinity, form.rhs)
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    settings: dict[str, Any] = {
        "output_flag": False,
        "threads": 1,
        "random_seed": SEED,
        "mip_rel_gap": GAP,
        "solver": method,
        "time_limit": time_limit_s,
    }
    for name, value in {**settings, "time_limit": time_limit_s}.items():
        highs.setOptionValue(name, value)
    highs.passModel(model)
    return highs


def _written(
    asset: StorageAsset, rules: MarketRules, day_ahead: Array, real_time: Array, committed: Array | None, delivered: Array | None
) -> Any:
    """The model; index 0 of its first set is the day-ahead schedule, 1..S are the deliveries."""
    import pyomo.environ as pyo

    (s_count, t_count), h = day_ahead.shape, rules.hours
    m = pyo.ConcreteModel()
    m.row, m.s, m.t = pyo.RangeSet(0, s_count), pyo.RangeSet(1, s_count), pyo.RangeSet(0, t_count - 1)
    m.charge, m.discharge = (pyo.Var(m.row, m.t, bounds=(0, asset.power_mw)) for _ in range(2))
    _follow(m, asset, h, range(int(committed is not None), 1 if delivered is not None else s_count + 1))
    given = [] if committed is None else [(0, committed)]
    given += [] if delivered is None else list(enumerate(delivered, start=1))
    for s, net in given:
        for t in range(t_count):
            m.discharge[s, t].fix(max(float(net[t]), 0.0))
            m.charge[s, t].fix(max(-float(net[t]), 0.0))
    lanes = _lanes(m, asset, rules)
    reference = np.maximum(np.maximum(day_ahead, real_time), 0.0)
    wear, entry, fee = asset.degradation_ccy_per_mwh, rules.day_ahead_fee_ccy_per_mwh, rules.real_time_fee_ccy_per_mwh

    def earned(_: Any, s: int) -> Any:
        p, q, ref = day_ahead[s - 1], real_time[s - 1], reference[s - 1]
        families = [
            (m.discharge, 0, p - q - entry),
            (m.charge, 0, q - p - entry),
            (m.discharge, s, q - wear),
            (m.charge, s, -q),
            *((lane, s, -fee - penalty * ref) for lane, _, penalty in lanes),
        ]
        columns = [family[row, t] for family, row, _ in families for t in range(t_count)]
        worth = np.concatenate([h * each for *_, each in families]).tolist()  # plain floats: Pyomo is slow with those of NumPy
        return _linear([-1.0, *worth], [m.profit[s], *columns]) == 0.0

    m.profit = pyo.Var(m.s)
    m.earned = pyo.Constraint(m.s, rule=earned)
    m.threshold, m.below = pyo.Var(), pyo.Var(m.s, domain=pyo.NonNegativeReals)
    m.tail = pyo.Constraint(m.s, rule=lambda _, s: m.below[s] >= m.threshold - m.profit[s])
    # any objective that names all columns it weighs: `Program` sets the weights of mean and CVaR
    m.best = pyo.Objective(expr=_linear([1.0] * (2 * s_count + 1), [*m.profit.values(), *m.below.values(), m.threshold]))
    return m


def _follow(m: Any, asset: StorageAsset, h: float, rows: range) -> None:
    """Charge follows the schedules of `rows`, and ends as the asset's rule says; cycles are counted."""
    import pyomo.environ as pyo

    last = len(m.t) - 1
    (low, high), end, start = asset.bounds_mwh, asset.end_bounds_mwh, asset.start_mwh
    m.level = pyo.Var(rows, m.t, bounds=lambda _, __, t: end if t == last else (low, high))
    gained, lost = h * asset.charge_efficiency, h / asset.discharge_efficiency

    def followed(_: Any, s: int, t: int) -> Any:
        own = [m.level[s, t], m.charge[s, t], m.discharge[s, t]]
        if t == 0:
            return _linear([1.0, -gained, lost], own) == start
        return _linear([1.0, -gained, lost, -1.0], [*own, m.level[s, t - 1]]) == 0.0

    m.followed = pyo.Constraint(rows, m.t, rule=followed)
    each = [h] * len(m.t)
    m.cycled = pyo.Constraint(rows, rule=lambda _, s: _linear(each, [m.discharge[s, t] for t in m.t]) <= asset.throughput_mwh)


def _lanes(m: Any, asset: StorageAsset, rules: MarketRules) -> list[tuple[Any, int, float]]:
    """Columns that delivery may leave the schedule by: (column of (s, t), its sign, penalty as a share of the reference)."""
    import pyomo.environ as pyo

    lanes: list[tuple[Any, int, float]] = []
    limit = rules.real_time_limit_share
    free = limit is None and rules.real_time_fee_ccy_per_mwh == 0
    if free:  # the schedule is left without cost or limit: delivery needs no tie to it
        return lanes
    widths = [] if limit == 0 else [(np.inf if limit is None else limit, 0.0, 0.0)]
    low = 0.0
    for band in () if limit is None else rules.bands:
        widths.append((band.up_to_share - low, band.surplus_share, band.shortage_share))
        low = band.up_to_share
    for number, (width, surplus, shortage) in enumerate(widths):
        most = min(width, 2.0) * asset.power_mw
        for name, sign, penalty in (("surplus", 1, surplus), ("shortage", -1, shortage)):
            columns = pyo.Var(m.s, m.t, bounds=(0, most))
            m.add_component(f"{name}_{number}", columns)
            lanes.append((columns, sign, penalty))

    signs = [-float(sign) for _, sign, _ in lanes]

    def left(_: Any, s: int, t: int) -> Any:
        moved = [m.discharge[s, t], m.charge[s, t], m.discharge[0, t], m.charge[0, t]]
        return _linear([1.0, -1.0, -1.0, 1.0, *signs], [*moved, *(column[s, t] for column, *_ in lanes)]) == 0.0

    m.left = pyo.Constraint(m.s, m.t, rule=left)
    return lanes


def _linear(coefficients: list[float], columns: list[Any]) -> Any:
    """A linear expression, made without the sums that Pyomo takes apart again."""
    from pyomo.core.expr import LinearExpression

    return LinearExpression(constant=0.0, linear_coefs=coefficients, linear_vars=columns)


def _clean(values: Array) -> Array:
    """Solver noise around zero removed."""
    return np.asarray(np.where(np.abs(values) < 1e-9, 0.0, values), dtype=np.float64)
