"""What the DC optimal power flow takes and gives: options, one case, the priced and certified answer.

Units: MW, hours, currency/MWh. Arrays are by element position of the network. `None` always means "as in the network".
"""

from __future__ import annotations

from dataclasses import dataclass

from models._kernel.grid.network import CostCurves, Floats, Ints

NO_CONTINGENCY = -1


@dataclass(frozen=True)
class OpfOptions:
    """How a solver prices what cannot be met, and how exact it is.

    Attributes:
        unserved_price: price of load that is not served (value of lost load), currency/MWh; shed in proportion to the base-case load.
        oversupply_price: price of energy that nobody takes; bounds the energy price below by its negative.
        relaxation_price: price of each MW beyond a branch or contingency limit; bounds the size of shadow prices.
        tolerance_mw: largest violation of a limit that counts as kept.
        tolerance_price: largest wrong sign of a reduced cost or shadow price that counts as right.
        certificate: every KKT residual of an answer (see OpfResidual) is at most this, or the reference solver is asked.
        max_rounds: rounds of adding violated limits.
        keep_rows: violated limits stay in the problem for the next case while at most this many are kept.
        simplex_columns: linear programs of more columns than this (generators by cost segment and reserve product) go to a sparse simplex
            code with hot starts in place of the active set.
        linear_start_columns: quadratic programs of more columns than this start cold from the optimum of linear costs.
        dense_buses: networks up to this size hold their sensitivities as dense matrices.
    """

    unserved_price: float = 10_000.0
    oversupply_price: float = 10_000.0
    relaxation_price: float = 50_000.0
    tolerance_mw: float = 1e-7
    tolerance_price: float = 1e-7
    certificate: float = 1e-6
    max_rounds: int = 60
    keep_rows: int = 400
    simplex_columns: int = 5000
    linear_start_columns: int = 1000
    dense_buses: int = 400


@dataclass(frozen=True)
class ReserveProduct:
    """A reserve product that generators can provide.

    Attributes:
        name: label, unique in a case.
        capability_mw: most that each generator can provide (ramp within the product's time, 0 where not offered).
        offer_price: price of holding it, currency/MW/h per generator; None for 0.
        upward: True: output + upward reserves <= capacity; False: output - downward reserves >= floor.
    """

    name: str
    capability_mw: Floats
    offer_price: Floats | None = None
    upward: bool = True


@dataclass(frozen=True)
class ReserveRequirement:
    """A demand for reserve with an operating reserve demand curve: what is not bought costs the price of its block.

    Attributes:
        name: label, unique in a case.
        products: names of the products that count; a better product may count towards several requirements (nesting).
        block_mw: sizes of the curve's blocks; their sum is the requirement.
        block_price: price of a MW missing in each block, currency/MW/h, not negative, not rising (the first MW are worth most).
    """

    name: str
    products: tuple[str, ...]
    block_mw: Floats
    block_price: Floats


@dataclass(frozen=True)
class LossModel:
    """Linear losses: total = offset_mw + sum over buses of factor * net injection; withdrawn at the reference bus of the island.

    Attributes:
        factor: marginal loss factor of each bus (delivery factor = 1 - factor).
        offset_mw: constant of the linearisation, given to the island of the reference bus.
    """

    factor: Floats
    offset_mw: float = 0.0


@dataclass(frozen=True)
class OpfCase:
    """One dispatch question.

    Attributes:
        load_mw: demand per bus.
        p_min_mw, p_max_mw: output range per generator (0 and 0: not committed).
        cost: cost curves; keep the same object over cases where prices do not change, then they are not read again.
        previous_mw, minutes: output at the start and length of the step; both given: the network's ramp rates bound the change. Output
            limits go before ramps: where they contradict each other, output moves to the nearest limit.
        link_min_mw, link_max_mw: range per link.
        outages: positions of branches out of service; may split the network, each part then balances itself.
        rating_mw, emergency_mw: branch limits (emergency limits hold after a contingency).
        contingencies: positions of branches whose single loss must leave all emergency limits kept; those that would split the network
            are left out and named in the result.
        reserves, requirements: products and demands, co-optimised with energy.
        capacity_mw: bound of output + upward reserves; None: p_max_mw. Above p_max for an offline unit that offers non-spinning reserve.
        floor_mw: bound of output - downward reserves; None: p_min_mw.
        losses: linear loss model; None: lossless.
    """

    load_mw: Floats | None = None
    p_min_mw: Floats | None = None
    p_max_mw: Floats | None = None
    cost: CostCurves | None = None
    previous_mw: Floats | None = None
    minutes: float | None = None
    link_min_mw: Floats | None = None
    link_max_mw: Floats | None = None
    outages: tuple[int, ...] = ()
    rating_mw: Floats | None = None
    emergency_mw: Floats | None = None
    contingencies: tuple[int, ...] = ()
    reserves: tuple[ReserveProduct, ...] = ()
    requirements: tuple[ReserveRequirement, ...] = ()
    capacity_mw: Floats | None = None
    floor_mw: Floats | None = None
    losses: LossModel | None = None


