"""Importers: instances from task graphs, sites and users, and from problems of operations research."""

from .combine import expanded, import_graphs
from .formats import FORMATS, Format
from .gap import import_gap
from .in_python import MADE_IN_PYTHON, from_networkx, from_tables
from .mmkp import import_mmkp
from .report import Report
from .setting import DagbenchSetting, DotSetting, GraphSetting, ImportSetting

__all__ = [
    "FORMATS",
    "MADE_IN_PYTHON",
    "DagbenchSetting",
    "DotSetting",
    "Format",
    "GraphSetting",
    "ImportSetting",
    "Report",
    "expanded",
    "from_networkx",
    "from_tables",
    "import_gap",
    "import_graphs",
    "import_mmkp",
]
