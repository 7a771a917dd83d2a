"""The offloading problems: data, cost models, files, generators and importers.

What follows is the structured problem; ``problem`` says what instances of every kind have in common, and
``hybrid`` is the other kind.

The modules build on each other in this order: ``model`` (frozen data) - ``schema`` and ``validate``
(what a file may say) - ``columns`` and ``storage`` (between files and data) - ``solution``, ``cost``
(decisions and what they cost) - ``files`` (reading and writing) - ``run`` (what methods take and
give). ``generate``, ``radio`` and ``importers`` make new instances.
"""

from .errors import InputError
from .files import read, read_solution, write, write_solution
from .hybrid import HybridInstance, HybridSolution
from .problem import Outcome, Problem
from .run import Budget, Progress, Result, Termination
from .structured.cost import Evaluation, Violation, evaluate, gap
from .structured.model import LOCAL, UNLIMITED, Application, Devices, Group, Instance, OffloadPoints
from .structured.solution import Solution, Status, StoredSolution

__all__ = [
    "LOCAL",
    "UNLIMITED",
    "Application",
    "Budget",
    "Devices",
    "Evaluation",
    "Group",
    "HybridInstance",
    "HybridSolution",
    "InputError",
    "Instance",
    "OffloadPoints",
    "Outcome",
    "Problem",
    "Progress",
    "Result",
    "Solution",
    "Status",
    "StoredSolution",
    "Termination",
    "Violation",
    "evaluate",
    "gap",
    "read",
    "read_solution",
    "write",
    "write_solution",
]
