"""What a method is: a name, its function, and what it promises.

A method is a function ``(instance, budget) -> Result``, or one that returns the solution alone. Those of the
package are imported when they are first asked for, so that a fast heuristic does not wait for a modelling
language. What makes a method of somebody else's function is in :mod:`.own`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from offloadlib.formulations.catalogue import imported
from offloadlib.instances import AnyInstance, Budget, HybridSolution, InputError, Result, Solution
from offloadlib.instances.features import FORMAT_1, Feature

Function = Callable[[Any, Budget[Any]], Result[Any]]
"""It takes an instance of a kind that its method solves, and gives a solution of that kind."""

OwnFunction = Callable[[Any, Budget[Any]], Result[Any] | Solution | HybridSolution]
"""One that may also return a solution without a record of how it was found."""

OPTIONS = ("gap", "seed", "threads", "solver")
"""The options of a budget that not every method has a use for."""


class Family(StrEnum):
    """What a method promises: a good solution, or one with a proven bound."""

    HEURISTIC = "heuristic"
    EXACT = "exact"


@dataclass(frozen=True)
class Method:
    """A way to solve an instance.

    Parameters
    ----------
    name
        What users call it.
    function
        ``module:function``, or the function itself.
    family
        Heuristic or exact.
    summary
        One line.
    source
        Where it is from (sections and algorithms of Kuang et al. 2020 unless said otherwise).
    kinds
        The kinds of instances that it solves.
    supports
        What such instances may have for it to solve them.
    obstacle
        ``module:function`` that tells what else stands in the way of solving an instance, or None: its size,
        or a package that is not installed.
    grace
        Seconds that it may take beyond its time limit, where that is more than the usual.
    uses
        Which of :data:`OPTIONS` have a meaning for it.
    scheme
        Whether its solution is by definition that of a fixed scheme, which a start must not replace. Every
        other method gives a solution that is at least as good as its start.
    """

    name: str
    function: str | OwnFunction
    family: Family
    summary: str = ""
    source: str = ""
    kinds: frozenset[str] = frozenset({"structured"})
    supports: frozenset[Feature] = FORMAT_1
    obstacle: str = ""
    grace: float = 0.0
    uses: frozenset[str] = frozenset(OPTIONS)
    scheme: bool = False

    @property
    def is_packaged(self) -> bool:
        """Whether its function is one of this package."""
        return isinstance(self.function, str) and self.function.startswith(f"{__package__}.")

    def load(self) -> Function:
        """The method's function, imported.

        Raises
        ------
        InputError
            If there is none under its path.
        """
        if not isinstance(self.function, str):
            return cast(Function, self.function)
        try:
            loaded: Function = imported(self.function)
        except (ImportError, AttributeError, ValueError) as error:
            what = f"{self.name}: no function {self.function!r} ({error})"
            raise InputError("method", [("", what)]) from error
        return loaded

    def prepared(self, instance: AnyInstance) -> Function:
        """The method's function, with all that it needs for the instance compiled."""
        from offloadlib.instances import compiled  # not above: numba, which compiles, is slow to import

        function = self.load()
        compiled.prepare(function, instance)
        return function

    def applies_to(self, instance: AnyInstance) -> str | None:
        """None, or why this method cannot solve the instance."""
        if instance.kind not in self.kinds:
            return f"solves instances of kind {', '.join(sorted(self.kinds))}, not {instance.kind}"
        reason: str | None = instance.beyond(self.supports)
        return imported(self.obstacle)(instance) if reason is None and self.obstacle else reason

    def ignored(self, budget: Budget[Any]) -> list[str]:
        """The options that are not the usual ones, and that it has no use for."""
        usual = Budget[Any]()
        return [
            name
            for name in OPTIONS
            if name not in self.uses and getattr(budget, name) != getattr(usual, name)
        ]