@dataclass(frozen=True)
class Binding:
    """Limits with a shadow price, one array entry each; sorted by branch, then contingency.

    Attributes:
        branch: position of the limited branch.
        contingency: position of the lost branch, or NO_CONTINGENCY.
        shadow_price: mu, currency/MWh: change of cost per MW that the bound in the flow's direction moves up. Negative where the flow is at
            its positive limit, positive at its negative limit; congestion at a bus is the sum over limits of sensitivity * mu.
        flow_mw: flow (after the contingency) in the branch's direction.
        limit_mw: limit in either direction.
        excess_mw: MW beyond the limit, bought at the relaxation price; 0 where the limit is kept.
        sensitivity: (limits, buses) change of that flow per MW injected at each bus and withdrawn at the reference bus.
    """

    branch: Ints
    contingency: Ints
    shadow_price: Floats
    flow_mw: Floats
    limit_mw: Floats
    excess_mw: Floats
    sensitivity: Floats


@dataclass(frozen=True)
class OpfResidual:
    """KKT residuals of an answer over all limits of the case, also those never added; scaled as said.

    Attributes:
        balance: largest |balance| of an island or shortfall of a reserve rule, MW.
        primal: largest violation of a bound or limit beyond what is bought as excess, MW.
        dual: largest wrong sign of a reduced cost or shadow price, currency/MWh.
        complementarity: largest |slack * shadow price| over bounds and limits, relative to 1 + |objective|.
        gap: |primal - dual objective| relative to 1 + |objective|.
    """

    balance: float
    primal: float
    dual: float
    complementarity: float
    gap: float

    @property
    def worst(self) -> float:
        """Largest of the residuals."""
        return max(self.balance, self.primal, self.dual, self.complementarity, self.gap)


@dataclass(frozen=True)
class SolveCounters:
    """What the solver did.

    Attributes:
        method: "active_set"; "simplex" for large linear programs (see OpfOptions.simplex_columns); "highs" where the reference solver was
            asked because the first method did not settle, or not exactly.
        warm: started from the previous optimum.
        pivots: changes of the active set.
        rounds: screenings of all limits.
        rows_kept: branch and contingency limits in the problem.
        highs_calls: calls of the reference solver.
    """

    method: str
    warm: bool
    pivots: int
    rounds: int
    rows_kept: int
    highs_calls: int


@dataclass(frozen=True)
class OpfResult:
    """The optimum of a case with its prices.

    Attributes:
        p_mw: output per generator.
        link_mw: MW leaving the from side of each link.
        reserve_mw: (products, generators) held reserve.
        flow_mw: flow per branch, 0 where out.
        lmp: price per bus = energy + congestion + loss.
        energy: price of energy at the reference of the bus's island.
        congestion: sum over binding limits of sensitivity * shadow price.
        loss: -energy * loss factor.
        binding: limits with a shadow price.
        reserve_price: per product: sum of the prices of the requirements that it counts towards.
        requirement_price: shadow price per requirement.
        shortage_mw: reserve missing per requirement.
        unserved_mw, oversupply_mw: per island.
        island: island number of each bus.
        objective: cost of energy and reserve plus all penalties, currency/h.
        unsecured: contingencies left out because they split the network.
        residual: certificate.
        certified: every residual is at most the option `certificate`. False is rare and means that the best answer of all methods falls
            short by what `residual` says.
        counters: what the solver did.
    """

    p_mw: Floats
    link_mw: Floats
    reserve_mw: Floats
    flow_mw: Floats
    lmp: Floats
    energy: Floats
    congestion: Floats
    loss: Floats
    binding: Binding
    reserve_price: Floats
    requirement_price: Floats
    shortage_mw: Floats
    unserved_mw: Floats
    oversupply_mw: Floats
    island: Ints
    objective: float
    unsecured: tuple[int, ...]
    residual: OpfResidual
    certified: bool
    counters: SolveCounters


__all__ = [
    "NO_CONTINGENCY",
    "Binding",
    "LossModel",
    "OpfCase",
    "OpfOptions",
    "OpfResidual",
    "OpfResult",
    "ReserveProduct",
    "ReserveRequirement",
    "SolveCounters",
]
