"""Methods that are not the package's own: a function, ``module:function``, and those of installed packages.

A package adds methods by entry points of the group :data:`GROUP`, each the name of a method with where its
function is, or where a :class:`.methods.Method` is, which says more of it::

    [project.entry-points."offloadlib.methods"]
    my-greedy = "my_package.greedy:solve"
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from offloadlib.formulations.catalogue import imported
from offloadlib.instances import InputError
from offloadlib.instances.features import Feature
from offloadlib.instances.kind import KINDS
from offloadlib.methods import Family, Method, OwnFunction

GROUP = "offloadlib.methods"


def of_function(function: OwnFunction, name: str = "") -> Method:
    """A heuristic of a function, which is asked about every instance: what it returns is verified anyway.

    Parameters
    ----------
    function
        ``(instance, budget) -> solution or Result``.
    name
        By default that of the function.

    Raises
    ------
    InputError
        If it is no function, or takes other arguments.
    """
    if not callable(function):
        what = f"must be a name, a function or a Method, not {type(function).__name__}"
        raise InputError("method", [("", what)])
    name = name or name_of(function)
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        taken = ", ".join(inspect.signature(function).parameters)
        what = f"{name} must take (instance, budget), and takes ({taken})"
        raise InputError("method", [("", what)]) from None
    except ValueError:
        pass  # what is written in C may not tell
    summary = (inspect.getdoc(function) or "").partition("\n")[0] if inspect.isroutine(function) else ""
    return Method(
        name, function, Family.HEURISTIC, summary, kinds=frozenset(KINDS), supports=frozenset(Feature)
    )


def name_of(function: Any) -> str:
    """What a function is called."""
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def full_name(function: Any) -> str:
    """The same with its module."""
    return f"{getattr(function, '__module__', type(function).__module__)}:{name_of(function)}"


def at(path: str) -> Method:
    """The method of a function, or the :class:`.methods.Method`, that ``module:name`` stands for.

    Raises
    ------
    InputError
        If there is none, or its module cannot be imported.
    """
    module, _, name = path.partition(":")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
            found = imported(path)
    except (Exception, SystemExit) as error:
        what = f"no function {path!r} ({_told(error)})"
        if module.endswith(".py"):
            what = f"{path!r} is to be a module, not a file: {module.removesuffix('.py')}:{name}"
        elif isinstance(error, AttributeError) and (file := getattr(sys.modules.get(module), "__file__", "")):
            what = f"no function {path!r} ({_told(error)}; it is {file})"
        raise InputError("method", [("", what)]) from error
    return found if isinstance(found, Method) else replace(of_function(found, path), function=path)


def _told(error: BaseException) -> str:
    if isinstance(error, ImportError | AttributeError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"its module ends Python, sys.exit({error.code!r}), when it is imported"
    return f"{type(error).__name__}: {error}"


def digest(method: Method) -> str:
    """A hash of the code of a method: of all of its module, as far as there is a source."""
    function = inspect.unwrap(method.load())
    while isinstance(function, partial):
        function = function.func
    try:
        code = inspect.getsource(inspect.getmodule(function) or function)
    except (OSError, TypeError):  # from a prompt, or written in C
        code = repr(getattr(getattr(function, "__code__", None), "co_code", full_name(function)))
    return hashlib.sha256(code.encode()).hexdigest()


# Installed packages -------------------------------------------------------------------------------


@cache
def _found() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    return found


def names() -> list[str]:
    """The names of methods that installed packages have."""
    return list(_found())


def listed() -> Iterator[Method]:
    """These methods, without what only their modules could say: nothing is imported."""
    for name, points in _found().items():
        for point in points:
            yield Method(
                name, _path(point), Family.HEURISTIC, f"{point.value}, not imported", _package(point)
            )


def installed(name: str) -> Method:
    """The method of a name of :func:`names`.

    Raises
    ------
    InputError
        If it cannot be imported, or two packages have one of that name.
    """
    point, *others = _found()[name]
    if others:
        packages = ", ".join(map(_package, (point, *others)))
        what = f"{name!r} is in several packages ({packages}): write module:function"
        raise InputError("method", [("", what)])
    try:
        method = at(_path(point))
    except InputError as error:
        told = [(where, f"{name} of the package {_package(point)}: {what}") for where, what in error.problems]
        raise InputError("method", told) from error
    return replace(method, name=name, source=method.source or _package(point))


def _path(point: EntryPoint) -> str:
    return f"{point.module}:{point.attr}"


def _package(point: EntryPoint) -> str:
    return "unknown" if point.dist is None else f"{point.dist.name} {point.dist.version}"
