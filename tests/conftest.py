"""Settings of the whole suite; modules beside this one are imported by name: ``from brute import ...``."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Shared machines stall: an example that takes long now and then is no failure.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
