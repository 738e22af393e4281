"""One horizon: factors, boosters over nodes and a graph, their mixture, its trust, and the calibrated ladder around its median."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models._kernel import scaled_band
from models.lmp_nowcast import direct, factors, graph_fit
from models.lmp_nowcast.direct import ALPHAS, Direct
from models.lmp_nowcast.factors import Basis, Factors
from models.lmp_nowcast.graph import Graph
from models.lmp_nowcast.panel import LAST, NODE, OPTIONAL, Panel, panel
from models.lmp_nowcast.params import Params
from models.lmp_nowcast.spec import LEVELS

Array = npt.NDArray[np.float64]
STEPS = tuple(k / 10 for k in range(11))
CENTRES = (LAST, "price_da_ccy_per_mwh", "price_lag_1d_ccy_per_mwh", "price_system_last_ccy_per_mwh")
MIN_ROWS = 200
MIN_GAIN = 0.01  # share of the error that a graph must take away to be worth its computing
FORGIVEN = "price_lag_1d_ccy_per_mwh"  # for a day nobody's fault where a market's intervals become finer


@dataclass(frozen=True, slots=True)
class Base(scaled_band.Base):
    """Uncalibrated answer for n rows.

    Attributes:
        cluster: corridor of the row's node, shape (n,).
    """

    cluster: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Horizon:
    """What training leaves of one horizon.

    Attributes:
        minutes: the horizon.
        nodes: nodes trained on, in the order of the basis.
        factors: system price and congestion factors; without boosters where only single nodes are forecast.
        direct: boosters over single nodes.
        graph: the graph transformer, None where none is part of the mixture.
        graph_share: its share in the predicted change.
        mix: share of the factors in the rest of it; that of the boosters over single nodes is what remains.
        trust: share of the predicted change that is issued (1 all, 0 persistence).
        fallback: median training price, for rows without any known price.
        floor: smallest distance to an end of the interval, currency/MWh.
        usual_age_min: median age of the last known price, minutes.
        offsets: quantiles of the scores on the calibration days at LEVELS, by cluster.
        expected: optional columns that most training rows have.
    """

    minutes: int
    nodes: list[str]
    factors: Factors
    direct: Direct
    graph: Graph | None
    graph_share: float
    mix: float
    trust: float
    fallback: float
    floor: float
    usual_age_min: float
    offsets: list[list[float]]
    expected: list[str]

    def base(self, rows: pl.DataFrame, around: pl.DataFrame) -> Base:
        """Uncalibrated answer for rows of `panel.complete`; `around` may hold other nodes of the same decisions."""
        return self.base_of(panel(rows, around, self.nodes), rows)

    def base_of(self, given: Panel, rows: pl.DataFrame) -> Base:
        """The same from a panel of the rows."""
        x = self.direct.inputs(given)
        asked = ALPHAS if self._direct_share > 0 else ("low", "high")
        alone, change = self.direct.changes(x, tuple(asked)), np.zeros(rows.height)
        for share, moved in self.shares(given, alone.get("median")).values():
            change += share * moved
        new = np.zeros(len(given.nodes) - len(self.nodes), dtype=np.int64)
        cluster = np.concatenate([self.direct.clusters, new])[given.column]
        below, above = np.maximum(change - alone["low"], self.floor), np.maximum(alone["high"] - change, self.floor)
        return Base(centre(rows, self.fallback) + change, below, above, cluster)

    @property
    def _direct_share(self) -> float:
        """Share of the boosters over single nodes in the point forecast."""
        return self.trust * (1 - self.graph_share) * (1 - self.mix)

    def shares(self, given: Panel, alone: Array | None) -> dict[str, tuple[float, Array]]:
        """What moves the point forecast: name -> (share that is issued, change of the rows asked for of shape (n,)).

        Args:
            given: the panel.
            alone: median change of the boosters over single nodes, shape (n,); None where they have no share.
        """
        rest, made = self.trust * (1 - self.graph_share), {}
        if self._direct_share > 0 and alone is not None:
            made["direct"] = (rest * (1 - self.mix), alone)
        if self.mix > 0 and rest > 0:
            made["factors"] = (rest * self.mix, _at_rows(self.factors.changes(given), given))
        if self.graph is not None:
            made["graph"] = (self.trust * self.graph_share, _at_rows(self.graph.changes(given), given))
        return made

    def starts(self, cluster: int) -> Array:
        """Offsets that the online calibration of a cluster begins with, shape (k,)."""
        return np.asarray(self.offsets[cluster if cluster < len(self.offsets) else 0], dtype=np.float64)


def _at_rows(changes: Array, given: Panel) -> Array:
    return np.asarray(np.nan_to_num(changes[given.row, given.column]))


def centre(rows: pl.DataFrame, fallback: float) -> Array:
    """What changes are told relative to: the last known price, else the next best known one, else `fallback`; shape (n,)."""
    known = [pl.col(name).fill_nan(None) for name in CENTRES]
    return rows.select(pl.coalesce(*known).fill_null(fallback)).to_series().to_numpy().astype(np.float64)


def fit_horizon(rows: pl.DataFrame, minutes: int, params: Params, *, seed: int) -> Horizon:
    """Fit one horizon.

    A first fit leaves the calibration days out; on them the mixture, the trust in the predicted change (least absolute error) and the
    quantiles of the scores are found. The final fit learns from all rows; the directions stay those of the first.

    Args:
        rows: learnable rows of the horizon, in key order, with all optional columns.
        minutes: the horizon.
        params: model parameters.
        seed: seed of the boosters.
    """
    nodes = rows[NODE].unique().sort().to_list()
    price = rows["price_ccy_per_mwh"].to_numpy().astype(np.float64)
    fallback = float(np.median(price))
    block = pl.col("as_of").max() - timedelta(days=params.calibration_days)
    early, late = rows.filter(pl.col("price_known_ts") <= block), rows.filter(pl.col("as_of") > block)
    if early.height < MIN_ROWS or late.height < MIN_ROWS:
        early = late = rows
    basis = _basis(early, nodes, params)
    age = rows["price_last_age_min"].median()
    first = Horizon(
        minutes=minutes,
        nodes=nodes,
        factors=Factors(basis, [], [], 1.0),
        direct=Direct({}, basis.neighbours(params.neighbours), basis.clusters()),
        graph=None,
        graph_share={"graph": 1.0, "blend": 0.5}.get(params.structure, 0.0) if params.graph_steps else 0.0,
        mix={"factors": 1.0, "blend": 0.5}.get(params.structure, 0.0),
        trust=1.0,
        fallback=fallback,
        floor=max(0.01, 0.1 * float(np.median(np.abs(price - centre(rows, fallback))))),
        usual_age_min=float(age) if isinstance(age, int | float) else 0.0,
        offsets=[],
        expected=[c for c in OPTIONAL if c != FORGIVEN and rows[c].null_count() < 0.5 * rows.height],
    )
    tried = _weighed(_learned(first, early, params, seed=seed), late, params)
    return _learned(tried, rows, params, seed=seed)


def _basis(rows: pl.DataFrame, nodes: list[str], params: Params) -> Basis:
    given = panel(rows, rows.clear(), nodes)
    return Basis.of(given.spread(rows["price_ccy_per_mwh"]), params.rank)


def _learned(horizon: Horizon, rows: pl.DataFrame, params: Params, *, seed: int) -> Horizon:
    """The horizon with boosters that learned from rows; what was weighed stays."""
    given = panel(rows, rows.clear(), horizon.nodes)
    made = replace(horizon, factors=replace(horizon.factors, boosters=[]), graph=None)
    outcome = given.spread(rows["price_ccy_per_mwh"])
    if horizon.graph_share > 0:
        made = replace(made, graph=graph_fit.fit(horizon.factors.basis, given, outcome, params, seed=seed))
    if horizon.mix > 0:
        learned = factors.fit(horizon.factors.basis, given, outcome, params, seed=seed)
        weighed = horizon.factors
        made = replace(made, factors=replace(learned, trust=weighed.trust, kept=weighed.kept) if weighed.trust else learned)
    step = -(-rows.height // params.max_rows)
    taken = np.flatnonzero(given.row % step == 0)
    change = rows["price_ccy_per_mwh"].to_numpy().astype(np.float64) - centre(rows, horizon.fallback)
    boosters = direct.train(horizon.direct.inputs(given)[taken], change[taken], params, seed=seed)
    return replace(made, direct=replace(made.direct, boosters=boosters))


def _weighed(horizon: Horizon, rows: pl.DataFrame, params: Params) -> Horizon:
    """The horizon with mixture, trust and offsets from calibration rows that its boosters have not seen."""
    given = panel(rows, rows.clear(), horizon.nodes)
    gap = rows["price_ccy_per_mwh"].to_numpy().astype(np.float64) - centre(rows, horizon.fallback)
    made = horizon
    if horizon.mix > 0:
        made = replace(made, factors=_trusted(horizon.factors, given, given.spread(rows["price_ccy_per_mwh"])))
    made = _mixed(made, given, gap, params)
    base = made.base_of(given, rows)
    scores = base.scores(rows["price_ccy_per_mwh"].to_numpy().astype(np.float64))
    everywhere = [float(v) for v in np.quantile(scores, LEVELS)]
    count = int(horizon.direct.clusters.max(initial=0)) + 1
    own = [scores[base.cluster == k] for k in range(count)]
    return replace(made, offsets=[[float(v) for v in np.quantile(s, LEVELS)] if len(s) >= MIN_ROWS else everywhere for s in own])


def _mixed(horizon: Horizon, given: Panel, gap: Array, params: Params) -> Horizon:
    """The horizon with the shares of its parts and their trust, by least absolute error on these rows.

    The graph joins boosters and factors where it takes `MIN_GAIN` of their error away.

    Args:
        horizon: with learned parts.
        given: the rows.
        gap: outcome less `centre`, shape (n,).
        params: which parts there are.
    """
    alone = horizon.direct.changes(horizon.direct.inputs(given))["median"]
    moved = {name: change for name, (_, change) in replace(horizon, trust=1.0).shares(given, alone).items()}

    def error(change: Array) -> float:
        return float(np.mean(np.abs(gap - change)))

    mixes = STEPS if params.structure == "blend" else (horizon.mix,)
    rest = {mix: mix * moved.get("factors", 0.0) + (1 - mix) * alone for mix in mixes}
    tried = {(mix, trust): error(trust * rest[mix]) for mix in mixes for trust in STEPS}
    mix, trust = min(tried, key=lambda choice: tried[choice])
    without = replace(horizon, mix=mix, trust=trust, graph=None, graph_share=0.0)
    if "graph" not in moved:
        return without
    portions = STEPS[1:] if params.structure == "blend" else (1.0,)
    joint = {(g, t): error(t * (g * moved["graph"] + (1 - g) * rest[mix])) for g in portions for t in STEPS}
    share, believed = min(joint, key=lambda choice: joint[choice])
    if params.structure == "blend" and joint[share, believed] > (1 - MIN_GAIN) * tried[mix, trust]:
        return without
    return replace(horizon, mix=mix, trust=believed, graph_share=share)


def _trusted(learned: Factors, given: Panel, outcome: Array) -> Factors:
    """The factors with the trust in each component and the share of the rest that lasts, by least absolute error on these decisions."""
    basis, last = learned.basis, given.values[LAST]
    now, x = basis.components(last), factors.inputs(basis, given)
    gap = basis.components(outcome) - now
    trust = []
    for k, booster in enumerate(learned.boosters):
        predicted = booster.predict(x, num_threads=1)
        losses = [float(np.nanmean(np.abs(gap[:, k] - t * predicted))) for t in STEPS]
        trust.append(STEPS[int(np.argmin(losses))])
    made = replace(learned, trust=trust)
    kept = [float(np.nanmean(np.abs(outcome - last - replace(made, kept=share).changes(given)))) for share in STEPS]
    return replace(made, kept=STEPS[int(np.argmin(kept))])
