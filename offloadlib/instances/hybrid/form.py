"""How hybrid instances and their solutions stand in files: what :mod:`.instances.files` asks of a kind.

The header is the JSON document without its devices. The columns, for N devices in file order, are ``id``
(list of N strings), ``weight`` (N) and ``sizes`` (N x M).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError, Problem, place, shown
from ..files import canonical
from ..files.archive import Archive, ColumnForm, Columns
from ..files.document import Document, instance_header, without_nulls
from ..files.schema import LARGEST, SMALLEST, positive, size
from ..files.validate import free_data, structure, unique_ids
from .model import CLOUD, DEVICE, EDGE, HybridInstance, Parameters
from .schema import HybridFile, HybridHeaderPart
from .solution import HybridSolution

PLACES: dict[str | None, int] = {None: DEVICE, "edge": EDGE, "cloud": CLOUD}
"""What the places are called in a solution file."""

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


def from_columns(header: Document, columns: Columns) -> HybridInstance:
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


def header_and_columns(instance: HybridInstance) -> tuple[Document, Columns]:
    """Header and columns of an instance."""
    header = instance_header(
        instance.kind,
        name=instance.name,
        description=instance.description,
        source=instance.source,
        parameters=parameters_document(instance.parameters),
    )
    columns = {"id": list(instance.devices), "weight": instance.weight, "sizes": instance.sizes}
    return header, columns


def layout(header: Document, columns: Columns) -> dict[str, ColumnForm]:
    """What the columns look like; ``sizes`` are (..., N, M)."""
    return _layout(np.shape(columns["sizes"]))


def _layout(shape: tuple[int, ...]) -> dict[str, ColumnForm]:
    devices = shape[-2]
    return {
        "id": ColumnForm((devices,), "json"),
        "weight": ColumnForm((devices,)),
        "sizes": ColumnForm(shape),
    }


def device_documents(header: Document, columns: Columns) -> Iterator[Document]:
    """The devices as they stand in the document; a weight of 1 is left out."""
    for name, weight, sizes in zip(
        columns["id"], columns["weight"].tolist(), columns["sizes"].tolist(), strict=True
    ):
        yield (
            {"id": name, "weight": weight, "sizes": sizes} if weight != 1.0 else {"id": name, "sizes": sizes}
        )


def fingerprint(instance: HybridInstance) -> str:
    """SHA-256 of the canonical form, which leaves out a cloud that is none, too."""
    header, columns = header_and_columns(instance)
    header["parameters"] = without_nulls(header["parameters"])
    return canonical.fingerprint(header, device_documents(header, columns))


def document_problems(document: Any) -> list[Problem]:
    """Every problem of an instance document."""
    found = structure(HybridFile, document)
    if isinstance(document, dict):
        found += [*free_data(document), *unique_ids(document, "devices"), *_length_problems(document)]
    return found


def _length_problems(document: Document) -> Iterator[Problem]:
    """All devices have as many tasks as the first one."""
    devices = document.get("devices")
    lists = [
        (i, device["sizes"])
        for i, device in enumerate(devices if isinstance(devices, list) else ())
        if isinstance(device, dict) and isinstance(device.get("sizes"), list) and device["sizes"]
    ]
    for i, sizes in lists:
        first, expected = lists[0][0], len(lists[0][1])
        if len(sizes) != expected:
            what = f"must have {expected} entries, as those of devices[{first}], not {len(sizes)}"
            yield f"devices[{i}].sizes", what


def from_archive(archive: Archive) -> HybridInstance:
    """The instance of a columnar file.

    Raises
    ------
    InputError
        If the file is damaged or its columns do not fit its header.
    """
    header, columns = unpacked(archive, HybridHeaderPart, ("N", "M"))
    return from_columns(header, columns)


def unpacked(
    archive: Archive, model: type[HybridHeaderPart], axes: tuple[str, ...]
) -> tuple[Document, Columns]:
    """Header and columns of a columnar file whose ``sizes`` have these axes, the last two N and M.

    Raises
    ------
    InputError
        With every problem of the header, or else of the columns.
    """
    header, described = archive.header, archive.described
    found = [*structure(model, header), *free_data(header)]
    shape: tuple[int, ...] = ()
    if isinstance(described, dict):
        shape = _shape(described.get("sizes"), len(axes))
        if not shape:
            what = f"must have a shape of {len(axes)} whole numbers from 1 on: {', '.join(axes)}"
            found.append((place("columns", ["sizes"]), what))
    else:
        found.append(("columns", f"must be an object, not {shown(described)}"))
    if found:
        raise InputError(archive.source, found)
    ids = archive.json("columns/id")
    found = _id_problems(ids, shape[-2])
    if found:
        raise InputError(archive.source, found)
    columns = archive.columns(_layout(shape), {"id": ids})
    found = list(range_problems(columns))
    if found:
        raise InputError(archive.source, found)
    return header, columns


def validated(
    header: Document, columns: Columns, source: str, model: type[HybridHeaderPart]
) -> tuple[Document, Columns]:
    """A header and columns that did not come from a file, if they may stand in one.

    Raises
    ------
    InputError
        With every problem found; ``source`` says where they came from.
    """
    found = [*structure(model, header), *free_data(header), *range_problems(columns)]
    if found:
        raise InputError(source, found)
    return header, columns


def _shape(description: Any, dimensions: int) -> tuple[int, ...]:
    """The shape in a column's description, () if it is none of so many dimensions."""
    shape = description.get("shape") if isinstance(description, dict) else None
    if not isinstance(shape, list) or len(shape) != dimensions:
        return ()
    sound = all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in shape)
    return tuple(shape) if sound else ()


