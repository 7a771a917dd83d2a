"""The outside judge: GAP and MMKP files, beside general solvers on the problems' own models.

    python benchmarks/outside_judge.py gap/*.txt mmkp/*.txt [--time-limit S] [--methods A,B] [-o DIR]

Our methods get the instance that ``import gap`` and ``import mmkp`` make of a file; HiGHS, CP-SAT and SCIP
get the textbook's model of it, which knows nothing of offloading: a binary variable for each option, one
option for each job or group, a row for each capacity. Everybody gets the same seconds, threads and a process
of his own, one after the other. Every answer is worth what the file says of it: its values are added up, and
its capacities counted again. A file whose first two numbers do not explain its length as a GAP is an MMKP.

Values and bounds are those of the problem: costs to be small, profits to be great; the gap is their distance
over the value. Seconds are real ones; beside them stand CPU seconds, which other work on the machine does not
change as much. Rows are appended to the CSV file as they come: a run that was interrupted goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import math
import multiprocessing
import resource
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

import offloadlib

DOCS = Path(__file__).resolve().parent.parent / "docs" / "results"

OURS = ("branch-and-price", "milp-arrays", "cpsat", "price")

HEADER = """\
# The outside judge

Generalised assignment problems and multiple-choice multidimensional knapsacks
([formats](../reference/formats.md)), solved as instances of this package, and by general solvers on the
textbook's models of the same files; made with version {version} by
`benchmarks/outside_judge.py`, {limit:g} s a solve, {threads} thread{s}. Values and bounds are the problem's
own (GAP: cost, least; MMKP: profit, greatest); their gap is relative to the value. Bounds are what
each program claims.
"""


@dataclass(frozen=True)
class Problem:
    """Take one option for each, within capacities.

    Attributes
    ----------
    values
        [device][option] cost or profit.
    uses
        [row] of (device, option, use).
    capacities
        Of the rows.
    maximise
        Whether values are profits.
    """

    kind: str
    values: list[list[int]]
    uses: list[list[tuple[int, int, int]]]
    capacities: list[int]
    maximise: bool

    @property
    def sign(self) -> int:
        """What makes the value one to be minimised."""
        return -1 if self.maximise else 1

    def worth(self, chosen: Sequence[int]) -> int:
        """The value of an answer, counted anew; an answer that breaks a capacity is refused."""
        for rows, most in zip(self.uses, self.capacities, strict=True):
            if sum(use for i, j, use in rows if chosen[i] == j) > most:
                raise ArithmeticError("an answer breaks a capacity")
        return sum(values[j] for values, j in zip(self.values, chosen, strict=True))


@dataclass(frozen=True)
class Row:
    """One solve."""

    file: str
    method: str
    value: float
    bound: float
    gap: float
    seconds: float
    cpu: float
    threads: int
    limit: float


Answer = tuple[Sequence[int] | None, float | None]
"""The option of each device, and a bound on the value of every answer."""


def read_problem(path: Path) -> Problem:
    """A GAP or an MMKP file, read without the package."""
    numbers = [int(word) for word in path.read_text().split()]
    m, n, *rest = numbers
    if len(rest) == 2 * m * n + m:
        values, uses = np.array(rest[: 2 * m * n]).reshape(2, m, n).tolist()
        return Problem(
            "gap",
            [[values[i][j] for i in range(m)] for j in range(n)],
            [[(j, i, uses[i][j]) for j in range(n)] for i in range(m)],
            rest[-m:],
            False,
        )
    groups, resources, profits, at = m, n, [], n
    demands: list[list[tuple[int, int, int]]] = [[] for _ in range(resources)]
    for i in range(groups):
        items = np.array(rest[at + 1 : at + 1 + rest[at] * (1 + resources)]).reshape(rest[at], -1)
        at += 1 + items.size
        profits.append(items[:, 0].tolist())
        for r in range(resources):
            demands[r] += [(i, j, use) for j, use in enumerate(items[:, 1 + r].tolist()) if use]
    return Problem("mmkp", profits, demands, rest[:resources], True)


# Solvers on the direct model ----------------------------------------------------------------------


def direct_highs(problem: Problem, limit: float, threads: int) -> Answer:
    """HiGHS."""
    import highspy
    from scipy.sparse import csr_matrix

    starts = np.cumsum([0, *map(len, problem.values)])
    sizes = np.diff(starts)
    rows = [(i, s, 1) for i, size in enumerate(sizes) for s in range(starts[i], starts[i] + size)]
    for r, uses in enumerate(problem.uses, start=len(sizes)):
        rows += [(r, starts[i] + j, use) for i, j, use in uses]
    row, column, entry = np.array(rows).T
    matrix = csr_matrix((entry.astype(float), (row, column)))
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = matrix.shape
    model.col_cost_ = problem.sign * np.concatenate(problem.values).astype(float)
    model.col_lower_, model.col_upper_ = np.zeros(starts[-1]), np.ones(starts[-1])
    model.integrality_ = [highspy.HighsVarType.kInteger] * int(starts[-1])
    model.row_lower_ = np.r_[np.ones(len(sizes)), np.full(len(problem.uses), -math.inf)]
    model.row_upper_ = np.r_[np.ones(len(sizes)), np.array(problem.capacities, float)]
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = matrix.indptr
    model.a_matrix_.index_ = matrix.indices
    model.a_matrix_.value_ = matrix.data
    highs = highspy.Highs()
    settings = {"output_flag": False, "time_limit": limit, "threads": threads, "mip_rel_gap": 0.0}
    for name, value in settings.items():
        highs.setOptionValue(name, value)
    highs.passModel(model)
    highs.run()
    info = highs.getInfo()
    bound = problem.sign * info.mip_dual_bound
    if not math.isfinite(info.objective_function_value) or info.primal_solution_status != 2:
        return None, bound
    x = np.array(highs.getSolution().col_value)
    return [int(np.argmax(part)) for part in np.split(x, starts[1:-1])], bound


def direct_cpsat(problem: Problem, limit: float, threads: int) -> Answer:
    """CP-SAT."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    x = [[model.new_bool_var("") for _ in values] for values in problem.values]
    for options in x:
        model.add_exactly_one(options)
    for uses, most in zip(problem.uses, problem.capacities, strict=True):
        model.add(sum(use * x[i][j] for i, j, use in uses) <= most)
    total = sum(
        v * y
        for values, options in zip(problem.values, x, strict=True)
        for v, y in zip(values, options, strict=True)
    )
    model.minimize(problem.sign * total)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limit
    solver.parameters.num_workers = threads
    status = solver.solve(model)
    bound = problem.sign * solver.best_objective_bound
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None, bound
    return [next(j for j, y in enumerate(options) if solver.value(y)) for options in x], bound


