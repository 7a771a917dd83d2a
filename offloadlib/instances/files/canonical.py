"""The canonical form of an instance, by which files that state the same problem are known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from .document import Document

FREE = ("name", "description", "source")
"""Keys that say nothing about the problem."""


def fingerprint(header: Document, devices: Iterable[Document]) -> str:
    """SHA-256 of the canonical form: sorted keys, no white space, no :data:`FREE` keys.

    Parameters
    ----------
    header
        The document without its devices.
    devices
        Without what equals its default; they are streamed into their place among the sorted keys.
    """
    stated = {key: value for key, value in header.items() if key not in FREE}
    before = {key: value for key, value in stated.items() if key < "devices"}
    after = {key: value for key, value in stated.items() if key > "devices"}
    opening = _canonical(before)[:-1] + ("," if before else "")
    digest = hashlib.sha256(f'{opening}"devices":['.encode())
    separator = ""
    for device in devices:
        digest.update((separator + _canonical(device)).encode())
        separator = ","
    digest.update(f"],{_canonical(after)[1:]}".encode())
    return digest.hexdigest()


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode
