"""The MILP formulations that are made with Pyomo, as data: for the registry, export, tables and tests.

Nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from offloadlib.instances import InputError, Instance
from offloadlib.instances.errors import near


@dataclass(frozen=True)
class Formulation:
    """One way to state the problem as a mixed-integer linear program.

    Parameters
    ----------
    name
        Of the formulation, and of the method that solves it.
    build
        ``module:function`` that makes the Pyomo model, (instance, inequalities) -> model; the module
        says what it is mathematically.
    solve
        ``module:function`` of the method.
    summary
        One line.
    source
        Where it is from.
    obstacle
        ``module:function`` that tells why there is no model of an instance that a method could solve: there
        is none, or it would take too much memory.
    """

    name: str
    build: str
    solve: str
    summary: str
    source: str
    obstacle: str = ""

    def model(self, instance: Instance, inequalities: Iterable[str] = ()) -> Any:
        """The Pyomo model of an instance.

        Raises
        ------
        InputError
            If there is no model of the instance, or an inequality is unknown.
        """
        return imported(self.build)(instance, inequalities)

    def applies_to(self, instance: Instance) -> str | None:
        """None, or why there is no model of the instance that could be solved."""
        reason: str | None = imported(self.obstacle)(instance) if self.obstacle else None
        return reason


def imported(path: str) -> Any:
    """What ``module:name`` stands for."""
    module, name = path.split(":")
    return getattr(import_module(module), name)


FORMULATIONS = (
    Formulation(
        "milp",
        "offloadlib.formulations.structured.milp.potentials:model",
        "offloadlib.formulations.structured.milp.potentials:solve",
        "MILP with finish-time potentials (Pyomo)",
        "equations (1)-(5), linearised; level inequalities",
        "offloadlib.formulations.structured.milp.potentials:obstacle",
    ),
    Formulation(
        "milp-paths",
        "offloadlib.formulations.structured.milp.paths:model",
        "offloadlib.formulations.structured.milp.paths:solve",
        "MILP with a row for each path of the graph",
        "equation (1), written out",
        "offloadlib.formulations.structured.milp.paths:unsolvable",
    ),
    Formulation(
        "milp-stages",
        "offloadlib.formulations.structured.milp.stages:model",
        "offloadlib.formulations.structured.milp.stages:solve",
        "MILP with a variable for each maximum, series-parallel graphs only",
        "equation (1), literally",
        "offloadlib.formulations.structured.milp.stages:unsolvable",
    ),
    Formulation(
        "milp-bigm",
        "offloadlib.formulations.structured.milp.disjunctive:big_m",
        "offloadlib.formulations.structured.milp.disjunctive:solve_big_m",
        "which branch is last as a disjunction, relaxed by big-M (Pyomo.GDP)",
        "Raman and Grossmann 1994",
        "offloadlib.formulations.structured.milp.disjunctive:big_m_obstacle",
    ),
    Formulation(
        "milp-hull",
        "offloadlib.formulations.structured.milp.disjunctive:hull",
        "offloadlib.formulations.structured.milp.disjunctive:solve_hull",
        "which branch is last as a disjunction, by its convex hull (Pyomo.GDP)",
        "Balas 1979",
        "offloadlib.formulations.structured.milp.disjunctive:hull_obstacle",
    ),
)


def find(name: str) -> Formulation:
    """The formulation of a name.

    Raises
    ------
    InputError
        If there is none, with the nearest names.
    """
    by_name = {formulation.name: formulation for formulation in FORMULATIONS}
    if name in by_name:
        return by_name[name]
    raise InputError("formulation", [("", f"{name!r} is not known; did you mean {near(name, by_name)}?")])
