"""A certificate as a derivation: the devices at each leaf, their sum, and the branches between leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import IO

from offloadlib.check.certificate import Branch as Division
from offloadlib.check.certificate import Leaf, TreeNode
from offloadlib.instances import Instance, Solution

from .branching import Branch, End, Node, Progress
from .flows import Multipliers, Tariff
from .grid import Grid, exponent
from .leaves import Devices
from .lines import Derivation, Problem, Solved, Written, write_file
from .program import ONE, Part, Program, formulate, values

UPPER_DIGITS = 40
"""Of the upper bound."""


def write_proof(
    instance: Instance,
    solution: Solution,
    nodes: Sequence[TreeNode],
    file: IO[str],
    watch: Progress,
) -> Written:
    """Write the proof of a certificate.

    Parameters
    ----------
    instance, solution
        Of format 1, and feasible.
    nodes
        Of a certificate without faults: branches on places, and leaves.
    file
        Where to write.
    watch
        Is told about progress.
    """
    program = formulate(instance)
    problem = Problem(program)
    columns = values(program, instance, solution)
    cost = sum((program.objective.get(column, 0) * value for column, value in columns.items()), Fraction(0))

    def prove(derivation: Derivation) -> Fraction:
        return _Tree(instance, program, problem, derivation, nodes, solution, cost).prove(watch)

    return write_file(problem, Solved(columns, _rounded_up(cost)), prove, file)


def _rounded_up(cost: Fraction) -> Fraction:
    """A number with some digits that is at least a cost, whose own fraction may have thousands."""
    unit = 10 ** max(UPPER_DIGITS - (exponent(cost) if cost else 0), 0)
    return Fraction(math.ceil(cost * unit), unit)


class _Tree:
    """The derivation of a certificate's tree."""

    def __init__(
        self,
        instance: Instance,
        program: Program,
        problem: Problem,
        derivation: Derivation,
        nodes: Sequence[TreeNode],
        solution: Solution,
        cost: Fraction,
    ) -> None:
        self._program, self._problem, self._derivation = program, problem, derivation
        self._nodes = nodes
        self._start = {
            int(m): places[row].tolist()
            for group, places in zip(instance.groups, solution.places, strict=True)
            for row, m in enumerate(group.members.tolist())
        }
        self._devices = Devices(instance, program, cost)
        self._rows = {m: self._round_rows(device.grid) for m, device in self._devices.of.items()}
        self._rest = self._objective_beyond()
        self._wanted = cost

    def prove(self, watch: Progress) -> Fraction:
        """Write all lines; the lower bound that the last one states."""
        leaves = sum(isinstance(node, Leaf) for node in self._nodes)
        self._done, self._of, self._watch = 0, leaves * len(self._devices.of), watch
        return self._node(0, {})[0]

    def _round_rows(self, grid: Grid) -> dict[int, int]:
        """The rows of durations in multiples of 10^-p s, by their numbers."""
        part, scale = grid.part, 10**grid.time_digits
        found = {}
        for k, numbers in self._duration_rows(part).items():
            small = {column: grid.duration[k].at[n] for n, column in part.at(k).items()}
            for a, (up, down) in grid.duration[k].arcs.items():
                small |= {part.up[a]: up, part.down[a]: down}
            for number in numbers:
                row = self._program.rows[number]
                of = {self._problem.row(number): Fraction(scale)}
                terms: dict[int, Fraction] = {}
                for column, value in row.terms.items():
                    terms[column] = value * scale
                    if column in small:
                        of[self._problem.at_least(column)] = -value * scale - small[column]
                        terms[column] = Fraction(-small[column])
                kept = {column: value for column, value in terms.items() if value}
                of = {at: value for at, value in of.items() if value}
                found[number] = self._derivation.add_up(0, kept, of)
        return found

    @staticmethod
    def _duration_rows(part: Part) -> dict[int, list[int]]:
        """The rows that each subtask's duration stands in."""
        rows: dict[int, list[int]] = {k: [row] for k, row in (part.first | part.joined).items()}
        for (_, k), row in part.then.items():
            if k not in part.joins:
                rows.setdefault(k, []).append(row)
        return rows

    def _target(self, grid: Grid, tariff: Tariff) -> dict[int, int]:
        """The terms of a device's cost with prices, rounded."""
        part = grid.part
        terms = {part.delay: grid.second * 10**grid.time_digits}
        for k in range(part.application.size):
            terms |= {column: grid.paid(k, n, tariff.points) for n, column in part.at(k).items()}
        terms |= dict(zip(part.up, grid.energy_up, strict=True))
        terms |= dict(zip(part.down, grid.energy_down, strict=True))
        if part.air is not None:
            terms[part.air] = tariff.air
        return {column: value for column, value in terms.items() if value}

    def _objective_beyond(self) -> int:
        """The objective less all rounded costs, which is at least the constant."""
        rest = dict(self._program.objective)
        nothing = Tariff({}, 0)
        for device in self._devices.of.values():
            for column, value in self._target(device.grid, nothing).items():
                rest[column] -= Fraction(value, 10**device.grid.digits)
        kept = {column: value for column, value in rest.items() if value}
        of = {self._problem.at_least(column): value for column, value in kept.items()}
        return self._derivation.add_up(kept.get(ONE, 0), kept, of)

    # The tree of the certificate ------------------------------------------------------------------

    def _node(self, number: int, branches: dict[int, list[Branch]]) -> tuple[Fraction, int]:
        """What is proven below a node, and the line that says so."""
        node = self._nodes[number]
        if isinstance(node, Leaf):
            return self._leaf(node, branches)
        assert isinstance(node, Division)
        proven = []
        for child, m, branch in self._devices.sides(node):
            if m is None or branch is None:
                return self._node(child, branches)
            line = self._assume(self._devices.of[m].grid.part, branch)
            own = [*branches.get(m, []), replace(branch, line=line)]
            proven.append((*self._node(child, branches | {m: own}), line))
        bound = min(value for value, _, _ in proven)
        sides = [(at, line) for _, at, line in proven]
        return bound, self._derivation.join(bound, None, sides[0], sides[1])

    def _assume(self, part: Part, branch: Branch) -> int:
        columns = [column for n, column in part.at(branch.subtask).items() if n in branch.places]
        return self._derivation.assume("G" if branch.among else "L", int(branch.among), columns)

    def _leaf(self, leaf: Leaf, branches: Mapping[int, Sequence[Branch]]) -> tuple[Fraction, int]:
        prices, program = self._devices.prices(leaf), self._program
        of = {self._rest: Fraction(1)}
        for rows, of_points in ((program.capacity, prices.points), (program.channels, prices.radios)):
            for n, price in of_points.items():
                if price:
                    of[self._problem.row(rows[n])] = Fraction(-price, 10**prices.digits)
        charge = prices.charge(program)
        total = program.constant - charge
        for m, device in self._devices.of.items():
            grid, tariff = device.grid, prices.tariff(device.grid, device.station)
            needed = int((self._wanted + charge) * 10**grid.digits) + 1
            node = device.prove(tariff, branches.get(m, ()), self._start[m], needed)
            line = self._write(grid, self._rows[m], self._target(grid, tariff), node, {})
            total += Fraction(node.bound, 10**grid.digits)
            of[line] = Fraction(1, 10**grid.digits)
            self._done += 1
            self._watch(self._done, self._of)
        return total, self._derivation.add_up(total, None, of)

    # The tree of a device -------------------------------------------------------------------------

    def _write(
        self,
        grid: Grid,
        rows: Mapping[int, int],
        target: Mapping[int, int],
        node: Node,
        lines: dict[int, int],
    ) -> int:
        """The lines of a device's tree; the number of the last one. ``lines`` has where branches stand."""
        if isinstance(node, End):
            of = self._sum(grid, rows, node.proof, lines)
            return self._derivation.add_up(node.bound, target, of)
        sides = []
        for branch, below in ((node.among, node.inside), (node.without, node.outside)):
            lines[branch.line] = self._assume(grid.part, branch)
            at = self._write(grid, rows, target, below, lines)
            sides.append((at, lines[branch.line]))
        return self._derivation.join(node.bound, target, sides[0], sides[1])

    def _sum(
        self, grid: Grid, rows: Mapping[int, int], found: Multipliers, lines: Mapping[int, int]
    ) -> dict[int, int]:
        """Multipliers by constraint."""
        part, scale = grid.part, 10**grid.time_digits
        of: dict[int, int] = {}
        for numbers, amounts in ((part.first, found.first), (part.joined, found.joined)):
            of |= {rows[numbers[k]]: amount for k, amount in amounts.items()}
        for (j, k), amount in found.then.items():
            at = part.then[j, k]
            of |= {self._problem.row(at): amount * scale} if k in part.joins else {rows[at]: amount}
        of |= {self._problem.row(part.last[k]): amount * scale for k, amount in found.last.items()}
        for where, multipliers in (
            (part.transfer, found.transfer),
            (part.uses_air, found.uses_air),
            (part.assign, found.assign),
        ):
            pairs = zip(where, multipliers, strict=True)
            of |= {self._problem.row(row): amount for row, amount in pairs}
        of |= {lines.get(line, line): amount for line, amount in found.branches.items()}
        of |= {self._problem.at_least(column): amount for column, amount in found.rest.items()}
        return {at: amount for at, amount in of.items() if amount}
