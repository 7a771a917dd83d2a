"""Telling compiled code that time is up."""

from __future__ import annotations

import time

import numpy as np

from offloadlib.instances.alarm import alarm


def test_an_alarm_goes_off_in_time() -> None:
    with alarm(0.0) as passed:
        deadline = time.monotonic() + 10.0
        while not passed[0] and time.monotonic() < deadline:
            time.sleep(0.001)
        assert passed[0]
    with alarm(np.inf) as passed:
        assert not passed[0]
