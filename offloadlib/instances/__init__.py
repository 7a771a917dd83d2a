"""The offloading problems: data, cost models, files, generators and importers.

What serves every kind is here and in ``files``; the modules build on each other in this order: ``arrays``
and ``errors`` - ``files`` (between files and data) - ``kind`` (what is asked of a kind) - ``run`` (what
methods take and give) and ``exact`` (costs in exact arithmetic). Each kind is a folder, ``structured`` and
``hybrid``, with ``model`` (frozen data) - ``solution`` - ``cost`` (decisions and what they cost) -
``schema`` and ``form`` (how they stand in files) - ``generate`` - ``kind`` (all of this by the names that
every kind has). ``importers`` and ``recipes`` make new instances.
"""

from .building import InstanceBuilder
from .errors import InputError
from .files.instances import read, write
from .files.solutions import read_solution, write_solution
from .hybrid import HybridInstance, HybridSolution
from .kind import AnyEvaluation, AnyInstance
from .run import Budget, Progress, Result, Status, StoredSolution, Termination, gap
from .structured.cost import Evaluation, evaluate
from .structured.instance import Instance
from .structured.model import LOCAL, UNLIMITED, Application, Devices, Group, OffloadPoints
from .structured.solution import Solution
from .structured.violations import Violation

__all__ = [
    "LOCAL",
    "UNLIMITED",
    "AnyEvaluation",
    "AnyInstance",
    "Application",
    "Budget",
    "Devices",
    "Evaluation",
    "Group",
    "HybridInstance",
    "HybridSolution",
    "InputError",
    "Instance",
    "InstanceBuilder",
    "OffloadPoints",
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
