"use strict";

/* Draws what the model says, and lets the reader change it. Nothing here computes a cost. */

const COLOURS = ["#e3e6ea", "#8ecdf2", "#f5bd55", "#7fd3b1"]; // the device, then the offload points
const SVG = "http://www.w3.org/2000/svg";

const $ = (id) => document.getElementById(id);
const ids = (instance) => instance.offload_points.map(({ id }) => id);
const named = (place) => place ?? "device";
const colourOf = (instance, place) => COLOURS[place === null ? 0 : 1 + ids(instance).indexOf(place)];
const plain = (value) => (Math.abs(value) < 5e-13 ? 0 : value);
const number = (value, digits = 3) => plain(value).toFixed(digits);
const percent = (value) => `${number(100 * value, 2)} %`;

/** An element with attributes and children, of SVG where it is told so. */
function make(tag, attributes = {}, children = [], space = null) {
  const element = space === null ? document.createElement(tag) : document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const svg = (tag, attributes, children) => make(tag, attributes, children, SVG);
const row = (texts, attributes) => make("tr", attributes, texts.map((text) => make("td", {}, [text])));

/** Let a list of cases be chosen from. */
function choice(select, cases, chosen) {
  select.replaceChildren(...cases.map(({ title }, i) => make("option", { value: i }, [title])));
  select.addEventListener("change", () => chosen(cases[select.value]));
  chosen(cases[0]);
}

// One device ------------------------------------------------------------------------------------------

const NODE = { width: 112, height: 46, across: 142, down: 96, top: 34, beside: 8 };

/** Where the subtasks are drawn: depth in the graph downwards, side by side in their order. */
function layout(graph) {
  const depth = [];
  for (const k of graph.order) depth[k] = Math.max(-1, ...graph.before[k].map(({ j }) => depth[j])) + 1;
  const rows = [];
  depth.forEach((level, k) => (rows[level] ??= []).push(k));
  const widest = Math.max(...rows.map((row) => row.length));
  const at = [];
  rows.forEach((row, level) =>
    row.forEach((k, i) => {
      const x = NODE.beside + ((widest - row.length) / 2 + i + 0.5) * NODE.across;
      at[k] = { x, y: NODE.top + level * NODE.down };
    }),
  );
  const height = NODE.top + (rows.length - 1) * NODE.down + NODE.height + NODE.top;
  return { at, depth, width: widest * NODE.across + 2 * NODE.beside, height };
}

/** Whether the straight line of an arc would run through a subtask between its ends. */
function bends(graph, at, depth, j, k) {
  return graph.subtasks.some((_, between) => {
    if (depth[between] <= depth[j] || depth[between] >= depth[k]) return false;
    const share = (depth[between] - depth[j]) / (depth[k] - depth[j]);
    return Math.abs(at[j].x + share * (at[k].x - at[j].x) - at[between].x) < NODE.width / 2 + 6;
  });
}

const device = {
  one: null, // the case
  places: [],

  get owner() {
    return this.one.instance.devices[0];
  },

  show(one) {
    this.one = one;
    $("story").textContent = one.story;
    this.set(this.owner.work.map(() => null));
  },

  set(places) {
    this.places = [...places];
    this.draw();
  },

  /** Send a subtask to its next place. */
  next(k) {
    const order = [null, ...ids(this.one.instance)];
    this.places[k] = order[(order.indexOf(this.places[k]) + 1) % order.length];
    this.draw();
    $(`subtask-${k}`).focus();
  },

  draw() {
    const found = Model.evaluate(this.one.instance, this.owner, this.places);
    this.drawGraph(found);
    this.drawLegend();
    this.drawFigures(found);
  },

  drawGraph({ graph, parts, path }) {
    const { at, depth, width, height } = layout(graph);
    const critical = new Set(path);
    const next = new Map(path.map((k, i) => [k, path[i + 1]]));
    const transfers = parts.flatMap((part) => part.transfers);
    const arcs = graph.arcs.map(([j, k], arc) => {
      const crossing = transfers.find((transfer) => transfer.arc === arc);
      const way = crossing ? (crossing.up ? "up" : "down") : "";
      const [from, to] = [at[j], at[k]];
      const start = from.y + NODE.height;
      const bend = bends(graph, at, depth, j, k) ? (NODE.width / 2 + 40) * (to.x + from.x > width ? 1 : -1) : 0;
      const [x, middle] = [(from.x + to.x) / 2 + bend, (start + to.y) / 2];
      const beside = depth[k] - depth[j] > 1 && !bend ? start + 16 : middle + 4; // between two subtasks is no room
      const curve = `M ${from.x} ${start} C ${from.x + 1.3 * bend} ${middle}, ${to.x + 1.3 * bend} ${middle}, ${to.x} ${to.y}`;
      const shape = svg("path", {
        class: `arc ${way} ${next.get(j) === k ? "critical" : ""}`,
        d: curve,
        "marker-end": "url(#head)",
      });
      return crossing ? [shape, label(crossing, x, beside)] : [shape];
    });
    const outside = transfers.flatMap((transfer) => {
      if (transfer.input !== undefined) return [label(transfer, at[transfer.input].x, at[transfer.input].y - 10, "input ")];
      if (transfer.output === undefined) return [];
      return [label(transfer, at[transfer.output].x, at[transfer.output].y + NODE.height + 18, "output ")];
    });
    const nodes = graph.subtasks.map((name, k) => this.node(k, name, at[k], parts[k], critical.has(k)));
    const head = svg("marker", { id: "head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto", markerUnits: "userSpaceOnUse" }, [
      svg("path", { d: "M 0 0 L 8 4 L 0 8 z", fill: "context-stroke" }),
    ]);
    const picture = $("graph");
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.style.maxWidth = `${width * 1.15}px`;
    picture.replaceChildren(svg("defs", {}, [head]), ...arcs.flat(), ...nodes, ...outside);
  },

  node(k, name, { x, y }, part, critical) {
    const place = this.places[k];
    const where = place === null ? "on the device" : `at ${place}`;
    const short = name.length > 14 ? `${name.slice(0, 13)}…` : name;
    const node = svg(
      "g",
      {
        id: `subtask-${k}`,
        class: `node ${critical ? "critical" : ""}`,
        role: "button",
        tabindex: 0,
        "aria-label": `${name}, ${where}, ${number(part.delay)} s${critical ? ", on the critical path" : ""}`,
        transform: `translate(${x - NODE.width / 2} ${y})`,
      },
      [
        svg("title", {}, [`${name}: ${number(part.delay)} s, ${number(part.energy)} mJ`]),
        svg("rect", { width: NODE.width, height: NODE.height, rx: 9, fill: colourOf(this.one.instance, place) }),
        svg("text", { class: "name", x: NODE.width / 2, y: 19 }, [short]),
        svg("text", { x: NODE.width / 2, y: 36 }, [`${named(place)} · ${number(part.delay, 2)} s`]),
      ],
    );
    node.addEventListener("click", () => this.next(k));
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.next(k);
    });
    return node;
  },

  drawLegend() {
    const taken = Model.used(this.one.instance, [this.places]);
    const items = this.one.instance.offload_points.map(({ id, capacity, cpu }, n) =>
      make("span", taken[n] > capacity ? { class: "full" } : {}, [
        make("i", { style: `background: ${COLOURS[n + 1]}` }),
        `${id}: ${taken[n]} of ${capacity} places, ${number(cpu, 2)} MIPS`,
      ]),
    );
    const own = make("span", {}, [make("i", { style: `background: ${COLOURS[0]}` }), `device: ${number(this.owner.cpu, 2)} MIPS`]);
    $("places").replaceChildren(own, ...items);
  },

  drawFigures({ graph, parts, path, finish, delay, energy, cost, weights }) {
    const best = this.one.optimum.cost;
    const broken = Model.violations(this.one.instance, [this.places]);
    $("delay").textContent = `${number(delay)} s`;
    $("energy").textContent = `${number(energy)} mJ`;
    $("cost").textContent = number(cost, 4);
    $("best").textContent = number(best, 4);
    $("excess").textContent = broken.length ? "breaks a limit" : percent(cost / best - 1);
    $("path").textContent = path.map((k) => graph.subtasks[k]).join(" → ");
    $("limits").textContent = broken
      .map(({ point, limit, used, size }) => `${point} has ${size} ${limit}, and ${used} are used.`)
      .join(" ");
    const critical = new Set(path);
    const rows = parts.map(({ compute, send, receive, delay: g, energy: e }, k) => {
      const values = [compute, send, receive, g, e, finish[k]].map((value) => number(value));
      return row([graph.subtasks[k], named(this.places[k]), ...values], critical.has(k) ? { class: "critical" } : {});
    });
    $("parts").replaceChildren(...rows);
    const { alpha, power } = this.owner;
    const by = this.one.instance.cost.normalise === "local" ? ", each over its value all on the device" : "";
    $("weights").textContent =
      `Delay counts with α = ${number(alpha, 2)} against energy${by}: a = ${number(weights.delay, 4)} per s, ` +
      `b = ${number(weights.energy, 4)} per mJ. The device takes ${number(power.execute, 1)} mW to compute, ` +
      `${number(power.send, 1)} to send, ${number(power.receive, 1)} to receive.`;
  },
};

