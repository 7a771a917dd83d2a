"""Importers: instances from real workflows, sites and users, and from problems of operations research."""

from .combine import ImportSetting, import_wfformat
from .gap import import_gap
from .mmkp import import_mmkp
from .report import Report

__all__ = ["ImportSetting", "Report", "import_gap", "import_mmkp", "import_wfformat"]
