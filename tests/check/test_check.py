"""The independent checker: golden figures, one rule at a time, unusable files, both forms of a file.

Costs, fingerprints and columnar files are made here from the definitions, with code that has nothing in
common with the checker (fractions, one-shot `json.dumps`, `struct`).
"""

from __future__ import annotations

import ast
import copy
import hashlib
import io
import itertools
import json
import math
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from counts import FOLDER, examples
from folders import LIBRARY
from hypothesis import given
from hypothesis import strategies as st
from sceptic import CHECKER, by_path

from offloadlib.packing import pack

EXAMPLE: dict[str, Any] = json.loads((LIBRARY / "worked-example.json").read_text("utf-8"))
ALL_LOCAL: dict[str, list[str | None]] = {"ud1": [None] * 5, "ud2": [None] * 5}
GOLDEN: dict[str, list[str | None]] = {
    "ud1": [None, "op1", "op1", "op2", None],
    "ud2": [None, None, "op2", None, None],
}

checker = by_path("independent_checker")

Run = Callable[..., subprocess.CompletedProcess[str]]

Document = dict[str, Any]


# --- the definitions, written down once more --------------------------------------------------------


def reference_cost(instance: Document, decisions: dict[str, list[str | None]]) -> Fraction:
    """Equations (1) to (5) in fractions, with every path of the graph."""
    devices = instance["devices"]
    return sum((device_cost(instance, device, decisions[device["id"]]) for device in devices), Fraction(0))


def device_cost(instance: Document, device: Document, places: list[str | None]) -> Fraction:
    alpha = Fraction(float(device["alpha"]))
    delay, energy = delay_and_energy(instance, device, places)
    if instance["cost"]["normalise"] == "none":
        return alpha * delay + (1 - alpha) * energy
    local_delay, local_energy = delay_and_energy(instance, device, [None] * len(places))
    cost = Fraction(0)
    if alpha != 0:
        cost += alpha * delay / local_delay
    if alpha != 1:
        cost += (1 - alpha) * energy / local_energy
    return cost


def delay_and_energy(
    instance: Document, device: Document, places: list[str | None]
) -> tuple[Fraction, Fraction]:
    def number(value: float) -> Fraction:
        return Fraction(float(value))

    application = next(a for a in instance["applications"] if a["id"] == device["application"])
    points = {point["id"]: point for point in instance["offload_points"]}
    station = points.get(device["connected_to"], {})
    names = application["subtasks"]
    place = dict(zip(names, places, strict=True))
    data = device.get("edge_data")
    output = dict(zip(names, device["output"], strict=True))
    power = {key: number(value) for key, value in device["power"].items()}
    delay, energy = {}, Fraction(0)
    for k, name in enumerate(names):
        up = down = Fraction(0)
        for i, (parent, child) in enumerate(application["edges"]):
            size = number(output[parent] if data is None else data[i])
            if child == name and place[parent] is None and place[name] is not None:
                up += size
            if child == name and place[parent] is not None and place[name] is None:
                down += size
        if place[name] is not None and all(child != name for _, child in application["edges"]):
            up += number(device["input"][k])
        if place[name] is not None and all(parent != name for parent, _ in application["edges"]):
            down += number(device["output"][k])
        cpu = device["cpu"] if place[name] is None else points[place[name]]["cpu"]
        execution = number(device["work"][k]) / number(cpu)
        if up:
            up /= number(device["uplink"] if device.get("uplink") is not None else station["uplink"])
        if down:
            down /= number(device["downlink"] if device.get("downlink") is not None else station["downlink"])
        delay[name] = execution + up + down
        energy += up * power["send"] + down * power["receive"]
        if place[name] is None:
            energy += execution * power["execute"]

    def heaviest_from(name: str) -> Fraction:
        children = [child for parent, child in application["edges"] if parent == name]
        return delay[name] + max(map(heaviest_from, children), default=Fraction(0))

    return max(map(heaviest_from, names)), energy


def reference_fingerprint(instance: Document) -> str:
    """The canonical form in one piece."""

    def plain(value: float) -> float:
        return 0.0 if value == 0 else float(value)

    points = {point["id"]: point for point in instance["offload_points"]}
    canonical: Document = {key: instance[key] for key in ("format", "kind", "cost", "applications")}
    canonical |= {"version": 1, "offload_points": [], "devices": []}
    for point in instance["offload_points"]:
        piece = {"id": point["id"], "capacity": int(point["capacity"])}
        piece |= {key: plain(point[key]) for key in ("cpu", "uplink", "downlink")}
        if point.get("channels") is not None:
            piece["channels"] = int(point["channels"])
        canonical["offload_points"].append(piece)
    for device in instance["devices"]:
        application = next(a for a in instance["applications"] if a["id"] == device["application"])
        piece = {key: device[key] for key in ("id", "application")}
        piece |= {key: plain(device[key]) for key in ("cpu", "alpha")}
        piece |= {key: list(map(plain, device[key])) for key in ("work", "input", "output")}
        piece["power"] = {key: plain(value) for key, value in device["power"].items()}
        if device["connected_to"] is not None:
            piece["connected_to"] = device["connected_to"]
        for key in ("uplink", "downlink"):
            default = points.get(device["connected_to"], {}).get(key)
            if device.get(key) is not None and device[key] != default:
                piece[key] = plain(device[key])
        default = [device["output"][application["subtasks"].index(j)] for j, _ in application["edges"]]
        if device.get("edge_data") is not None and device["edge_data"] != default:
            piece["edge_data"] = list(map(plain, device["edge_data"]))
        canonical["devices"].append(piece)
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def columnar_members(instance: Document) -> dict[str, bytes]:
    """The members of the columnar form."""
    devices = instance["devices"]
    applications = [application["id"] for application in instance["applications"]]
    points = [None, *(point["id"] for point in instance["offload_points"])]
    columns: Document = {}
    members: dict[str, bytes] = {}

    def put(name: str, kind: str, shape: list[int], values: list[Any]) -> None:
        columns[name] = {"type": kind, "shape": shape}
        if kind == "json":
            members[f"columns/{name}"] = json.dumps(values).encode()
        else:
            members[f"columns/{name}"] = struct.pack(
                f"<{len(values)}{'d' if kind == '<f8' else 'i'}", *values
            )

    count = len(devices)
    kinds = [applications.index(device["application"]) for device in devices]
    put("id", "json", [count], [device["id"] for device in devices])
    put("application", "<i4", [count], kinds)
    put("connected_to", "<i4", [count], [points.index(device["connected_to"]) - 1 for device in devices])
    for name in ("cpu", "alpha"):
        put(name, "<f8", [count], [device[name] for device in devices])
    for name in ("execute", "send", "receive"):
        put(f"power.{name}", "<f8", [count], [device["power"][name] for device in devices])
    for name in ("uplink", "downlink"):
        if any(device.get(name) is not None for device in devices):
            given = [device.get(name) for device in devices]
            put(name, "<f8", [count], [math.nan if rate is None else rate for rate in given])
    if any(device.get("position") is not None for device in devices):
        positions = [device.get("position") or [math.nan, math.nan] for device in devices]
        put("position", "<f8", [count, 2], list(itertools.chain(*positions)))
    for i, application in enumerate(instance["applications"]):
        members_of = [device for device, kind in zip(devices, kinds, strict=True) if kind == i]
        width, arcs = len(application["subtasks"]), len(application["edges"])
        for name in ("work", "input", "output") if members_of else ():
            rows = [device[name] for device in members_of]
            put(f"{name}.{i}", "<f8", [len(rows), width], list(itertools.chain(*rows)))
        if any(device.get("edge_data") is not None for device in members_of):
            rows = [device.get("edge_data") or [math.nan] * arcs for device in members_of]
            put(f"edge_data.{i}", "<f8", [len(rows), arcs], list(itertools.chain(*rows)))
    header = {key: value for key, value in instance.items() if key != "devices"} | {"columns": columns}
    return {"header.json": json.dumps(header).encode(), **members}


