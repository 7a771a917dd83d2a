"""Reading and writing of instances, of every kind and in both forms."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import InputError, shown
from ..kind import KINDS, AnyInstance, Form, kind_named
from .archive import Archive, write_zip
from .document import Document, Source, collector_paused, content, lines, parse_json, replacing
from .migrate import current

FORMAT = "offloadlib-instance"

LIBRARY = Path(__file__).parent.parent / "library"
"""Where the instances are that come with the package."""


def library() -> dict[str, Path]:
    """The files of these instances by name; :mod:`.shelf` has them where nothing else is imported."""
    return {path.stem: path for path in sorted(LIBRARY.glob("*.json")) if path.stem != "best_known"}


def read(source: Source) -> AnyInstance:
    """Read an instance, in the JSON or in the columnar form.

    Parameters
    ----------
    source
        A file, by its path or open, or the document of one as a dictionary. The first bytes tell which form a
        file has.

    Returns
    -------
    AnyInstance
        An ``Instance``, a ``HybridInstance`` or another, by its ``kind``; validated, immutable.

    Raises
    ------
    InputError
        With every problem of the file, each with its path inside the file.
    """
    try:
        data, name = content(source)
    except InputError as error:
        if error.source in library():
            what = "is no file, but an instance of the library: offloadlib.load reads it"
            raise InputError(error.source, [("", what)]) from None
        raise
    return parse(data, name)


def document_of(instance: AnyInstance) -> Document:
    """The document of an instance, as its JSON file has it."""
    form = kind_named(instance.kind).form
    header, columns = form.header_and_columns(instance)
    found: Document = json.loads(json.dumps(header))
    return {**found, "devices": list(form.device_documents(header, columns))}


def parse(data: bytes, source: str | Path) -> AnyInstance:
    """The instance in the bytes of a file, in either form; ``source`` is what messages call it.

    Raises
    ------
    InputError
        As for :func:`read`.
    """
    with collector_paused():
        if data.startswith(b"PK"):
            archive = Archive(data, source, FORMAT)
            found: AnyInstance = _form(archive.header, source).from_archive(archive)
            return found
        document = current(parse_json(data, source), FORMAT, source)
        form = _form(document, source)
        problems = form.document_problems(document)
        if problems:
            raise InputError(source, problems)
        found = form.from_document(document)
        return found


def _form(document: Document, source: str | Path) -> Form:
    """The form of an instance document's kind; other kinds are refused."""
    kind = document.get("kind")
    if isinstance(kind, str) and kind in KINDS:
        return kind_named(kind).form
    known = " or ".join(map(json.dumps, KINDS))
    what = f"must be {known}, not {shown(kind)}" if "kind" in document else "is missing"
    raise InputError(source, [("kind", what)])


def write(instance: AnyInstance, path: str | Path) -> None:
    """Write an instance: columnar where the name ends in ``.zip``, else JSON with a line per device.

    Raises
    ------
    InputError
        If the file cannot be written; what was there stays as it was.
    """
    path = Path(path)
    form = kind_named(instance.kind).form
    header, columns = form.header_and_columns(instance)
    with replacing(path) as file:
        if path.suffix.lower() == ".zip":
            write_zip(file, header, columns, form.layout(header, columns))
        else:
            for text in lines(header, "devices", map(json.dumps, form.device_documents(header, columns))):
                file.write(text.encode())
