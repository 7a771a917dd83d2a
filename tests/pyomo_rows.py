"""Rows of a Pyomo model, and their terms by name."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
from pyomo.repn import generate_standard_repn

from offloadlib.exporting import full_name


def rows_of(model: Any) -> list[Any]:
    """Its active rows."""
    return list(model.component_data_objects(pyo.Constraint, active=True))


def linear_terms(expression: Any) -> dict[str, float]:
    """Coefficients by the names of variables."""
    found = generate_standard_repn(expression)
    return {
        full_name(v): float(value)
        for v, value in zip(found.linear_vars, found.linear_coefs, strict=True)
        if value
    }
