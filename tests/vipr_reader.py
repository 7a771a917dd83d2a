"""A reader of VIPR files that believes nothing: after ``cert_spec_v1_0.md``, in exact fractions.

It knows what a proof of a lower bound needs: the rules ``asm``, ``lin`` and ``uns``, one objective to be
minimised, and a range to be proven, or that there is no solution. Anything else is :class:`Rejected`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction


class Rejected(Exception):
    """The file does not prove what it says."""


@dataclass(frozen=True)
class Constraint:
    """A sum of columns against a number; ``rests`` are the assumptions that it is derived from."""

    sense: str
    right: Fraction
    terms: Mapping[int, Fraction]
    rests: frozenset[int] = frozenset()

    def implies(self, other: Constraint) -> bool:
        """Whether this one dominates another one, as the specification has it."""
        absurd = self.right > 0 if self.sense == "G" else self.right < 0 if self.sense == "L" else False
        if absurd and not self.terms:
            return True
        if self.terms != other.terms or self.sense not in ("E", other.sense):
            return False
        if other.sense == "G":
            return self.right >= other.right
        return self.right <= other.right if other.sense == "L" else self.right == other.right


@dataclass(frozen=True)
class Proven:
    """The range that a file proves (infinite: that there is no solution), and the program that it is about.

    Attributes
    ----------
    columns
        Names.
    whole
        Which columns are whole.
    objective
        By column.
    rows
        By name; bounds of columns are among them.
    """

    lower: Fraction | float
    upper: Fraction | float
    columns: list[str]
    whole: set[int]
    objective: dict[int, Fraction]
    rows: dict[str, Constraint]


def verify(text: str) -> Proven:
    """Verify a file.

    Raises
    ------
    Rejected
        With what is wrong.
    """
    try:
        return _Reader(text).read()
    except (ValueError, IndexError, StopIteration, ZeroDivisionError) as error:
        raise Rejected(f"not of the right form: {error!r}") from None


def _insist(condition: bool, what: str) -> None:
    if not condition:
        raise Rejected(what)


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: Iterator[str] = iter(text.split())
        self.known: list[Constraint] = []

    def read(self) -> Proven:
        self.expect("VER", "1.0", "VAR")
        columns = [next(self.tokens) for _ in range(self.index())]
        _insist(len(set(columns)) == len(columns), "a name of two columns")
        self.expect("INT")
        self.whole = {self.index() for _ in range(self.index())}
        self.expect("OBJ", "min")
        self.objective = self.terms(self.index())
        self.width = len(columns)
        self.expect("CON")
        count, bounds = self.index(), self.index()
        rows: dict[str, Constraint] = {}
        for i in range(count):
            name, constraint = self.constraint()
            _insist(name not in rows, f"two rows {name}")
            _insist(i >= bounds or len(constraint.terms) == 1, f"{name} is no bound")
            rows[name] = constraint
            self.known.append(constraint)
        self.expect("RTP")
        kind = next(self.tokens)
        _insist(kind in ("range", "infeas"), f"to prove: {kind}")
        if kind == "infeas":
            lower: Fraction | float = math.inf
            upper: Fraction | float = math.inf
            wanted = Constraint("G", Fraction(1), {})
        else:
            lower, upper = self.number(), self.number()
            wanted = Constraint("G", lower, self.objective)
        self.expect("SOL")
        costs = [self.solution() for _ in range(self.index())]
        _insist(bool(costs) == (kind == "range"), "a solution, and there is none, or none, and there is one")
        _insist(min(costs, default=upper) <= upper, "no solution is as good as the upper bound")
        self.expect("DER")
        for _ in range(self.index()):
            self.derive()
        _insist(next(self.tokens, None) is None, "something follows the end")
        last = self.known[-1]
        _insist(not last.rests, "the last line rests on an assumption")
        _insist(last.implies(wanted), "the last line is not the lower bound")
        return Proven(lower, upper, columns, self.whole, self.objective, rows)

    def expect(self, *words: str) -> None:
        for word in words:
            found = next(self.tokens)
            _insist(found == word, f"{found} in place of {word}")

    def index(self) -> int:
        value = int(next(self.tokens))
        _insist(value >= 0, "a negative number of things")
        return value

    def number(self) -> Fraction:
        return Fraction(next(self.tokens))

    def terms(self, count: int) -> dict[int, Fraction]:
        found: dict[int, Fraction] = {}
        for _ in range(count):
            at = self.index()
            _insist(at not in found, "a column twice")
            found[at] = self.number()
        return {at: value for at, value in found.items() if value}

    def constraint(self) -> tuple[str, Constraint]:
        name, sense, right = next(self.tokens), next(self.tokens), self.number()
        _insist(sense in ("E", "L", "G"), f"the sense {sense}")
        count = next(self.tokens)
        terms = self.objective if count == "OBJ" else self.terms(int(count))
        _insist(all(at < self.width for at in terms), "an unknown column")
        return name, Constraint(sense, right, terms)

    def solution(self) -> Fraction:
        next(self.tokens)  # its name
        values = self.terms(self.index())
        for at in self.whole & values.keys():
            _insist(values[at].denominator == 1, "a broken number in a whole column")
        for row in self.known:
            left = sum(value * values.get(at, 0) for at, value in row.terms.items())
            kept = {"E": left == row.right, "L": left <= row.right, "G": left >= row.right}
            _insist(kept[row.sense], "the solution breaks a row")
        return sum((value * values.get(at, 0) for at, value in self.objective.items()), Fraction(0))

    def derive(self) -> None:
        name, claim = self.constraint()
        self.expect("{")
        rule = next(self.tokens)
        number = len(self.known)
        if rule == "asm":
            rests = frozenset([number])
        elif rule == "lin":
            found = self.sum_of(self.terms(self.index()))
            _insist(found.implies(claim), f"{name} does not follow from its sum")
            rests = found.rests
        elif rule == "uns":
            inside, first, outside, second = (self.known_one(self.index()) for _ in range(4))
            _insist(inside[1].implies(claim) and outside[1].implies(claim), f"{name} is not on both sides")
            _insist(self.exhaustive(first[1], second[1]), f"{name}: its sides leave something out")
            rests = (inside[1].rests - {first[0]}) | (outside[1].rests - {second[0]})
        else:
            raise Rejected(f"the rule {rule}")
        self.expect("}")
        _insist(int(next(self.tokens)) == -1, "an index, which this reader does not know")
        self.known.append(Constraint(claim.sense, claim.right, claim.terms, rests))

    def known_one(self, number: int) -> tuple[int, Constraint]:
        _insist(number < len(self.known), "a line that does not come before")
        return number, self.known[number]

    def sum_of(self, multipliers: Mapping[int, Fraction]) -> Constraint:
        signs = {"G": 1, "E": 0, "L": -1}
        right, terms, rests = Fraction(0), dict[int, Fraction](), frozenset[int]()
        directions = set()
        for number, multiplier in multipliers.items():
            row = self.known_one(number)[1]
            directions.add(math.copysign(1, multiplier) * signs[row.sense])
            right += multiplier * row.right
            for at, value in row.terms.items():
                terms[at] = terms.get(at, Fraction(0)) + multiplier * value
            rests |= row.rests
        _insist(not {1.0, -1.0} <= directions, "a sum of rows of both senses")
        sense = "G" if 1.0 in directions else "L" if -1.0 in directions else "E"
        return Constraint(sense, right, {at: value for at, value in terms.items() if value}, rests)

    def exhaustive(self, one: Constraint, other: Constraint) -> bool:
        """Whether one of two sides holds for every solution in whole numbers."""
        lower, upper = (one, other) if one.sense == "L" else (other, one)
        numbers = [lower.right, upper.right, *lower.terms.values()]
        return (
            (lower.sense, upper.sense) == ("L", "G")
            and lower.terms == upper.terms
            and upper.right == lower.right + 1
            and lower.terms.keys() <= self.whole
            and all(value.denominator == 1 for value in numbers)
        )