def direct_scip(problem: Problem, limit: float, threads: int) -> Answer:
    """SCIP, which has one thread."""
    from pyscipopt import Model, quicksum

    model = Model()
    model.hideOutput()
    x = [[model.addVar(vtype="B") for _ in values] for values in problem.values]
    for options in x:
        model.addCons(quicksum(options) == 1)
    for uses, most in zip(problem.uses, problem.capacities, strict=True):
        model.addCons(quicksum(use * x[i][j] for i, j, use in uses) <= most)
    total = quicksum(
        v * y
        for values, options in zip(problem.values, x, strict=True)
        for v, y in zip(values, options, strict=True)
    )
    model.setObjective(total, "maximize" if problem.maximise else "minimize")
    model.setParam("limits/time", limit)
    model.optimize()
    bound = float(model.getDualbound())
    if not model.getNSols():
        return None, bound
    return [max(range(len(options)), key=lambda j: model.getVal(options[j])) for options in x], bound


DIRECT: dict[str, Callable[[Problem, float, int], Answer]] = {
    "HiGHS, direct": direct_highs,
    "CP-SAT, direct": direct_cpsat,
    "SCIP, direct": direct_scip,
}


# Our methods --------------------------------------------------------------------------------------


def ours(path: Path, problem: Problem, method: str, limit: float, threads: int) -> tuple[Answer, float]:
    """A method of the package on the imported instance, and its seconds without compilation."""
    from offloadlib import solve
    from offloadlib.instances import importers

    made = importers.import_gap(path) if problem.kind == "gap" else importers.import_mmkp(path)
    instance = made[0]
    offset = float(dict(instance.source or {})["offset"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of options that a method ignores
        result = solve(instance, method, time_limit=limit, threads=threads, gap=0.0)
    bound = None if result.lower_bound is None else offset + problem.sign * result.lower_bound
    if not math.isfinite(result.objective):
        return (None, bound), result.runtime
    [places] = result.solution.places
    return (places[:, 0].tolist(), bound), result.runtime


def run(path: Path, method: str, limit: float, threads: int) -> Row:
    """One solve, in a process of its own."""
    problem = read_problem(path)
    started, used = time.perf_counter(), _cpu()
    if method in DIRECT:
        chosen, bound = DIRECT[method](problem, limit, threads)
        seconds = time.perf_counter() - started
    else:
        (chosen, bound), seconds = ours(path, problem, method, limit, threads)
    cpu = _cpu() - used
    value = math.nan if chosen is None else float(problem.worth(chosen))
    told = math.nan if bound is None else bound
    apart = abs(value - told) / max(abs(value), 1e-9)
    if problem.sign * (value - told) < -1e-6 * abs(value):
        raise ArithmeticError(f"{path.stem}: {method} has the value {value} beyond its bound {told}")
    return Row(path.stem, method, value, told, apart, seconds, cpu, threads, limit)


def _cpu() -> float:
    """CPU seconds of this process, and of those that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# Tables -------------------------------------------------------------------------------------------


def append(table: Path, row: Row) -> None:
    """Write a row as soon as it is there."""
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        if new:
            writer.writeheader()
        writer.writerow(asdict(row))


def read_rows(table: Path) -> list[Row]:
    """The rows of a run before."""
    if not table.exists():
        return []
    texts = {"file", "method"}
    with table.open(newline="") as file:
        return [
            Row(**{key: text if key in texts else float(text) for key, text in line.items()})  # type: ignore[arg-type]
            for line in csv.DictReader(file)
        ]


def markdown(rows: Sequence[Row]) -> str:
    """All rows as a table."""
    lines = ["| file | method | value | bound | gap | s | CPU s |", "|---|---|---:|---:|---:|---:|---:|"]
    files = list(dict.fromkeys(row.file for row in rows))
    ordered = sorted(rows, key=lambda row: files.index(row.file))
    lines += [f"| {' | '.join(cells(row))} |" for row in ordered]
    return "\n".join(lines) + "\n"


def cells(row: Row) -> list[str]:
    """A row as text."""
    value = "none" if math.isnan(row.value) else f"{row.value:g}"
    bound = "none" if math.isnan(row.bound) else f"{row.bound:.8g}"
    gap = "" if math.isnan(row.gap) else f"{row.gap:.1e}" if row.gap > 1e-9 else "0"
    return [row.file, row.method, value, bound, gap, f"{row.seconds:.1f}", f"{row.cpu:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--methods", default=",".join([*OURS, "highs", "cp-sat", "scip"]))
    parser.add_argument("-o", dest="folder", type=Path, default=DOCS)
    options = parser.parse_args()
    named = {"highs": "HiGHS, direct", "cp-sat": "CP-SAT, direct", "scip": "SCIP, direct"}
    methods = [named.get(name, name) for name in options.methods.split(",")]
    if importlib.util.find_spec("pyscipopt") is None:
        methods = [name for name in methods if name != named["scip"]]
    options.folder.mkdir(parents=True, exist_ok=True)
    table = options.folder / "outside-judge.csv"
    rows = read_rows(table)
    done = {(row.file, row.method, row.threads, row.limit) for row in rows}
    context = multiprocessing.get_context("spawn")
    for path in options.files:
        for method in methods:
            if (path.stem, method, options.threads, options.time_limit) in done:
                continue
            with ProcessPoolExecutor(1, mp_context=context) as apart:
                row = apart.submit(run, path, method, options.time_limit, options.threads).result()
            rows.append(row)
            print("  ".join(f"{cell:>16}" for cell in cells(row)), flush=True)
            append(table, row)
    header = HEADER.format(
        version=offloadlib.__version__,
        limit=options.time_limit,
        threads=options.threads,
        s="" if options.threads == 1 else "s",
    )
    (options.folder / "outside-judge.md").write_text(f"{header}\n{markdown(rows)}")


if __name__ == "__main__":
    main()
