"""Names that nobody takes for numbers."""

from __future__ import annotations


def called(name: str, what: str) -> str:
    """A name; with what it is the name of, where it would be taken for a number."""
    try:
        float(name)
    except ValueError:
        return name
    return f"{what} {name}"
