"""The rows of a study on disk: appended one by one, never changed, each key once.

A folder holds ``study.json``, what was asked for, and ``rows.jsonl``, one JSON object a line. A row is
written with one call and synced before the next begins, so that a crash costs at most the last line; a
torn last line is cut off when the study goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from offloadlib.instances import InputError
from offloadlib.instances.errors import os_reason
from offloadlib.instances.files.document import parse_json, read_bytes, replacing

from . import StudyRow

SETTINGS, ROWS = "study.json", "rows.jsonl"


class Store(Mapping[str, StudyRow]):
    """The rows of one folder by key; open it in a ``with`` statement.

    Parameters
    ----------
    folder
        Where they are, or are to be.
    settings
        What the study was asked for, as plain JSON values: a folder belongs to one.

    Raises
    ------
    InputError
        If the folder cannot be used, belongs to other settings, is in use, or holds a damaged row.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self._rows: dict[str, StudyRow] = {}
        path = folder / ROWS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _settle(folder, settings)
            self._file: IO[bytes] = path.open("ab+")
        except OSError as error:
            raise InputError(folder, [("", f"cannot be used as a folder: {os_reason(error)}")]) from None
        try:
            _lock(self._file, folder)
            self._read(path)
        except BaseException:
            self._file.close()
            raise

    def _read(self, path: Path) -> None:
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._file.truncate(whole)
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            row = parse_json(line, f"{path}, line {number}")
            if not isinstance(row, dict) or not isinstance(row.get("key"), str):
                raise InputError(f"{path}, line {number}", [("key", "is missing")])
            if row["key"] in self._rows:
                raise InputError(f"{path}, line {number}", [("key", f"{row['key']!r} stands twice")])
            self._rows[row["key"]] = row

    def append(self, row: StudyRow) -> None:
        """Keep a row, on disk when this returns.

        Raises
        ------
        ValueError
            If there is one of its key.
        InputError
            If it cannot be written.
        """
        if row["key"] in self._rows:
            raise ValueError(f"the row {row['key']} is already there")
        line = json.dumps(row, allow_nan=False).encode() + b"\n"
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(self.folder / ROWS, [("", f"cannot be written: {os_reason(error)}")]) from None
        self._rows[row["key"]] = row

    def __getitem__(self, key: str) -> StudyRow:
        return self._rows[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()  # and with it the lock


def _settle(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings down, or compare them with those that are there."""
    path = folder / SETTINGS
    if not path.exists():
        if (folder / ROWS).exists():
            raise InputError(folder, [("", f"holds {ROWS} without {SETTINGS}")])
        with replacing(path) as file:
            file.write(json.dumps(dict(settings), indent=1).encode() + b"\n")
        return
    before = parse_json(read_bytes(path), path)
    if not isinstance(before, dict):
        raise InputError(path, [("", "must be an object")])
    names = [name for name in {**before, **settings} if before.get(name) != settings.get(name)]
    if names:
        raise InputError(
            folder,
            [
                (name, f"was {before.get(name)!r} here, not {settings.get(name)!r}: choose another folder")
                for name in names
            ],
        )


def _lock(file: IO[bytes], folder: Path) -> None:
    """Keep others from appending; the lock goes with the process, however that ends."""
    with contextlib.suppress(ImportError):  # not on Windows
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(folder, [("", "is in use by another study")]) from None
