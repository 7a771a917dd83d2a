"""The interactive page: its cost model against the package's, and what clicks change, in a real browser."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from browser import needs_browser, probed
from folders import ROOT

import offloadlib
from offloadlib.instances import LOCAL, Instance, Solution
from offloadlib.instances.exact import cost as exact_cost
from offloadlib.instances.structured.exact import spent
from offloadlib.instances.structured.generate import Setting, generate

FOLDER = ROOT / "docs" / "interactive"

SETTINGS = [
    Setting(devices=6, offload_points=3, unconnected=0.3, channels=1),
    Setting(devices=5, offload_points=2, applications=("layered-9", "chain-1"), normalise="none"),
    Setting(devices=5, offload_points=2, applications=("series-parallel-8",), alpha=(0, 0)),
    Setting(devices=4, offload_points=4, applications=("fork-join-3",), alpha=(1, 1), capacity=1),
]


def instances() -> list[Instance]:
    """Of the page, of the library, and random ones: graphs of all kinds, both normalisations, own rates."""
    parts = _data()
    shown = [Instance.from_dict(case["instance"]) for part in parts.values() for case in part]
    known = [
        offloadlib.load(name)
        for name in ("worked-example", "mixed-m030", "dagbench-sleipnir-chess-m010-drawn")
    ]
    drawn = [generate(setting, seed=seed) for setting in SETTINGS for seed in range(2)]
    return [*shown, *(one for one in known if isinstance(one, Instance)), *drawn]


def _data() -> dict[str, list[dict[str, Any]]]:
    """What the page loads."""
    found: dict[str, list[dict[str, Any]]] = json.loads(
        (FOLDER / "instances.js").read_text("utf-8").partition("INSTANCES = ")[2].rstrip().removesuffix(";")
    )
    return found


def _random(instance: Instance, random: np.random.Generator) -> Solution:
    """Decisions that may break capacities and channels, but need no missing connection."""
    rows, away = Solution.all_local(instance).rows(instance), random.uniform(0.2, 1)
    for row, point in zip(rows, instance.devices.connected_to, strict=True):
        if point != LOCAL:
            where = np.where(
                random.random(len(row)) < away, random.integers(0, instance.num_points, len(row)), LOCAL
            )
            row[:] = where.tolist()
    return Solution.from_rows(instance, rows)


def _copied(folder: Path) -> Path:
    copy = folder / "interactive"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return copy / "index.html"


def test_the_data_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("interactive_instances", FOLDER / "instances.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (FOLDER / "instances.js").read_text("utf-8") == module.script()


def test_nothing_is_loaded_from_elsewhere() -> None:
    """What the page loads lies beside it, and nothing in it could ask a network."""
    page = (FOLDER / "index.html").read_text("utf-8")
    loaded = re.findall(r"(?:src|href)=\"([^\"]*)\"", page)
    assert all(name == "data:," or (FOLDER / name).is_file() for name in loaded)
    assert {name for name in loaded if name.endswith((".js", ".css"))} == {
        file.name for file in FOLDER.iterdir() if file.suffix in (".js", ".css")
    }
    for file in FOLDER.glob("*.js"):
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|fetch\(|XMLHttpRequest|import\(|@import|url\(http", text)


_COSTS = """
seen.costs = CASES.map(([instance, decisions]) => ({
  cost: instance.devices.map((device, m) => {
    const { delay, energy, cost, path, parts, graph } = Model.evaluate(instance, device, decisions[m]);
    const arcs = graph.arcs.map(([j, k]) => `${j} ${k}`);
    return {
      delay, energy, cost,
      along: path.reduce((sum, k) => sum + parts[k].delay, 0),
      isPath: path.slice(1).every((k, i) => arcs.includes(`${path[i]} ${k}`)),
    };
  }),
  used: Model.used(instance, decisions),
  broken: Model.violations(instance, decisions).map(({ point, limit }) => [limit, point]),
}));
"""


@needs_browser
def test_costs_are_those_of_the_package(tmp_path: Path) -> None:
    """Of some hundred decisions: against exact fractions, and against the evaluation."""
    random, cases = np.random.default_rng(1), []
    for instance in instances():
        solutions = [Solution.all_local(instance), *(_random(instance, random) for _ in range(15))]
        cases += [(instance, solution) for solution in solutions]
    given = [
        (instance.to_dict(), [places for _, places in solution.decisions(instance)])
        for instance, solution in cases
    ]
    seen = probed(_copied(tmp_path), f"const CASES = {json.dumps(given)};{_COSTS}")["costs"]
    assert len(seen) == len(cases) >= 250
    for (instance, solution), found in zip(cases, seen, strict=True):
        devices, evaluation = found["cost"], instance.evaluate(solution)
        exact = spent(instance, solution, np.arange(instance.num_devices))
        for m, device in enumerate(devices):
            delay, energy = exact[m]
            assert math.isclose(device["delay"], delay, rel_tol=1e-13)
            assert math.isclose(device["energy"], energy, rel_tol=1e-13, abs_tol=1e-300)
            assert math.isclose(device["cost"], evaluation.cost[m], rel_tol=1e-13)
            assert device["isPath"] and math.isclose(device["along"], delay, rel_tol=1e-13)
        total = math.fsum(device["cost"] for device in devices)
        assert math.isclose(total, exact_cost(instance, solution), rel_tol=1e-13)
        assert found["used"] == evaluation.used.tolist()
        assert {tuple(one) for one in found["broken"]} == {
            ("places" if one.limit == "capacity" else one.limit, one.name) for one in evaluation.violations
        }


_OPTIMA = """
const least = (instance, m) => {
  const device = instance.devices[m];
  const choices = [null, ...instance.offload_points.map(({ id }) => id)];
  let best = Infinity;
  const places = device.work.map(() => null);
  for (let code = 0; code < choices.length ** places.length; code++) {
    let rest = code;
    for (let k = 0; k < places.length; k++, rest = Math.floor(rest / choices.length)) {
      places[k] = choices[rest % choices.length];
    }
    if (Model.violations(instance, [places]).length) continue;
    best = Math.min(best, Model.evaluate(instance, device, places).cost);
  }
  return best;
};
seen.least = INSTANCES.one.map(({ instance }) => least(instance, 0));
"""


@needs_browser
def test_the_optima_are_the_least_of_all_decisions(tmp_path: Path) -> None:
    seen = probed(_copied(tmp_path), _OPTIMA)
    for case, least in zip(_data()["one"], seen["least"], strict=True):
        assert math.isclose(least, case["optimum"]["cost"], rel_tol=1e-12)
    for part in _data().values():
        for case in part:
            instance = Instance.from_dict(case["instance"])
            names = dict(zip(instance.device_ids, case["optimum"]["decisions"], strict=True))
            evaluation = instance.evaluate(Solution.from_decisions(instance, names))
            assert evaluation.feasible
            assert math.isclose(evaluation.total, case["optimum"]["cost"], rel_tol=1e-12)


def _menus(instance: Instance) -> list[dict[int, float]]:
    """For each device the least cost with each number of places at the only point, by the package."""
    (size,) = {application.size for application in instance.applications}
    found: list[dict[int, float]] = [{} for _ in instance.device_ids]
    for places in product((LOCAL, 0), repeat=size):
        costs = instance.evaluate(Solution.from_rows(instance, [places] * len(found))).cost.tolist()
        for menu, cost in zip(found, costs, strict=True):
            menu[places.count(0)] = min(menu.get(places.count(0), math.inf), cost)
    return found


_PRICES = """
seen.bounds = INSTANCES.two.map((one) => {
  pair.show(one);
  return PRICES.map((price) => Model.bound(pair.menus, pair.point.capacity, price));
});
"""


@needs_browser
def test_bounds_are_the_sums_of_least_payments(tmp_path: Path) -> None:
    prices = [0, 0.01, 0.03, 0.09, 0.1, 0.5, 2, 2.625, 3, 5]
    seen = probed(_copied(tmp_path), f"const PRICES = {prices};{_PRICES}")["bounds"]
    for case, bounds in zip(_data()["two"], seen, strict=True):
        instance = Instance.from_dict(case["instance"])
        menus, room = _menus(instance), int(instance.points.capacity[0])
        for price, bound in zip(prices, bounds, strict=True):
            paid = [min(cost + price * taken for taken, cost in menu.items()) for menu in menus]
            assert math.isclose(bound, sum(paid) - price * room, rel_tol=1e-12)
            assert bound <= case["optimum"]["cost"] * (1 + 1e-12)
        least = min(
            one[a] + other[b] for one, other in [menus] for a, b in product(one, other) if a + b <= room
        )
        assert math.isclose(least, case["optimum"]["cost"], rel_tol=1e-12)
    assert math.isclose(max(seen[0]), _data()["two"][0]["optimum"]["cost"])  # the market clears
    assert max(seen[1]) < 0.95 * _data()["two"][1]["optimum"]["cost"]  # here it cannot


_CLICKS = """
const text = (id) => document.getElementById(id).textContent;
const node = (k) => document.getElementById(`subtask-${k}`);
const look = () => ({
  cost: text("cost"), excess: text("excess"), path: text("path"), limits: text("limits"),
  labels: device.places.map((_, k) => node(k).getAttribute("aria-label")),
  critical: document.querySelectorAll("#graph .node.critical").length,
});
const press = (k, key) => {
  node(k).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
};
const choose = (id, value) => {
  document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event("change"));
};
const slide = (step) => {
  document.getElementById("price").value = step;
  document.getElementById("price").dispatchEvent(new Event("input"));
};
const market = () => ({
  says: text("market"), wanted: text("wanted"), bound: text("bound"), gap: text("gap"),
});
seen.start = look();
node(1).dispatchEvent(new MouseEvent("click", { bubbles: true }));
seen.clicked = look();
seen.focus = document.activeElement.id;
press(1, "Enter");
press(1, "x");
seen.entered = look();
press(1, " ");
seen.around = look();
for (const k of [0, 1, 2, 3]) press(k, "Enter");
seen.full = look();
document.getElementById("optimum").click();
seen.optimum = look();
document.getElementById("greedy").click();
seen.greedy = look();
document.getElementById("local").click();
seen.local = look();
choose("task", 2);
seen.other = look();
seen.places = text("places");
seen.free = market();
slide(130);
seen.clear = market();
slide(200);
seen.dear = market();
choose("pair", 1);
seen.pair = market();
"""


@needs_browser
def test_clicks_change_what_they_should(tmp_path: Path) -> None:
    seen = probed(_copied(tmp_path), _CLICKS)
    assert seen["start"]["cost"] == "51.2500" and seen["start"]["path"] == "t1 → t2 → t3 → t5"
    assert seen["start"]["critical"] == 4
    assert seen["start"]["labels"][3] == "t4, on the device, 1.500 s"
    assert seen["clicked"]["labels"][1] == "t2, at op1, 1.400 s, on the critical path"
    assert seen["focus"] == "subtask-1"
    assert seen["entered"]["labels"][1].startswith("t2, at op2, 1.200 s")
    assert seen["around"] == seen["start"] == seen["local"]
    assert seen["full"]["limits"] == "op1 has 3 places, and 4 are used."
    assert seen["full"]["excess"] == "breaks a limit"
    assert (seen["optimum"]["cost"], seen["optimum"]["excess"]) == ("2.5250", "0.00 %")
    assert (seen["greedy"]["cost"], seen["greedy"]["excess"]) == ("2.6000", "2.97 %")
    assert len(seen["other"]["labels"]) == 9 and seen["other"]["cost"] == "1.0000"
    assert "op1: 0 of 4 places" in seen["places"]
    assert seen["free"]["wanted"] == "2 of 1" and "too low" in seen["free"]["says"]
    assert seen["clear"] == {
        "says": "The market clears: the place goes to watch.",
        **{"wanted": "1 of 1", "bound": "9.000", "gap": "0.00 %"},
    }
    assert seen["dear"]["wanted"] == "0 of 1" and "too high" in seen["dear"]["says"]
    assert seen["pair"]["wanted"] == "10 of 4"
