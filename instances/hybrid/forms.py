"""A hybrid instance between files and data: its document, its columns, its canonical form.

The header is the JSON document without its devices. The columns, for N devices in file order, are ``id``
(list of N strings), ``weight`` (N) and ``sizes`` (N x M).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from .model import HybridInstance, Parameters

Document = dict[str, Any]

FLAT = {
    "local_time": "tau",
    "local_energy": "eps_l",
    "transmit_energy": "eps_t",
    "cycles": "kappa",
    "bandwidth": "bandwidth",
    "delay_weight": "rho",
}
"""Key of the document's ``parameters`` -> attribute of :class:`Parameters`."""

SERVERS = {
    "edge": {"speed": "f_e", "price": "price_e"},
    "cloud": {"speed": "f_c", "price": "price_c", "rate": "r_c"},
}
"""The same one level below; null in place of the cloud stands for none."""


def parameters_of(document: Document) -> Parameters:
    """From sound ``parameters`` of a document."""
    values = {name: float(document[key]) for key, name in FLAT.items()}
    for server, keys in SERVERS.items():
        part = document[server] or dict.fromkeys(keys, 0.0)
        values |= {name: float(part[key]) for key, name in keys.items()}
    return Parameters(**{name: value + 0.0 for name, value in values.items()})


def parameters_document(parameters: Parameters) -> Document:
    """The ``parameters`` of a document."""
    document: Document = {key: getattr(parameters, name) for key, name in FLAT.items()}
    for server, keys in SERVERS.items():
        document[server] = {key: getattr(parameters, name) for key, name in keys.items()}
    if not parameters.cloud:
        document["cloud"] = None
    return document


def from_document(document: Document) -> HybridInstance:
    """The instance of a sound document."""
    devices = document["devices"]
    weight = [1.0 if device.get("weight") is None else device["weight"] for device in devices]
    return from_columns(
        document,
        {
            "id": [device["id"] for device in devices],
            "weight": np.array(weight, dtype=np.float64),
            "sizes": np.array([device["sizes"] for device in devices], dtype=np.float64),
        },
    )


def from_columns(header: Document, columns: Document) -> HybridInstance:
    """The instance of a sound header and sound columns."""
    return HybridInstance(
        name=header["name"],
        devices=tuple(columns["id"]),
        sizes=columns["sizes"],
        weight=columns["weight"],
        parameters=parameters_of(header["parameters"]),
        description=header.get("description"),
        source=header.get("source"),
    )


def of_instance(instance: HybridInstance) -> tuple[Document, Document]:
    """Header and columns of an instance."""
    header = {
        "format": "offloadlib-instance",
        "version": 1,
        "kind": instance.kind,
        "name": instance.name,
        "description": instance.description,
        "source": None if instance.source is None else dict(instance.source),
        "parameters": parameters_document(instance.parameters),
    }
    columns = {"id": list(instance.devices), "weight": instance.weight, "sizes": instance.sizes}
    return {key: value for key, value in header.items() if value is not None}, columns


def device_documents(columns: Document) -> Iterator[Document]:
    """The devices as they stand in the document; a weight of 1 is left out."""
    for name, weight, sizes in zip(
        columns["id"], columns["weight"].tolist(), columns["sizes"].tolist(), strict=True
    ):
        yield (
            {"id": name, "weight": weight, "sizes": sizes} if weight != 1.0 else {"id": name, "sizes": sizes}
        )


def fingerprint(instance: HybridInstance) -> str:
    """SHA-256 of the canonical form: sorted keys, no white space, and no name, description or source."""
    header, columns = of_instance(instance)
    for key in ("name", "description", "source"):
        header.pop(key, None)
    if header["parameters"]["cloud"] is None:
        del header["parameters"]["cloud"]
    document = {**header, "devices": list(device_documents(columns))}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
