"""How numba is made to translate kernels and subroutines without doing anything twice.

By itself it optimises every function and makes machine code of it, and again with each that calls it; it
finds the types of ``a + b`` anew wherever two numbers are added, by trying all that a plus can mean. It looks
again and again for what is alive at the beginning of a block, which generators alone need, and once for
expressions of whole arrays, of which kernels have none. And it counts who holds each array of a named tuple
wherever that is named, although Python holds those that kernels only read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import Any

from llvmlite.binding import create_new_module_pass_manager, parse_bitcode
from numba import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.postproc import PostProcessor, VariableLifetime
from numba.core.runtime.context import NRTContext
from numba.core.targetconfig import ConfigStack
from numba.core.transforms import canonicalize_cfg
from numba.core.typed_passes import NopythonRewrites


@contextlib.contextmanager
def translating(codegen: Any) -> Iterator[None]:
    """Have numba do so; other threads cannot have it compile meanwhile."""
    if codegen._library_class is Part:
        yield
        return
    with global_compiler_lock, contextlib.ExitStack() as undo:
        codegen._library_class = Part
        undo.callback(delattr, codegen, "_library_class")
        for owner, name, otherwise in (
            (types.BaseFunction, "get_call_type", _remembering),
            (types.Dispatcher, "get_call_type", _remembering),
            (PostProcessor, "run", _without_entries),
            (NopythonRewrites, "run_pass", _nothing),
            (NRTContext, "get_meminfos", _counted),
        ):
            usual = getattr(owner, name)
            undo.callback(setattr, owner, name, usual)
            setattr(owner, name, otherwise(usual))
        yield


# Types of calls -----------------------------------------------------------------------------------------


def _remembering(find: Callable[..., Any]) -> Callable[..., Any]:
    def get_call_type(function: Any, context: Any, arguments: Any, named: Any) -> Any:
        call = function, tuple(arguments), tuple(named.items()), _number_of(ConfigStack.top_or_none())
        if call not in _KNOWN:
            _KNOWN[call] = find(function, context, arguments, named)
        return _KNOWN[call]

    return get_call_type


def _number_of(options: Any) -> int:
    """A number for these options of the compiler, which numba can compare, not order or hash."""
    values = options and options._values
    if values not in _OPTIONS:
        _OPTIONS.append(values and dict(values))
    return _OPTIONS.index(values)


_KNOWN: dict[Any, Any] = {}
_OPTIONS: list[Any] = []


# What kernels do not need ---------------------------------------------------------------------------------


def _without_entries(usual: Callable[..., None]) -> Callable[..., None]:
    """Lifetimes of variables, without what is alive at the beginning of each block."""

    def run(processor: Any, emit_dels: bool = False, extend_lifetimes: bool = False) -> None:
        function = processor.func_ir
        if function.is_generator:
            usual(processor, emit_dels, extend_lifetimes)
            return
        function.blocks = canonicalize_cfg(function.blocks)
        function.variable_lifetime = VariableLifetime(function.blocks)
        if emit_dels:
            processor._insert_var_dels(extend_lifetimes=extend_lifetimes)

    return run


def _nothing(usual: Callable[..., bool]) -> Callable[..., bool]:
    return lambda compiler, state: False


def _counted(usual: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """What is counted in a value: nothing in a named tuple that is lent, but by what takes it from Python."""

    def get_meminfos(context: Any, builder: Any, kind: Any, value: Any) -> list[Any]:
        lent = isinstance(kind, types.BaseTuple) and _only_read(kind)
        if lent and not builder.function.name.startswith(_FOR_PYTHON):
            return []
        return usual(context, builder, kind, value)

    return get_meminfos


@cache
def _only_read(kind: Any) -> bool:
    if isinstance(kind, types.BaseTuple):
        return all(map(_only_read, kind))
    if isinstance(kind, types.Array):
        return not kind.mutable
    return isinstance(kind, types.Number | types.Boolean)


_FOR_PYTHON = "_ZN7cpython"
"""The names of what Python calls begin with it."""


# Code that only kernels call ------------------------------------------------------------------------------


class Part(JITCodeLibrary):  # type: ignore[misc]
    """A library of numba that is linked, optimised and made machine code only if Python calls what is in it.

    What only kernels call is linked into them as it is.
    """

    @property
    def _for_python(self) -> bool:
        module = self._shared_module or self._final_module  # which is empty where it comes from the cache
        names = (function.name for function in module.functions if not function.is_declaration)
        return any(name.startswith(_FOR_PYTHON) for name in names)

    @property
    def codegen(self) -> Any:
        """What sets the environment of a function, which one without machine code does not have."""
        return self._codegen if self._machine_code else self

    def set_env(self, name: str, environment: Any) -> None:
        """Do without."""

    @cached_property
    def _called(self) -> list[Any]:
        """The libraries that are linked into this one, at once or in the end, each after those that it needs;
        of what is shared its name is enough.
        """
        called: dict[Any, None] = {}
        for library in self._linking_libraries:
            library._ensure_finalized()
            if not (isinstance(library, Part) and library._for_python):
                called |= dict.fromkeys([*getattr(library, "_called", []), library])
        return list(called)

    def _alone(self) -> Any:
        """The module to be linked, without what it calls."""
        return super()._get_module_for_linking()

    def finalize(self) -> None:
        """Link what Python calls with all that it needs; the others keep to themselves."""
        called = self._called
        self._linking_libraries: list[Any] = []
        if self._for_python:
            _link(self._final_module, called)
        super().finalize()

    def _get_module_for_linking(self) -> Any:
        """For a library of another kind."""
        module = self._alone()
        if not self._machine_code and self._called:
            module = module.clone()
            _link(module, self._called)
        return module

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout  # once all is linked, all is optimised

    def _optimize_final_module(self) -> None:
        if self._for_python:
            super()._optimize_final_module()
            return
        passes = create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.add_dead_code_elimination_pass()
        passes.add_global_dead_code_eliminate_pass()  # addresses of this process, which no cache may keep
        passes.run(self._final_module, self._codegen._pass_builder())

    def _finalize_final_module(self) -> None:
        # It has a module for linking already where it comes from the cache as machine code.
        self._machine_code = self._shared_module is not None or self._for_python
        if self._machine_code:
            super()._finalize_final_module()
        else:
            self._finalize_dynamic_globals()
            self._finalized = True

    def serialize_using_object_code(self) -> Any:
        """For the cache."""
        if self._machine_code:
            return super().serialize_using_object_code()
        return self.name, "parts", [self._final_module.as_bitcode(), *map(_bitcode, reversed(self._called))]

    @classmethod
    def _unserialize(cls, codegen: Any, state: Any) -> Any:
        name, kind, data = state
        if kind != "parts":
            return super()._unserialize(codegen, state)
        self = codegen.create_library(name)
        for bitcode in data:
            self._final_module.link_in(parse_bitcode(bitcode))
        self._finalize_final_module()
        return self


def _module(library: Any) -> Any:
    return library._alone() if isinstance(library, Part) else library._get_module_for_linking()


@cache
def _bitcode(library: Any) -> bytes:
    bitcode: bytes = _module(library).as_bitcode()
    return bitcode


def _link(module: Any, libraries: list[Any]) -> None:
    for library in reversed(libraries):  # of each only what is called by what is linked already
        module.link_in(_module(library), preserve=True)
