r"""The readable reference: a mixed-integer linear program whose tangents are added as they are needed.

For each device i, task j and place p (edge E or cloud C) let x_ijp = 1 if the task runs there, and
y_ij = x_ijE + x_ijC whether it is uploaded; c_i is the device's share of the uplink, u_i the time of its
upload, T_i its delay:

.. math::

   \min \sum_i w_i \Big( \sum_j D_{ij} [\varepsilon_l (1 - y_{ij})
          &+ (\varepsilon_t + price_E) x_{ijE} + (\varepsilon_t + price_C) x_{ijC}] + \rho T_i \Big) \\
   y_{ij} &\le 1 \\
   T_i &\ge \tau \sum_j D_{ij} (1 - y_{ij}) \\
   T_i &\ge u_i + t_p \sum_j D_{ij} x_{ijp}                                    &\quad& p = E, C \\
   \sum_i c_i &\le B \\
   u_i &\ge 2 r \sum_k \delta^\pi_{ik} y_{i \pi(k)} - r^2 c_i       && \text{for any } r > 0,\ \pi

where t_E = kappa/f_e, t_C = 1/r_c + kappa/f_c, and pi is any order of the tasks, along which
delta^pi_ik = sqrt(D_pi(1) + ... + D_pi(k)) - sqrt(D_pi(1) + ... + D_pi(k-1)).

**Why the last rows are valid.** They stand for u_i >= U_i/c_i with U_i = sum_j D_ij y_ij. First,
(sqrt(U/c) - r sqrt(c))^2 >= 0, so U/c >= 2 r sqrt(U) - r^2 c, with equality where r = sqrt(U)/c. Second,
sqrt(U) is a concave function of a sum, hence a submodular one of the set of uploaded tasks: what a task
adds is least if all others are there before it. Along an order pi, the tasks of the set that come first
add what they would add alone, and the others at least delta^pi. So sum_k delta^pi_ik y_ipi(k) never
exceeds sqrt(U) at binary y, and equals it where the uploaded tasks come first in the order (these are
the extended polymatroid inequalities; Edmonds 1970, Atamtürk and Narayanan 2008).

**Rounds.** There are infinitely many such rows. The program starts with few; its optimum bounds Q from
below, however few they are. Its decision, with its best split, is a solution. For each device whose u_i
lies below U_i/c_i, rows that hold with equality at the decision are added, at the c_i of the program and
at that of the best split. With the latter the decision can come back only at its true cost, since the
problem is convex in c; so there are finitely many rounds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyomo.environ as pyo

from offloadlib.instances import Budget, Result, Termination
from offloadlib.instances.arrays import Floats
from offloadlib.instances.hybrid import CLOUD, DEVICE, EDGE, HybridInstance, HybridSolution, with_best_split
from offloadlib.instances.hybrid.model import TaskPlaces

from ..engine import highs, trust
from ..engine.outcome import Run, concluded, errors
from ..structured.milp.pyomo_run import program_of

ERROR = 1e-6
"""Relative gap at which no more tangents are added: the rows' coefficients grow as they close in."""

SHARES = (0.25, 1.0, 4.0)
"""First tangents, as multiples of an equal share of the uplink."""


def model(instance: HybridInstance) -> pyo.ConcreteModel:
    """The program with its first tangents, without the energy of all-local, which is a constant."""
    parameters = instance.parameters
    places = [place for place in instance.places if place != DEVICE]
    price = {EDGE: parameters.price_e, CLOUD: parameters.price_c}
    pace = {EDGE: parameters.edge_time, CLOUD: parameters.cloud_time}
    size = instance.sizes
    model = pyo.ConcreteModel(name=instance.name)
    model.DEVICES = pyo.RangeSet(0, instance.num_devices - 1)
    model.TASKS = pyo.RangeSet(0, instance.num_tasks - 1)
    model.PLACES = pyo.Set(initialize=places)
    model.x = pyo.Var(model.DEVICES, model.TASKS, model.PLACES, domain=pyo.Binary)
    model.share = pyo.Var(model.DEVICES, bounds=(0.0, parameters.bandwidth))
    model.upload = pyo.Var(model.DEVICES, domain=pyo.NonNegativeReals)
    model.delay = pyo.Var(model.DEVICES, domain=pyo.NonNegativeReals)

    @model.Expression(model.DEVICES, model.TASKS)  # type: ignore[untyped-decorator]
    def uploaded(model: Any, i: int, j: int) -> Any:
        return sum(model.x[i, j, p] for p in model.PLACES)

    @model.Expression(model.DEVICES)  # type: ignore[untyped-decorator]
    def energy(model: Any, i: int) -> Any:
        """E_i without what it is if all tasks are local."""
        return sum(
            size[i, j] * (parameters.eps_t + price[p] - parameters.eps_l) * model.x[i, j, p]
            for j in model.TASKS
            for p in model.PLACES
        )

    @model.Constraint(model.DEVICES, model.TASKS)  # type: ignore[untyped-decorator]
    def one_place(model: Any, i: int, j: int) -> Any:
        return model.uploaded[i, j] <= 1

    @model.Constraint(model.DEVICES)  # type: ignore[untyped-decorator]
    def local(model: Any, i: int) -> Any:
        work = sum(size[i, j] * (1 - model.uploaded[i, j]) for j in model.TASKS)
        return model.delay[i] >= parameters.tau * work

    @model.Constraint(model.DEVICES, model.PLACES)  # type: ignore[untyped-decorator]
    def remote(model: Any, i: int, p: int) -> Any:
        work = sum(size[i, j] * model.x[i, j, p] for j in model.TASKS)
        return model.delay[i] >= model.upload[i] + pace[p] * work

    @model.Constraint()  # type: ignore[untyped-decorator]
    def uplink(model: Any) -> Any:
        return sum(model.share[i] for i in model.DEVICES) <= parameters.bandwidth

    @model.Objective()  # type: ignore[untyped-decorator]
    def cost(model: Any) -> Any:
        return sum(
            instance.weight[i] * (model.energy[i] + parameters.rho * model.delay[i]) for i in model.DEVICES
        )

    model.tangents = pyo.ConstraintList()
    equal = parameters.bandwidth / instance.num_devices
    for i in model.DEVICES:
        for multiple in SHARES:
            tangent(model, instance, i, np.ones(instance.num_tasks), multiple * equal)
    return model


