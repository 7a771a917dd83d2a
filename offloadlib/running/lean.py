"""Importing this module keeps Pyomo from importing what it has no use for here.

With SciPy it always imports ``scipy.stats`` and what that needs, which takes longer than the rest of both:
when SciPy is imported, or else when a model is made arrays. Who needs a part of SciPy imports it.
"""

from pyomo.common import dependencies

dependencies.DeferredImportCallbackFinder._callbacks.pop("scipy", None)
if isinstance(dependencies.scipy_available, dependencies.DeferredImportIndicator):  # not imported so far
    dependencies.scipy_available._callback = None