# --- files and runs ---------------------------------------------------------------------------------


def write_json(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), "utf-8")
    return path


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def solution(instance: Document, decisions: dict[str, Any], /, **changes: Any) -> Document:
    """A feasible solution with the right objective, unless changed."""
    document = {
        "format": "offloadlib-solution",
        "version": 1,
        "instance": {"name": instance["name"], "sha256": reference_fingerprint(instance)},
        "method": "by hand",
        "objective": None,
        "lower_bound": None,
        "status": "feasible",
        "decisions": decisions,
        "run": {"seed": 1},
    } | changes
    if document["objective"] is None:
        document["objective"] = float(reference_cost(instance, decisions))
    return document


def verdict_of(folder: Path, instance: Document, answer: Document) -> Any:
    return checker.check(
        write_json(folder / "instance.json", instance), write_json(folder / "solution.json", answer)
    )


def failed(verdict: Any) -> list[str]:
    assert verdict.accepted == all(rule.ok for rule in verdict.rules)
    return [rule.name for rule in verdict.rules if not rule.ok]


def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
    """The command line within this process, which spares starting Python more than a hundred times."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = checker.main([*map(str, arguments)])
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def run_alone(*arguments: Any, options: tuple[str, ...] = ("-I",)) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, found from anywhere."""
    command = [sys.executable, *options, str(CHECKER), *map(str, arguments)]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, timeout=120)


def example(**changes: Any) -> Document:
    """The worked example; a key such as "devices.0.cpu" says what to change, and ... removes it."""
    document: Document = copy.deepcopy(EXAMPLE)
    for path, value in changes.items():
        change(document, path, value)
    return document


def change(document: Any, path: str, value: Any) -> None:
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in steps:
        document = document[step]
    if value is ...:
        del document[last]
    else:
        document[last] = value


# --- the worked example -----------------------------------------------------------------------------


@pytest.mark.parametrize(("decisions", "cost"), [(GOLDEN, 15.125 + 17.0533333333333333), (ALL_LOCAL, 72.77)])
def test_worked_example(tmp_path: Path, decisions: dict[str, Any], cost: float) -> None:
    answer = solution(EXAMPLE, decisions, objective=cost)
    verdict = verdict_of(tmp_path, EXAMPLE, answer)
    assert verdict.accepted
    assert verdict.objective == pytest.approx(cost, rel=1e-12)
    assert verdict.objective == float(reference_cost(EXAMPLE, decisions))


def test_optimum_of_worked_example(tmp_path: Path) -> None:
    places = [None, "op1", "op2"]
    choices = list(itertools.product(places, repeat=5))
    costs = [
        [device_cost(EXAMPLE, device, list(choice)) for choice in choices] for device in EXAMPLE["devices"]
    ]
    uses = [(choice.count("op1"), choice.count("op2")) for choice in choices]
    best, first, second = min(
        (costs[0][a] + costs[1][b], a, b)
        for a, b in itertools.product(range(len(choices)), repeat=2)
        if uses[a][0] + uses[b][0] <= 3 and uses[a][1] + uses[b][1] <= 2
    )
    decisions = {"ud1": list(choices[first]), "ud2": list(choices[second])}
    bound = float(best)
    verdict = verdict_of(tmp_path, EXAMPLE, solution(EXAMPLE, decisions, lower_bound=bound, status="optimal"))
    assert verdict.accepted
    assert verdict.objective == pytest.approx(24.045, rel=1e-12)


def test_normalised_all_local_costs_one_per_device(tmp_path: Path) -> None:
    instance = example(**{"cost.normalise": "local"})
    assert verdict_of(tmp_path, instance, solution(instance, ALL_LOCAL, objective=2)).objective == 2.0


@pytest.mark.parametrize(
    "changes",
    [
        {"devices.0.alpha": 1, "devices.0.power.execute": 0},
        {"devices.0.alpha": 0, "devices.0.output": [0, 0, 0, 0, 0]},
        {"devices.0.alpha": 1, "devices.0.power": {"execute": 0, "send": 0, "receive": 0}},
    ],
)
def test_zero_weight_counts_zero(tmp_path: Path, changes: Document) -> None:
    instance = example(**{"cost.normalise": "local", **changes})
    assert verdict_of(tmp_path, instance, solution(instance, GOLDEN)).accepted


# --- each rule alone --------------------------------------------------------------------------------


