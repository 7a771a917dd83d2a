"""The generator: the paper's setting, every range, records, errors, and the library made with it."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import LIBRARY
from hypothesis import given
from hypothesis import strategies as st
from reading import read_structured

from offloadlib import instances
from offloadlib.instances import LOCAL, UNLIMITED, InputError, Instance, read
from offloadlib.instances.draws import parameter_help, recorded, restored
from offloadlib.instances.hybrid.generate import HybridSetting
from offloadlib.instances.importers import ImportSetting
from offloadlib.instances.recipes import made_again, main
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.instances.structured.radio import Radio, link_rates

GENERATED = [
    path
    for path in sorted(LIBRARY.glob("*.json"))
    if "generator" in (json.loads(path.read_text()).get("source") or {})
]


def parts(instance: Instance) -> dict[str, np.ndarray]:
    """Parameter of the setting -> all its draws."""
    devices, points, groups = instance.devices, instance.points, instance.groups
    return {
        "device_cpu": devices.cpu,
        "point_cpu": points.cpu,
        "uplink": points.uplink,
        "downlink": points.downlink,
        "execute": devices.execute,
        "send": devices.send,
        "receive": devices.receive,
        "alpha": devices.alpha,
        **{
            key: np.concatenate([getattr(group, key).ravel() for group in groups])
            for key in ("work", "input", "output", "edge_data")
        },
    }


def test_the_papers_setting_is_the_default() -> None:
    instance = generate()
    assert (instance.num_devices, instance.num_points, instance.normalise) == (10, 10, "local")
    assert [application.id for application in instance.applications] == ["face"]
    assert set(instance.points.capacity.tolist()) == {20}
    assert set(instance.points.channels.tolist()) == {UNLIMITED}
    assert (instance.devices.connected_to != LOCAL).all()
    linked = instance.devices.connected_to
    assert (instance.devices.uplink == instance.points.uplink[linked]).all()
    assert (instance.points.uplink != instance.points.downlink).all()


def test_the_papers_ranges_are_filled() -> None:
    """Every range of Table 1: honoured, reached to both ends, and uniform in the mean."""
    setting = Setting(devices=4000, offload_points=4000)
    for key, values in parts(generate(setting, seed=1)).items():
        low, high = getattr(setting, key) or setting.output
        width = high - low
        assert low <= values.min() < low + 0.01 * width, key
        assert high - 0.01 * width < values.max() <= high, key
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.02 * width), key


def test_a_golden_instance() -> None:
    """Raise ``VERSION`` of the generator when this has to change."""
    setting = Setting(
        devices=7, offload_points=3, applications=("face", "layered-7", "series-parallel-6"), unconnected=0.3
    )
    golden = "f3e4ca8827c661b555dcc8d08b8f9d3f24d8324eeadde0e9218c0dd28906161f"
    assert generate(setting, seed=42).fingerprint == golden


def ranges(low: float, high: float) -> st.SearchStrategy[tuple[float, float]]:
    end = st.floats(low, high).map(lambda value: round(value, 3))
    return st.tuples(end, end).map(lambda ends: (min(ends), max(ends)))


@st.composite
def any_setting(draw: st.DrawFn) -> Setting:
    names = ("face", "chain-3", "fork-join-2", "layered-6", "series-parallel-5")
    return Setting(
        devices=draw(st.integers(1, 30)),
        offload_points=draw(st.integers(1, 5)),
        applications=tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))),
        capacity=draw(st.integers(0, 9)),
        channels=draw(st.none() | st.integers(0, 3)),
        unconnected=draw(st.floats(0, 1)),
        area=draw(st.none() | st.floats(1, 5000)),
        normalise=draw(st.sampled_from(["none", "local"])),
        alpha=draw(ranges(0, 1)),
        execute=draw(ranges(0.1, 50)),
        edge_data=draw(st.none() | ranges(0, 3)),
        device_cpu=draw(ranges(0.01, 9)),
        point_cpu=draw(ranges(0.01, 9)),
        uplink=draw(ranges(0.01, 9)),
        downlink=draw(ranges(0.01, 9)),
        work=draw(ranges(0.01, 9)),
        send=draw(ranges(0, 9)),
        receive=draw(ranges(0, 9)),
        input=draw(ranges(0, 9)),
        output=draw(ranges(0, 9)),
    )


@given(setting=any_setting(), seed=st.integers(0, 2**64))
def test_every_range_is_honoured(setting: Setting, seed: int) -> None:
    instance = generate(setting, seed=seed)
    for key, values in parts(instance).items():
        if setting.area is not None and key in ("uplink", "downlink"):
            continue
        low, high = getattr(setting, key) or setting.output
        assert ((values >= low) & (values <= high) | (values == 0) & (low < 1e-9)).all(), key
    assert (instance.devices.connected_to == LOCAL).sum() == round(setting.unconnected * setting.devices)
    assert set(instance.points.capacity.tolist()) == {setting.capacity}
    used = {instance.applications[i].id for i in instance.devices.application.tolist()}
    assert used <= set(setting.applications)
    assert generate(setting, seed=seed).fingerprint == instance.fingerprint


@given(st.integers(0, 2**64), st.integers(0, 2**64))
def test_seeds_tell_instances_apart(first: int, second: int) -> None:
    setting = Setting(devices=2, offload_points=2)
    same = generate(setting, seed=first).fingerprint == generate(setting, seed=second).fingerprint
    assert same == (first == second)


def test_a_limit_changes_nothing_else() -> None:
    """Capacity and channels can be varied over the same devices, points and tasks."""
    loose, tight = (generate(setting, seed=3) for setting in (Setting(), Setting(capacity=1, channels=2)))
    assert all((a == b).all() for a, b in zip(parts(loose).values(), parts(tight).values(), strict=True))
    assert (loose.devices.connected_to == tight.devices.connected_to).all()


def test_connections_are_uniform() -> None:
    instance = generate(Setting(devices=10_000, offload_points=4), seed=5)
    assert np.bincount(instance.devices.connected_to) == pytest.approx([2500] * 4, rel=0.1)


def test_a_map_gives_positions_and_rates_of_the_devices_own() -> None:
    radio = Radio(exponent=3.0)
    setting = Setting(devices=300, offload_points=5, area=800.0, reach=250.0, radio=radio)
    instance = generate(setting, seed=4)
    devices, points = instance.devices, instance.points
    distance = np.hypot(*(devices.position[:, None] - points.position[None]).transpose(2, 0, 1))
    linked = devices.connected_to != LOCAL
    assert 0 < (~linked).sum() < 300
    assert (linked == (distance.min(axis=1) <= 250)).all()
    assert (devices.connected_to[linked] == distance.argmin(axis=1)[linked]).all()
    uplink, downlink = link_rates(distance.min(axis=1), devices.send, radio)
    assert devices.uplink[linked] == pytest.approx(uplink[linked], abs=2e-6)
    assert devices.downlink[linked] == pytest.approx(downlink[linked], abs=2e-6)
    assert np.isnan(devices.uplink[~linked]).all()
    assert (devices.position >= 0).all() and (devices.position <= 800).all()


def test_source_records_what_it_takes_to_repeat(tmp_path: Path) -> None:
    setting = Setting(devices=4, applications=("face", "chain-3"), edge_data=(0.1, 0.2), area=100.0)
    instance = generate(setting, seed=9, name="again", description="twice")
    instances.write(instance, tmp_path / "file.json")
    stored = read_structured(tmp_path / "file.json")
    assert stored.source == instance.source
    assert stored.source is not None
    parameters: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in stored.source["parameters"].items()
    }
    parameters["radio"] = Radio(**parameters["radio"])
    assert Setting(**parameters) == setting
    again = generate(Setting(**parameters), seed=stored.source["seed"])
    assert again.fingerprint == stored.fingerprint
    assert (stored.name, stored.description) == ("again", "twice")


def test_work_grows_as_the_devices_do() -> None:
    """What makes large instances a matter of seconds: so many calls for each, whatever their number."""

    def calls(devices: int) -> int:
        count = 0

        def counted(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(counted)
        try:
            instance = generate(Setting(devices=devices, offload_points=20))
        finally:
            sys.setprofile(None)
        assert instance.num_subtasks == 5 * devices
        return count

    calls(10)
    assert calls(20_000) < 12 * calls(2_000) < 12 * 60 * 2_000


@pytest.mark.parametrize(
    ("change", "place", "what"),
    [
        ({"devices": 0}, "devices", "must be a whole number in 1..10000000, not 0"),
        ({"devices": 2.5}, "devices", "must be a whole number in 1..10000000, not 2.5"),
        ({"devices": True}, "devices", "must be a whole number in 1..10000000, not True"),
        ({"offload_points": -3}, "offload_points", "must be a whole number in 1..10000000, not -3"),
        ({"capacity": -1}, "capacity", "must be a whole number in 0..1000000000, not -1"),
        ({"channels": 1.5}, "channels", "must be a whole number in 0..1000000000, not 1.5"),
        ({"device_cpu": (0.0, 1.0)}, "device_cpu[0]", "must be a number in [1e-09, 1e+09], not 0.0"),
        ({"device_cpu": (2.0, 1.0)}, "device_cpu", "low 2.0 is above high 1.0"),
        ({"work": (-1.0, 1.0)}, "work[0]", "must be a number in [0, 1e+09], not -1.0"),
        ({"work": (0, 0)}, "work", "the all-local delay would be 0 and cannot normalise"),
        ({"execute": (0, 0)}, "execute", "the all-local energy would be 0 and cannot normalise"),
        ({"input": (0.0, float("nan"))}, "input[1]", "must be a number in [0, 1e+09], not nan"),
        ({"output": (0.0, 1e10)}, "output[1]", "must be a number in [0, 1e+09], not 10000000000.0"),
        ({"output": (0.0, 1e-12)}, "output", "high 1e-12 has a magnitude outside [1e-09, 1e+09]"),
        ({"edge_data": 3}, "edge_data", "must be a pair (low, high), not 3"),
        ({"alpha": (0.0, 1.5)}, "alpha[1]", "must be a number in [0, 1], not 1.5"),
        ({"alpha": ("0", 1)}, "alpha[0]", "must be a number in [0, 1], not '0'"),
        ({"unconnected": 1.01}, "unconnected", "must be a number in [0, 1], not 1.01"),
        ({"normalise": "global"}, "normalise", 'must be "none" or "local", not \'global\''),
        ({"area": 0.0}, "area", "must be a number in [1, 1e+09], not 0.0"),
        ({"reach": -5.0}, "reach", "must be a number in [1, 1e+09], not -5.0"),
        ({"radio": Radio(carrier=-1.0)}, "radio.carrier", "must be positive, not -1.0"),
        ({"applications": ()}, "applications", "must name at least one application"),
        ({"applications": ("face", "face")}, "applications[1]", 'names "face" again'),
        ({"applications": ("faces",)}, "applications[0]", 'unknown application "faces"'),
        ({"applications": ("chain-0",)}, "applications[0]", '"0" in application "chain-0" must be'),
    ],
)
def test_wrong_parameters(change: dict[str, Any], place: str, what: str) -> None:
    with pytest.raises(InputError) as error:
        generate(Setting(**change))
    [(where, message)] = error.value.problems
    assert where == place
    assert message.startswith(what)


def test_all_wrong_parameters_at_once() -> None:
    wrong = Setting(devices=0, work=(3, 1), alpha=(-1, 2), applications=("x", "y"), radio=Radio(exponent=0))
    with pytest.raises(InputError) as error:
        generate(wrong, seed=-1)
    places = [place for place, _ in error.value.problems]
    expected = "alpha[0] alpha[1] applications[0] applications[1] devices radio.exponent seed work"
    assert sorted(places) == expected.split()


def test_zeros_are_fine_where_nothing_is_divided() -> None:
    instance = generate(Setting(normalise="none", work=(0, 0), execute=(0, 0), send=(0, 0), input=(0, 0)))
    assert not parts(instance)["work"].any()
    assert generate(Setting(execute=(0, 0), alpha=(1, 1))).num_devices == 10


def test_every_parameter_is_explained() -> None:
    assert parameter_help(Setting).keys() == {field.name for field in dataclasses.fields(Setting)}
    assert parameter_help(Setting)["capacity"] == "Subtasks that each offload point can take (q1)."


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.stem)
def test_the_library_is_what_its_sources_say(path: Path) -> None:
    shipped: Any = read(path)
    made: Any = made_again(shipped)
    assert shipped.fingerprint == made.fingerprint
    assert (shipped.name, shipped.description, shipped.source) == (made.name, made.description, made.source)


def test_what_says_nothing_of_how_it_was_made_is_refused() -> None:
    with pytest.raises(InputError, match="source: does not say how it was made"):
        made_again(read(LIBRARY / "worked-example.json"))


def test_the_library_has_nothing_else_and_stays_small() -> None:
    files = [path for path in LIBRARY.glob("*.json") if "format" in json.loads(path.read_text())]
    files = [path for path in files if json.loads(path.read_text())["format"] == "offloadlib-instance"]
    assert all(read(path).name == path.stem for path in files)
    assert sum(path.stat().st_size for path in files) < 3_000_000
    assert {f"paper-m{devices:03d}" for devices in (5, 10, 20, 40, 70, 100)} <= {p.stem for p in files}


def test_rebuilding_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["paper-m005", "melbourne-s", "--folder", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["paper-m005.json"]
    assert (tmp_path / "paper-m005.json").read_bytes() == (LIBRARY / "paper-m005.json").read_bytes()
    printed = capsys.readouterr().out
    assert "paper-m005: 5 devices, 10 offload points, 25 subtasks, all-local cost 5" in printed
    assert "melbourne-s: left out, it needs --data" in printed
    with pytest.raises(SystemExit):
        main(["no-such-file"])


# --- format 2 ---------------------------------------------------------------------------------------


LIMITED = Setting(
    devices=40,
    offload_points=4,
    applications=("face", "chain-3"),
    resources=("memory", "gpu"),
    deadline=(0.7, 1.1),
    energy_budget=(0.8, 1.2),
    rejection=(1.0, 2.0),
    weight=(0.5, 2.0),
    latency=(0.01, 0.02),
    fee=(0.05, 0.1),
    pinned=0.2,
    accelerated=0.3,
    total_delay=0.9,
    total_energy=0.8,
    objective="max",
)


def test_limits_are_drawn_in_their_ranges() -> None:
    instance = generate(LIMITED, seed=5)
    devices, points, local = instance.devices, instance.points, instance.evaluate(instance.all_local)
    assert instance.version == 2
    assert instance.resources == LIMITED.resources
    assert instance.objective == "max"
    for ratio, (low, high) in (
        (devices.deadline / local.delay, (0.7, 1.1)),
        (devices.energy_budget / local.energy, (0.8, 1.2)),
        (devices.rejection, (1.0, 2.0)),  # all-local costs 1 where costs are relative to it
        (devices.weight, (0.5, 2.0)),
        (devices.latency_up, (0.01, 0.02)),
        (devices.latency_down, (0.01, 0.02)),
        (points.fee_subtask, (0.05, 0.1)),
        (points.room, LIMITED.room),
    ):
        assert low * (1 - 1e-12) <= ratio.min() < ratio.max() <= high * (1 + 1e-12)
    assert instance.totals.delay == pytest.approx(0.9 * local.delay.sum())
    assert instance.totals.energy == pytest.approx(0.8 * local.energy.sum())
    pinned = sum(len(group.allowed) for group in instance.groups) / instance.num_subtasks
    fast = sum(len(group.exceptions) for group in instance.groups) / instance.num_subtasks / 4
    assert 0.1 < pinned < 0.3
    assert 0.2 < fast < 0.4
    for group in instance.groups:
        assert not group.allowed.places[:, :-1].any()
        at = group.exceptions
        once = group.work[at.row, at.subtask] / points.cpu[at.place]
        assert (once / at.execution >= 2 * (1 - 1e-12)).all()
        assert ((group.demand >= 1) & (group.demand <= 3)).all()


def test_what_is_drawn_of_format_2_changes_nothing_else(tmp_path: Path) -> None:
    plain = Setting(devices=40, offload_points=4, applications=("face", "chain-3"))
    one, other = generate(plain, seed=5), generate(LIMITED, seed=5)
    assert one.version == 1
    assert one.source is not None
    assert not set(one.source["parameters"]) & Setting.later()
    for name in ("cpu", "execute", "alpha", "connected_to", "uplink"):
        assert np.array_equal(getattr(one.devices, name), getattr(other.devices, name))
    for first, second in zip(one.groups, other.groups, strict=True):
        assert np.array_equal(first.work, second.work)
    assert generate(LIMITED, seed=5).fingerprint == other.fingerprint != generate(LIMITED, seed=6).fingerprint
    for name in ("a.json", "a.zip"):
        instances.write(other, tmp_path / name)
        assert read(tmp_path / name).fingerprint == other.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resources": ("a", "a")}, r"resources\[1\]: names \"a\" again"),
        ({"resources": ("subtasks",)}, r"resources\[0\]: must be a name other than \"subtasks\""),
        ({"deadline": (2.0, 1.0)}, "deadline: low 2.0 is above high 1.0"),
        ({"rejection": (-1.0, 1.0)}, "rejection"),
        ({"pinned": 1.5}, "pinned: must be a number in"),
        ({"speedup": (0.0, 1.0)}, "speedup"),
        ({"total_energy": -1.0}, "total_energy: must be a number"),
        ({"objective": "least"}, 'objective: must be "sum" or "max"'),
    ],
)
def test_bad_limits_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate(Setting(**changes))


@pytest.mark.parametrize(
    "setting",
    [
        Setting(),
        Setting(
            applications=("face", "chain-3"), edge_data=(0.1, 0.2), area=500.0, radio=Radio(exponent=3.0)
        ),
        Setting(resources=("memory",), deadline=(1.0, 2.0)),
        ImportSetting(mean_data=1.0, outside="leave-out"),
        HybridSetting(cloud_rate=None, sizes=(1, 2)),
    ],
    ids=["default", "graphs", "format 2", "import", "hybrid"],
)
def test_recorded_parameters_give_the_setting_back(setting: Any) -> None:
    assert restored(type(setting), recorded(setting)) == setting
