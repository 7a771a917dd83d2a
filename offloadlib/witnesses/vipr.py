r"""A certificate with witnesses as a derivation, in whole numbers wherever that does no harm.

Coefficients of the program are fractions with long denominators, and sums of them have longer ones. But all
columns are >= 0, so a row stays true where its coefficients are rounded: upwards in a row that says "at
least", downwards in one that says "at most". So each row is derived once more with whole coefficients, in a
unit of its own (:class:`Short`), and what devices cost is rounded downwards in multiples of 10^-Q. Everything
after that is sums of whole numbers.

A device at a leaf has a *target*, what it costs with prices, as terms of its columns. An end of its witness
is a sum of rows: the flow on those of finish times, shares of arcs and of going on air, prices on its own
limits, and of each subtask the least that is left of its places, on its assignment. What then is left of each
column is paid for by its bounds. So any witness proves something, whatever it says.
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
from offloadlib.check.core.reading import LOCAL, Instance
from offloadlib.check.core.rules import Case

from .flows import flow
from .lines import Derivation, Problem, Solved, Written, write_file
from .program import ONE, Constraint, DeviceBlock, ExactProgram, Waits, formulate, values
from .relaxation import Proposal

DIGITS, MORE_DIGITS = 16, 60
"""Of times and costs of a device; and where all depends on them: at leaves that no solution gets to."""

UPPER_DIGITS = 40
"""Of the upper bound."""


def exponent(value: Fraction) -> int:
    """The exponent of the first digit of a positive number."""
    return math.floor(math.log10(value.numerator) - math.log10(value.denominator))


def short(whole: int, digits: int) -> int:
    """A whole number that is at most another, with so many digits and zeros after them."""
    unit: int = 10 ** max(len(str(abs(whole))) - digits - 1, 0)
    return whole // unit * unit


class Short(NamedTuple):
    """A row in whole numbers, ``times`` as large; ``sign`` is -1 where it says "at most"."""

    line: int
    terms: Mapping[int, int]
    right: int
    times: int
    sign: int


class Side(NamedTuple):
    """What a branch says of a device's subtask: it is at one of these places (``among``), or at none of them;
    of no subtask: at most so many are there (``among``), or more; or, without places, it is served
    (``among``), or not. With the line that assumes it."""

    subtask: int | None
    places: frozenset[int]
    among: bool
    line: int
    most: int = 0

    @property
    def is_number(self) -> bool:
        """Whether it is about a number."""
        return self.subtask is None and bool(self.places)

    @property
    def is_refusal(self) -> bool:
        """Whether it is about refusal."""
        return self.subtask is None and not self.places

    def allows(self, place: int) -> bool:
        """Whether a place is left."""
        return (place in self.places) == self.among


@dataclass
class Sum:
    """A sum of constraints: their multipliers, what it leaves of some terms, and its right-hand side."""

    rest: dict[int, int]
    of: dict[int, int] = field(default_factory=dict)
    right: int | Fraction = 0

    def add(self, line: int, terms: Mapping[int, int], right: int | Fraction, multiplier: int) -> None:
        """Add a constraint."""
        if not multiplier:
            return
        self.of[line] = self.of.get(line, 0) + multiplier
        self.right += multiplier * right
        for column, value in terms.items():
            self.rest[column] = self.rest.get(column, 0) - multiplier * value


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

    solved = None if case is None else Solved(values(program, case), _rounded_up(case.total))
    return write_file(problem, solved, prove, file)


def _rounded_up(cost: Fraction) -> Fraction:
    """A number with some digits that is at least a cost, whose own fraction may have thousands."""
    unit = 10 ** max(UPPER_DIGITS - (exponent(abs(cost)) if cost else 0), 0)
    return Fraction(math.ceil(cost * unit), unit)


class _Proof:
    """The derivation of a certificate's tree.

    Finish times are in multiples of 10^-``time`` s, costs in multiples of 10^-``digits``. Under ``max`` a
    device's share is so many of 10^:data:`DIGITS`, and costs times shares are in multiples of that unit.
    """

    def __init__(
        self,
        program: ExactProgram,
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
        self._parts = {part.number: part for part in program.parts}
        leaves = [node for node in certificate.nodes if isinstance(node, Leaf)]
        self._precision = MORE_DIGITS if any(leaf.infeasible for leaf in leaves) else DIGITS
        self._time: int = 10 ** max([0, *map(self._time_digits, program.parts)])
        apart = {part.own["dearest"] for part in program.parts if "dearest" in part.own}
        timed = {
            row
            for part in program.parts
            for rows in (part.first, part.then, part.joined)
            for row in rows.values()
        }
        self._rows = {
            number: self._short(number, self._times(row, number in timed))
            for number, row in enumerate(program.rows)
            if number not in apart
        }
        unit = self._unit = 10 ** self._cost_digits(leaves)
        self._rows |= {number: self._short(number, unit) for number in sorted(apart)}
        self._costs = {part.number: self._whole_cost(part) for part in program.parts}
        self._shares = 10**DIGITS if apart else 1
        self._rest = None if apart else self._objective_beyond()
        self._uses = self._used()
        self._grounded = {part.number: self._without_air(part) for part in program.parts}

    # Whole numbers --------------------------------------------------------------------------------

    def _time_digits(self, part: DeviceBlock) -> int:
        longest = max(sum((places[LOCAL][0] for places in part.parts.at), ZERO), Fraction(1, 10**30))
        return self._precision - exponent(longest)

    def _times(self, row: Constraint, timed: bool) -> int:
        """What makes a row's numbers whole (1: they are), or long enough."""
        apart = {value.denominator for value in (row.right, *row.terms.values())} - {1}
        if timed and apart:
            return self._time
        largest = max(map(abs, row.terms.values())) if apart else Fraction(1)
        enough: int = 10 ** max(2 * self._precision - exponent(largest), 1)
        return min(math.lcm(*apart), enough)

    def _cost_digits(self, leaves: Sequence[Leaf]) -> int:
        """Enough for what a second and a mJ cost on every device, and for prices on every limit."""
        digits, time = [0], len(str(self._time)) - 1
        for part in self._program.parts:
            rates = part.weight * part.parts.second, part.weight * part.parts.millijoule
            spent = sum((places[LOCAL][1] for places in part.parts.at), ZERO) * rates[1]
            digits += [time + self._precision - exponent(rates[0])] if rates[0] else []
            digits += [self._precision - exponent(spent)] if spent else []
        worth = self._wanted or max(
            (price for leaf in leaves for price in leaf.prices.values()), default=ZERO
        )
        if worth:
            longest = max(
                (len(str(self._rows[number].times)) for number in self._program.limits.values()), default=1
            )
            digits.append(self._precision + 1 + longest - exponent(worth))
        return max(digits)

    def _whole_cost(self, part: DeviceBlock) -> dict[int, int]:
        """What a device costs, rounded downwards; a second in whole multiples of the unit of time."""
        if "dearest" in part.own:
            terms = self._rows[part.own["dearest"]].terms
            return {column: -value for column, value in terms.items() if column != self._program.free}
        found = {}
        for column, value in self._program.costs[part.number].items():
            of = self._time if column == part.delay else 1
            found[column] = of * short(
                value.numerator * self._unit // (value.denominator * of), self._precision
            )
        return found

    def _short(self, number: int, times: int) -> Short:
        """A row in whole numbers, derived if it does not have them already."""
        row = self._program.rows[number]
        sign = -1 if row.sense == "L" else 1
        if times == 1 and all(value.denominator == 1 for value in (row.right, *row.terms.values())):
            terms = {column: int(value) for column, value in row.terms.items()}
            return Short(self._problem.row(number), terms, int(row.right), 1, sign)
        terms, of = {}, {self._problem.row(number): Fraction(sign * times)}
        for column, value in row.terms.items():
            whole, more = divmod(-sign * times * value.numerator, value.denominator)
            if whole:
                terms[column] = -whole
            if more:
                of[self._problem.at_least(column)] = Fraction(more, value.denominator)
        right = math.floor(sign * row.right * times)
        return Short(self._derivation.add_up(right, terms, of), terms, right, times, 1)

    def _objective_beyond(self) -> int:
        """The objective less all rounded costs, which is at least the constant."""
        kept = dict(self._program.objective)
        for cost in self._costs.values():
            for column, value in cost.items():
                exact = kept.pop(column)
                if more := exact.numerator * self._unit - value * exact.denominator:
                    kept[column] = Fraction(more, exact.denominator * self._unit)
        of = {self._problem.at_least(column): value for column, value in kept.items()}
        constant = kept.get(ONE, ZERO)
        if constant < 0:
            of[self._problem.at_most(ONE)] = of.pop(self._problem.at_least(ONE))
        return self._derivation.add_up(constant, kept, of)

    def _used(self) -> dict[tuple[str, ...], dict[int, dict[int, int]]]:
        """What each device uses of each limit, by column."""
        owner = {column: part.number for part in self._program.parts for column in _columns(part)}
        found: dict[tuple[str, ...], dict[int, dict[int, int]]] = {}
        for key, number in self._program.limits.items():
            row, of = self._rows[number], found.setdefault(key, {})
            for column, value in row.terms.items():
                of.setdefault(owner[column], {})[column] = -row.sign * value
        return found

    def _without_air(self, part: DeviceBlock) -> list[Side]:
        """Each subtask is local where the station has no channel; in format 2 the columns' bounds say so."""
        at = part.device.connected_to
        if self._instance.version > 1 or at is None or self._instance.points[at].channels != 0:
            return []
        channels = self._problem.row(self._program.limits["channels", self._instance.points[at].id])
        others = [one.air for one in self._program.parts if one is not part and one.device.connected_to == at]
        of = {channels: -1} | {self._problem.at_least(air): 1 for air in others if air is not None}
        found = []
        for k, row in enumerate(part.uses_air):
            terms = {part.at[k][LOCAL]: 1}
            line = self._derivation.add_up(1, terms, of | {self._problem.row(row): 1})
            found.append(Side(k, frozenset([LOCAL]), True, line))
        return found

    # The tree of the certificate ------------------------------------------------------------------

    def node(self, number: int, sides: dict[int, list[Side]]) -> Proven:
        """What is proven below a node."""
        node = self._certificate.nodes[number]
        if isinstance(node, Leaf):
            return self._leaf(number, node, sides)
        part = self._parts.get(node.device)
        if part is None:  # without a radio link, in format 1: it is local, whatever a branch says
            on_a_number = node.subtask is None
            return self.node(node.sides[0 if on_a_number or LOCAL in node.places else 1], sides)
        found = []
        for child, equal in zip(node.sides, (True, False), strict=True):
            if node.subtask is None and node.places:
                side = self._assume_number(part, node, equal)
            else:
                side = self._assume(part, node.subtask, node.places, self._is_among(node, equal))
            own = [*sides.get(part.number, []), side]
            found.append((*self.node(child, sides | {part.number: own}), side.line))
        return self._joined(None, found)

    @staticmethod
    def _is_among(node: Division, equal: bool) -> bool:
        return equal if node.subtask is not None else not equal

    def _assume(self, part: DeviceBlock, k: int | None, places: Iterable[int], among: bool) -> Side:
        kept = frozenset(places) if k is None else frozenset(places) & part.at[k].keys()
        columns = [part.served] if k is None else [part.at[k][n] for n in sorted(kept)]
        assert None not in columns
        line = self._derivation.assume("G" if among else "L", int(among), columns)  # type: ignore[arg-type]
        return Side(k, kept, among, line)

    def _assume_number(self, part: DeviceBlock, node: Division, few: bool) -> Side:
        columns = [at[n] for at in part.at for n in sorted(at.keys() & node.places)]
        line = self._derivation.assume("L" if few else "G", node.most + (not few), columns)
        return Side(None, node.places, few, line, node.most)

    def _joined(
        self, terms: Mapping[int, int] | None, found: Sequence[tuple[Any, int, int]]
    ) -> tuple[Any, int]:
        """The lesser bound of two sides; None is none."""
        bounds = [bound for bound, _, _ in found if bound is not None]
        sides = [(at, line) for _, at, line in found]
        if not bounds:
            return None, self._derivation.join(1, {}, sides[0], sides[1])
        return min(bounds), self._derivation.join(min(bounds), terms, sides[0], sides[1])

    def _leaf(self, number: int, leaf: Leaf, sides: Mapping[int, list[Side]]) -> Proven:
        program, unit = self._program, self._unit * self._shares
        prices = {key: math.floor(leaf.prices[key] * unit) for key in program.limits if key in leaf.prices}
        shares = self._shares_of(leaf)
        total = Sum({})
        for key, price in prices.items():
            self._row(total, program.limits[key], price)
        targets = {part.number: self._target(part, shares, prices) for part in program.parts}
        # More than this a device without a decision need not cost.
        much = math.ceil(self._wanted * unit) + abs(total.right) + self._shares
        much += sum(math.ceil(part.rejection * unit) for part in program.parts)
        much += sum(abs(value) for target in targets.values() for value in target.values())
        total.rest = {}
        for part in program.parts:
            witness = self._witnesses.get(str(number), {}).get(part.device.id)
            own = [*self._grounded[part.number], *sides.get(part.number, [])]
            bound, line = self._served(part, targets[part.number], witness, own, much)
            total.add(line, {}, bound, 1)
            if "dearest" in part.own and not leaf.infeasible:
                total.add(
                    self._rows[part.own["dearest"]].line,
                    {},
                    self._rows[part.own["dearest"]].right,
                    shares[part.number],
                )
        if leaf.infeasible:
            insist(total.right > 0, f"nodes[{number}]", "is not proven to be infeasible")
            return None, self._derivation.add_up(1, {}, _kept(total.of))
        of = {line: Fraction(multiplier, unit) for line, multiplier in _kept(total.of).items()}
        lower = Fraction(total.right, unit)
        if self._rest is not None:
            of[self._rest] = Fraction(1)
            lower += program.objective.get(ONE, ZERO)
        return lower, self._derivation.add_up(lower, None, of)

    def _shares_of(self, leaf: Leaf) -> dict[int, int]:
        """How much each device's cost counts, out of all shares."""
        if leaf.infeasible or leaf.shares is None:
            return dict.fromkeys(self._parts, 0 if leaf.infeasible else 1)
        shares = {m: math.floor(leaf.shares.get(m, ZERO) * self._shares) for m in self._parts}
        shares[max(shares, key=shares.__getitem__)] += self._shares - sum(shares.values())
        return shares

    def _target(
        self, part: DeviceBlock, shares: Mapping[int, int], prices: Mapping[tuple[str, ...], int]
    ) -> dict[int, int]:
        """What a device costs with prices, less its rejection."""
        share = shares[part.number]
        target = {column: share * value for column, value in self._costs[part.number].items() if share}
        for key, price in prices.items():
            price //= self._rows[self._program.limits[key]].times
            for column, value in self._uses[key].get(part.number, {}).items():
                target[column] = target.get(column, 0) + price * value
        return {column: value for column, value in target.items() if value}

    # The tree of a device -------------------------------------------------------------------------

    def _served(
        self, part: DeviceBlock, target: Mapping[int, int], witness: Any, sides: list[Side], much: int
    ) -> tuple[int, int]:
        """The bound of a device: where it may be refused, the lesser of two."""
        if part.served is None or any(side.is_refusal for side in sides):
            return self._tree(part, target, witness, sides, much)
        among = next((side for side in sides if side.among and side.subtask is not None), None)
        if among is not None and among.subtask is not None:  # a subtask is somewhere: it is served
            found = Sum({})
            found.add(among.line, {}, 1, 1)
            found.add(self._problem.row(part.assign[among.subtask]), {}, 0, -1)
            for n, column in part.at[among.subtask].items():
                if n not in among.places:
                    found.add(self._problem.at_least(column), {}, 0, 1)
            line = self._derivation.add_up(1, {part.served: 1}, found.of)
            return self._tree(part, target, witness, [*sides, Side(None, frozenset(), True, line)], much)
        both = []
        for served in (True, False):
            side = self._assume(part, None, (), served)
            own = witness if served else None
            both.append((*self._tree(part, target, own, [*sides, side], much), side.line))
        return self._joined(target, both)

    def _tree(
        self, part: DeviceBlock, target: Mapping[int, int], witness: Any, sides: list[Side], much: int
    ) -> tuple[int, int]:
        if type(witness) is not dict or "in" not in witness:
            found = self._end(part, target, witness or {}, sides, much)
            bound = math.floor(found.right)
            return bound, self._derivation.add_up(bound, target, _kept(found.of))
        k = part.device.application.subtasks[witness["subtask"]]
        places = [self._instance.places[name] for name in witness["places"]]
        both = []
        for among in (True, False):
            side = self._assume(part, k, places, among)
            inside = witness["in" if among else "out"]
            both.append((*self._tree(part, target, inside, [*sides, side], much), side.line))
        return self._joined(target, both)

    def _end(
        self,
        part: DeviceBlock,
        target: Mapping[int, int],
        record: Mapping[str, Any],
        sides: Sequence[Side],
        much: int,
    ) -> Sum:
        """The sum of rows that an end stands for."""
        found, unit = Sum(dict(target)), self._unit * self._shares
        if "deadline" in record:
            self._upper(found, part.delay, -math.floor(Fraction(record["deadline"]) * unit))
        if "budget" in record and "budget" in part.own:
            self._row(found, part.own["budget"], math.floor(Fraction(record["budget"]) * unit))
        self._flow(found, part, record)
        for a, share in enumerate(record.get("data", ())):
            most = found.rest.get(part.up[a] if share > 0 else part.down[a], 0)
            amount = abs(share) * most // WHOLE
            self._row(found, part.transfer[a], amount if share > 0 else -amount)
        for k, share in enumerate(record.get("air", ())):
            if part.air is not None:
                self._row(found, part.uses_air[k], share * target.get(part.air, 0) // WHOLE)
        numbers = [
            side for side in reversed(sides) if side.is_number
        ]  # as the core has them: from the leaf up
        for side, price in zip(numbers, record.get("counts", ()), strict=False):
            columns = [at[n] for at in part.at for n in at.keys() & side.places]
            amount, right = math.floor(Fraction(price) * unit), side.most + (not side.among)
            found.add(side.line, dict.fromkeys(columns, 1), right, -amount if side.among else amount)
        for k in range(len(part.at)):
            self._place(found, part, k, [side for side in sides if side.subtask == k], much)
        self._settle(found, part, sides)
        return found

    def _flow(self, found: Sum, part: DeviceBlock, record: Mapping[str, Any]) -> None:
        edges = part.device.application.edges
        last = dict(enumerate(record.get("tails", ())))
        then = dict(zip(edges, record.get("edges", ()), strict=False))
        if not any(last.values()):
            return
        total = found.rest.get(part.delay, 0) // self._time
        tails, along, through = flow(total, part.task, Proposal(last, then, (), ()))
        for rows, amounts in ((part.last, tails), (part.first, through), (part.joined, through)):
            for k, number in rows.items():
                self._row(found, number, amounts[k] * self._time)
        for a, number in part.then.items():
            self._row(found, number, along[edges[a]] * self._time)

    def _place(self, found: Sum, part: DeviceBlock, k: int, sides: Sequence[Side], much: int) -> None:
        """A subtask costs the least that is left of its places; its other ones are made as dear by what
        excludes them."""
        costs = {n: found.rest.get(column, 0) for n, column in part.at[k].items()}
        left = [n for n in costs if n in part.possible[k] and all(side.allows(n) for side in sides)]
        least = min(costs[n] for n in left) if left else max(much, *costs.values())
        among = 0
        for side in sides:
            more = max([0, *(least - costs[n] for n in costs if not side.allows(n))])
            found.add(
                side.line,
                dict.fromkeys((part.at[k][n] for n in side.places), 1),
                int(side.among),
                more if side.among else -more,
            )
            among += more if side.among else 0
            costs |= {n: cost + more for n, cost in costs.items() if not side.allows(n)}
        for n, cost in costs.items():
            if n not in part.possible[k] and cost < least:
                self._upper(found, part.at[k][n], cost - least)
        self._row(found, part.assign[k], least - among)

    def _settle(self, found: Sum, part: DeviceBlock, sides: Sequence[Side]) -> None:
        """Pay for what is left of the columns by their bounds."""
        if part.served is not None:
            rest = found.rest.get(part.served, 0)
            known = next((side for side in sides if side.is_refusal), None)
            if known is not None and known.among == (rest > 0):
                found.add(known.line, {part.served: 1}, int(known.among), rest)
            elif rest < 0:
                self._upper(found, part.served, rest)
        for column, rest in list(found.rest.items()):
            assert rest >= 0
            found.add(self._problem.at_least(column), {column: 1}, 0, rest)

    def _row(self, found: Sum, number: int, multiplier: int) -> None:
        """Add so much of a row, or less."""
        row = self._rows[number]
        found.add(row.line, row.terms, row.right, row.sign * (multiplier // row.times))

    def _upper(self, found: Sum, column: int, multiplier: int) -> None:
        right = self._program.upper[column]
        found.add(self._problem.at_most(column), {column: 1}, right, multiplier)


def _columns(part: DeviceBlock) -> frozenset[int]:
    own = [part.delay, *part.up, *part.down, *(column for places in part.at for column in places.values())]
    return frozenset([*own, *(column for column in (part.served, part.air) if column is not None)])


def _kept(of: Mapping[int, int]) -> dict[int, int]:
    return {line: multiplier for line, multiplier in of.items() if multiplier}
