"""Path loss, rates and nearest offload points against figures known from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offloadlib.instances.structured.model import LOCAL
from offloadlib.instances.structured.radio import (
    Radio,
    link_rates,
    nearest_points,
    path_loss,
    radio_problems,
    shannon_rate,
)

RADIO = Radio()


def test_free_space_at_the_reference_distance() -> None:
    # The engineers' form of Friis: 32.45 + 20 log10(km) + 20 log10(MHz).
    assert path_loss(1.0, RADIO) == pytest.approx(32.4478 - 60 + 20 * np.log10(1800), abs=1e-3)


def test_a_tenfold_distance_costs_ten_times_the_exponent() -> None:
    loss = path_loss([10.0, 100.0, 1000.0], RADIO)
    assert np.diff(loss) == pytest.approx([27.0, 27.0])


def test_nothing_is_nearer_than_the_reference_distance() -> None:
    assert path_loss(0.0, RADIO) == path_loss(1.0, RADIO)


def test_equal_signal_and_noise_give_one_bit_per_hertz() -> None:
    # Noise in 5 MHz with a noise figure of 5 dB: -174 + 66.99 + 5 dBm; 1 mW is 0 dBm.
    loss = 174 - 10 * np.log10(5e6) - 5
    assert shannon_rate(1.0, loss, 5.0, RADIO) == pytest.approx(5.0)
    assert shannon_rate(3.0, loss, 5.0, RADIO) == pytest.approx(10.0)
    assert shannon_rate(0.0, loss, 5.0, RADIO) == 0


def test_the_rates_that_the_documentation_names() -> None:
    uplink, downlink = link_rates([10.0, 100.0, 500.0], 1.5, RADIO)
    assert uplink == pytest.approx([65, 21, 1.4], rel=0.03)
    assert downlink == pytest.approx([95, 51, 20], rel=0.03)


def test_the_power_is_the_devices_unless_the_radio_has_one() -> None:
    send = np.array([1.0, 2.0])
    own, _ = link_rates(100.0, send, RADIO)
    fixed, _ = link_rates(100.0, send, Radio(uplink_power=2.0))
    assert own[0] < own[1]
    assert fixed == own[1]


def test_a_hopeless_link_still_has_a_rate() -> None:
    uplink, _ = link_rates(1e9, 0.0, RADIO)
    assert uplink == 1e-6


@given(st.lists(st.floats(1, 5000), min_size=2, max_size=20))
def test_rates_fall_with_distance(distances: list[float]) -> None:
    for rate in link_rates(np.sort(distances), 1.5, RADIO):
        assert (np.diff(rate) <= 0).all()


positions = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda point: [float(x) for x in point]),
    min_size=1,
    max_size=12,
).map(np.array)


@given(points=positions, devices=positions, reach=st.none() | st.integers(0, 40).map(float))
def test_the_nearest_point_in_reach(points: np.ndarray, devices: np.ndarray, reach: float | None) -> None:
    connected_to, distance = nearest_points(points, devices, reach)
    squares = ((devices[:, None] - points[None]) ** 2).sum(axis=2)
    assert distance**2 == pytest.approx(squares.min(axis=1))
    for m, n in enumerate(connected_to):
        if n == LOCAL:
            assert reach is not None and squares[m].min() > reach**2 * (1 - 1e-12)
        else:
            assert squares[m, n] == squares[m].min()
            assert reach is None or squares[m, n] <= reach**2 * (1 + 1e-12)


def test_points_that_share_a_position_are_taken_in_turn() -> None:
    points = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    devices = np.array([[1.0, 0.0], [9.0, 1.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0], [8.0, 0.0]])
    connected_to, _ = nearest_points(points, devices, None)
    assert connected_to.tolist() == [0, 1, 2, 3, 0, 1]


def test_every_wrong_parameter_is_named() -> None:
    wrong = Radio(carrier=0.0, exponent=-2.0, noise_figure=float("nan"), uplink_power=0.0)
    assert dict(radio_problems(wrong)) == {
        "radio.carrier": "must be positive, not 0.0",
        "radio.exponent": "must be positive, not -2.0",
        "radio.noise_figure": "must be a finite number, not nan",
        "radio.uplink_power": "must be positive, not 0.0",
    }
    assert not list(radio_problems(Radio(noise_figure=0.0)))
