"""A certificate of format 2 with witnesses as a derivation, in exact fractions.

A device at a leaf has a *target*, what it costs with prices, as terms of its columns. An end of its witness
is a sum of rows: the flow on those of finish times, shares of arcs and of going on air, prices on its own
limits, and of each subtask the least that is left of its places, on its assignment. What then is left of each
column is paid for by its bounds. So any witness proves something, whatever it says. Multipliers are rounded
where that does no harm, so that right-hand sides are short.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import IO, Any, NamedTuple

from offloadlib.check.core.certificate import Branch as Division
from offloadlib.check.core.certificate import Certificate, Leaf
from offloadlib.check.core.costs import ZERO
from offloadlib.check.core.forms import WHOLE, insist
from offloadlib.check.core.reading import Instance
from offloadlib.check.core.rules import Case

from .elaborate import Waits
from .grid import exponent
from .limited import Part, Program, formulate, values
from .lines import Derivation, Problem, Solved, Written, write_file
from .program import ONE

DIGITS = 25
"""Of a multiplier that may be rounded."""


def below(value: Fraction) -> Fraction:
    """A number of some digits that is at most a value."""
    if not value:
        return value
    unit = Fraction(10) ** (DIGITS - exponent(abs(value)))
    return math.floor(value * unit) / unit


class Side(NamedTuple):
    """What a branch says of a device's subtask: it is at one of these places (``among``), or at none of them;
    of no subtask: it is served (``among``), or not. With the line that assumes it."""

    subtask: int | None
    places: frozenset[int]
    among: bool
    line: int

    def allows(self, place: int) -> bool:
        """Whether a place is left."""
        return (place in self.places) == self.among


@dataclass
class Sum:
    """A sum of constraints: their multipliers, what it leaves of some terms, and its right-hand side."""

    rest: dict[int, Fraction]
    of: dict[int, Fraction] = field(default_factory=dict)
    right: Fraction = ZERO

    def add(self, line: int, terms: Mapping[int, Fraction], right: Fraction, multiplier: Fraction) -> None:
        """Add a constraint."""
        if not multiplier:
            return
        self.of[line] = self.of.get(line, ZERO) + multiplier
        self.right += multiplier * right
        for column, value in terms.items():
            self.rest[column] = self.rest.get(column, ZERO) - multiplier * value


Proven = tuple[Fraction | None, int]
"""A bound, None where no solution gets there, and the line that says so."""


def write_proof(
    instance: Instance,
    case: Case | None,
    certificate: Certificate,
    witnesses: Mapping[str, Mapping[str, Any]],
    waits: Waits,
    file: IO[str],
) -> Written:
    """Write the proof of a certificate.

    Parameters
    ----------
    instance, case, certificate
        As the core of the checker reads them; no solution where the claim is that there is none.
    witnesses
        By number of the leaf and name of the device.
    waits
        By application the arcs that matter for the order of its subtasks.
    file
        Where to write.

    Raises
    ------
    Fault
        If a leaf is not proven to be infeasible.
    """
    program = formulate(instance, waits)
    problem = Problem(program)

    def prove(derivation: Derivation) -> Fraction | None:
        proof = _Proof(program, problem, derivation, instance, certificate, witnesses, case)
        lower, _ = proof.node(0, {})
        insist((lower is None) == (case is None), "the certificate", "does not go with the solution")
        return lower

    solved = None if case is None else Solved(values(program, case), -below(-case.total))
    return write_file(problem, solved, prove, file)


class _Proof:
    def __init__(
        self,
        program: Program,
        problem: Problem,
        derivation: Derivation,
        instance: Instance,
        certificate: Certificate,
        witnesses: Mapping[str, Mapping[str, Any]],
        case: Case | None,
    ) -> None:
        self._program, self._problem, self._derivation = program, problem, derivation
        self._instance, self._certificate, self._witnesses = instance, certificate, witnesses
        self._wanted = ZERO if case is None else abs(case.total)
        self._costs = [part.cost(instance) for part in program.parts]
        self._columns = [_columns(part) for part in program.parts]

    # The tree of the certificate ------------------------------------------------------------------

    def node(self, number: int, sides: dict[int, list[Side]]) -> Proven:
        """What is proven below a node."""
        node = self._certificate.nodes[number]
        if isinstance(node, Leaf):
            return self._leaf(number, node, sides)
        part, found = self._program.parts[node.device], []
        for child, equal in ((node.equal, True), (node.different, False)):
            side = self._assume(part, node.subtask, node.places, self._is_among(node, equal))
            own = [*sides.get(part.number, []), side]
            found.append((*self.node(child, sides | {part.number: own}), side.line))
        return self._joined(None, found)

    @staticmethod
    def _is_among(node: Division, equal: bool) -> bool:
        return equal if node.subtask is not None else not equal

    def _assume(self, part: Part, k: int | None, places: Iterable[int], among: bool) -> Side:
        kept = frozenset(places) if k is None else frozenset(places) & part.at[k].keys()
        columns = [part.served] if k is None else [part.at[k][n] for n in sorted(kept)]
        assert None not in columns
        line = self._derivation.assume("G" if among else "L", int(among), columns)  # type: ignore[arg-type]
        return Side(k, kept, among, line)

    def _joined(
        self, terms: Mapping[int, Fraction] | None, found: Sequence[tuple[Fraction | None, int, int]]
    ) -> Proven:
        """The lesser bound of two sides."""
        bounds = [bound for bound, _, _ in found if bound is not None]
        sides = [(at, line) for _, at, line in found]
        if not bounds:
            return None, self._derivation.join(1, {}, sides[0], sides[1])
        return min(bounds), self._derivation.join(min(bounds), terms, sides[0], sides[1])

    def _leaf(self, number: int, leaf: Leaf, sides: Mapping[int, list[Side]]) -> Proven:
        program, problem = self._program, self._problem
        prices = {key: price for key, price in leaf.prices.items() if price and key in program.limits}
        targets = [self._target(part, leaf, prices) for part in program.parts]
        total = Sum({})
        for key, price in prices.items():
            row = program.rows[program.limits[key]]
            total.add(problem.row(program.limits[key]), {}, row.right, -price)
        # More than this a device without a decision need not cost.
        much = self._wanted + abs(total.right) + sum((part.rejection for part in program.parts), ZERO) + 1
        much += sum((abs(value) for target in targets for value in target.values()), ZERO)
        for part, target in zip(program.parts, targets, strict=True):
            witness = self._witnesses.get(str(number), {}).get(part.device.id)
            bound, line = self._served(part, target, witness, sides.get(part.number, []), -below(-much))
            total.add(line, {}, bound, Fraction(1))
            share = leaf.shares.get(part.number, ZERO) if leaf.shares is not None else ZERO
            if "dearest" in part.own and not leaf.infeasible:
                at = part.own["dearest"]
                total.add(problem.row(at), {}, program.rows[at].right, share)
        if leaf.infeasible:
            insist(total.right > 0, f"nodes[{number}]", "is not proven to be infeasible")
            return None, self._derivation.add_up(min(total.right, Fraction(1)), {}, _kept(total.of))
        constant = program.objective.get(ONE, ZERO)
        total.add(problem.at_least(ONE) if constant > 0 else problem.at_most(ONE), {}, Fraction(1), constant)
        bound = below(total.right)
        return bound, self._derivation.add_up(bound, None, _kept(total.of))

    def _target(
        self, part: Part, leaf: Leaf, prices: Mapping[tuple[str, ...], Fraction]
    ) -> dict[int, Fraction]:
        """What a device costs with prices, less its rejection."""
        share = Fraction(1) if leaf.shares is None else leaf.shares.get(part.number, ZERO)
        share = ZERO if leaf.infeasible else share
        target = {column: share * value for column, value in self._costs[part.number].items()}
        for key, price in prices.items():
            for column, value in self._program.rows[self._program.limits[key]].terms.items():
                if column in self._columns[part.number]:
                    target[column] = target.get(column, ZERO) + price * value
        return {column: value for column, value in target.items() if value}

    # The tree of a device -------------------------------------------------------------------------

    def _served(
        self, part: Part, target: Mapping[int, Fraction], witness: Any, sides: list[Side], much: Fraction
    ) -> tuple[Fraction, int]:
        """The bound of a device: where it may be refused, the lesser of two."""
        if part.served is None or any(side.subtask is None for side in sides):
            return self._tree(part, target, witness, sides, much)
        among = next((side for side in sides if side.among), None)
        if among is not None:  # a subtask is somewhere: it is served
            assert among.subtask is not None
            found = Sum({})
            found.add(among.line, {}, Fraction(1), Fraction(1))
            found.add(self._problem.row(part.assign[among.subtask]), {}, ZERO, Fraction(-1))
            for n, column in part.at[among.subtask].items():
                if n not in among.places:
                    found.add(self._problem.at_least(column), {}, ZERO, Fraction(1))
            line = self._derivation.add_up(1, {part.served: Fraction(1)}, found.of)
            return self._tree(part, target, witness, [*sides, Side(None, frozenset(), True, line)], much)
        both = []
        for served in (True, False):
            side = self._assume(part, None, (), served)
            own = witness if served else None
            both.append((*self._tree(part, target, own, [*sides, side], much), side.line))
        return self._lesser(target, both)

    def _lesser(
        self, target: Mapping[int, Fraction], both: Sequence[tuple[Fraction, int, int]]
    ) -> tuple[Fraction, int]:
        bound, line = self._joined(target, both)
        assert bound is not None
        return bound, line

    def _tree(
        self, part: Part, target: Mapping[int, Fraction], witness: Any, sides: list[Side], much: Fraction
    ) -> tuple[Fraction, int]:
        if type(witness) is not dict or "in" not in witness:
            found = self._end(part, target, witness or {}, sides, much)
            bound = below(found.right)
            return bound, self._derivation.add_up(bound, target, _kept(found.of))
        k = part.device.application.subtasks[witness["subtask"]]
        places = [self._instance.places[name] for name in witness["places"]]
        both = []
        for among in (True, False):
            side = self._assume(part, k, places, among)
            inside = witness["in" if among else "out"]
            both.append((*self._tree(part, target, inside, [*sides, side], much), side.line))
        return self._lesser(target, both)

    def _end(
        self,
        part: Part,
        target: Mapping[int, Fraction],
        record: Mapping[str, Any],
        sides: Sequence[Side],
        much: Fraction,
    ) -> Sum:
        """The sum of rows that an end stands for."""
        found = Sum(dict(target))
        if "deadline" in record:
            self._upper(found, part.delay, -Fraction(record["deadline"]))
        if "budget" in record and "budget" in part.own:
            self._row(found, part.own["budget"], -Fraction(record["budget"]))
        self._flow(found, part, record)
        for a, share in enumerate(record.get("data", ())):
            most = found.rest.get(part.up[a] if share > 0 else part.down[a], ZERO)
            amount = below(Fraction(abs(share), WHOLE) * most)
            self._row(found, part.transfer[a], amount if share > 0 else -amount)
        for k, share in enumerate(record.get("air", ())):
            if part.air is not None:
                toll = target.get(part.air, ZERO)
                self._row(found, part.uses_air[k], below(Fraction(share, WHOLE) * toll))
        for k in range(len(part.at)):
            self._place(found, part, k, [side for side in sides if side.subtask == k], much)
        self._settle(found, part, sides)
        return found

    def _flow(self, found: Sum, part: Part, record: Mapping[str, Any]) -> None:
        application = part.device.application
        unit = below(found.rest.get(part.delay, ZERO)) / WHOLE
        edges = record.get("edges") or [0] * len(application.edges)
        tails = record.get("tails") or [0] * len(part.at)
        for k in range(len(part.at)):
            out = tails[k] + sum(edges[a] for a in application.out[k])
            into = sum(edges[a] for a in application.into[k])
            if tails[k]:
                self._row(found, part.last[k], unit * tails[k])
            if k in part.first:
                self._row(found, part.first[k], unit * out)
            if k in part.joined:
                self._row(found, part.joined[k], unit * into)
            for a in application.into[k]:
                if edges[a]:
                    self._row(found, part.then[a], unit * edges[a])

    def _place(self, found: Sum, part: Part, k: int, sides: Sequence[Side], much: Fraction) -> None:
        """A subtask costs the least that is left of its places; its other ones are made as dear by what
        excludes them."""
        costs = {n: found.rest.get(column, ZERO) for n, column in part.at[k].items()}
        left = [n for n in costs if n in part.possible[k] and all(side.allows(n) for side in sides)]
        least = below(min(costs[n] for n in left)) if left else -below(-max(much, *costs.values()))
        among = ZERO
        for side in sides:
            lacking = max((least - costs[n] for n in costs if not side.allows(n)), default=ZERO)
            more = -below(-max(lacking, ZERO))
            terms = {part.at[k][n]: Fraction(1) for n in side.places}
            found.add(side.line, terms, Fraction(int(side.among)), more if side.among else -more)
            among += more if side.among else ZERO
            costs |= {n: cost + more for n, cost in costs.items() if not side.allows(n)}
        for n, cost in costs.items():
            if n not in part.possible[k] and cost < least:
                self._upper(found, part.at[k][n], cost - least)
        self._row(found, part.assign[k], least - among)

    def _settle(self, found: Sum, part: Part, sides: Sequence[Side]) -> None:
        """Pay for what is left of the columns by their bounds."""
        if part.served is not None:
            rest = found.rest.get(part.served, ZERO)
            known = next((side for side in sides if side.subtask is None), None)
            if known is not None and known.among == (rest > 0):
                found.add(known.line, {part.served: Fraction(1)}, Fraction(int(known.among)), rest)
            elif rest < 0:
                self._upper(found, part.served, rest)
        for column, rest in list(found.rest.items()):
            assert rest >= 0
            found.add(self._problem.at_least(column), {column: Fraction(1)}, ZERO, rest)

    def _row(self, found: Sum, number: int, multiplier: Fraction) -> None:
        row = self._program.rows[number]
        found.add(self._problem.row(number), row.terms, row.right, multiplier)

    def _upper(self, found: Sum, column: int, multiplier: Fraction) -> None:
        right = self._program.upper[column]
        found.add(self._problem.at_most(column), {column: Fraction(1)}, right, multiplier)


def _columns(part: Part) -> frozenset[int]:
    own = [part.delay, *part.up, *part.down, *(column for places in part.at for column in places.values())]
    return frozenset([*own, *(column for column in (part.served, part.air) if column is not None)])


def _kept(of: Mapping[int, Fraction]) -> dict[int, Fraction]:
    return {line: multiplier for line, multiplier in of.items() if multiplier}