def _id_problems(ids: Any, expected: int) -> list[Problem]:
    if not isinstance(ids, list) or len(ids) != expected:
        return [("columns/id", f"must be a list of {expected} ids")]
    devices = [{"id": name} for name in ids]
    found = [
        (f"devices[{i}].id", f"must be a string that is not empty, not {shown(name)}")
        for i, name in enumerate(ids)
        if not isinstance(name, str) or not name
    ]
    return found + list(unique_ids({"devices": devices}, "devices"))


def range_problems(columns: Columns) -> Iterator[Problem]:
    """Weights and sizes that a file may not hold; ``sizes`` are (..., N, M)."""
    for key, test, zero in (("weight", positive, False), ("sizes", size, True)):
        values = columns[key]
        sound = (values >= SMALLEST) & (values <= LARGEST) | (zero & (values == 0))
        for index in np.argwhere(~sound).tolist():
            *frame, device = index if key == "weight" else index[:-1]
            path: list[int | str] = ["frames", *frame] if frame else []
            where = place("", [*path, "devices", device, key])
            try:
                test(float(values[tuple(index)]))
            except ValueError as error:
                task = "" if key == "weight" else f"[{index[-1]}]"
                yield f"{where}{task}", f"{error}, not {shown(float(values[tuple(index)]))}"


def solution_keys(solution: HybridSolution, instance: HybridInstance) -> Document:
    """What a solution file holds beside the decisions: the split of the uplink."""
    return {"split": dict(zip(instance.devices, solution.split.tolist(), strict=True))}


def decisions(
    solution: HybridSolution, instance: HybridInstance
) -> Iterator[tuple[str, list[str | None] | None]]:
    """The decisions of each device, as in the file."""
    names = {number: name for name, number in PLACES.items()}
    for name, row in zip(instance.devices, solution.places.tolist(), strict=True):
        yield name, [names[number] for number in row]


def solution_of(document: Document, instance: HybridInstance) -> HybridSolution:
    """The solution of a sound solution document."""
    rows = [[PLACES[name] for name in document["decisions"][device]] for device in instance.devices]
    split = [document["split"][device] for device in instance.devices]
    return HybridSolution(np.array(rows, dtype=np.int8), np.array(split, dtype=np.float64))


def decision_problems(document: Document, instance: HybridInstance) -> Iterator[Problem]:
    """Where decisions and split of a solution do not fit the instance."""
    if document["version"] != 1:
        yield "version", f"must be 1 for a hybrid instance, not {document['version']}"
        return
    if document.get("split") is None:
        yield "split", "is missing"
    for key in ("decisions", "split"):
        given = document.get(key) or {}
        known = dict.fromkeys(instance.devices)
        yield from ((place(key, [name]), "unknown device") for name in given if name not in known)
        if key in document:
            yield from ((place(key, [name]), "is missing") for name in known if name not in given)
    allowed = {name for name, number in PLACES.items() if number in instance.places}
    for name, places in document["decisions"].items():
        if len(places) != instance.num_tasks:
            what = f"must have {instance.num_tasks} entries, one for each task, not {len(places)}"
            yield place("decisions", [name]), what
        for j, where in enumerate(places):
            if where not in allowed:
                what = "no cloud here" if where in PLACES else f"unknown place {shown(where)}"
                yield place("decisions", [name, j]), what
