"""The published JSON Schemas: ``python -m offloadlib.instances.files.published`` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Union

from pydantic import BaseModel, Field, RootModel

from ..kind import KINDS, kind_named
from .schema import SolutionFile

_OF_ALL_KINDS = tuple(kind_named(name).file for name in KINDS)


_Any = Annotated[Union[_OF_ALL_KINDS], Field(discriminator="kind")]  # type: ignore[valid-type]  # noqa: UP007


class AnyInstanceFile(RootModel[_Any]):
    """offloadlib-instance, version 1, of any kind."""


SCHEMAS: dict[str, type[BaseModel]] = {
    "instance-1.schema.json": AnyInstanceFile,
    "solution-1.schema.json": SolutionFile,
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
