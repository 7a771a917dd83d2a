"""The published JSON Schemas: ``python -m offloadlib.instances.files.published`` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Union

from pydantic import BaseModel, Field, RootModel

from ..kind import KINDS, kind_named
from .schema import SolutionFile, SolutionFile2

_KINDS = [kind_named(name) for name in KINDS]
_Instance: Any = Annotated[Union[*(kind.file for kind in _KINDS)], Field(discriminator="kind")]
_Certificate: Any = Union[*(kind.certificate for kind in _KINDS if kind.certificate)]


class AnyInstanceFile(RootModel[_Instance]):
    """offloadlib-instance, version 1, of any kind."""


class AnyCertificateFile(RootModel[_Certificate]):
    """offloadlib-certificate, version 1, for an instance of any kind."""


SCHEMAS: dict[str, type[BaseModel]] = {
    "instance-1.schema.json": AnyInstanceFile,
    "solution-1.schema.json": SolutionFile,
    "certificate-1.schema.json": AnyCertificateFile,
    "solution-2.schema.json": SolutionFile2,
    **{f"{name}.schema.json": model for kind in _KINDS for name, model in kind.others.items()},
}
SCHEMA_FOLDER = Path(__file__).parents[1] / "schemas"


def json_schema(model: type[BaseModel]) -> str:
    """The JSON Schema (draft 2020-12) of a file format, as text."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(schema, indent=1) + "\n"


if __name__ == "__main__":
    SCHEMA_FOLDER.mkdir(exist_ok=True)
    for name, model in SCHEMAS.items():
        (SCHEMA_FOLDER / name).write_text(json_schema(model), encoding="utf-8")
