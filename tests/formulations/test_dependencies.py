"""Both solvers in one process: highspy and ortools each bring a HiGHS, and some versions of them clash.

highspy 1.15 and ortools 9.15 cannot be imported into one process, in either order, as both ship a
libhighs.so.1; whoever raises a pin learns it here.
"""

from __future__ import annotations

from itertools import permutations

import pytest
from processes import python

# Each minimises x + y subject to x + 2y >= 4, 3x + y >= 6 and x, y >= 0: 2.8 at (1.6, 1.2), and 3 if x
# and y are whole.
PROGRAMS = {
    "highspy": """
import highspy
solver = highspy.Highs()
solver.setOptionValue("output_flag", False)
x, y = solver.addVariable(), solver.addVariable()
solver.addConstr(x + 2 * y >= 4)
solver.addConstr(3 * x + y >= 6)
solver.minimize(x + y)
assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
assert abs(solver.getObjectiveValue() - 2.8) < 1e-9
""",
    "ortools": """
from ortools.linear_solver import pywraplp
from ortools.sat.python import cp_model
for name in ("GLOP", "HIGHS"):  # its own solver, and the HiGHS inside it
    solver = pywraplp.Solver.CreateSolver(name)
    x, y = solver.NumVar(0, solver.infinity(), "x"), solver.NumVar(0, solver.infinity(), "y")
    solver.Add(x + 2 * y >= 4)
    solver.Add(3 * x + y >= 6)
    solver.Minimize(x + y)
    assert solver.Solve() == pywraplp.Solver.OPTIMAL
    assert abs(solver.Objective().Value() - 2.8) < 1e-9
model, solver = cp_model.CpModel(), cp_model.CpSolver()
x, y = model.new_int_var(0, 9, "x"), model.new_int_var(0, 9, "y")
model.add(x + 2 * y >= 4)
model.add(3 * x + y >= 6)
model.minimize(x + y)
assert solver.solve(model) == cp_model.OPTIMAL
assert solver.objective_value == 3
""",
}


@pytest.mark.parametrize("order", list(permutations(PROGRAMS)), ids=" then ".join)
def test_both_solvers_in_one_process(order: tuple[str, ...]) -> None:
    """Twice around, so that the first one also works once the second one is loaded."""
    program = "".join(PROGRAMS[name] for name in order * 2)
    done = python(program)
    assert done.returncode == 0, done.stderr
