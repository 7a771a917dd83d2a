"""Formulations as files for any MILP solver, and the solutions that such a solver found for them.

The files are MPS or LP, written by Pyomo. Variables and rows are called as in the mathematics, with
round brackets, since LP files keep square ones for themselves: ``place(ud1,t2,op1)`` (Pyomo puts a
prefix to the rows: ``c_u_capacity(op1)_``). In ids, whatever is not an ASCII letter, digit, dot or
underscore is written as in a URL: ``t 1`` becomes ``t%201``. So different names stay different, and
``urllib.parse.unquote`` gives the id back. GLPK reads names of up to 255 characters, CBC of up to 100: of
a longer one its beginning and a digest remain, and a file beside the model, ``model.mps.names.json``,
maps what stands in the model to the full name.

A solution is read from lines ``name value`` (Gurobi, and many others), or from the files that HiGHS,
SCIP, CBC, CPLEX and GLPK write. What a file leaves out is 0.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import quote

from offloadlib.formulating import WHOLE, decisions, stated
from offloadlib.formulations import catalogue
from offloadlib.formulations.structured.metered import constant
from offloadlib.formulations.structured.search import unconnected_cost
from offloadlib.instances import (
    InputError,
    Instance,
    Solution,
    Status,
    StoredSolution,
    evaluate,
    read,
    write_solution,
)
from offloadlib.instances.errors import Problem, unknown
from offloadlib.instances.files.document import read_bytes, replacing
from offloadlib.instances.kind import AnyInstance as AnyProblem
from offloadlib.kinds import only

Format = Literal["mps", "lp"]

FORMATS: tuple[Format, ...] = ("mps", "lp")

LONGEST = 100
"""Characters of a name that every solver reads: CBC in LP files. In MPS files it is 159, for GLPK 255."""

_ROW_MARKS = len("c_u__")
"""Characters that Pyomo adds to the name of a row."""

_DIGEST = 32

_COMMENT = {"mps": "*", "lp": "\\"}

_SENSE = b"OBJSENSE\n MIN\n"
"""A section of Pyomo's MPS files that GLPK does not know. It says nothing: MPS files minimise."""


def export(instance: AnyProblem, formulation: str, path: str | Path, form: str | None = None) -> Path | None:
    """Write a formulation of an instance to a file.

    Its objective leaves out the cost of the devices without a connection, which is constant, or in format 2
    that of refusing all devices that may be refused; a comment at the beginning of the file states it.

    Parameters
    ----------
    instance
        The instance.
    formulation
        A name of :data:`.formulations.catalogue.FORMULATIONS`.
    path
        The file; compressed where its name ends in ``.gz``.
    form
        ``mps`` (free form) or ``lp``; by default what the name of the file ends in, apart from ``.gz``.

    Returns
    -------
    Path or None
        The file with the full names, where some had to be shortened.

    Raises
    ------
    InputError
        If there is no such formulation or format, no such model of the instance, or the file cannot be
        written.
    """
    form = format_of(path, form)
    data: Instance = only(instance, [catalogue.find(formulation).kind], "export")
    model = _model(data, formulation)
    model.name = _short(escaped(data.name), LONGEST) or "unnamed"
    left_out = unconnected_cost(data) if data.version == 1 else constant(data)
    note = (
        f"{_COMMENT[form]} offloadlib: {formulation} of instance {model.name} (sha256 "
        f"{data.fingerprint}); F = objective + {left_out!r}\n"
    )
    content = note.encode() + _written(model, form)
    with replacing(path) as file:
        file.write(gzip.compress(content, mtime=0) if Path(path).suffix == ".gz" else content)
    return _write_names(model, path)


def format_of(path: str | Path, form: str | None = None) -> Format:
    """The format of a file: the one that is asked for, or that its name ends in.

    Raises
    ------
    InputError
        If there is no such format, or its name says none or another one.
    """
    if form is not None and form not in FORMATS:
        raise unknown("format", form, FORMATS)
    suffixes = [suffix.lower().removeprefix(".") for suffix in Path(path).suffixes]
    ending = (suffixes[:-1] if suffixes[-1:] == ["gz"] else suffixes)[-1:]
    named = next((known for known in FORMATS if [known] == ending), None)
    if form is None and named is None:
        what = "its name says no format: it must end in .mps or .lp (.gz may follow), or --format say which"
        raise InputError(path, [("", what)])
    if form is not None and named not in (None, form):
        raise InputError(path, [("", f"its name says {named}, and --format {form}")])
    return cast(Format, form or named)


