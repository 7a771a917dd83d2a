r"""The Lagrangian dual of many devices, maximised in the prices alone.

With prices v on the limits (capacities and channels; right-hand sides r), the bound

.. math::

   f(v) = \sum_m \min_{d_m} [C_m(d_m) + v \cdot use(d_m)] - v \cdot r

is concave, and r - use(v) a subgradient. It is nearly smooth where there are many devices, and a sample
S of them shows how use(v) changes with v. So f is maximised in steps of Newton's kind: at prices v, all
devices are evaluated (a bound, and the true use u(v)), and the next prices are the optimal ones of the
sample with the limits

.. math::

   r_S = \tfrac{|S|}{M} (r - u(v)) + u_S(v)

for which the sample's dual has at v the subgradient of f. The error shrinks by the sampling error in each
step; each step's bound is valid whatever the sample. A sample of all devices is column generation itself.

The sample's dual is solved by column generation (:class:`Model`) in a box around the best prices
(Marsten, Hogan and Blankenship 1975), with smoothing (Wentges 1997). A device has its cheapest decision
at the first prices as a constant, and rows and columns only for the decisions that are found besides:
with a good start the linear program is much smaller than the sample.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import highspy
import numpy as np
from scipy.sparse import csr_array, hstack

from offloadlib.instances import LOCAL, evaluate
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.model import Places

from ...engine.columns import CONVERGED, Steps, generate
from ...engine.highs import solve_linear
from .limits import PricedLimits

SAMPLE_CONVERGED = 1e-7
"""Relative distance between the linear program of a sample and its bound at which generation stops."""

NEW = 1e-12
"""A decision that is cheaper than all known ones by less, relatively, is one of them, in another order of
its sum."""

RECENT = 16
"""Evaluations whose decisions are remembered."""

STEPS = 12
"""Evaluations of all devices for one sample, at the most."""

UNIT = 1000.0
"""Mean cost of an all-local device in the linear program, so that its tolerances are small."""

Seen = Callable[[Floats, float, Floats, Places], None]
"""Told of every evaluation: prices, bound, least cost + prices of each device, decisions."""


class Model(Steps[Floats]):
    """Column generation over the devices of a (sampled) instance, from given prices.

    Parameters
    ----------
    limits
        The devices and the limits' right-hand sides.
    vector
        Prices to begin with; where they are all 0, every device also knows its all-local decision.
    seen
        Told of every evaluation.
    """

    def __init__(self, limits: PricedLimits, vector: Floats, seen: Seen | None = None) -> None:
        self.limits, self.right, self._seen = limits, limits.right, seen
        self._all = np.arange(limits.instance.num_devices)
        mean = float(limits.local_cost.mean())
        self._scale = UNIT / mean if mean > 0 else 1.0
        # Prices above the dearest device's whole cost are never better: nobody would use the limit.
        self._highest = float(limits.local_cost.max())
        self.vector = vector
        self.bound, _, self.base = self._evaluate(vector)
        self._base_cost = evaluate(limits.instance, limits.solution(self.base)).cost
        self._base_use = limits.used(self.base)
        self._row = np.full(len(self._all), -1)
        self._rows = len(self.right)
        self.device = np.empty(0, dtype=np.int64)
        self._cost, self._table = np.empty(0), self.base[:0]
        self._lp = self._empty()
        self._radius, self._inside = np.inf, True
        if not vector.any():
            away = np.flatnonzero((self.base != LOCAL).any(axis=1))
            self._add(away, limits.local_cost[away], np.full_like(self.base[away], LOCAL))

    def _evaluate(self, vector: Floats) -> tuple[float, Floats, Places]:
        bound, value, table = self.limits.lagrangian(vector)
        if self._seen is not None:
            self._seen(vector, bound, value, table)
        return bound + float(vector @ (self.limits.right - self.right)), value, table

    def _empty(self) -> highspy.Highs:
        """Rows of the limits, and for each a column that buys more of it and one that sells: the box."""
        lp = highspy.Highs()
        lp.setOptionValue("output_flag", False)
        lp.setOptionValue("threads", 1)
        rows = self._rows
        none, number = np.empty(0), np.arange(rows, dtype=np.int32)
        upper = self.right - self._base_use
        lp.addRows(
            rows, np.full(rows, -np.inf), upper, 0, np.zeros(rows, np.int32), none.astype(np.int32), none
        )
        count = 2 * rows
        lp.addCols(
            *(count, np.zeros(count), np.zeros(count), np.full(count, np.inf), count),
            *(np.arange(count, dtype=np.int32), np.tile(number, 2), np.repeat([-1.0, 1.0], rows)),
        )
        return lp

    def move(self, vector: Floats, right: Floats) -> None:
        """Begin anew at some prices, with other right-hand sides."""
        self.vector, self.right = vector, right
        self.bound, _, _ = self._evaluate(vector)
        for i, upper in enumerate((right - self._base_use).tolist()):
            self._lp.changeRowBounds(i, -np.inf, upper)

    def _add(self, device: Ints, cost: Floats, table: Places) -> None:
        if not len(device):
            return
        new = np.unique(device[self._row[device] < 0])
        self._row[new] = self._rows + np.arange(len(new))
        self._rows += len(new)
        none = np.empty(0)
        self._lp.addRows(
            *(len(new), np.full(len(new), -np.inf), np.ones(len(new)), 0),
            *(np.zeros(len(new), np.int32), none.astype(np.int32), none),
        )
        self.device = np.append(self.device, device)
        self._cost, self._table = np.append(self._cost, cost), np.vstack([self._table, table])
        change = self.limits.uses(table, device) - self.limits.uses(self.base[device], device)
        rows = self._row[device] - len(self.right)
        choice = csr_array(
            (np.ones(len(device)), (np.arange(len(device)), rows)),
            shape=(len(device), self._rows - len(self.right)),
        )
        matrix = csr_array(hstack([change, choice]))
        count, gain = len(device), self._scale * (cost - self._base_cost[device])
        self._lp.addCols(
            *(count, gain, np.zeros(count), np.full(count, np.inf), matrix.nnz),
            *(matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32), matrix.data),
        )

    def solve(self) -> tuple[float, Floats]:
        """Value and prices of the linear program with prices in the box."""
        size, low = len(self.right), np.maximum(self.vector - self._radius, 0.0)
        high = np.minimum(self.vector + self._radius, max(self._highest, float(self.vector.max())))
        number = np.arange(2 * size, dtype=np.int32)
        self._lp.changeColsCost(2 * size, number, self._scale * np.concatenate([high, -low]))
        solve_linear(self._lp, "the master")
        duals = -np.array(self._lp.getSolution().row_dual[:size]) / self._scale
        value = self._lp.getObjectiveValue() / self._scale + float(self._base_cost.sum())
        duals = np.clip(duals, low, high)
        above, below = (duals > low) | (low == 0), (duals < high) | (high >= self._highest)
        self._inside = bool(np.all(above) and np.all(below))
        return value, duals

    def between(self, weight: float, best: Floats, prices: Floats) -> Floats:
        """Prices between two, as a file can hold them."""
        return self.limits.rounded(weight * best + (1 - weight) * prices)

    def loosen(self) -> bool:
        """A larger box, where the optimum is at its border."""
        self._radius *= 4
        return not self._inside

    def price(self, prices: Floats, tolerance: float) -> tuple[float, bool]:
        """Evaluate at some prices and add the decisions that are new."""
        bound, value, table = self._evaluate(prices)
        known = self._base_cost + self.limits.weighed(self.base, None, prices)
        if len(self.device):
            own = self._cost + self.limits.weighed(self._table, self.device, prices)
            np.minimum.at(known, self.device, own)
        new = np.flatnonzero(value < known - NEW * np.abs(known))
        if len(new):
            cost = evaluate(self.limits.instance, self.limits.solution(table)).cost
            self._add(new, cost[new], table[new])
        if bound > self.bound:
            self.bound, self.vector = bound, prices
        return bound, len(new) > 0

    def maximise(self, late: Callable[[], bool], tolerance: float, radius: float = np.inf) -> None:
        """Column generation until the bound is within a relative tolerance of the linear program.

        Parameters
        ----------
        late
            Says whether to stop.
        tolerance
            Relative.
        radius
            Of the box around the best prices; it grows where the optimum is at its border.
        """
        self._radius = radius
        generate(self, self.bound, self.vector, stop=late, precision=0.0, converged=tolerance)


class Dual:
    """The best bound on an instance so far, with its prices and the decisions that attain it.

    Parameters
    ----------
    limits
        The instance's.
    late
        Asked between steps whether to end, as for :class:`.primal.Primal`.
    report
        Called after each evaluation of all devices.

    Attributes
    ----------
    bound, vector
        The best bound and its prices.
    value, table
        Each device's least cost + prices there, and the decisions that attain them.
    evaluations
        Of all devices.
    recent
        The decisions of the last evaluations.
    """

    def __init__(
        self, limits: PricedLimits, late: Callable[[], bool], report: Callable[[], None] = lambda: None
    ) -> None:
        self.limits, self._late, self._report = limits, late, report
        self.bound = -np.inf
        self.vector: Floats = np.zeros(len(limits))
        self.value: Floats = np.empty(0)
        self.table: Places = np.empty((0, 0), dtype=np.int32)
        self.evaluations = 0
        self.recent: deque[Places] = deque(maxlen=RECENT)

    def seen(self, vector: Floats, bound: float, value: Floats, table: Places) -> None:
        """Keep an evaluation of all devices if its bound is the best."""
        self.evaluations += 1
        self.recent.append(table)
        if bound > self.bound:
            self.bound, self.vector, self.value, self.table = bound, vector, value, table
        self._report()

    def evaluate(self, vector: Floats) -> bool:
        """Evaluate all devices at some prices; returns whether the bound rose."""
        before = self.bound
        vector = self.limits.rounded(vector)
        self.seen(vector, *self.limits.lagrangian(vector))
        return self.bound > before

    def begin(self, size: int, seed: int) -> None:
        """First prices from a sample alone: no bound yet, but larger samples begin near their optimum."""
        model = Model(self.limits.sample(size, seed), self.vector)
        model.maximise(self._late, SAMPLE_CONVERGED)
        self.vector = self.limits.rounded(model.vector)

    def maximise(self, size: int, seed: int, tolerance: float = CONVERGED) -> None:
        """Raise the bound with a sample of the devices.

        Parameters
        ----------
        size
            Devices in the sample: all of them, and the optimum is reached.
        seed
            Of the sample.
        tolerance
            A step that gains less, relatively, is the last.
        """
        limits = self.limits
        devices = limits.instance.num_devices
        if size >= devices:
            model = Model(limits, self.vector, self.seen)
            model.maximise(self._late, tolerance, self._radius())
            return
        model = Model(self.limits.sample(size, seed), self.vector)
        if self.evaluations == 0:
            model.maximise(self._late, max(SAMPLE_CONVERGED, 0.1 * tolerance))
            self.evaluate(model.vector)
        for _ in range(STEPS):
            if self._late():
                return
            before = self.bound
            self._step(model, size / devices, tolerance)
            if self.bound - before <= tolerance * abs(self.bound):
                return

    def _radius(self) -> float:
        return 0.01 * float(self.vector.max()) if self.vector.any() else np.inf

    def _step(self, model: Model, share: float, tolerance: float) -> None:
        """Prices that are optimal for the sample with corrected limits."""
        sample = model.limits
        table = sample.lagrangian(self.vector)[2]
        free = self.limits.right - self.limits.used(self.table)
        model.move(self.vector, share * free + sample.used(table))
        model.maximise(self._late, max(SAMPLE_CONVERGED, 0.1 * tolerance), self._radius())
        self.evaluate(model.vector)