def rejected_by(folder: Path, instance: Document, answer: Document, rule: str) -> str:
    """Check that just this rule fails, through the command line as well; return its message."""
    verdict = verdict_of(folder, instance, answer)
    assert failed(verdict) == [rule]
    done = run(folder / "instance.json", folder / "solution.json", "--json")
    assert done.returncode == 1
    assert done.stderr == ""
    assert json.loads(done.stdout) == json.loads(json.dumps(verdict.as_dict()))
    return next(str(item.message) for item in verdict.rules if not item.ok)


def test_fingerprint_rule(tmp_path: Path) -> None:
    other = solution(example(**{"devices.0.cpu": 1.5}), GOLDEN)["instance"]
    assert "the instance is" in rejected_by(
        tmp_path, EXAMPLE, solution(EXAMPLE, GOLDEN, instance=other), "fingerprint"
    )


def test_decisions_rule_lists_everything(tmp_path: Path) -> None:
    decisions = {"ud1": ["op3", None, "op\nx", None], "ud9": []}
    message = rejected_by(tmp_path, EXAMPLE, solution(EXAMPLE, decisions, objective=0), "decisions")
    for part in (
        "device 'ud1' has 4 places for 5 subtasks",
        "device 'ud1': unknown offload point 'op3'",
        r"device 'ud1': unknown offload point 'op\nx'",
        "device 'ud2' has no decision",
        "unknown device 'ud9'",
    ):
        assert part in message


def test_connections_rule(tmp_path: Path) -> None:
    instance = example(**{"devices.0.connected_to": None})
    answer = solution(instance, GOLDEN, objective=0)
    assert "'ud1' offloads without a connection" in rejected_by(tmp_path, instance, answer, "connections")
    assert math.isnan(verdict_of(tmp_path, instance, answer).objective)
    local = {**GOLDEN, "ud1": ALL_LOCAL["ud1"]}
    assert verdict_of(tmp_path, instance, solution(instance, local)).accepted


def test_capacity_rule(tmp_path: Path) -> None:
    full = {**ALL_LOCAL, "ud1": ["op1", "op1", "op1", None, None]}
    assert verdict_of(tmp_path, EXAMPLE, solution(EXAMPLE, full)).accepted
    over = {**ALL_LOCAL, "ud1": ["op1", "op1", "op1", None, "op1"]}
    message = rejected_by(tmp_path, EXAMPLE, solution(EXAMPLE, over), "capacity")
    assert message == "'op1' has 4 subtasks, 1 above its limit of 3"
    both = {"ud1": ["op1"] * 5, "ud2": ["op2"] * 5}
    message = rejected_by(tmp_path, EXAMPLE, solution(EXAMPLE, both), "capacity")
    assert "2 above its limit of 3" in message
    assert "3 above its limit of 2" in message


def test_channels_rule(tmp_path: Path) -> None:
    # Both use op2's radio; where the subtasks run makes no difference.
    instance = example(**{"devices.0.connected_to": "op2"})
    decisions = {"ud1": [None, "op1", None, None, None], "ud2": [None, None, "op1", None, None]}
    message = rejected_by(tmp_path, instance, solution(instance, decisions), "channels")
    assert message == "'op2' has 2 devices, 1 above its limit of 1"
    for limit in (None, 2, 2.0):
        change(instance, "offload_points.1.channels", limit)
        assert verdict_of(tmp_path, instance, solution(instance, decisions)).accepted


@pytest.mark.parametrize("sign", [-1, 1])
def test_objective_rule(tmp_path: Path, sign: int) -> None:
    cost = float(reference_cost(EXAMPLE, GOLDEN))
    far = solution(EXAMPLE, GOLDEN, objective=cost * (1 + sign * 2e-9))
    rejected_by(tmp_path, EXAMPLE, far, "objective")
    near = solution(EXAMPLE, GOLDEN, objective=cost * (1 + sign * 0.5e-9))
    assert verdict_of(tmp_path, EXAMPLE, near).accepted


def test_objective_tolerance_is_absolute_below_one(tmp_path: Path) -> None:
    instance = example(**{f"devices.{m}.work": [1e-9] * 5 for m in range(2)})
    assert reference_cost(instance, ALL_LOCAL) < Fraction(1, 1000)
    assert verdict_of(tmp_path, instance, solution(instance, ALL_LOCAL, objective=0)).objective > 0
    for off, expected in ((0.9e-9, []), (1.1e-9, ["objective"])):
        stated = float(reference_cost(instance, ALL_LOCAL)) + off
        answer = solution(instance, ALL_LOCAL, objective=stated)
        assert failed(verdict_of(tmp_path, instance, answer)) == expected


def test_lower_bound_rule(tmp_path: Path) -> None:
    cost = float(reference_cost(EXAMPLE, GOLDEN))
    rejected_by(tmp_path, EXAMPLE, solution(EXAMPLE, GOLDEN, lower_bound=cost * (1 + 2e-9)), "lower_bound")
    for bound in (cost * (1 + 0.5e-9), cost, 0, -1e300):
        assert verdict_of(tmp_path, EXAMPLE, solution(EXAMPLE, GOLDEN, lower_bound=bound)).accepted


@pytest.mark.parametrize("gap", [None, 2e-9, 1.0])
def test_status_rule(tmp_path: Path, gap: float | None) -> None:
    cost = float(reference_cost(EXAMPLE, GOLDEN))
    bound = None if gap is None else cost * (1 - gap)
    answer = solution(EXAMPLE, GOLDEN, status="optimal", lower_bound=bound)
    rejected_by(tmp_path, EXAMPLE, answer, "status")
    closed = solution(EXAMPLE, GOLDEN, status="optimal", lower_bound=cost * (1 - 0.5e-9))
    assert verdict_of(tmp_path, EXAMPLE, closed).accepted


def test_status_at_objective_zero(tmp_path: Path) -> None:
    idle = example(**{f"devices.{m}.work": [0] * 5 for m in range(2)})
    for bound, expected in ((0, []), (-1e-12, ["status"]), (-1e308, ["status"])):
        answer = solution(idle, ALL_LOCAL, objective=-0.0, status="optimal", lower_bound=bound)
        assert failed(verdict_of(tmp_path, idle, answer)) == expected


