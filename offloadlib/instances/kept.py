"""Compiled functions on disk, found by all that they are made of: in any clone, environment or installation.

A file's name says which function it holds, in a version for some types and a processor, and has a hash of the
code of that function and of all subroutines, constants and named tuples that are part of it. So nothing that
is out of date is ever found, and processes that write at once write the same.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from types import CodeType
from typing import Any

import llvmlite
import numba
import numpy as np
from numba import types
from numba.core import sigutils
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from . import translating
from .caches import caches

DAYS = 60
"""What nobody has looked for so long is removed when something is added."""

ENDING = ".compiled"


def folder() -> Path:
    """Where compiled functions are kept."""
    named = numba.config.CACHE_DIR  # NUMBA_CACHE_DIR
    return Path(named) / "offloadlib" if named else caches() / "compiled"


class Versions:
    """What numba asks for compiled versions of a function.

    Parameters
    ----------
    dispatcher
        The function.
    reached
        It and all its subroutines, when they are known.
    """

    def __init__(self, dispatcher: Any, reached: Callable[[Any], Iterable[Any]]) -> None:
        self._dispatcher, self._reached = dispatcher, reached

    @cached_property
    def _made_of(self) -> list[Any]:
        return [_compiler(), *(_text(reached) for reached in self._reached(self._dispatcher))]

    def _path(self, signature: Any, codegen: Any) -> Path:
        arguments, result = sigutils.normalize_signature(signature)
        kinds = [(repr(kind), _tuples(kind)) for kind in (*arguments, result)]
        made_of = repr((self._made_of, kinds, codegen.magic_tuple()))
        function, digest = self._dispatcher.py_func, hashlib.sha256(made_of.encode()).hexdigest()
        return folder() / f"{function.__module__}.{function.__name__}-{digest[:32]}{ENDING}"

    def load_overload(self, signature: Any, context: Any) -> Any:
        """The version for a signature, or None; what it shares with others gets ready first."""
        with translating.translating(context.codegen()):
            for part in self._reached(self._dispatcher):
                if part is not self._dispatcher and hasattr(part, "signature"):
                    part.compile(part.signature)
        context.refresh()
        path = self._path(signature, context.codegen())
        try:
            parts = pickle.loads(path.read_bytes())
        except (OSError, EOFError, pickle.UnpicklingError):  # not there, or damaged
            return None
        with suppress(OSError):
            os.utime(path)
        # Also for those who call a subroutine in a function of theirs.
        with translating.translating(context.codegen()):
            return CompileResult._rebuild(context, *parts)

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep a version, if there is a place for it."""
        if result.library.has_dynamic_globals:  # addresses of this process
            return
        path = self._path(signature, result.library._codegen)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            _forget_the_old(path.parent)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(dumps(result._reduce()))
            Path(file.name).replace(path)


@cache
def _forget_the_old(place: Path) -> None:
    for path in place.iterdir():
        with suppress(OSError):  # another process does it, too
            if path.stat().st_mtime < time.time() - DAYS * 86_400:
                path.unlink()


@cache
def _compiler() -> list[str]:
    versions = [numba.__version__, llvmlite.__version__, np.__version__, sys.version]
    return [*versions, inspect.getsource(translating), inspect.getsource(sys.modules[__name__])]


@cache
def _text(dispatcher: Any) -> str:
    """All that a function is made of, without its subroutines."""
    function = dispatcher.py_func
    names = function.__globals__
    values = (names.get(name) for name in function.__code__.co_names)
    constants = [value for value in values if isinstance(value, int | float | str | tuple)]
    tuples = [_tuples(value) for value in names.values()]
    options = sorted(dispatcher.targetoptions.items())
    return repr((_of(function.__code__), function.__defaults__, constants, tuples, options))


def _of(code: CodeType) -> list[Any]:
    constants = [_of(value) if isinstance(value, CodeType) else value for value in code.co_consts]
    return [code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants]


def _tuples(value: Any) -> list[Any]:
    """The named tuples that a value is, or is a numba type of: names and fields."""
    if isinstance(value, types.BaseNamedTuple):
        return [*_tuples(value.instance_class), *(inner for kind in value for inner in _tuples(kind))]
    return (
        [value.__qualname__, value._fields] if isinstance(value, type) and hasattr(value, "_fields") else []
    )
