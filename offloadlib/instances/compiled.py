"""Compiled functions: *kernels*, which Python calls, and *subroutines*, which only kernels call.

A kernel states its signature. It is compiled once per machine, when it is first needed, and then comes
from a cache on disk (:mod:`.kept`). :func:`prepare` gets everything ready that a method may need, before
its clock starts; a kernel that was not prepared gets ready when it is called.

Compiling takes some 10 ms a statement, so kernels are written for the compiler. A subroutine is translated
once for each combination of argument types, and optimised and made machine code with each kernel that it is
linked into, nowhere else (:mod:`.translating`); a *shared* one, which states its signature, is made machine
code once, for all of them. Assigning an array to a slice compiles the machinery of a broadcasting error,
which is more than a usual kernel has; sorting, reductions, concatenation and expressions of arrays cost a
kernel each. Plain loops are as fast and cost nothing.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache, partial, update_wrapper
from types import CodeType, FunctionType, ModuleType
from typing import Any, Generic, ParamSpec, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.core import event
from numpy.typing import NDArray

from . import kept, translating

P = ParamSpec("P")
R = TypeVar("R")

PACKAGES = ("offloadlib",)
"""Where kernels are looked for."""

RATE = 3000
"""Bytes of Python code that are compiled in a second, roughly."""


def readable(dtype: str, dimensions: int = 1) -> Any:
    """A C-contiguous array that a kernel only reads, so that frozen arrays may be passed."""
    return types.Array(getattr(types, dtype), dimensions, "C", readonly=True)


def writable(dtype: str, dimensions: int = 1) -> Any:
    """A C-contiguous array that a kernel changes."""
    return types.Array(getattr(types, dtype), dimensions, "C")


def named(form: type[Any], *fields: Any) -> Any:
    """A named tuple with fields of these types; arrays in it have to be exactly as they say."""
    return types.BaseTuple.from_types(fields, form)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers as :func:`readable` has them, for a named tuple: without a copy."""
    view = np.ascontiguousarray(array)
    if view.flags.writeable:
        view = view.view()
        view.flags.writeable = False
    return view


def subroutine(function: Callable[P, R]) -> Callable[P, R]:
    """A function that only kernels call."""
    return _jitted(function)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """A subroutine that becomes part of its callers instead of being compiled by itself."""
    return _jitted(function, inline="always")


