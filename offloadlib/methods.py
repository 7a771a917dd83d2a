"""What a method is: a name, where its function is, and what it promises.

A method is a function ``(instance, budget) -> Result``. It is imported when it is first asked for, so that
a fast heuristic does not wait for a modelling language.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from offloadlib.formulations.catalogue import imported
from offloadlib.instances import AnyInstance, Budget, InputError, Result
from offloadlib.instances.features import FORMAT_1, Feature

Function = Callable[[Any, Budget[Any]], Result[Any]]
"""It takes an instance of a kind that its method solves, and gives a solution of that kind."""

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
    path
        ``module:function`` of its function.
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
    path: str
    family: Family
    summary: str
    source: str
    kinds: frozenset[str] = frozenset({"structured"})
    supports: frozenset[Feature] = FORMAT_1
    obstacle: str = ""
    grace: float = 0.0
    uses: frozenset[str] = frozenset(OPTIONS)
    scheme: bool = False

    @property
    def module(self) -> str:
        """Where its function is."""
        return self.path.split(":")[0]

    def load(self) -> Function:
        """The method's function, imported.

        Raises
        ------
        InputError
            If there is none under its path.
        """
        try:
            loaded: Function = imported(self.path)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError("method", [("", f"{self.name}: no function {self.path!r} ({error})")]) from error
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
