"""Bounds to look at: of a formulation's linear relaxation, and of prices on the limits.

Methods come to bounds by themselves; this is for whoever compares formulations, draws a dual function or
writes a decomposition of their own. :func:`offloadlib.certify` makes a bound that is proven.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from offloadlib.formulating import stated
from offloadlib.formulations.structured.decomposition.master import Master, Node, lagrangian_bound
from offloadlib.formulations.structured.decomposition.pricing import Prices, price
from offloadlib.formulations.structured.metered import constant
from offloadlib.formulations.structured.search import unconnected_cost
from offloadlib.instances import AnyInstance, InputError, Instance, Solution, evaluate
from offloadlib.instances.arrays import Floats
from offloadlib.instances.features import FORMAT_1
from offloadlib.kinds import only

TIGHTENED = "milp"
"""The formulation that level inequalities are added to."""


class Relaxation(NamedTuple):
    """The linear relaxation of a formulation.

    Attributes
    ----------
    bound
        Its optimum: no solution costs less, up to the solver's tolerances of 1e-7.
    rows, columns, nonzeros
        The size of the program.
    """

    bound: float
    rows: int
    columns: int
    nonzeros: int


class AtPrices(NamedTuple):
    """What prices on the limits prove, and what the devices do at them.

    Attributes
    ----------
    bound
        L = the sum of ``value``, less prices times limits: no solution costs less.
    value
        (M,) the least cost + payments of each device, without points that have room for nothing.
    solution
        Decisions that attain them. They may break the limits.
    """

    bound: float
    value: Floats
    solution: Solution


def relaxation(instance: AnyInstance, formulation: str = "milp", levels: bool = False) -> Relaxation:
    """Solve the linear relaxation of a formulation, as a method would set it up.

    Parameters
    ----------
    instance
        The instance, of kind structured.
    formulation
        As for :func:`offloadlib.formulate`.
    levels
        Add the level inequalities that the relaxation violates, round by round, as method ``milp`` does
        before it branches; for ``milp`` alone.

    Raises
    ------
    InputError
        If there is no such formulation, none of this instance, or none with level inequalities.
    """
    from offloadlib.formulations.engine import highs  # not above: solvers are slow to import
    from offloadlib.formulations.structured.milp import potentials
    from offloadlib.formulations.structured.milp.pyomo_run import program_of

    found, data = stated(instance, formulation)
    if levels and formulation != TIGHTENED:
        raise InputError(formulation, [("", f"level inequalities are for {TIGHTENED} alone")])
    model = found.model(data)
    program, variables = program_of(model)
    if levels:
        program = potentials.tighten(data, model, program, variables, math.inf)
    relaxed = highs.LinearRelaxation(program)
    relaxed.solve(math.inf)
    left_out = unconnected_cost(data) if data.version == 1 else constant(data)
    return Relaxation(relaxed.objective + left_out, *program.matrix.shape, program.matrix.nnz)


def lagrangian(instance: AnyInstance, prices: Prices) -> AtPrices:
    """Ask every device for its best decision at prices on the limits: the Lagrangian bound.

    Parameters
    ----------
    instance
        The instance, of kind structured and version 1.
    prices
        ``Prices(capacity, channels)``, (N,) each, >= 0: of a place at each offload point, and of the use of
        its radio.

    Raises
    ------
    InputError
        If the instance is another one, or prices are negative, not finite, or of another length.
    """
    data = _of_version_1(instance, "lagrangian")
    for name, values in (("capacity", prices.capacity), ("channels", prices.channels)):
        if np.shape(values) != (data.num_points,):
            raise InputError("prices", [(name, f"of shape {np.shape(values)}, not ({data.num_points},)")])
        if not (np.isfinite(values).all() and (np.asarray(values) >= 0).all()):
            raise InputError("prices", [(name, "must be numbers that are not negative")])
    found = price(data, prices)
    return AtPrices(lagrangian_bound(data, prices, found.value), found.value, found.solution)


def best_prices(instance: AnyInstance) -> Prices:
    """The prices whose Lagrangian bound is best, by column generation.

    Their bound is that of the best mixture of decisions for each device that keeps the limits on average.

    Raises
    ------
    InputError
        If the instance is not of kind structured and version 1.
    """
    data = _of_version_1(instance, "best_prices")
    local = Solution.all_local(data)
    master = Master(data, evaluate(data, local).total)
    master.add(local)
    return master.generate(None, Node(-math.inf, Prices.zero(data)), math.inf, lambda: False).prices


def _of_version_1(instance: AnyInstance, function: str) -> Instance:
    data: Instance = only(instance, ["structured"], function)
    if (reason := data.beyond(FORMAT_1)) is not None:
        raise InputError(function, [("", reason)])
    return data
