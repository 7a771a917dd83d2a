"""Instances as documents in Python: what a file holds, without a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from ..errors import InputError, shown
from ..kind import AnyInstance


class Mapped(AnyInstance):
    """An instance that is made of a document, and gives it."""

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """The instance of a document, as :func:`.read` has it from a file.

        Parameters
        ----------
        document
            As in ``docs/reference/formats.md``; tuples and arrays do for lists.

        Raises
        ------
        InputError
            With every problem of the document, each with its path in it, or if it is of another kind.
        """
        from .instances import read

        found = read(document)
        if not isinstance(found, cls):
            what = f"must be {shown(cls.kind)}, not {shown(found.kind)}"
            raise InputError("document", [("kind", what)])
        return found

    def to_dict(self) -> dict[str, Any]:
        """The document of the instance, as its JSON file has it."""
        from .instances import document_of

        return document_of(self)