/** Seconds of a transfer, beside it. */
function label({ up, down }, x, y, what = "") {
  const way = up >= down ? "up" : "down";
  const text = `${what}${way === "up" ? "↑" : "↓"} ${number(Math.max(up, down), 2)} s`;
  return svg("text", { class: `transfer ${way}`, x, y, "text-anchor": "middle" }, [text]);
}

// Two devices -----------------------------------------------------------------------------------------

const pair = {
  one: null,
  menus: [],
  dearest: 1, // the least price at which nobody takes a place
  steps: 200,

  show(one) {
    this.one = one;
    const { devices, offload_points: [point] } = one.instance;
    this.menus = devices.map((owner) => Model.decisionsAt(one.instance, owner, point.id));
    this.dearest = Math.max(...this.menus.map((menu) => this.stops(menu)));
    $("pair-story").textContent = one.story;
    $("price").value = 0;
    this.draw();
  },

  /** The price from which a device takes no place. */
  stops: (menu) => Math.max(0, ...menu.slice(1).map(({ cost, taken }) => (menu[0].cost - cost) / taken)),

  get point() {
    return this.one.instance.offload_points[0];
  },

  /** The price at a step of the slider. */
  at(step) {
    return (1.15 * this.dearest * step) / this.steps;
  },

  draw() {
    const { devices } = this.one.instance;
    const room = this.point.capacity;
    const price = this.at($("price").value);
    const answers = this.menus.map((menu) => Model.respond(menu, price));
    const wanted = answers.reduce((sum, { taken }) => sum + taken, 0);
    const bound = Model.bound(this.menus, room, price);
    const grid = Array.from({ length: this.steps + 1 }, (_, step) => this.at(step));
    // the bound is concave and bends where a device changes its mind, which a grid does not meet
    const bends = this.menus.flatMap((menu) => menu.flatMap((a) => menu.map((b) => (a.cost - b.cost) / (b.taken - a.taken))));
    const prices = [...grid, ...bends.filter((p) => p >= 0 && p <= grid[this.steps])].sort((a, b) => a - b);
    const bounds = prices.map((p) => Model.bound(this.menus, room, p));
    const optimum = this.one.optimum;
    $("price-value").textContent = number(price);
    $("answers").replaceChildren(
      ...this.menus.map((menu, m) => {
        const roomy = Math.min(...menu.filter(({ taken }) => taken <= room).map(({ cost }) => cost));
        const { cost, taken } = answers[m];
        const values = [menu[0].cost, roomy, this.stops(menu)].map((value) => number(value));
        return row([devices[m].id, ...values, String(taken), number(cost), number(cost + price * taken)]);
      }),
    );
    $("wanted").textContent = `${wanted} of ${room}`;
    $("bound").textContent = number(bound);
    $("best-bound").textContent = number(Math.max(...bounds));
    $("pair-best").textContent = number(optimum.cost);
    $("gap").textContent = percent((optimum.cost - bound) / optimum.cost);
    $("given").textContent = devices
      .map(({ id }, m) => `${id} ${optimum.decisions[m].filter((place) => place !== null).length}`)
      .join(", ");
    $("market").textContent = this.verdict(wanted, room, answers);
    this.drawCurve(prices, bounds, price, bound);
  },

  verdict(wanted, room, answers) {
    const takers = this.one.instance.devices.filter((_, m) => answers[m].taken > 0).map(({ id }) => id);
    if (wanted > room) return `More are wanted than there are (${takers.join(" and ")}): the price is too low.`;
    if (wanted === room) return `The market clears: the ${room === 1 ? "place goes" : "places go"} to ${takers.join(" and ")}.`;
    return `${takers.length ? `${takers.join(" and ")} alone` : "Nobody"} takes any, and places stay empty: the price is too high for more.`;
  },

  drawCurve(prices, bounds, price, bound) {
    const box = { left: 48, right: 448, top: 14, bottom: 196 };
    const best = this.one.optimum.cost;
    const low = Math.min(...bounds);
    const high = best + 0.08 * (best - low);
    const x = (p) => box.left + ((box.right - box.left) * p) / prices[prices.length - 1];
    const y = (value) => box.bottom - ((box.bottom - box.top) * (value - low)) / (high - low);
    const text = (words, at) => svg("text", at, [words]);
    const short = (value) => number(value, best < 10 ? 2 : 1);
    $("curve").replaceChildren(
      svg("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
      svg("line", { class: "axis", x1: box.left, x2: box.left, y1: box.top, y2: box.bottom }),
      svg("line", { class: "optimum", x1: box.left, x2: box.right, y1: y(best), y2: y(best) }),
      svg("polyline", { class: "bound", points: prices.map((p, i) => `${x(p)},${y(bounds[i])}`).join(" ") }),
      svg("circle", { class: "here", cx: x(price), cy: y(bound), r: 6 }),
      text("optimum", { x: box.right, y: y(best) - 4, "text-anchor": "end" }),
      text(short(low), { x: box.left - 6, y: box.bottom + 4, "text-anchor": "end" }),
      text(short(best), { x: box.left - 6, y: y(best) + 4, "text-anchor": "end" }),
      text("0", { x: box.left, y: box.bottom + 16, "text-anchor": "middle" }),
      text(short(prices[prices.length - 1]), { x: box.right, y: box.bottom + 16, "text-anchor": "end" }),
      text("price λ of a place", { x: (box.left + box.right) / 2, y: box.bottom + 30, "text-anchor": "middle" }),
      text("bound L(λ)", { x: box.left + 6, y: box.top + 4 }),
    );
  },
};

$("local").addEventListener("click", () => device.set(device.places.map(() => null)));
$("greedy").addEventListener("click", () => device.set(device.one.greedy.decisions[0]));
$("optimum").addEventListener("click", () => device.set(device.one.optimum.decisions[0]));
$("price").addEventListener("input", () => pair.draw());
choice($("task"), INSTANCES.one, (one) => device.show(one));
choice($("pair"), INSTANCES.two, (one) => pair.show(one));
