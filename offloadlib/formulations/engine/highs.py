"""Handing a mixed-integer program, as arrays, to HiGHS, and getting the best out of it at any moment.

HiGHS stops at a relative gap of 1e-4 by default and an offset in the objective loosens that further;
its tolerances are 1e-6. Here the gap is the caller's, the tolerances are 1e-9, constants stay out of
the objective, and the objective is scaled to a size at which absolute tolerances do not matter, and double
precision can still keep them. A bound that HiGHS reports is a solver's claim, not a proof, and what it says
is held against what is known.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import highspy
import numpy as np
from scipy.sparse import csr_array

from offloadlib.instances import Budget, InputError, Termination
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.run import OPTIMAL_GAP

from .outcome import errors
from .stray import without_stray_lines
from .trust import ROUNDING, UNCONFIRMED, Claim, SolverError, contradiction, ended, insist
from .units import unit_for

TOLERANCE = 1e-10
"""Primal and dual feasibility."""

INTEGRALITY = 1e-10
"""Integer feasibility, the least that HiGHS takes: at 1e-9 big-M rows, M times as wrong, lose 1e-9 of F."""

SMALLEST_REFERENCE = 1e-15
"""Objectives below this are scaled up no further."""

MARGIN = 2e-10
"""What is taken off a bound, relative to the reference: an integer variable may be :data:`INTEGRALITY` off,
and each counts for no more than the reference (:mod:`.structured.scaling`); rows have finer tolerances."""

NEGLIGIBLE = 1e-9
"""Smaller coefficients are left out. They are costs, in a unit in which a device costs some 10^3
(:mod:`.structured.scaling`), so they count for no more than rounding; with them HiGHS has failed, and has
called a start optimal that cost four times as much as the optimum."""

SMALLEST_COEFFICIENT = 1e-12
"""HiGHS takes smaller coefficients for 0. By default it does so below 1e-9, which is its tolerance here."""

LARGEST_ROUNDING = 1e-6
"""Differences, relative to the reference, that contradict each other whatever gap is allowed."""

Report = Callable[[float, float, Floats | None], None]
"""Told of the incumbent's objective, the bound (infinite if unknown), and the incumbent's values of the
columns, if there are any: an array that is never changed."""


@dataclass(frozen=True)
class MixedIntegerProgram:
    """min cost x subject to row_lower <= matrix x <= row_upper, lower <= x <= upper, x_i whole for i
    in ``integer``: n columns, m rows, infinite bounds as +-inf."""

    cost: Floats
    lower: Floats
    upper: Floats
    integer: Ints
    matrix: csr_array
    row_lower: Floats
    row_upper: Floats


class InfeasibleError(RuntimeError):
    """A program has no solution."""


@dataclass(frozen=True)
class Outcome:
    """What HiGHS found.

    Attributes
    ----------
    values
        Of the columns; None without a solution.
    objective
        Of these values.
    lower_bound
        On the objective, less :data:`MARGIN`; minus infinity where no answer could be trusted.
    termination
        Why HiGHS stopped.
    nodes
        Of its tree.
    wrong
        What was wrong with the answers before, if HiGHS had to be asked again
        (:mod:`.engine.trust`), and with the last one if it failed.
    """

    values: Floats | None
    objective: float
    lower_bound: float
    termination: Termination
    nodes: int
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Way:
    """How HiGHS is asked."""

    presolve: str
    seed: int
    started: bool


_WAYS = (_Way("choose", 0, True), _Way("off", 1, True), _Way("off", 2, False))
"""The usual way, then safer ones: presolve and the start solution are where HiGHS goes wrong."""

_NOTHING = Outcome(None, math.inf, -math.inf, Termination.FAILED, 0)

_LAST_WAY = _Way("choose", 3, True)
"""Where two of three answers have to agree and do not."""

FIRST_SHARE = 0.6
"""Of the time, for an answer that has to be confirmed."""


def minimise(
    program: MixedIntegerProgram,
    budget: Budget,
    *,
    time_limit: float,
    start: tuple[Ints, Floats] | None = None,
    known: Callable[[], float] = lambda: math.inf,
    worth: Callable[[Floats], float] | None = None,
    reference: float = 1.0,
    target: float = -math.inf,
    confirm: bool = False,
    certain: bool = False,
    report: Report | None = None,
) -> Outcome:
    """Minimise with HiGHS.

    An answer that contradicts itself or a known solution (:func:`.engine.trust.contradiction`) is not
    taken: HiGHS is asked again, in safer ways, while there is time.

    Parameters
    ----------
    program
        The program.
    budget
        Gap, seed and threads.
    time_limit
        Seconds that are left.
    start
        Columns and their values, enough of them to complete a feasible solution.
    known
        The objective of a feasible solution that is known by now; infinite without one.
    worth
        What values of the columns are really worth; else the objective is computed from them.
    reference
        The size of the objective, to scale it by.
    target
        An objective at which to stop.
    confirm
        Whether a second answer has to agree before a bound counts (:mod:`.engine.trust`).
    certain
        Whether it takes two answers, got in different ways, to call the program infeasible.
    report
        Called while HiGHS runs, from its thread.

    Returns
    -------
    Outcome
        Also at the time limit and after Ctrl-C, and where no answer could be trusted: then it has the best
        values that were found, and no bound.

    Raises
    ------
    InfeasibleError
        If the program is infeasible, as far as is known.
    """
    begun = time.perf_counter()
    infeasible, given = 0, known()
    scale = unit_for(max(reference, SMALLEST_REFERENCE))
    found: list[tuple[float, Outcome]] = []

    def left() -> float:
        return time_limit - (time.perf_counter() - begun)

    def late() -> bool:
        return left() <= 0.0 or any(answer.termination is Termination.INTERRUPTED for _, answer in found)

    def least() -> float:
        return min([known(), *(cost for cost, _ in found)])

    def attempt(way: _Way) -> tuple[float, Outcome]:
        nonlocal infeasible
        solver = _load(program, scale)
        _set_options(solver, budget, left() * (FIRST_SHARE if confirm and not found else 1.0))
        solver.setOptionValue("objective_target", target * scale)
        solver.setOptionValue("presolve", way.presolve)
        solver.setOptionValue("random_seed", (budget.seed + way.seed) % 2**31)
        best = min(found, key=lambda answer: answer[0])[1].values if found else None
        if best is not None and way.started:
            solver.setSolution(len(best), np.arange(len(best), dtype=np.int32), best)
        elif start is not None and way.started:
            columns, values = start
            solver.setSolution(len(columns), columns.astype(np.int32), values.astype(np.float64))
        interrupted = _run(solver, scale, shown)
        outcome = _outcome(solver, scale, interrupted, solver_gap(budget))
        cost = math.inf
        if outcome.values is not None:
            cost = float(program.cost @ outcome.values) if worth is None else worth(outcome.values)
        found.append((cost, outcome))
        status = solver.getModelStatus()
        if status == highspy.HighsModelStatus.kInfeasible and math.isinf(least()):
            infeasible += 1
            if infeasible > certain:
                raise InfeasibleError("the program is infeasible")
        if outcome.termination is Termination.FAILED:
            raise SolverError(f"HiGHS ended with status {status.name}")
        return found[-1]

    def shown(objective: float, bound: float, values: Floats | None) -> None:
        if report is not None:
            report(objective, -math.inf if confirm else bound, values)

    def wrong(answer: tuple[float, Outcome]) -> str | None:
        cost, outcome = answer
        if outcome.lower_bound > least() + ROUNDING * reference:
            return f"a bound of {outcome.lower_bound:.12g} above a solution of {least():.12g}"
        done = outcome.termination in (Termination.FINISHED, Termination.GAP)
        claim = Claim(outcome.objective, cost, outcome.lower_bound, done)
        rounding = min(max(ROUNDING, budget.gap), LARGEST_ROUNDING)
        return contradiction(claim, given, rounding * reference)

    needed = 2 if confirm else 1
    ways = [partial(attempt, way) for way in ((*_WAYS, _LAST_WAY) if confirm else _WAYS)]
    insisted = insist(ways, wrong, late, needed)
    _, best = min(found, key=lambda answer: answer[0], default=(math.inf, _NOTHING))
    taken = [outcome for _, outcome in insisted.answers]
    wrongs, bound = insisted.wrong, -math.inf
    if len(taken) == needed:
        termination = ended([outcome.termination for outcome in taken])
        bound = min(outcome.lower_bound for outcome in taken) - MARGIN * reference
    elif (taken or infeasible) and late():
        termination = ended([*(outcome.termination for outcome in taken), Termination.TIME_LIMIT])
    else:
        termination = Termination.FAILED
        wrongs += (UNCONFIRMED,) if taken else ()
    return replace(best, lower_bound=bound, termination=termination, wrong=wrongs)


class LinearRelaxation:
    """The linear relaxation of a program, solved again and again as rows are added.

    It serves separation, for which the default tolerances of HiGHS are enough: its values prove nothing.
    """

    def __init__(self, program: MixedIntegerProgram) -> None:
        self._solver = _load(replace(program, integer=np.empty(0, dtype=np.int64)), 1.0)
        self._duals: Floats = np.empty(0)

    def solve(self, time_limit: float) -> Floats | None:
        """Values of the columns at an optimum, or None at the time limit.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C.
        """
        if math.isfinite(time_limit):
            # HiGHS counts the time of all runs of one object.
            self._solver.setOptionValue("time_limit", self._solver.getRunTime() + max(time_limit, 0.0))
        if _run(self._solver, 1.0, None):
            raise KeyboardInterrupt
        if self._solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        found = self._solver.getSolution()
        self._duals = np.array(found.row_dual)
        return np.array(found.col_value)

    @property
    def objective(self) -> float:
        """The value of the optimum that was found last."""
        value: float = self._solver.getInfo().objective_function_value
        return value

    @property
    def duals(self) -> Floats:
        """Of the rows that there were, at the optimum that was found last; none before there is one."""
        return self._duals

    def add(self, rows: csr_array) -> None:
        """Add rows that must be at least 0."""
        count = rows.shape[0]
        self._solver.addRows(
            count,
            np.zeros(count),
            np.full(count, np.inf),
            rows.nnz,
            rows.indptr.astype(np.int32),
            rows.indices.astype(np.int32),
            rows.data,
        )


def solve_linear(lp: Any, name: str) -> None:
    """Solve a linear program that has an optimum; where that fails, from nothing, then without presolve.

    Raises
    ------
    SolverError
        If HiGHS finds no optimum, whatever it tries.
    """
    solved = (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kModelEmpty)
    lp.run()
    if lp.getModelStatus() in solved:
        return
    lp.clearSolver()  # it fails now and then from a basis; from none it works
    lp.run()
    for strategy in (_DUAL, _PRIMAL):
        if lp.getModelStatus() in solved:
            return
        lp.clearSolver()
        lp.setOptionValue("presolve", "off")
        lp.setOptionValue("simplex_strategy", strategy)
        lp.run()
        lp.setOptionValue("presolve", "choose")
        lp.setOptionValue("simplex_strategy", _DUAL)
    if lp.getModelStatus() not in solved:
        raise SolverError(f"{name} ended with status {lp.getModelStatus().name}")


_DUAL, _PRIMAL = 1, 4
"""Of the option ``simplex_strategy``."""


def version() -> str:
    """The version of HiGHS itself."""
    return f"{highspy.HIGHS_VERSION_MAJOR}.{highspy.HIGHS_VERSION_MINOR}.{highspy.HIGHS_VERSION_PATCH}"


def recorded(program: MixedIntegerProgram, nodes: int, wrong: Sequence[str]) -> dict[str, Any]:
    """What the record of a run says of a program that HiGHS has solved."""
    rows, columns = program.matrix.shape
    return {
        "solver": f"highs {version()}",
        "nodes": nodes,
        "variables": columns,
        "rows": rows,
        "nonzeros": program.matrix.nnz,
        **errors(wrong),
    }


def _load(program: MixedIntegerProgram, scale: float) -> Any:
    rows, columns = program.matrix.shape
    matrix = csr_array(program.matrix, copy=True)
    matrix.data[np.abs(matrix.data) < NEGLIGIBLE] = 0.0
    matrix.eliminate_zeros()
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_ = columns, rows
    lp.col_cost_ = program.cost * scale
    lp.col_lower_, lp.col_upper_ = program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = matrix.data
    kinds = np.full(columns, highspy.HighsVarType.kContinuous, dtype=object)
    kinds[program.integer] = highspy.HighsVarType.kInteger
    lp.integrality_ = kinds.tolist()
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("small_matrix_value", SMALLEST_COEFFICIENT)
    if solver.passModel(model) == highspy.HighsStatus.kError:
        sizes = np.abs(program.matrix.data)
        raise InputError("highs", [("", f"refuses coefficients from {sizes.min():g} to {sizes.max():g}")])
    return solver


def _set_options(solver: Any, budget: Budget, time_limit: float) -> None:
    _set_threads(budget.threads)
    options = {
        "mip_rel_gap": solver_gap(budget),
        "mip_abs_gap": 0.0,
        "mip_feasibility_tolerance": INTEGRALITY,
        "primal_feasibility_tolerance": TOLERANCE,
        "dual_feasibility_tolerance": TOLERANCE,
        "threads": budget.threads,
    }
    if math.isfinite(time_limit):
        options["time_limit"] = max(time_limit, 0.0)
    for name, value in options.items():
        if solver.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise RuntimeError(f"HiGHS refuses {name} = {value}")


def solver_gap(budget: Budget) -> float:
    """The relative gap to ask for: to call a result optimal, rounding included, needs a smaller one."""
    return budget.gap if budget.gap > OPTIMAL_GAP else 0.1 * budget.gap


_threads: int | None = None


def _set_threads(count: int) -> None:
    """The scheduler is shared by the process: another number of threads needs a new one."""
    global _threads
    if _threads not in (None, count):
        highspy.Highs.resetGlobalScheduler(True)
    _threads = count


def _run(solver: Any, scale: float, report: Report | None) -> bool:
    """Run in a thread, so that Ctrl-C reaches Python and can stop HiGHS from inside a callback.

    Returns whether that happened.
    """
    stop = threading.Event()
    errors: list[Exception] = []

    def interrupt(event: Any) -> None:
        if stop.is_set():
            event.interrupt()

    found: Floats | None = None

    def improved(event: Any) -> None:
        nonlocal found
        found = np.array(event.data_out.mip_solution)
        log(event)

    def log(event: Any) -> None:
        data = event.data_out
        if report is None or stop.is_set():
            return
        try:
            report(data.mip_primal_bound / scale, data.mip_dual_bound / scale, found)
        except KeyboardInterrupt:
            stop.set()
        except Exception as error:  # must not pass through the solver: raised again below
            errors.append(error)
            stop.set()

    if report is not None:  # no events without output, which need not go anywhere
        solver.setOptionValue("log_to_console", False)
        solver.setOptionValue("output_flag", True)
    for point in (solver.cbSimplexInterrupt, solver.cbIpmInterrupt, solver.cbMipInterrupt):
        point.subscribe(interrupt)
    solver.cbMipLogging.subscribe(log)
    solver.cbMipImprovingSolution.subscribe(improved)
    finished = threading.Event()

    def work() -> None:
        try:
            with without_stray_lines():
                solver.run()
        except Exception as error:  # it has no type of its own
            errors.append(SolverError(f"HiGHS raised {error!r}"))
        finally:
            finished.set()

    # Not a daemon and not joined: a join that Ctrl-C breaks takes the thread for finished (bpo-45274).
    threading.Thread(target=work).start()
    while not finished.is_set():
        try:
            finished.wait(0.1)
        except KeyboardInterrupt:
            stop.set()
    if errors:
        raise errors[0]
    return stop.is_set()


def _outcome(solver: Any, scale: float, interrupted: bool, gap: float) -> Outcome:
    info = solver.getInfo()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    return Outcome(
        values=np.array(solver.getSolution().col_value) if found else None,
        objective=info.objective_function_value / scale if found else math.inf,
        lower_bound=info.mip_dual_bound / scale,
        termination=_termination(solver.getModelStatus(), interrupted, info.mip_gap, gap),
        nodes=max(int(info.mip_node_count), 0),
    )


def _termination(status: Any, interrupted: bool, gap: float, asked: float) -> Termination:
    kinds = highspy.HighsModelStatus
    if status == kinds.kOptimal:
        if gap <= OPTIMAL_GAP:
            return Termination.FINISHED
        # With a gap of almost everything it has been seen to call a start optimal.
        return Termination.GAP if gap <= asked * (1 + OPTIMAL_GAP) else Termination.FAILED
    if status == kinds.kObjectiveTarget:
        return Termination.GAP
    if status == kinds.kTimeLimit:
        return Termination.TIME_LIMIT
    if interrupted or status == kinds.kInterrupt:
        return Termination.INTERRUPTED
    return Termination.FAILED