def _written(model: Any, form: Format) -> bytes:
    """A model as Pyomo writes it, as far as every solver reads that."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{form}"
        model.write(str(path), io_options={"labeler": name_of})
        return path.read_bytes().replace(_SENSE, b"", 1)


def names_file(path: str | Path) -> Path:
    """Where the full names of an exported model are, if some are shortened there."""
    return Path(f"{path}.names.json")


def _write_names(model: Any, path: str | Path) -> Path | None:
    """Write down which names were shortened, if any; what an earlier export left there goes away."""
    import pyomo.environ as pyo

    file = names_file(path)
    components = model.component_data_objects((pyo.Var, pyo.Constraint), active=True)
    pairs = ((name_of(component), full_name(component)) for component in components)
    shortened = {short: full for short, full in pairs if short != full}
    if not shortened:
        file.unlink(missing_ok=True)
        return None
    with replacing(file) as stream:
        stream.write((json.dumps(shortened, indent=1) + "\n").encode())
    return file


def _model(instance: Instance, formulation: str) -> Any:
    found, data = stated(instance, formulation)
    return found.model(data)


def name_of(component: Any) -> str:
    """The name of a variable or row in a file, at most :data:`LONGEST` characters."""
    return _short(full_name(component), LONGEST if component.is_variable_type() else LONGEST - _ROW_MARKS)


def _short(name: str, longest: int) -> str:
    """A name as it is, or the beginning of a longer one with a digest of it.

    An escaped name has no ``~``, so that no two names become one.
    """
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{name[: longest - _DIGEST - 1]}~{digest}"


def full_name(component: Any) -> str:
    """The name of a variable or row, however long: ``place(ud1,t2,op1)``."""
    above = component.parent_block()
    prefix = "" if above is None or above.parent_block() is None else f"{full_name(above)}."
    family = component.parent_component()
    if not family.is_indexed():
        return prefix + escaped(family.local_name)
    index = component.index()
    keys = index if isinstance(index, tuple) else (index,)
    return f"{prefix}{escaped(family.local_name)}({','.join(escaped(str(key)) for key in keys)})"


def escaped(text: str) -> str:
    """An id as in a URL, except that - and ~ are escaped too: in an LP file x-1 is a difference."""
    return quote(text, safe="").replace("-", "%2D").replace("~", "%7E")


def read_foreign_solution(path: str | Path, instance: Instance, formulation: str) -> StoredSolution:
    """Read a solution that another solver found for an exported formulation.

    Parameters
    ----------
    path
        The solver's file.
    instance, formulation
        What was exported.

    Returns
    -------
    StoredSolution
        The decisions with their exact cost, without a bound. Whether they keep the limits is not asked.

    Raises
    ------
    InputError
        With every problem of the file and its line: an unknown name, one that comes twice, an integer
        variable without a whole value; and every subtask that has no place, or several.
    """
    import pyomo.environ as pyo

    model = _model(instance, formulation)
    variables = {name_of(variable): variable for variable in model.component_data_objects(pyo.Var)}
    values = _known_values(path, model, variables)
    solution = _decisions(path, instance, model, values)
    objective = evaluate(instance, solution).total
    return StoredSolution(solution, formulation, objective, None, Status.FEASIBLE, {"file": Path(path).name})


@contextmanager
def translated(instance: str | Path, solution: str | Path, formulation: str) -> Iterator[Path]:
    """A solution file with what :func:`read_foreign_solution` reads, for as long as it is checked."""
    data = only(read(instance), [catalogue.find(formulation).kind], "check --formulation")
    stored = read_foreign_solution(solution, data, formulation)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{Path(solution).name}.sol.json"
        write_solution(stored, data, path)
        yield path


_NUMBER = r"(?P<value>[-+]?(?:\d[\d.]*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|inf(?:inity)?|nan))"
_PLAIN = re.compile(rf"\s*(?P<name>\S+)\s+{_NUMBER}(?:\s+\(obj:.*\))?\s*", re.IGNORECASE)
_CBC = re.compile(rf"(?:\*\*)?\s*\d+\s+(?P<name>\S+)\s+{_NUMBER}\s+\S+\s*", re.IGNORECASE)
_CPLEX = re.compile(rf'.*<variable\s+name="(?P<name>[^"]*)".*\svalue="{_NUMBER}".*', re.IGNORECASE)
_GLPK = re.compile(rf"\s*\d+\s+(?P<name>\S+)\s+(?:(?:\*|[A-Z]{{1,2}})\s+)?{_NUMBER}(?:\s.*)?", re.IGNORECASE)
_STATUS = re.compile(r"\s*(?:#.*)?|.*(?:objective value|solution status).*", re.IGNORECASE)

Lines = Iterable[tuple[int, str]]
"""(number, text)."""

Assigned = Iterator[tuple[int, str, float | None]]
"""(line, name, value), with None for a line that is none of that."""


def _assigned(text: str, model: Any, variables: Mapping[str, Any]) -> Assigned:
    """What a solution file says."""
    lines: Lines = enumerate(text.splitlines(), start=1)
    patterns: tuple[re.Pattern[str], ...] = _CPLEX, _CBC, _PLAIN
    if text.startswith("Model status"):
        lines = _highs_columns(lines)
    elif text.startswith("<?xml"):
        lines = ((number, line) for number, line in lines if "<variable " in line)
    elif re.match(r"Problem:.*\nRows:", text):
        lines, patterns = _glpk_columns(lines), (_GLPK,)
    elif text.startswith("c Problem:"):
        lines = _glpk_numbered(text, lines, model, variables)
    for number, line in lines:
        if _STATUS.fullmatch(line):
            continue
        match = next(filter(None, (pattern.fullmatch(line) for pattern in patterns)), None)
        yield (number, match["name"], float(match["value"])) if match else (number, line.strip(), None)


def _highs_columns(lines: Lines) -> Lines:
    """HiGHS lists columns, then rows, then dual values under headings."""
    inside = False
    for number, line in lines:
        if line.startswith("# Columns"):
            inside = True
        elif inside and line.startswith("#"):
            return
        elif inside:
            yield number, line


def _glpk_columns(lines: Lines) -> Lines:
    """GLPK's report has a table of rows and one of columns; after a long name it breaks the line."""
    inside, name = False, ""
    for number, line in lines:
        if line.lstrip().startswith("No. Column name"):
            inside = True
        elif inside and not line.strip():
            return
        elif inside and re.fullmatch(r" *\d+ \S+ *", line):
            name = line
        elif inside and not line.startswith("---"):
            yield number, f"{name} {line}" if line.startswith(" " * 20) else line