def test_total_decides_where_no_grid_does() -> None:
    thirds = checker.exact.Total(lambda: [(1, 3), (2, 6), (1, 3)])
    assert thirds.settle(lambda cost: cost <= 1)
    assert not thirds.settle(lambda cost: cost > 1)
    tie = checker.exact.Total(
        lambda: [(1, 3), (2 * 2**53 + 3, 3 * 2**53)]
    )  # 1 + 2^-53, half way to the next float
    assert tie.settle(float) == 1.0


def test_total_refines_its_grid() -> None:
    tiny = checker.exact.Total(lambda: [(1, 3), (2, 3), (1, 2**300)])
    assert tiny.settle(lambda cost: cost > 1)
    low, high = tiny.enclosure(200)
    assert low <= 1 < high


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)), min_size=1, max_size=8))
def test_total_is_exact(costs: list[tuple[int, int]]) -> None:
    exact = sum((Fraction(*cost) for cost in costs), Fraction(0))
    total = checker.exact.Total(lambda: costs)
    assert total.settle(float) == float(exact)
    assert total.settle(lambda cost: cost <= exact)
    assert not total.settle(lambda cost: cost < exact)


# --- random instances against the definitions -------------------------------------------------------

MAGNITUDES = st.one_of(
    st.sampled_from([1e-9, 0.1, 0.3, 0.5, 1, 2, 3, 7.5, 1e9]), st.floats(1e-9, 1e9), st.integers(1, 10**9)
)
SIZES = st.one_of(MAGNITUDES, st.just(0), st.just(-0.0))
WEIGHTS = st.one_of(st.sampled_from([0, 1, 0.5, 0.1, 1e-9]), st.floats(1e-9, 1))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Document, dict[str, list[str | None]]]:
    """An instance with general graphs, and decisions that respect the connections."""
    applications: list[Document] = []
    for a in range(draw(st.integers(1, 2))):
        names = [f"s{k}" for k in range(draw(st.integers(1, 4)))]
        order = draw(st.permutations(names))
        arcs = [list(arc) for arc in itertools.combinations(order, 2) if draw(st.booleans())]
        applications.append({"id": f"app{a}", "subtasks": names, "edges": draw(st.permutations(arcs))})
    points = []
    for n in range(draw(st.integers(1, 3))):
        point: Document = {"id": f"op{n}", "capacity": draw(st.integers(0, 20)), "channels": None}
        point |= {key: draw(MAGNITUDES) for key in ("cpu", "uplink", "downlink")}
        if draw(st.booleans()):
            point |= {"channels": draw(st.integers(0, 4)), "position": [draw(st.floats(-10, 10)), 0]}
        points.append(point)
    devices: list[Document] = []
    decisions: dict[str, list[str | None]] = {}
    for m in range(draw(st.integers(1, 4))):
        application = draw(st.sampled_from(applications))
        size = len(application["subtasks"])
        home = draw(st.sampled_from([None, *points]))
        device: Document = {
            "id": f"ud{m}",
            "application": application["id"],
            "cpu": draw(MAGNITUDES),
            "power": {key: draw(SIZES) for key in ("execute", "send", "receive")},
            "connected_to": home and home["id"],
            "alpha": draw(WEIGHTS),
        }
        device |= {key: [draw(SIZES) for _ in range(size)] for key in ("work", "input", "output")}
        for rate in ("uplink", "downlink"):
            if draw(st.booleans()):
                device[rate] = draw(
                    MAGNITUDES if home is None else st.one_of(MAGNITUDES, st.just(home[rate]))
                )
        if draw(st.booleans()):
            device["edge_data"] = [draw(SIZES) for _ in application["edges"]]
        if draw(st.booleans()):
            device["position"] = [draw(st.floats(-10, 10)), 1]
        devices.append(device)
        places = st.none() if home is None else st.sampled_from([None, *(point["id"] for point in points)])
        decisions[device["id"]] = [draw(places) for _ in range(size)]
    normalise = draw(st.sampled_from(["none", "local"]))
    if normalise == "local":
        for device in devices:
            device["work"][0] = device["work"][0] or 1
            device["power"]["execute"] = device["power"]["execute"] or (0 if device["alpha"] == 1 else 1)
    head = {"format": "offloadlib-instance", "version": 1, "kind": "structured", "name": "random"}
    parts = {"applications": applications, "offload_points": points, "devices": devices}
    return {**head, "cost": {"normalise": normalise}, **parts}, decisions


@examples(150, base=FOLDER)
@given(cases())
def test_random_instances(tmp_path: Path, case: tuple[Document, dict[str, list[str | None]]]) -> None:
    instance, decisions = case
    cost = reference_cost(instance, decisions)
    verdict = verdict_of(tmp_path, instance, solution(instance, decisions))
    assert verdict.objective == float(cost)

    chosen = [place for places in decisions.values() for place in places]
    active = {name for name, places in decisions.items() if any(places)}
    users = [device["connected_to"] for device in instance["devices"] if device["id"] in active]
    expected = []
    if any(chosen.count(point["id"]) > point["capacity"] for point in instance["offload_points"]):
        expected.append("capacity")
    if any(
        users.count(p["id"]) > p["channels"] for p in instance["offload_points"] if p["channels"] is not None
    ):
        expected.append("channels")
    assert failed(verdict) == expected

    archive = write_zip(tmp_path / "instance.zip", columnar_members(instance))
    assert checker.check(archive, tmp_path / "solution.json") == verdict


def test_exact_cost_is_a_fraction() -> None:
    instance = checker.files._instance_from_json(EXAMPLE, "example")
    for device, document in zip(instance.devices, EXAMPLE["devices"], strict=True):
        for places in itertools.product(range(-1, 2), repeat=5):
            names = [None if place < 0 else f"op{place + 1}" for place in places]
            assert Fraction(*checker.exact.device_cost(instance, device, places)) == device_cost(
                EXAMPLE, document, names
            )


# --- the fingerprint --------------------------------------------------------------------------------


