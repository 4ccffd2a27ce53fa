"use strict";
// The same arithmetic as pricing/pricing.py, on quantities that model.py found: a test compares them.
function costsOf(card, users, messages, fanOut) {
  const sent = Math.min(messages, Math.ceil(messages / (1 + fanOut) - 1e-7));
  const free = {}, charged = {};
  return card.lines.map((line) => {
    if (line === null) return null;
    const [constant, byUser, byMessage, bySent] = line.units;
    const units = Math.max(0, constant + byUser * users + byMessage * messages + bySent * sent);
    let taken = 0;
    if (line.free) {
      const [pool, quantity] = line.free;
      taken = Math.min(units, Math.max(0, quantity - (free[pool] || 0)));
      free[pool] = (free[pool] || 0) + taken;
    }
    const before = charged[line.key] || 0, after = before + units - taken;
    charged[line.key] = after;
    let cost = 0, floor = 0;
    for (const [price, upTo] of line.tiers) {
      const top = upTo === null ? Infinity : upTo;
      cost += Math.max(0, Math.min(after, top) - Math.max(before, floor)) * price / line.per;
      floor = top;
    }
    return cost;
  });
}

function totalOf(card, users, messages, fanOut) {
  return costsOf(card, users, messages, fanOut).reduce((sum, cost) => sum + (cost || 0), 0);
}

function nice(largest) {
  if (largest <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(largest) + 1e-12);
  return [1, 2, 4, 5, 8, 10].map((factor) => factor * power).find((top) => top >= largest * (1 - 1e-9));
}

function money(value) {
  if (value > 0 && value < 0.005) return "<$0.01";
  return "$" + value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

function short(value) {
  for (const [limit, unit] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= limit) return Number((value / limit).toPrecision(3)) + unit;
  }
  return String(Number(value.toPrecision(3)));
}

function start() {
  const model = JSON.parse(document.getElementById("model").textContent);
  const box = model.chart, byId = (id) => document.getElementById(id);
  const inputs = ["users", "messages", "fan-out"].map((name) => [byId(name), byId(name + "-slider")]);

  function update() {
    const [users, messages, fanOut] = inputs.map(([field]) => (field ? Math.max(0, Number(field.value) || 0) : 0));
    const all = model.cards.map((card) => costsOf(card, users, messages, fanOut));
    const services = model.services.map((service) => all.map((costs) =>
      costs.reduce((sum, cost, line) => (model.lines[line][0] === service && cost !== null ? (sum || 0) + cost : sum), null)));
    const widest = Math.max(...services.flat().map((sum) => sum || 0), 1e-9);
    all.forEach((costs, card) => {
      const total = costs.reduce((sum, cost) => sum + (cost || 0), 0);
      const shown = byId("total-" + card);
      shown.textContent = money(total);
      shown.dataset.exact = String(total);
      byId("sum-" + card).textContent = money(total);
      costs.forEach((cost, line) => {
        const cell = byId("cost-" + card + "-" + line);
        if (cell && cost !== null) cell.textContent = money(cost);
      });
      services.forEach((sums, service) => {
        byId("bar-" + card + "-" + service).setAttribute("width", (box.bar * (sums[card] || 0) / widest).toFixed(1));
        byId("amount-" + card + "-" + service).textContent = sums[card] === null ? "–" : money(sums[card]);
      });
    });
    model.lines.forEach(([, quantity], line) => {
      const cell = byId("quantity-" + line);
      if (!cell || !quantity) return;
      const sent = Math.min(messages, Math.ceil(messages / (1 + fanOut) - 1e-7));
      const amount = quantity[0] + quantity[1] * users + quantity[2] * messages + quantity[3] * sent;
      cell.textContent = Math.max(0, amount).toLocaleString("en-US", { maximumFractionDigits: 3 });
    });
    curve(users, messages, fanOut);
  }

  function curve(users, messages, fanOut) {
    const end = nice(Math.max(messages * 2, model.end));
    const at = Array.from({ length: box.points + 1 }, (_, place) => end * place / box.points);
    const lines = model.cards.map((card) => at.map((x) => totalOf(card, users, x, fanOut)));
    const top = nice(Math.max(...lines.flat()));
    const x = (value) => box.left + box.width * value / end, y = (value) => box.bottom - box.height * value / top;
    lines.forEach((values, card) => {
      byId("curve-" + card).setAttribute("points", values.map((value, place) => x(at[place]).toFixed(1) + "," + y(value).toFixed(1)).join(" "));
      const here = byId("here-" + card);
      here.setAttribute("cx", x(messages).toFixed(1));
      here.setAttribute("cy", y(totalOf(model.cards[card], users, messages, fanOut)).toFixed(1));
      values.forEach((value, place) => {
        const cell = byId("point-" + card + "-" + place);
        if (cell) cell.textContent = money(value);
      });
    });
    for (let tick = 0; tick <= 4; tick += 1) {
      byId("x-" + tick).textContent = short(end * tick / 4);
      byId("y-" + tick).textContent = "$" + short(top * tick / 4);
    }
    document.querySelectorAll("[data-point]").forEach((cell) => { cell.textContent = short(at[Number(cell.dataset.point)]); });
    document.querySelectorAll("[data-edge]").forEach((edge) => {
      const place = Number(edge.dataset.edge) <= end ? x(Number(edge.dataset.edge)).toFixed(1) : "-9";
      edge.setAttribute("x1", place);
      edge.setAttribute("x2", place);
    });
  }

  inputs.forEach(([field, slider]) => {
    if (!field) return;
    const logarithmic = slider.dataset.scale === "log";
    field.addEventListener("input", () => {
      const value = Math.max(0, Number(field.value) || 0);
      slider.value = logarithmic ? Math.log10(Math.max(1, value)) : value;
      update();
    });
    slider.addEventListener("input", () => {
      field.value = logarithmic ? Math.round(10 ** Number(slider.value)) : slider.value;
      update();
    });
  });
  new URLSearchParams(location.hash.slice(1)).forEach((value, name) => {
    const field = byId(name);
    if (field && value !== "" && Number.isFinite(Number(value))) {
      field.value = value;
      field.dispatchEvent(new Event("input"));
    }
  });
  byId("controls").hidden = false;
}

if (document.getElementById("model")) start();
