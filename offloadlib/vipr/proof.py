"""A certificate as a derivation: the devices at each leaf, their sum, and the branches between leaves."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from offloadlib.check.certificate import Branch as Division
from offloadlib.check.certificate import Leaf, TreeNode
from offloadlib.instances import LOCAL, Instance, Solution

from .branching import Branching, End, Lines, Node
from .flows import Branch, Multipliers, Tariff
from .grid import DIGITS, Grid, exponent, rounded
from .lines import Derivation, Problem
from .program import ONE, Part, Program, formulate, values

UPPER_DIGITS = 40
"""Of the upper bound."""

Progress = Callable[[int, int], None]
"""Told how many devices at leaves are proven, of how many."""


class Written(NamedTuple):
    """What is proven: the cost of the best solution is between these bounds; in so many lines."""

    lower_bound: Fraction
    upper_bound: Fraction
    lines: int


def write_proof(
    instance: Instance,
    solution: Solution,
    nodes: Sequence[TreeNode],
    leaves: int,
    file: IO[str],
    watch: Progress,
) -> Written:
    """Write the proof of a certificate.

    Parameters
    ----------
    instance, solution
        Of format 1, and feasible.
    nodes
        Of a certificate without faults: from the first one on, branches on places lead to leaves.
    leaves
        How many of these there are.
    file
        Where to write.
    watch
        Is told about progress.
    """
    program = formulate(instance)
    problem = Problem(program)
    columns = values(program, instance, solution)
    cost = sum((program.objective.get(column, 0) * value for column, value in columns.items()), Fraction(0))
    upper = _rounded_up(cost)
    problem.write(file)
    with TemporaryFile("w+", encoding="ascii") as lines:
        derivation = Derivation(lines, problem.constraints)
        lower = _Tree(instance, program, problem, derivation, nodes, solution, cost).prove(leaves, watch)
        file.write(f"RTP range {lower} {upper}\n")
        terms = " ".join(f"{column} {value}" for column, value in columns.items())
        file.write(f"SOL 1\nsolution {len(columns)} {terms}\nDER {derivation.written}\n")
        lines.seek(0)
        shutil.copyfileobj(lines, file)
    return Written(lower, upper, derivation.written)


def _rounded_up(cost: Fraction) -> Fraction:
    """A number with some digits that is at least a cost, whose own fraction may have thousands."""
    unit = 10 ** max(UPPER_DIGITS - (exponent(cost) if cost else 0), 0)
    return Fraction(math.ceil(cost * unit), unit)


@dataclass(frozen=True)
class _Device:
    """What is known of a device before any leaf: its rounded rows, and a good decision."""

    grid: Grid
    search: Branching
    rows: Mapping[int, int]
    start: Sequence[int]


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
        self._point = {name: n for n, name in enumerate(instance.points.ids)}
        self._number = {name: m for m, name in enumerate(instance.devices.ids)}
        self._station = instance.devices.connected_to.tolist()
        self._price_digits = max(DIGITS + 2 - (exponent(cost) if cost else 0), 0)
        decisions = {
            int(m): places[row].tolist()
            for group, places in zip(instance.groups, solution.places, strict=True)
            for row, m in enumerate(group.members.tolist())
        }
        lines = Lines()
        self._devices: dict[int, _Device] = {}
        for part in program.parts:
            grid = rounded(part, self._price_digits)
            rows = self._round_rows(grid)
            start = decisions[part.device]
            self._devices[part.device] = _Device(grid, Branching(grid, lines), rows, start)
        self._rest = self._objective_beyond()
        self._wanted = cost

    def prove(self, leaves: int, watch: Progress) -> Fraction:
        """Write all lines; the lower bound that the last one states."""
        self._done, self._of, self._watch = 0, leaves * len(self._devices), watch
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
        for k, column in enumerate(part.local):
            terms[column] = grid.energy_local[k]
            terms |= {
                away: grid.energy_radio[k] + tariff.points.get(n, 0) for n, away in part.place[k].items()
            }
        terms |= dict(zip(part.up, grid.energy_up, strict=True))
        terms |= dict(zip(part.down, grid.energy_down, strict=True))
        if part.air is not None:
            terms[part.air] = tariff.air
        return {column: value for column, value in terms.items() if value}

    def _objective_beyond(self) -> int:
        """The objective less all rounded costs, which is at least the constant."""
        rest = dict(self._program.objective)
        nothing = Tariff({}, 0)
        for device in self._devices.values():
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
        m = self._number[node.device]
        proven = []
        if m not in self._devices:  # without a radio link, it is local whatever the branch says
            here = None in node.places
            return self._node(node.equal if here else node.different, branches)
        part = self._devices[m].grid.part
        k = part.application.subtasks.index(node.subtask)
        places = frozenset(LOCAL if name is None else self._point[name] for name in node.places)
        for child, among in ((node.equal, True), (node.different, False)):
            line = self._assume(part, k, places, among)
            own = [*branches.get(m, []), Branch(k, places, among, line)]
            proven.append((*self._node(child, branches | {m: own}), line))
        bound = min(value for value, _, _ in proven)
        sides = [(at, line) for _, at, line in proven]
        return bound, self._derivation.join(bound, None, sides[0], sides[1])

    def _assume(self, part: Part, k: int, places: frozenset[int], among: bool) -> int:
        columns = [column for n, column in part.at(k).items() if n in places]
        return self._derivation.assume("G" if among else "L", int(among), columns)

    def _leaf(self, leaf: Leaf, branches: Mapping[int, Sequence[Branch]]) -> tuple[Fraction, int]:
        unit = 10**self._price_digits
        points = {self._point[name]: int(price * unit) for name, price in leaf.capacity.items()}
        points = {n: price for n, price in points.items() if n in self._program.capacity}
        radios = {self._point[name]: int(price * unit) for name, price in leaf.channels.items()}
        radios = {n: price for n, price in radios.items() if n in self._program.channels}
        of = {self._rest: Fraction(1)}
        total = self._program.constant
        for rows, prices in ((self._program.capacity, points), (self._program.channels, radios)):
            for n, price in prices.items():
                if price:
                    of[self._problem.row(rows[n])] = Fraction(-price, unit)
                    total -= Fraction(price, unit) * self._program.rows[rows[n]].right
        charge = self._program.constant - total
        for m, device in self._devices.items():
            grid = device.grid
            more = 10 ** (grid.digits - self._price_digits)
            toll = radios.get(self._station[m], 0) * more if grid.part.air is not None else 0
            tariff = Tariff({n: price * more for n, price in points.items()}, toll)
            needed = int((self._wanted + charge) * 10**grid.digits) + 1
            node = device.search.prove(tariff, branches.get(m, ()), device.start, needed)
            line = self._write(grid, device.rows, self._target(grid, tariff), node, {})
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
            of = self._sum(grid, rows, node.multipliers, lines)
            return self._derivation.add_up(node.bound, target, of)
        sides = []
        for branch, below in ((node.among, node.inside), (node.without, node.outside)):
            lines[branch.line] = self._assume(grid.part, branch.subtask, branch.places, branch.among)
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