def test_fingerprint_ignores_defaults_names_and_positions() -> None:
    plain = checker.fingerprint(EXAMPLE)
    assert plain == reference_fingerprint(EXAMPLE)
    same = example(
        **{
            "name": "other",
            "description": "",
            "source": {"seed": [1]},
            "version": 1.0,
            "offload_points.0.capacity": 3.0,
            "offload_points.0.channels": None,
            "offload_points.0.position": [0, -1e-300],
            "devices.0.position": [1, 2],
            "devices.0.uplink": 0.5,
            "devices.0.downlink": None,
            "devices.0.edge_data": [0.2, 0.3, 0.3, 0.1, 0.1],
            "devices.0.power.execute": 12.0,
        }
    )
    assert checker.fingerprint(same) == plain
    zero, minus_zero = (example(**{"devices.0.input": [x, 0, 0, 0, 0]}) for x in (0, -0.0))
    assert checker.fingerprint(zero) == checker.fingerprint(minus_zero)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("offload_points.0.capacity", 4),
        ("offload_points.0.channels", 1),
        ("offload_points.1.channels", None),
        ("offload_points.0.id", "op\u00e9\ud800"),
        ("devices.0.connected_to", None),
        ("devices.0.uplink", 0.25),
        ("devices.0.edge_data", [0.2, 0.3, 0.3, 0.1, 0.2]),
        ("devices.1.alpha", 0.7999999999999999),
        ("applications.0.edges.4", ["t4", "t1"]),
        ("cost.normalise", "local"),
    ],
)
def test_fingerprint_tells_the_data_apart(path: str, value: Any) -> None:
    changed = example(**{path: value})
    if path.endswith("id"):
        change(changed, "devices.0.connected_to", value)
    elif path.startswith("applications"):
        change(changed, "applications.0.edges", [["t1", "t2"], ["t2", "t3"], ["t2", "t4"], ["t3", "t5"]])
    assert checker.fingerprint(changed) == reference_fingerprint(changed) != checker.fingerprint(EXAMPLE)


# --- unusable files ---------------------------------------------------------------------------------


def unusable(instance: Path, answer: Path, how: Run = run) -> str:
    """Run the command line; return its message about input that it cannot use."""
    done = how(instance, answer)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


