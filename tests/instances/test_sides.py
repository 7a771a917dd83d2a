"""What parts of a task add to its cost, and what decisions use of the limits, against the definition."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from brute import exact_costs
from hypothesis import given
from hypothesis import strategies as st
from strategies import Document, documents, instance_of, solutions

from offloadlib.instances import LOCAL, UNLIMITED, Instance, evaluate
from offloadlib.instances.structured.limits import Limits, everything
from offloadlib.instances.structured.sides import crosses, crossings


@st.composite
def decided(draw: st.DrawFn) -> tuple[Document, Instance, list[list[int]]]:
    document = draw(documents())
    instance = instance_of(document)
    return document, instance, draw(solutions(instance)).rows(instance)


@given(decided())
def test_sides_add_up_to_the_exact_energy_and_delay(case: tuple[Document, Instance, list[list[int]]]) -> None:
    document, instance, rows = case
    exact = exact_costs(document, rows)
    for term in instance.terms:
        for row, m in enumerate(term.group.members.tolist()):
            places = rows[m]
            away = [place != LOCAL for place in places]
            delays, energy = [], 0.0
            for k, place in enumerate(places):
                at = row, k
                if away[k]:
                    delays.append(
                        term.sides.radio_delay[at] + term.sides.work[at] / instance.points.cpu[place]
                    )
                    energy += term.sides.radio_energy[at]
                else:
                    delays.append(term.sides.local_delay[at])
                    energy += term.sides.local_energy[at]
                for arc, j in term.group.application.incoming[k]:
                    up, down = crosses(away[j], away[k])
                    if up:
                        delays[k] += term.sides.up_delay[row, arc]
                        energy += term.sides.up_energy[row, arc]
                    if down:
                        delays[k] += term.sides.down_delay[row, arc]
                        energy += term.sides.down_energy[row, arc]
            finish: dict[int, float] = {}
            for k in term.group.application.order:
                before = [finish[j] for _, j in term.group.application.incoming[k]]
                finish[k] = max(before, default=0.0) + delays[k]
            assert max(finish.values()) == close(term.delay_weight[row] * float(exact[m].delay))
            assert energy == close(term.energy_weight[row] * float(exact[m].energy))


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-12, abs=1e-300)


@given(decided())
def test_crossings_are_what_a_device_sends_and_receives(
    case: tuple[Document, Instance, list[list[int]]],
) -> None:
    """In fractions, for each device by itself and for all of a group at once."""
    document, instance, rows = case
    exact = exact_costs(document, rows)
    for group in instance.groups:
        members = group.members.tolist()
        together = np.array([[place != LOCAL for place in rows[m]] for m in members])
        at_once = list(crossings(group.application, list(together.T)))
        for row, m in enumerate(members):
            devices = instance.devices
            alone = list(crossings(group.application, [place != LOCAL for place in rows[m]]))
            assert [(c.up, c.down) for c in alone] == [(c.up[row], c.down[row]) for c in at_once]
            energy = Fraction(0)
            for k, place in enumerate(rows[m]):
                if place == LOCAL:
                    work = Fraction(group.work[row, k]) * Fraction(devices.execute[m])
                    energy += work / Fraction(devices.cpu[m])
            for _, data, number, up, down in alone:
                size = Fraction(getattr(group, data)[row, number])
                if up:
                    energy += size / Fraction(devices.uplink[m]) * Fraction(devices.send[m])
                if down:
                    energy += size / Fraction(devices.downlink[m]) * Fraction(devices.receive[m])
            assert energy == exact[m].energy


@given(st.data())
def test_limits_count_what_the_definition_counts(data: st.DataObject) -> None:
    instance = data.draw(st.builds(instance_of, documents()))
    solution = data.draw(solutions(instance))
    limits, rows = Limits(instance), solution.rows(instance)
    points, radio = instance.points, instance.devices.connected_to.tolist()
    limited = [n for n in range(instance.num_points) if points.channels[n] != UNLIMITED]
    per_device = [
        [*(row.count(n) for n in range(instance.num_points))]
        + [int(radio[m] == n and any(place != LOCAL for place in row)) for n in limited]
        for m, row in enumerate(rows)
    ]
    table, everybody = limits.table(solution), np.arange(instance.num_devices)
    assert limits.right.tolist() == [*points.capacity, *points.channels[limited]]
    assert len(limits) == len(limits.right)
    assert limits.uses(table, everybody).toarray().tolist() == per_device
    assert limits.used(table).tolist() == np.sum(per_device, axis=0).tolist()
    weights = np.arange(1.0, len(limits) + 1)
    assert limits.weighed(table, None, weights).tolist() == (np.array(per_device) @ weights).tolist()
    assert [places.tolist() for places in limits.solution(table).places] == [
        places.tolist() for places in solution.places
    ]
    capacity, channels = limits.by_point(weights)
    assert limits.vector(capacity, channels).tolist() == weights.tolist()
    evaluation, room = evaluate(instance, solution), everything(instance)
    if not evaluation.unconnected.any():
        fits = (limits.used(table) <= limits.right).all()
        assert evaluation.feasible == fits
        left, air = room.left - evaluation.used, room.air - evaluation.channels_used
        assert fits == ((left >= 0).all() and (air >= 0).all())
