"""Importers: instances from real workflows, sites and users."""

from .combine import ImportSetting, Report, import_wfformat

__all__ = ["ImportSetting", "Report", "import_wfformat"]