GOOD_TEXT = json.dumps(EXAMPLE)
DEEP = b"[" * 100_000_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON, or is cut short: Expecting value (line 1, column 1)"),
        (GOOD_TEXT.encode()[:-2], "is not JSON, or is cut short"),
        (GOOD_TEXT.encode() + b"]", "is not JSON, or is cut short: Extra data"),
        (DEEP, "is nested too deeply"),
        (b'{"a": "\xff"}', "is not UTF-8 text (byte 7)"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (GOOD_TEXT.encode("utf-16"), "is not UTF-8 text"),
        (b"[]", "an empty array is not an object"),
        (b"null", "null is not an object"),
        (b"1" * 5000, "contains an integer with too many digits"),
        (GOOD_TEXT.replace("2.5", "NaN", 1).encode(), "offload_points[1].cpu: nan is not finite"),
        (GOOD_TEXT.replace("2.5", "-Infinity", 1).encode(), "offload_points[1].cpu: -inf is not finite"),
        (GOOD_TEXT.replace("2.5", "1e999", 1).encode(), "offload_points[1].cpu: inf is not a finite"),
        (GOOD_TEXT.replace("2.5", "1" + "0" * 400, 1).encode(), "is not a finite binary64 number"),
        (b'{"a": [{"b c": 1, "b c": 2}], "a": 3}', ": duplicate key 'a'"),
        (b'{"a": [{"b c": {"d": 1, "d": 2}}]}', ": a[0]['b c']: duplicate key 'd'"),
        (b"PK\x05\x06", "is not a zip, or is cut short"),
        (b"PK", "is not a zip, or is cut short"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_unusable_text(tmp_path: Path, content: bytes, message: str) -> None:
    instance = tmp_path / "instance.json"
    instance.write_bytes(content)
    answer = write_json(tmp_path / "solution.json", solution(EXAMPLE, GOLDEN))
    shown = unusable(instance, answer, run_alone)
    assert shown.startswith(f"{instance}: ")
    assert message in shown
    assert len(shown) < 300
    if not content.startswith(b"PK") and content is not DEEP:
        with pytest.raises(checker.Unusable):
            checker.read_solution(instance)


def test_unusable_places(tmp_path: Path) -> None:
    good = write_json(tmp_path / "good.json", EXAMPLE)
    assert "cannot be read" in unusable(tmp_path / "missing.json", good)
    assert "cannot be read" in unusable(tmp_path, good)
    assert "missing.json: cannot be read" in unusable(good, tmp_path / "missing.json")
    with pytest.raises(checker.Unusable, match="cannot be read"):
        checker.read_instance("null\0character")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", "offloadlib-solution", "format: 'offloadlib-solution' is not 'offloadlib-instance'"),
        ("format", ..., "format: is missing"),
        ("version", 3, "version: 3 is not 1 or 2"),
        ("version", True, "version: true is not 1"),
        ("version", "1", "version: '1' is not 1"),
        ("kind", "linear", "kind: 'linear' is not 'structured' or 'hybrid'"),
        ("name", ..., "name: is missing"),
        ("name", None, "name: null is not a string"),
        ("extra", 1, "unknown key 'extra'"),
        ("source", [1], "source: an array is not an object"),
        ("cost", {}, "cost.normalise: is missing"),
        ("cost.normalise", "global", "cost.normalise: 'global' is not 'none' or 'local'"),
        ("applications", [], "applications: an empty array is not a non-empty array"),
        ("applications.0", 5, "applications[0]: 5 is not an object"),
        ("applications.0.subtasks", [], "applications[0].subtasks: an empty array is not a non-empty array"),
        ("applications.0.subtasks.4", "t1", "applications[0].subtasks[4]: duplicate id 't1'"),
        ("applications.0.subtasks.4", "", "applications[0].subtasks[4]: '' is not a non-empty string"),
        ("applications.0.subtasks.4", [], "applications[0].subtasks[4]: an empty array is not"),
        ("applications.0.edges.0", ["t1", "t9"], "applications[0].edges[0]: unknown subtask 't9'"),
        ("applications.0.edges.0", ["t1"], "applications[0].edges[0]: is not an array of the ids"),
        ("applications.0.edges.0", ["t1", []], "applications[0].edges[0]: is not an array of the ids"),
        ("applications.0.edges.1", ["t1", "t2"], "applications[0].edges[1]: duplicate arc from 't1' to 't2'"),
        ("applications.0.edges.4", ["t5", "t2"], "has a cycle: 't2' -> 't3' -> 't5' -> 't2'"),
        ("applications.0.edges.4", ["t5", "t5"], "edges: the graph has a cycle: 't5' -> 't5'"),
        ("offload_points", {}, "offload_points: an empty object is not a non-empty array"),
        ("offload_points.1.id", "op1", "offload_points[1].id: duplicate id 'op1'"),
        ("offload_points.0.cpu", 0, "offload_points[0].cpu: 0 is not positive"),
        ("offload_points.0.uplink", -0.5, "offload_points[0].uplink: -0.5 is not positive"),
        ("offload_points.0.capacity", 3.5, "offload_points[0].capacity: 3.5 is not a whole number"),
        ("offload_points.0.capacity", "3", "offload_points[0].capacity: '3' is not a whole number"),
        ("offload_points.0.capacity", -1, "offload_points[0].capacity: -1 is not a whole number"),
        ("offload_points.0.capacity", 10**400, "offload_points[0].capacity: 1000"),
        ("offload_points.0.channels", True, "offload_points[0].channels: true is not a whole number"),
        ("offload_points.0.position", [1], "offload_points[0].position: is not an array of two numbers"),
        ("offload_points.0.position", [1, "2"], "offload_points[0].position[1]: '2' is not a finite"),
        ("devices", ..., "devices: is missing"),
        ("devices", [], "devices: an empty array is not a non-empty array"),
        ("devices.0", None, "devices[0]: null is not an object"),
        ("devices.1.id", "ud1", "devices[1].id: duplicate id 'ud1'"),
        ("devices.1.id", 7, "devices[1].id: 7 is not a non-empty string"),
        ("devices.0.application", "fact", "devices[0].application: unknown application 'fact'"),
        ("devices.0.connected_to", "op9", "devices[0].connected_to: unknown offload point 'op9'"),
        ("devices.0.connected_to", ..., "devices[0].connected_to: is missing"),
        ("devices.0.power.send", "1.5", "devices[0].power.send: '1.5' is not a number"),
        ("devices.0.power.send", True, "devices[0].power.send: true is not a number"),
        ("devices.0.power.send", -1, "devices[0].power.send: -1 is negative"),
        ("devices.0.power.sent", 1, "devices[0].power: unknown key 'sent'"),
        ("devices.0.cpu", 2e9, "devices[0].cpu: 2000000000.0 has a magnitude outside [1e-09, 1e+09]"),
        ("devices.0.cpu", None, "devices[0].cpu: null is not a number"),
        ("devices.0.uplink", 0, "devices[0].uplink: 0 is not positive"),
        ("devices.0.alpha", 1.5, "devices[0].alpha: 1.5 is outside [0, 1]"),
        ("devices.0.alpha", 1e-10, "devices[0].alpha: 1e-10 has a magnitude outside"),
        ("devices.0.work", [1, 2], "devices[0].work: has 2 numbers instead of 5"),
        ("devices.0.work.2", 1e-300, "devices[0].work[2]: 1e-300 has a magnitude outside"),
        ("devices.0.edge_data", [], "devices[0].edge_data: has 0 numbers instead of 5"),
        ("devices.0.input", 1, "devices[0].input: 1 is not an array"),
    ],
)  # fmt: skip
def test_unusable_instance(tmp_path: Path, path: str, value: Any, message: str) -> None:
    instance = write_json(tmp_path / "instance.json", example(**{path: value}))
    answer = write_json(tmp_path / "solution.json", solution(EXAMPLE, GOLDEN))
    shown = unusable(instance, answer)
    assert all(line.startswith(f"{instance}: ") for line in shown.splitlines())
    assert message in shown
    if path not in ("applications.0.subtasks.4", "offload_points.1.id"):  # others refer to what is lost
        assert len(shown.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"work": [0] * 5, "alpha": 0.5}, "delay is 0"),
        ({"work": [0] * 5, "alpha": 0.5}, "energy is 0"),
        ({"work": [0] * 5, "alpha": 1}, "delay is 0"),
        ({"power": {"execute": 0, "send": 1, "receive": 1}}, "energy is 0"),
    ],
)
def test_zero_normaliser(changes: Document, message: str) -> None:
    instance = example(**{f"devices.1.{key}": value for key, value in changes.items()})
    checker.fingerprint(instance)
    change(instance, "cost.normalise", "local")
    with pytest.raises(checker.Unusable, match=rf"devices\[1\]: .*{message}"):
        checker.fingerprint(instance)


def test_all_problems_at_once() -> None:
    instance = example(
        **{
            "name": 1,
            "applications.0.edges.0": ["t1", "t7"],
            "offload_points.1.cpu": -1,
            "devices.0.power.send": -1,
            "devices.0.alpha": ...,
            "devices.0.beta": 1,
            "devices.1.work.0": None,
            "devices.1.work.3": "x",
        }
    )
    with pytest.raises(checker.Unusable) as caught:
        checker.fingerprint(instance)
    assert [path for path, _ in caught.value.problems] == [
        "name", "applications[0].edges[0]", "offload_points[1].cpu", "devices[0].power.send",
        "devices[0].alpha", "devices[0]", "devices[1].work[0]", "devices[1].work[3]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", "offloadlib-instance", "format: 'offloadlib-instance' is not 'offloadlib-solution'"),
        ("version", 1.5, "version: 1.5 is not 1"),
        ("instance", "example", "instance: 'example' is not an object"),
        ("instance.sha256", None, "instance.sha256: null is not a string"),
        ("objective", "24", "objective: '24' is not a finite binary64 number"),
        ("objective", True, "objective: true is not a finite binary64 number"),
        ("objective", 10**400, "is not a finite binary64 number"),
        ("lower_bound", ..., "lower_bound: is missing"),
        ("lower_bound", [], "lower_bound: an empty array is not"),
        ("status", "perfect", "status: 'perfect' is not 'optimal' or 'feasible'"),
        ("decisions", [], "decisions: an empty array is not an object"),
        ("decisions.ud1", "op1", "decisions['ud1']: 'op1' is not an array"),
        ("decisions.ud1.2", 3, "decisions['ud1'][2]: 3 is neither the id of an offload point nor null"),
        ("extra", None, "unknown key 'extra'"),
        ("run", 5, "run: 5 is not an object"),
    ],
)
def test_unusable_solution(tmp_path: Path, path: str, value: Any, message: str) -> None:
    instance = write_json(tmp_path / "instance.json", EXAMPLE)
    answer = solution(EXAMPLE, copy.deepcopy(GOLDEN))
    change(answer, path, value)
    shown = unusable(instance, write_json(tmp_path / "solution.json", answer))
    assert message in shown
    assert len(shown.splitlines()) == 1


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "t1", "op1", "ud1", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "cpu", "x y"]), inner, max_size=3)
    ),
    max_leaves=4,
)