def tangent(model: Any, instance: HybridInstance, i: int, uploaded: Floats, share: float) -> None:
    """Add the row of device i that is tight where these tasks are uploaded, with this share."""
    order = np.argsort(-uploaded, kind="stable")
    root = np.sqrt(np.cumsum(instance.sizes[i, order]))
    step = np.diff(root, prepend=0.0)
    total = math.sqrt(float(instance.sizes[i] @ uploaded))
    if total == 0.0 or share <= 0.0:
        return
    r = total / share
    rise = sum(delta * model.uploaded[i, j] for delta, j in zip(step.tolist(), order.tolist(), strict=True))
    model.tangents.add(model.upload[i] >= 2.0 * r * rise - r**2 * model.share[i])


def far_apart(instance: HybridInstance) -> bool:
    """Whether a solver's answers must be confirmed; see :func:`.trust.far_apart`.

    The parts are what a device's tasks cost at each place, in energy and in delay, and what their uploads do
    if all devices share the uplink equally.
    """
    given, share = instance.parameters, instance.parameters.bandwidth / instance.num_devices
    paces = [given.eps_l, given.rho * given.tau, given.eps_t, given.rho / share]
    paces += [given.price_e, given.rho * given.edge_time, given.price_c, given.rho * given.cloud_time]
    costs = instance.weight[:, None] * instance.sizes
    return trust.far_apart(costs * pace for pace in paces)


def solve(instance: HybridInstance, budget: Budget[HybridSolution]) -> Result[HybridSolution]:
    """Solve by rounds of the program, to a relative gap of 1e-6 or the budget's if that is larger."""
    search = _Rounds(instance, budget)
    termination, failure = concluded(search.run)
    return Result.of(
        instance,
        search.solution,
        search.seconds,
        search.lower_bound,
        termination,
        solver=f"highs {highs.version()}",
        rounds=search.rounds,
        nodes=search.nodes,
        **errors([*search.wrong, *([failure] if failure else [])]),
    )


class _Rounds(Run[HybridSolution]):
    def __init__(self, instance: HybridInstance, budget: Budget[HybridSolution]) -> None:
        super().__init__(instance, budget, budget.start or HybridSolution.all_local(instance), 0.0)
        self.instance = instance
        self.rounds, self.nodes = 0, 0
        self.wrong: tuple[str, ...] = ()
        self.constant = instance.parameters.eps_l * float(instance.weight @ instance.sizes.sum(axis=1))
        self.confirm = far_apart(instance)

    @property
    def lower_bound(self) -> float:
        """What is proven, at most the incumbent's cost."""
        return min(super().lower_bound, self.objective)

    def run(self) -> Termination:
        program = model(self.instance)
        target = max(self.budget.gap, ERROR)
        while self.objective - self.lower_bound > target * self.objective:
            if not self.left:
                return Termination.TIME_LIMIT
            termination = self._round(program)
            self.report()
            if termination in (Termination.TIME_LIMIT, Termination.INTERRUPTED, Termination.FAILED):
                return termination
        return Termination.FINISHED

    def _round(self, program: pyo.ConcreteModel) -> Termination:
        arrays, variables = program_of(program)

        def decode(values: Floats) -> HybridSolution:
            for variable, value in zip(variables, values.tolist(), strict=True):
                variable.set_value(value, skip_validation=True)
            return with_best_split(self.instance, self._places(program))

        def running(_: float, bound: float, values: Floats | None) -> None:
            def solution() -> HybridSolution:
                if values is not None:
                    self.take(decode(values))
                return self.solution

            self.report(math.inf, bound + self.constant, solution)

        outcome = highs.minimise(
            *(arrays, Budget(gap=0.1 * ERROR, seed=self.budget.seed, threads=self.budget.threads)),
            time_limit=self.left,
            known=lambda: self.objective - self.constant,
            reference=self.objective,
            confirm=self.confirm,
            report=running,
        )
        self.wrong += outcome.wrong
        self.rounds, self.nodes = self.rounds + 1, self.nodes + outcome.nodes
        self.prove(outcome.lower_bound + self.constant)
        if outcome.values is None:
            return outcome.termination
        solution = decode(outcome.values)
        self.take(solution)
        uploaded = (solution.places != DEVICE).astype(np.float64)
        for i in program.DEVICES:
            best, share = float(solution.split[i]), program.share[i].value
            if best > 0.0 and program.upload[i].value * share < float(self.instance.sizes[i] @ uploaded[i]):
                for at in (best, max(share, 0.01 * best)):
                    tangent(program, self.instance, i, uploaded[i], at)
        return outcome.termination

    def _places(self, program: pyo.ConcreteModel) -> TaskPlaces:
        places = np.full(self.instance.sizes.shape, DEVICE, np.int8)
        for (i, j, p), variable in program.x.items():
            if variable.value > 0.5:
                places[i, j] = p
        return places
