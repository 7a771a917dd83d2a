"""One run of a mathematical program on an instance of format 2: there may be no solution to start from, nor
any at all, and what a solver takes for a solution may break a limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from offloadlib.instances import Budget, Instance, Result, Solution, Termination, evaluate
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.cost import fees
from offloadlib.instances.structured.model import LOCAL
from offloadlib.instances.structured.options import options
from offloadlib.instances.structured.sides import heaviest_path

from ..engine import highs
from ..engine.outcome import Run, concluded, errors
from ..engine.trust import SolverError
from .cuts import Cover, cuts
from .metered import constant
from .scaling import FAR, far_apart

Record = dict[str, Any]

AGAIN = 3
"""Runs in another unit, at the most."""

AGAIN_AFTER = (Termination.FINISHED, Termination.GAP, Termination.FAILED)
"""What another unit, or smaller rejections, can mend."""

HAIR = 1e-12
"""Relative: what sums of products lose by rounding, many times over."""


class LimitedSearch(Run[Solution | None]):
    """A run on an instance of format 2; its bound is infinite where it is proven that there is no solution.

    Attributes
    ----------
    instance
        The instance, its rejections just dear enough.
    constant
        What programs leave out of the objective.
    cuts
        Rows that cut off what was no solution.
    """

    def __init__(self, instance: Instance, budget: Budget) -> None:
        super().__init__(instance, budget, budget.start, least(instance))
        self.instance = instance
        self.cuts: list[Cover] = []
        self.narrow(instance)

    def narrow(self, instance: Instance) -> bool:
        """Let refusals be no dearer than they must be; whether the dearest is far less dear than before."""
        before = dearest(self.instance)
        self.instance = dear_enough(instance, self.objective)
        self.constant = constant(self.instance)
        return FAR * dearest(self.instance) < before

    @property
    def start(self) -> Solution | None:
        """The incumbent, if there is one."""
        return self.solution

    def cost(self, solution: Solution) -> float:
        """What a solution costs, whether it keeps all limits or not."""
        return evaluate(self.instance, solution).total

    def offer(self, solution: Solution) -> list[Cover]:
        """Keep a solution if it is feasible and better; else return, and keep, what cuts it off.

        Raises
        ------
        SolverError
            If it breaks a limit that programs state in whole numbers, so that no rounding explains it.
        """
        if evaluate(self.instance, solution).feasible:
            if self.take(solution):
                self.report()
            return []
        found = cuts(self.instance, solution)
        if not found:
            broken = "; ".join(map(str, evaluate(self.instance, solution).violations))
            raise SolverError(f"the solver's solution breaks a limit ({broken})")
        self.cuts += found
        return found

    def running(self, bound: float, decisions: Callable[[], Solution] | None) -> None:
        """Tell what a running solver knows: a bound, and decisions that need not be feasible."""
        if decisions is not None:
            self.take(decisions())
        self.report(bound=bound)


@dataclass(frozen=True)
class Encoded:
    """A program with what its columns mean.

    Attributes
    ----------
    program
        Its objective is F without the search's constant.
    encode, decode
        From a solution to columns and their values; from values of all columns to decisions.
    column
        Of a device, a subtask and a place; -1: none, as that may not be.
    """

    program: highs.MixedIntegerProgram
    encode: Callable[[Solution], tuple[Ints, Floats]]
    decode: Callable[[Floats], Solution]
    column: Callable[[int, int, int], int]


def minimise(
    search: LimitedSearch, encoded: Encoded, reference: float, confirm: bool = False
) -> tuple[Termination, Record]:
    """Let HiGHS minimise a program until what it finds keeps every limit exactly.

    Parameters
    ----------
    search
        What is improved, in the time that is left.
    encoded
        The program.
    reference
        The size of the objective (:func:`magnitude`).
    confirm
        Whether a second answer has to agree before a bound counts.
    """
    instance, program, nodes = search.instance, encoded.program, 0
    program = with_cuts(encoded, program, search.cuts)
    termination, wrong = Termination.FINISHED, list[str]()

    def report(objective: float, bound: float, values: Floats | None) -> None:
        search.running(bound + search.constant, None if values is None else lambda: encoded.decode(values))

    def worth(values: Floats) -> float:
        return search.cost(encoded.decode(values)) - search.constant

    while True:
        known = search.solution
        try:
            outcome = highs.minimise(
                program,
                search.budget,
                time_limit=search.left,
                start=None if known is None else encoded.encode(known),
                known=lambda: search.objective - search.constant,
                worth=worth,
                reference=reference,
                confirm=confirm or far_apart(instance),
                certain=True,
                report=report,
            )
        except highs.InfeasibleError as error:
            if search.solution is not None:
                raise SolverError("HiGHS calls a program infeasible that a known solution keeps") from error
            search.prove(math.inf)
            termination = Termination.FINISHED
            break
        nodes, termination = nodes + outcome.nodes, outcome.termination
        wrong += outcome.wrong
        search.prove(outcome.lower_bound + search.constant)
        found = [] if outcome.values is None else search.offer(encoded.decode(outcome.values))
        if not found or termination not in (Termination.FINISHED, Termination.GAP):
            break
        program = with_cuts(encoded, program, found)
    return termination, {**highs.recorded(program, nodes, wrong), "cut_off": len(search.cuts)}


def with_cuts(
    encoded: Encoded, program: highs.MixedIntegerProgram, found: list[Cover]
) -> highs.MixedIntegerProgram:
    """A program with further rows."""
    if not found:
        return program
    columns = [[encoded.column(*place) for place in cut.places] for cut in found]
    kept = [np.array([column for column in row if column >= 0], dtype=np.int64) for row in columns]
    ends = np.cumsum([0, *map(len, kept)])
    entries = np.concatenate(kept)
    rows = csr_array((np.ones(len(entries)), entries, ends), shape=(len(found), program.matrix.shape[1]))
    return replace(
        program,
        matrix=csr_array(vstack([program.matrix, rows])),
        row_lower=np.append(program.row_lower, np.full(len(found), -np.inf)),
        row_upper=np.append(program.row_upper, [float(cut.most) for cut in found]),
    )


Improve = Callable[[LimitedSearch, float], tuple[Termination, Record]]
"""Improves a search, with the size of its objective; returns why it stopped, and what is worth recording."""


def run(instance: Instance, budget: Budget, method: Improve) -> Result:
    """Run a method, and return what is known in the end, also after Ctrl-C.

    A bound is off by tolerances that are relative to the size of the objective: where that turns out to be
    far smaller than was assumed, the method is run again.
    """
    search = LimitedSearch(instance, budget)
    termination, record = Termination.FINISHED, Record()

    def conclude() -> Termination:
        nonlocal record
        for left in reversed(range(AGAIN)):
            reference, failure = magnitude(instance, search.solution), None
            try:
                ended, record = method(search, reference)
            except SolverError as error:
                ended, failure = Termination.FAILED, error
            again = search.narrow(instance)
            if ended is not Termination.FAILED and search.solution is not None:
                again |= FAR * magnitude(instance, search.solution) < reference
            if not (left and again and ended in AGAIN_AFTER) or search.optimal:
                break
        if failure is not None:
            raise failure
        return ended

    if not search.optimal:
        termination, failure = concluded(conclude)
        record.update(errors([failure] if failure else []))
    return Result.of(instance, search.solution, search.seconds, search.lower_bound, termination, **record)


def least(instance: Instance) -> float:
    """A bound that costs nothing: all fees and rejections alone."""
    floor = floors(instance)
    if instance.by_largest:
        return float(floor.max())
    return math.fsum(floor.tolist()) - HAIR * float(np.abs(floor).sum())


def floors(instance: Instance) -> Floats:
    """(M,) what devices cost at least, their weights included: their least fees or their rejections."""
    devices, paid = instance.devices, np.empty(instance.num_devices)
    for number, group in enumerate(instance.groups):
        places = options(instance, number)
        fee = np.where(places.allowed, places.fee, np.inf).min(axis=2).sum(axis=1)
        paid[group.members] = np.fmin(fee, devices.rejection[group.members])
    paid = devices.weight * np.where(np.isfinite(paid), paid, 0.0)
    return np.asarray(paid - HAIR * np.abs(paid))


def dearest(instance: Instance) -> float:
    """What the dearest refusal costs."""
    costs = instance.devices.weight * np.nan_to_num(instance.devices.rejection)
    return float(np.abs(costs).max())


def dear_enough(instance: Instance, objective: float) -> Instance:
    """The instance with rejections that are just dear enough for no better solution than a known one to have
    them: what bounds its objective bounds the true one, and its optimum is the same.

    Rejections are what people forbid something with: 10^9 where all the rest costs 1 leaves a program, whose
    constant they are, no digits for the rest.
    """
    devices, floor = instance.devices, floors(instance)
    others = 0.0 if instance.by_largest else math.fsum(floor.tolist()) - floor
    most = np.full(instance.num_devices, np.inf)
    np.divide(objective + abs(objective) - others, devices.weight, out=most, where=devices.weight > 0)
    return replace(instance, devices=replace(devices, rejection=np.minimum(devices.rejection, most)))


def magnitude(instance: Instance, solution: Solution | None) -> float:
    """The size of the objective: that of a solution, or else one of typical decisions, where delays,
    energies, fees and rejections count by their absolute values, as they may cancel out."""
    devices, sizes = instance.devices, np.zeros(instance.num_devices)
    known = None if solution is None else evaluate(instance, solution)
    for number, term in enumerate(instance.terms):
        members, group = term.group.members, term.group
        if known is not None and solution is not None:
            delay, energy = known.delay[members], known.energy[members]
            paid = np.abs(fees(instance, group, solution.places[number]))
        else:
            places = options(instance, number)
            fastest = np.where(places.allowed, places.seconds, np.inf).min(axis=2)
            fastest = np.where(np.isfinite(fastest), fastest, 0.0)
            delay = heaviest_path(group, fastest)
            at_home = np.where(places.allowed[..., LOCAL], term.local, 0.0)
            energy = at_home.sum(axis=1) * term.execute
            possible = np.maximum(places.allowed.sum(axis=2), 1)
            paid = (np.where(places.allowed, np.abs(places.fee), 0.0).sum(axis=2) / possible).sum(axis=1)
        sizes[members] = term.delay_weight * delay + term.energy_weight * energy + paid
    if known is not None and known.refused.any():
        sizes[known.refused] = np.abs(devices.rejection[known.refused])
    sizes *= devices.weight
    found = float(sizes.max() if instance.by_largest else sizes.sum())
    return found if found > 0 else 1.0