def _glpk_numbered(text: str, lines: Lines, model: Any, variables: Mapping[str, Any]) -> Lines:
    """GLPK's file for programs gives numbers for names: columns in the order in which the model has them.

    Its line on the problem repeats the name of the model, which an LP file does not have.
    """
    form: Format = "lp" if re.match(r"c Problem:\s*\n", text) else "mps"
    words = _written(model, form).decode().split()
    names = list(dict.fromkeys(word for word in words if word in variables))
    for number, line in lines:
        match = re.fullmatch(r"j (\d+) (\S+)\s*", line)
        if match and 1 <= int(match[1]) <= len(names):
            yield number, f"{names[int(match[1]) - 1]} {match[2]}"
        elif line.startswith("j"):
            yield number, line


def _known_values(path: str | Path, model: Any, variables: Mapping[str, Any]) -> dict[str, float]:
    """The values of a file, rounded where they must be whole."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(path, [("", "is not a text file")]) from None
    values: dict[str, float] = {}
    problems: list[Problem] = []
    for number, name, value in _assigned(text, model, variables):
        what = _problem(name, value, variables, values)
        if what is not None:
            problems.append((f"line {number}", what))
        elif value is not None:
            values[name] = round(value) if variables[name].is_integer() else value
    if problems:
        raise InputError(path, problems)
    if not values:
        raise InputError(path, [("", "states no values of variables")])
    return values


def _problem(
    name: str, value: float | None, variables: Mapping[str, Any], values: Mapping[str, float]
) -> str | None:
    if value is None:
        return f"{name[:60]!r} is not a name and a value"
    if name not in variables:
        return f"the formulation has no variable {name!r}"
    if name in values:
        return f"{name!r} has a value already"
    if not math.isfinite(value):
        return f"{name!r} must be finite, not {value}"
    if variables[name].is_integer() and abs(value - round(value)) > WHOLE:
        return f"{name!r} must be whole, not {value!r}"
    return None


def _decisions(path: str | Path, instance: Instance, model: Any, values: Mapping[str, float]) -> Solution:
    """The solution that values stand for."""
    for variable in (*model.local.values(), *model.place.values(), *model.served.values()):
        variable.set_value(values.get(name_of(variable), 0), skip_validation=True)
    return decisions(model, instance, path, name_of)