@examples(400, base=FOLDER)
@given(st.data())
def test_no_document_breaks_the_checker(tmp_path: Path, data: st.DataObject) -> None:
    instance, answer = example(), solution(EXAMPLE, copy.deepcopy(GOLDEN))
    value = data.draw(st.sampled_from([instance, answer]))
    while True:  # walk to a random place
        steps = range(len(value)) if isinstance(value, list) else sorted(value)
        step = data.draw(st.sampled_from(steps))
        if not isinstance(value[step], list | dict) or not value[step] or data.draw(st.booleans()):
            break
        value = value[step]
    if data.draw(st.booleans()):
        del value[step]
    else:
        value[step] = data.draw(JSON_VALUES)
    try:
        verdict = verdict_of(tmp_path, instance, answer)
    except checker.Unusable as problem:
        assert str(problem)
    else:
        json.dumps(verdict.as_dict(), allow_nan=False)


# --- the columnar form ------------------------------------------------------------------------------


def columnar_example() -> Document:
    """The worked example with every optional column, and an application that no device has."""
    instance = example(
        **{
            "devices.1.uplink": 0.7,
            "devices.1.downlink": 0.3,
            "devices.0.position": [1.5, -2],
            "devices.1.edge_data": [0.5, 0, 0.25, 0.125, 1],
            "devices.0.connected_to": None,
        }
    )
    instance["applications"].insert(0, {"id": "none", "subtasks": ["a"], "edges": []})
    return instance


def test_both_forms_are_one_instance(tmp_path: Path) -> None:
    instance = columnar_example()
    plain = checker.read_instance(write_json(tmp_path / "instance.json", instance))
    packed = checker.read_instance(write_zip(tmp_path / "instance.zip", columnar_members(instance)))
    assert packed == plain
    assert packed.fingerprint() == plain.fingerprint() == reference_fingerprint(instance)


def test_big_endian_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A machine of the other byte order sees each number reversed: so do we, in a file of that order.
    plain = checker.read_instance(write_zip(tmp_path / "plain.zip", columnar_members(EXAMPLE)))
    members = columnar_members(EXAMPLE)
    for name, column in json.loads(members["header.json"])["columns"].items():
        if column["type"] != "json":
            width = int(column["type"][-1])
            data = members[f"columns/{name}"]
            numbers = [data[i : i + width][::-1] for i in range(0, len(data), width)]
            members[f"columns/{name}"] = b"".join(numbers)
    monkeypatch.setattr(sys, "byteorder", {"little": "big", "big": "little"}[sys.byteorder])
    assert checker.read_instance(write_zip(tmp_path / "swapped.zip", members)) == plain


def test_columnar_header_is_checked_like_the_document(tmp_path: Path) -> None:
    instance = columnar_example()
    for path, value, message in (
        ("version", 3, "version: 3 is not 1 or 2"),
        ("offload_points.0.cpu", 0, r"offload_points\[0\].cpu: 0 is not positive"),
        ("devices.1.power.send", -1, r"devices\[1\].power.send: -1.0 is negative"),
        ("devices.1.work.2", math.nan, r"devices\[1\].work\[2\]: nan is not a finite"),
        ("devices.1.edge_data.2", math.nan, r"devices\[1\].edge_data\[2\]: nan is not a finite"),
        ("devices.0.position.1", math.nan, r"devices\[0\].position\[1\]: nan is not a finite"),
        ("devices.1.uplink", math.inf, r"devices\[1\].uplink: inf is not a finite"),
        ("devices.1.id", "ud1", r"devices\[1\].id: duplicate id 'ud1'"),
    ):
        changed = copy.deepcopy(instance)
        change(changed, path, value)
        packed = write_zip(tmp_path / "instance.zip", columnar_members(changed))
        with pytest.raises(checker.Unusable, match=message):
            checker.read_instance(packed)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m, h: m.pop("header.json"), "header.json: is missing"),
        (lambda m, h: h.update(devices=[]), "unknown key 'devices'"),
        (lambda m, h: h.pop("columns"), "columns: is missing"),
        (lambda m, h: h.update(columns=[]), "columns: an empty array is not an object"),
        (lambda m, h: m.pop("columns/cpu"), "columns/cpu: is missing"),
        (lambda m, h: m.update({"columns/cpu": b"1234"}), "columns/cpu: has 4 bytes, its shape needs 16"),
        (lambda m, h: m.update(other=b""), "other: unknown member"),
        (lambda m, h: h["columns"].pop("id"), "columns/id: unknown member"),
        (lambda m, h: h["columns"]["cpu"].update(shape=[10**12]), "columns.cpu.shape: is not [2]"),
        (lambda m, h: h["columns"]["cpu"].update(type="<i4"), 'columns.cpu.type: is not "<f8"'),
        (lambda m, h: h["columns"]["cpu"].update(type="<f4"), "columns.cpu.type: '<f4' is not"),
        (lambda m, h: h["columns"]["cpu"].pop("shape"), "columns.cpu.shape: is missing"),
        (lambda m, h: h["columns"]["work.1"].update(shape=[5, 2]), "columns['work.1'].shape: is not [2, 5]"),
        (lambda m, h: m.update({"columns/id": b'["a"]'}), "columns.id.shape: is not [1]"),
        (lambda m, h: m.update({"columns/id": b"[]"}), "columns/id: an empty array is not a non-empty array"),
        (lambda m, h: m.update({"columns/id": b"["}), "columns/id: is not JSON, or is cut short"),
        (lambda m, h: m.update({"columns/application": struct.pack("<2i", 1, 2)}), "[1]: 2 is not in 0..1"),
        (lambda m, h: m.update({"columns/connected_to": struct.pack("<2i", -2, 1)}), "-2 is not in -1..1"),
        (lambda m, h: (m.update(extra=b""), h["columns"].update(extra={"type": "<f8", "shape": []})),
         "extra: unknown member"),
        (lambda m, h: (m.update({"columns/work.0": b""}),
                       h["columns"].update({"work.0": {"type": "<f8", "shape": [0, 1]}})),
         "columns: unknown column 'work.0'"),
        (lambda m, h: (m.pop("columns/work.1"), h["columns"].pop("work.1")), "columns['work.1']: is missing"),
    ],
)  # fmt: skip
def test_unusable_columns(tmp_path: Path, edit: Any, message: str) -> None:
    members = columnar_members(columnar_example())
    header = json.loads(members["header.json"])
    edit(members, header)
    if "header.json" in members:
        members["header.json"] = json.dumps(header).encode()
    instance = write_zip(tmp_path / "instance.zip", members)
    answer = write_json(tmp_path / "solution.json", solution(EXAMPLE, GOLDEN))
    shown = unusable(instance, answer)
    assert shown.startswith(f"{instance}: ")
    assert message in shown


