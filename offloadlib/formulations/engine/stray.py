"""Keeping HiGHS from writing to standard output on its own.

HiGHS 1.12 prints a line whenever it repairs a solution, whatever its options say (ERGO-Code/HiGHS#2783).
It goes through the C library's ``stdout``, which Python does not use, and which the GNU C library lets a
program replace: while HiGHS runs it is a stream in memory. What else was printed is written afterwards.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

STRAY = b"HighsMipSolverData::transformNewIntegerFeasibleSolution tmpSolver.run();\n"

_lock = threading.Lock()
_running = 0
_memory: _Memory | None = None


@contextmanager
def without_stray_lines() -> Iterator[None]:
    """Drop HiGHS's own line from standard output; several threads may do so at once."""
    global _running, _memory
    with _lock:
        _running += 1
        if _running == 1 and _library() is not None:
            _memory = _Memory(_library())
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if _running == 0 and _memory is not None:
                _memory.close()
                _memory = None


class _Memory:
    """A stream in memory that takes the place of the C library's standard output."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._text, self._size = ctypes.c_void_p(), ctypes.c_size_t()
        self._stdout = ctypes.c_void_p.in_dll(library, "stdout")
        self._usual = self._stdout.value
        self._stream = library.open_memstream(ctypes.byref(self._text), ctypes.byref(self._size))
        if self._stream:
            self._stdout.value = self._stream

    def close(self) -> None:
        """Put the usual stream back, and write to it what is not the stray line."""
        if not self._stream:
            return
        self._stdout.value = self._usual
        self._library.fclose(self._stream)
        kept = ctypes.string_at(self._text.value or 0, self._size.value).replace(STRAY, b"")
        self._library.free(self._text)
        if kept:
            self._library.fwrite(kept, 1, len(kept), self._usual)


@cache
def _library() -> Any:
    """The GNU C library, or None where it is another one."""
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018
    except (AttributeError, OSError, TypeError):
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.open_memstream.restype = pointer
    library.open_memstream.argtypes = [pointer, pointer]
    library.fclose.argtypes = library.free.argtypes = [pointer]
    library.fwrite.argtypes = [pointer, size, size, pointer]
    return library
