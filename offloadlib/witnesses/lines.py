"""The lines of a VIPR file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from .program import ONE, ExactProgram, Sense

Coefficients = Mapping[int, Fraction] | Mapping[int, int]


def _terms(values: Coefficients) -> str:
    return " ".join([str(len(values)), *(f"{at} {value}" for at, value in values.items())])


class Problem:
    """The constraints of a program, and where its bounds and rows stand among them."""

    def __init__(self, program: ExactProgram) -> None:
        self.program = program
        self._lower = len(program.columns) - (program.free is not None)
        self._upper = {column: self._lower + i for i, column in enumerate(program.upper)}
        self.bounds = self._lower + len(self._upper)
        self.constraints = self.bounds + len(program.rows)

    def at_least(self, column: int) -> int:
        """The constraint that a column is at least 0 (the first: at least 1)."""
        return column

    def at_most(self, column: int) -> int:
        """The constraint that a column is at most something."""
        return self._upper[column]

    def row(self, number: int) -> int:
        """The constraint of a row."""
        return self.bounds + number

    def write(self, file: IO[str]) -> None:
        """Write the sections up to the constraints."""
        program = self.program
        whole = [column for column, is_whole in enumerate(program.whole) if is_whole]
        file.write(f"VER 1.0\nVAR {len(program.columns)}\n")
        file.writelines(f"{name}\n" for name in program.columns)
        file.write(f"INT {len(whole)}\n{' '.join(map(str, whole))}\n")
        file.write(f"OBJ min\n{_terms(program.objective)}\n")
        file.write(f"CON {self.constraints} {self.bounds}\n")
        for column in range(self._lower):
            file.write(f"least{column} G {int(column == ONE)} 1 {column} 1\n")
        for column, most in program.upper.items():
            file.write(f"most{column} L {most} 1 {column} 1\n")
        for row in program.rows:
            file.write(f"{row.name} {row.sense} {row.right} {_terms(row.terms)}\n")


class Derivation:
    """Derived constraints, written one after the other."""

    def __init__(self, file: IO[str], first: int) -> None:
        self._file, self._first = file, first
        self.written = 0

    def _write(self, sense: Sense, right: Fraction | int, terms: str, reason: str) -> int:
        self._file.write(f"d{self.written} {sense} {right} {terms} {{ {reason} }} -1\n")
        self.written += 1
        return self._first + self.written - 1

    def assume(self, sense: Sense, right: int, columns: Iterable[int]) -> int:
        """A side of a branch."""
        return self._write(sense, right, _terms(dict.fromkeys(columns, 1)), "asm")

    def add_up(self, right: Fraction | int, terms: Coefficients | None, of: Coefficients) -> int:
        """A sum of constraints, by their multipliers; ``terms`` None: those of the objective."""
        left = "OBJ" if terms is None else _terms(terms)
        return self._write("G", right, left, f"lin {_terms(of)}")

    def join(
        self,
        right: Fraction | int,
        terms: Coefficients | None,
        inside: tuple[int, int],
        outside: tuple[int, int],
    ) -> int:
        """What holds on both sides of a branch: the constraint, and the side that it rests on, twice."""
        left = "OBJ" if terms is None else _terms(terms)
        sides = " ".join(map(str, (*inside, *outside)))
        return self._write("G", right, left, f"uns {sides}")


class Written(NamedTuple):
    """What is proven: the cost of the best solution is between these bounds, or (None) there is none; in so
    many lines."""

    lower_bound: Fraction | None
    upper_bound: Fraction | None
    lines: int


class Solved(NamedTuple):
    """A solution: what the columns are, as far as they are not 0, and what it costs at most."""

    columns: Mapping[int, Fraction]
    cost: Fraction


def write_file(
    problem: Problem, solved: Solved | None, prove: Callable[[Derivation], Fraction | None], file: IO[str]
) -> Written:
    """Write a whole file: the problem, the claim, the solution, and the lines of its proof.

    Parameters
    ----------
    problem, solved
        What is claimed about, and its best solution; None where the claim is that there is none.
    prove
        Derives the claim; returns the lower bound, None where there is no solution.
    file
        Where to write.
    """
    problem.write(file)
    with TemporaryFile("w+", encoding="ascii") as lines:
        derivation = Derivation(lines, problem.constraints)
        lower = prove(derivation)
        if solved is None:
            file.write("RTP infeas\nSOL 0\n")
        else:
            terms = _terms(solved.columns)
            file.write(f"RTP range {lower} {solved.cost}\nSOL 1\nsolution {terms}\n")
        file.write(f"DER {derivation.written}\n")
        lines.seek(0)
        shutil.copyfileobj(lines, file)
    return Written(lower, None if solved is None else solved.cost, derivation.written)