def test_zip_with_a_member_twice(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "instance.zip", columnar_members(EXAMPLE))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("columns/cpu", b"x" * 16)
    with pytest.raises(checker.Unusable, match="columns/cpu: duplicate member"):
        checker.read_instance(path)


def test_zip_bomb(tmp_path: Path) -> None:
    members = columnar_members(EXAMPLE)
    path = write_zip(tmp_path / "instance.zip", members | {"header.json": b" " * (2**28 + 1)})
    assert path.stat().st_size < 2**19
    with pytest.raises(checker.Unusable, match=r"header\.json: has 268435457 bytes, more than the limit"):
        checker.read_instance(path)


def test_zip_with_another_compression(tmp_path: Path) -> None:
    pytest.importorskip("bz2")
    path = tmp_path / "instance.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("header.json", b"{}")
    with pytest.raises(checker.Unusable, match=r"header\.json: is compressed in another way"):
        checker.read_instance(path)


@examples(300, base=FOLDER)
@given(st.data())
def test_no_damage_to_a_zip_passes(tmp_path: Path, data: st.DataObject) -> None:
    path = write_zip(tmp_path / "instance.zip", columnar_members(EXAMPLE))
    whole = checker.read_instance(path)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(2, len(content) - 1))
    if data.draw(st.booleans()):
        del content[at:]
    else:
        content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        assert checker.read_instance(path) == whole  # harmless: a date, an attribute
    except checker.Unusable as problem:
        assert str(problem)


# --- independence -----------------------------------------------------------------------------------


def test_standard_library_only() -> None:
    """And the checker's own modules, which relative imports cannot leave."""
    files = list(CHECKER.rglob("*.py"))
    assert len(files) > 10
    for path in files:
        depth = len(path.relative_to(CHECKER).parts)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert all(name.name.split(".")[0] in sys.stdlib_module_names for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert node.module
                package = node.module.split(".")[0]
                assert package in sys.stdlib_module_names or (path.name, package) == ("__main__.py", "check")
            elif isinstance(node, ast.ImportFrom):
                assert node.level <= depth


@pytest.mark.parametrize("way", ["folder", "file"])
def test_it_can_be_handed_over(tmp_path: Path, way: str) -> None:
    """A copy of the folder, or one file, somewhere else: with Python alone, and the same words."""
    copied = tmp_path / ("check" if way == "folder" else "checker.pyz")
    if way == "folder":
        shutil.copytree(CHECKER, copied)
    else:
        pack(copied)
        again = tmp_path / "again.pyz"
        pack(again)
        assert again.read_bytes() == copied.read_bytes()
    files = [LIBRARY / "paper-m005.json", LIBRARY / "solutions" / "paper-m005.sol.json"]
    files.append(LIBRARY / "certificates" / "paper-m005.cert.json")
    arguments = [*map(str, files[:2]), f"--certificate={files[2]}"]
    command = [sys.executable, "-I", "-S", str(copied), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("accepted, exact cost ")
    assert done.stdout == run_alone(*arguments).stdout


@pytest.mark.parametrize("form", ["json", "zip"])
def test_runs_with_nothing_installed(tmp_path: Path, form: str) -> None:
    # The ids are no UTF-8 text; a terminal without any non-ASCII characters must do.
    instance = json.loads(json.dumps(EXAMPLE).replace("op1", r"\ud800\u00e9"))
    decisions = {"ud1": [None, "\ud800\u00e9", None, None, None], "ud2": [None] * 5}
    path = tmp_path / f"instance.{form}"
    if form == "json":
        write_json(path, instance)
    else:
        write_zip(path, columnar_members(instance))
    answer = write_json(tmp_path / "solution.json", solution(instance, decisions))
    done = run_alone(path, answer, options=("-I", "-S"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "accepted, exact cost" in done.stdout.splitlines()[-1]
    change(instance, "offload_points.0.capacity", 0)
    write_json(tmp_path / "instance.json", instance)
    answer = write_json(tmp_path / "solution.json", solution(instance, decisions))
    done = run_alone(tmp_path / "instance.json", answer, options=("-I", "-S", "-X", "utf8=0"))
    assert (done.returncode, done.stderr) == (1, "")
    assert r"FAILED  capacity" in done.stdout


def test_main_takes_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict_of(tmp_path, EXAMPLE, solution(EXAMPLE, GOLDEN))
    paths = [str(tmp_path / "instance.json"), str(tmp_path / "solution.json")]
    assert checker.main([*paths, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["accepted"] is True
    assert [rule["name"] for rule in shown["rules"]] == [
        "fingerprint", "decisions", "connections", "capacity",
        "channels", "objective", "lower_bound", "status",
    ]  # fmt: skip
    assert checker.main(paths) == 0
    assert checker.main([paths[1], paths[0]]) == 2