def shared(signature: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A large subroutine of this signature that several kernels call: none of them has it optimised again."""

    def share(function: Callable[P, R]) -> Callable[P, R]:
        decorated: Any = _jitted(function, no_cpython_wrapper=False)
        decorated.signature = signature
        return cast(Callable[P, R], decorated)

    return share


def _jitted(function: Callable[P, R], **options: Any) -> Callable[P, R]:
    nothing_for_python = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    decorated: Any = njit(nogil=True, **nothing_for_python | options)(function)
    decorated._cache = kept.Versions(decorated, _reached)
    decorated.get_call_template = partial(_of_any_number, decorated.get_call_template)
    return cast(Callable[P, R], decorated)


def _of_any_number(template: Callable[..., Any], arguments: Any, named: Mapping[str, Any]) -> Any:
    """What numba calls: of a number that is written there (0) the same as of any other."""
    return template(
        tuple(map(types.unliteral, arguments)),
        {name: types.unliteral(kind) for name, kind in named.items()},
    )


def always(problem: Any) -> bool:
    """A kernel is needed whatever the problem."""
    return True


def of_format_1(problem: Any) -> bool:
    """A kernel is needed for a problem of the structured kind that states none of the limits of format 2."""
    return bool(problem.version == 1)


def of_format_2(problem: Any) -> bool:
    """A kernel is needed for a problem of the structured kind that states some."""
    return bool(problem.version > 1)


class Kernel(Generic[R]):
    """A compiled function; see :func:`kernel`."""

    __name__: str

    def __init__(self, function: Callable[..., R], signature: Any, needed: Callable[[Any], bool]) -> None:
        update_wrapper(self, function)
        self.signature, self.needed = signature, needed
        self._dispatcher: Any = njit(nogil=True, no_cfunc_wrapper=True)(function)
        self._dispatcher._cache = kept.Versions(self._dispatcher, _reached)
        self._ready = False
        _KERNELS.append(self)

    def __call__(self, *arguments: Any) -> R:
        if not self._ready:
            self.make()
        result: R = self._dispatcher(*arguments)
        return result

    def load(self) -> bool:
        """Take it from the cache, and say whether it was there."""
        with _LOCK:
            if not self._ready:
                with contextlib.suppress(_Missing), event.install_listener("numba:compile", _NOT_NOW):
                    self._finish()
            return self._ready

    def make(self) -> None:
        """Take it from the cache or compile it, unless another process is at it: then wait for that."""
        if self.load():
            return
        announce([self])
        with _LOCK, _alone(self.__module__.rpartition(".")[0]), _no_collection():
            if not self._ready:
                self._finish()

    def _finish(self) -> None:
        with translating.translating(self._dispatcher.targetctx.codegen()):
            self._dispatcher.compile(self.signature)
        self._dispatcher.disable_compile()
        self._ready = True

    @property
    def parts(self) -> tuple[Any, ...]:
        """It and its subroutines, as numba has them."""
        return _reached(self._dispatcher)


def kernel(signature: Any, needed: Callable[[Any], bool] = always) -> Callable[[Callable[..., R]], Kernel[R]]:
    """A compiled function of this signature.

    Parameters
    ----------
    signature
        Of numba.
    needed
        Whether methods that have it in their modules need it for a problem.
    """
    return lambda function: Kernel(function, signature, needed)


_KERNELS: list[Kernel[Any]] = []


@cache
def _reached(dispatcher: Any) -> tuple[Any, ...]:
    """A compiled function and all subroutines that it calls, at once or in the end."""
    reached, queue = {dispatcher: None}, [dispatcher]
    while queue:
        function = queue.pop().py_func
        called = map(function.__globals__.get, function.__code__.co_names)
        new = [value for value in called if hasattr(value, "py_func") and value not in reached]
        reached |= dict.fromkeys(new)
        queue += new
    return tuple(reached)


# Getting ready ------------------------------------------------------------------------------------


def prepare(function: Callable[..., Any], problem: Any) -> None:
    """Get all kernels ready that a function may call for a problem."""
    missing = [kernel for kernel in called_by(function, problem) if not kernel.load()]
    if missing:
        announce(missing)
        for kernel in missing:
            kernel.make()


def load_all() -> None:
    """Take those kernels of all imported modules from the cache that are there."""
    for kernel in _KERNELS:
        kernel.load()


def called_for(needed: Callable[[Any], bool]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function that is called for some problems only: others do not need the kernels that it needs."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        function.needed = needed  # type: ignore[attr-defined]
        return function

    return mark


def called_by(function: Callable[..., Any], problem: Any) -> list[Kernel[Any]]:
    """The kernels that a function may call for a problem."""
    found, queue = {function: None}, [function]
    while queue:
        called = [item for item in _called_by(queue.pop()) if item not in found and item.needed(problem)]
        found |= dict.fromkeys(called)
        queue += [item for item in called if not isinstance(item, Kernel)]
    return [item for item in found if isinstance(item, Kernel)]


@lru_cache
def _called_by(function: Callable[..., Any]) -> tuple[Any, ...]:
    """The kernels, and the functions for some problems only, that a function may call: those named in it, or
    in what is named in it, and so on."""
    found: list[Any] = []
    seen: set[int] = set()
    queue: list[Any] = [function]
    while queue:
        item = queue.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        rare = isinstance(item, FunctionType) and hasattr(item, "needed") and item is not function
        if isinstance(item, Kernel) or rare:
            found.append(item)
        elif hasattr(item, "__wrapped__"):
            queue.append(item.__wrapped__)
        elif isinstance(item, partial):
            queue += [item.func, *item.args]
        elif str(getattr(item, "__module__", "")).split(".")[0] not in PACKAGES and item is not function:
            continue
        elif isinstance(item, FunctionType):
            queue += _named(item.__code__, item.__globals__)
            queue += [cell.cell_contents for cell in item.__closure__ or ()]
        elif isinstance(item, type):
            queue += [*item.__bases__, *vars(item).values()]
            queue += [value.fget for value in vars(item).values() if isinstance(value, property)]
    return tuple(found)


def _named(code: CodeType, names: Mapping[str, Any]) -> list[Any]:
    """The values of the names in a function's code, and of those that follow the name of a module."""
    inner = [
        value
        for constant in code.co_consts
        if isinstance(constant, CodeType)
        for value in _named(constant, names)
    ]
    values = [names[name] for name in code.co_names if name in names]
    modules = [vars(value) for value in values if isinstance(value, ModuleType)]
    return inner + values + [module[name] for module in modules for name in code.co_names if name in module]


def announce(kernels: Iterable[Kernel[Any]]) -> None:
    """Say that kernels are being compiled, once in a process."""
    global _said
    if not _said:
        _said = True
        parts = {part for kernel in kernels for part in kernel.parts}
        size = sum(len(part.py_func.__code__.co_code) for part in parts)
        say(f"compiling, once: about {max(1, round(size / RATE))} s")


def _to_standard_error(text: str) -> None:
    print(f"offloadlib: {text}", file=sys.stderr, flush=True)


say: Callable[[str], None] = _to_standard_error
"""How that is said; a process of its own says it to its parent."""

_said = False

_LOCK = threading.Lock()


class _Missing(Exception):
    """A kernel is not in the cache."""


class _NotNow(event.Listener):  # type: ignore[misc]
    """Stops numba where it would begin to compile."""

    def on_start(self, event: Any) -> None:
        raise _Missing

    def on_end(self, event: Any) -> None:
        pass


_NOT_NOW = _NotNow()


@contextlib.contextmanager
def _alone(package: str) -> Iterator[None]:
    """One process at a time compiles what belongs to a package, if they can know of each other."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):  # Windows; no place to keep anything
            import fcntl

            kept.folder().mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((kept.folder() / f"{package}.lock").open("wb"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Without the garbage collector, which takes a tenth of the compiler's time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
