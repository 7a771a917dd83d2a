"use strict";

/* The cost model of structured offloading, for the page beside it: pure functions of an instance as its file
 * has it (format 1). A place is the id of an offload point, or null for the device itself; the places of a
 * device are a list in the order of its application's subtasks. Symbols are those of Kuang et al. (2020):
 * g_k and e_k are delay (s) and energy (mJ) of a subtask, G, E and C those of the device. */
const Model = (() => {
  /** A device's graph: its subtasks, arcs [j, k] by number, and who has no predecessor, no successor. */
  function graphOf(instance, device) {
    const { subtasks, edges } = instance.applications.find(({ id }) => id === device.application);
    const arcs = edges.map(([j, k]) => [subtasks.indexOf(j), subtasks.indexOf(k)]);
    const before = subtasks.map((_, k) => arcs.flatMap(([j, end], arc) => (end === k ? [{ j, arc }] : [])));
    const tails = subtasks.map((_, k) => arcs.every(([begin]) => begin !== k));
    const order = [];
    const visit = (k) => {
      if (order.includes(k)) return;
      before[k].forEach(({ j }) => visit(j));
      order.push(k);
    };
    subtasks.forEach((_, k) => visit(k));
    return { subtasks, arcs, before, tails, order };
  }

  const pointOf = (instance, id) => instance.offload_points.find((point) => point.id === id);

  /** Rates of a device's radio in Mbit/s: its own, else those of the point that it is connected to. */
  function ratesOf(instance, device) {
    const point = pointOf(instance, device.connected_to);
    return { up: device.uplink ?? point?.uplink, down: device.downlink ?? point?.downlink };
  }

  /** Data along an arc in Mbit; by default the output of its first subtask. */
  const dataOf = (device, arc, j) => device.edge_data?.[arc] ?? device.output[j];

  /** Seconds that a device computes, sends and receives for subtask k, and the transfers among them.
   *
   * Section 3.2: an arc is sent where it leaves the device, received where it comes back, and costs nothing
   * between two offloaded subtasks; an offloaded head sends its input, an offloaded tail returns its output. */
  function secondsOf(instance, device, graph, places, k) {
    const rates = ratesOf(instance, device);
    const away = places[k] !== null;
    const compute = device.work[k] / (away ? pointOf(instance, places[k]).cpu : device.cpu);
    const transfers = [];
    for (const { j, arc } of graph.before[k]) {
      if (away && places[j] === null) transfers.push({ arc, up: dataOf(device, arc, j) / rates.up, down: 0 });
      if (!away && places[j] !== null) transfers.push({ arc, up: 0, down: dataOf(device, arc, j) / rates.down });
    }
    if (away && !graph.before[k].length) transfers.push({ input: k, up: device.input[k] / rates.up, down: 0 });
    if (away && graph.tails[k]) transfers.push({ output: k, up: 0, down: device.output[k] / rates.down });
    const total = (way) => transfers.reduce((sum, transfer) => sum + transfer[way], 0);
    return { compute, send: total("up"), receive: total("down"), transfers };
  }

  /** Delay G (s), energy E (mJ), and what they are made of, whatever the weights. */
  function spent(instance, device, places) {
    const graph = graphOf(instance, device);
    const { execute, send, receive } = device.power;
    const parts = graph.subtasks.map((_, k) => {
      const seconds = secondsOf(instance, device, graph, places, k);
      const delay = seconds.compute + seconds.send + seconds.receive;
      const local = places[k] === null ? execute * seconds.compute : 0;
      return { ...seconds, delay, energy: local + send * seconds.send + receive * seconds.receive };
    });
    const finish = [];
    const latest = []; // the predecessor that a subtask waits for
    for (const k of graph.order) {
      const waits = graph.before[k].map(({ j }) => j);
      latest[k] = waits.length ? waits.reduce((a, b) => (finish[b] > finish[a] ? b : a)) : null;
      finish[k] = (latest[k] === null ? 0 : finish[latest[k]]) + parts[k].delay;
    }
    const ends = graph.order.filter((k) => graph.tails[k]);
    const path = [ends.reduce((a, b) => (finish[b] > finish[a] ? b : a))];
    while (latest[path[0]] !== null) path.unshift(latest[path[0]]);
    const energy = parts.reduce((sum, part) => sum + part.energy, 0);
    return { graph, parts, finish, path, delay: finish[path[path.length - 1]], energy };
  }

  /** The weights a and b of equation (3). */
  function weightsOf(instance, device) {
    const weights = { delay: device.alpha, energy: 1 - device.alpha };
    if (instance.cost.normalise === "local") {
      const local = spent(instance, device, device.work.map(() => null));
      // a term of weight zero counts zero, whatever it is divided by
      if (weights.delay > 0) weights.delay /= local.delay;
      if (weights.energy > 0) weights.energy /= local.energy;
    }
    return weights;
  }

  /** What a device's places cost: `delay`, `energy`, `cost` = a G + b E (3), the heaviest `path` (1), and `parts`. */
  function evaluate(instance, device, places) {
    const found = spent(instance, device, places);
    const weights = weightsOf(instance, device);
    const cost = weights.delay * found.delay + weights.energy * found.energy;
    return { ...found, weights, cost };
  }

  /** Subtasks at each point, for the places of all devices. */
  function used(instance, decisions) {
    const all = decisions.flat();
    return instance.offload_points.map(({ id }) => all.filter((place) => place === id).length);
  }

  /** The points with more subtasks than room, or with more devices on their radio than channels. */
  function violations(instance, decisions) {
    const taken = used(instance, decisions);
    return instance.offload_points.flatMap(({ id, capacity, channels }, n) => {
      const away = (places) => places.some((place) => place !== null);
      const heard = decisions.filter(
        (places, m) => away(places) && instance.devices[m].connected_to === id,
      ).length;
      const broken = [];
      if (taken[n] > capacity) broken.push({ point: id, limit: "places", used: taken[n], size: capacity });
      if (heard > (channels ?? Infinity)) broken.push({ point: id, limit: "channels", used: heard, size: channels });
      return broken;
    });
  }

  /** Every decision of a device at one offload point, with its cost and how many places it takes. */
  function decisionsAt(instance, device, point) {
    const size = device.work.length;
    return Array.from({ length: 2 ** size }, (_, bits) => {
      const places = Array.from({ length: size }, (_, k) => ((bits >> k) & 1 ? point : null));
      const taken = places.filter((place) => place !== null).length;
      return { places, taken, cost: evaluate(instance, device, places).cost };
    }).sort((a, b) => a.taken - b.taken);
  }

  /** The least cost plus payment at a price of a place; of equally good decisions the one with fewest places. */
  function respond(decisions, price) {
    const paid = ({ cost, taken }) => cost + price * taken;
    return decisions.reduce((best, one) => (paid(one) < paid(best) - 1e-12 ? one : best));
  }

  /** The Lagrangian bound: the sum over devices of min [C + price u], less price times room. */
  function bound(menus, room, price) {
    const paid = menus.map((decisions) => respond(decisions, price));
    return paid.reduce((sum, { cost, taken }) => sum + cost + price * taken, 0) - price * room;
  }

  return { bound, decisionsAt, evaluate, graphOf, respond, used, violations };
})();
