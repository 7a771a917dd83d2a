"""Importing this module keeps Pyomo from importing what it has no use for here.

With SciPy it always imports ``scipy.stats`` and what that needs, which takes longer than the rest of both;
who needs a part of SciPy imports it.
"""

from pyomo.common.dependencies import DeferredImportCallbackFinder

DeferredImportCallbackFinder._callbacks.pop("scipy", None)
