// The picture of the answer, drawn anew for each choice in its form. Without this script the still one is shown.
const data = JSON.parse(document.getElementById("explore-data").textContent);
const { networks, cells, axes, ticks, metric, baseline } = data;
const figure = document.getElementById("explore"), form = figure.querySelector("form");
const [picture, curves] = figure.querySelectorAll(".chart"), details = figure.querySelector("section");
const FIELDS = ["study", "samples", "cell"], DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]];
const NEARLY_NOTHING = 1e-6;  // a stretched axis has no place for 0 and 100 %
const STYLE = {
  background: null, font: "system-ui, sans-serif", view: { stroke: null }, padding: 2,
  axis: { labelColor: "var(--ink)", titleColor: "var(--ink)", gridColor: "var(--faint)", domainColor: "var(--ink)",
    tickColor: "var(--ink)", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", labelOverlap: "greedy" },
  title: { anchor: "start", color: "var(--ink)", fontSize: 13, fontWeight: "normal", offset: 8 },
  legend: { labelColor: "var(--ink)", labelFontSize: 12, title: null, orient: "bottom", columns: 3, symbolSize: 90,
    layout: { bottom: { direction: "vertical" } } },
};

async function render(place, spec) {
  tip.textContent = "";
  const options = { renderer: "svg", actions: false, defaultStyle: false, tooltip: false };
  await vegaEmbed(place, { ...spec, config: STYLE }, options);
  const marks = place.querySelectorAll("path[aria-roledescription=point]");
  for (const mark of marks) mark.dataset.tip = mark.getAttribute("aria-label");
}

const variable = cell => `var(--${cell.replaceAll("_", "-")})`;
const boxes = field => [...form.querySelectorAll(`[name=${field}]`)];
const lets = (field, network) => !boxes(field).length
  || boxes(field).some(box => box.checked && box.value === String(network[field]));

// An axis of accuracies as in the still picture: stretched where errors differ by more than a factor of 3.
function accuracies(values) {
  const low = Math.min(...values), high = Math.max(...values);
  if (low >= NEARLY_NOTHING && high <= 1 - NEARLY_NOTHING && 1 - low > 3 * (1 - high)) {
    const logit = value => Math.log(value / (1 - value)), [bottom, top] = [logit(low), logit(high)];
    const room = Math.max(Math.log(1.6), 0.1 * (top - bottom));
    return {
      place: value => logit(Math.min(Math.max(value, NEARLY_NOTHING), 1 - NEARLY_NOTHING)),
      domain: [bottom - room, top + room], title: " (stretched towards 100 %)",
      axis: { values: ticks.map(logit), labelExpr: "format(100 / (1 + exp(-datum.value)), '.4~r') + ' %'" },
    };
  }
  const [room, beyond] = high > low ? [0.35 * (high - low), 0.1 * (high - low)] : [0.01, 0.002];
  return {
    place: value => value, domain: [Math.max(low - room, -beyond), Math.min(high + room, 1 + beyond)], title: "",
    axis: { tickCount: 5, labelExpr: "format(100 * datum.value, '.4~r') + ' %'" },
  };
}

function pictureOf(rows, axis, chosen) {
  const width = picture.clientWidth - 64, costs = rows.map(row => row[axis]);
  const scale = accuracies(rows.map(row => row.accuracy));
  const gaps = [0, ...rows.map(row => row.gap)], [least, most] = [Math.min(...gaps), Math.max(...gaps)];
  const room = 0.35 * (most - least) || 0.01;
  const values = rows.map(({ trainings, curves, facts, ...row }) => ({ ...row, chosen: row.tip === chosen?.tip,
    ...Object.fromEntries(["accuracy", "accuracy_low", "accuracy_high"].map(name =>
      [name, row[name] === null ? null : scale.place(row[name])])) }));
  const there = cells.filter(each => rows.some(row => row.cell === each.name));
  const cell = { field: "cell", type: "nominal",
    scale: { domain: there.map(each => each.name), range: there.map(each => variable(each.name)) },
    legend: { labelExpr: `{${there.map(each => `'${each.name}': '${each.title}'`)}}[datum.label]` } };
  const shape = { ...cell, scale: { ...cell.scale, range: there.map(each => each.shape) } };
  const layers = [...new Set(values.map(row => row.layers))].sort((one, other) => parseInt(one) - parseInt(other));
  const strokeDash = { field: "layers", type: "nominal",
    scale: { domain: layers, range: layers.map(text => DASHES[(parseInt(text) - 1) % DASHES.length]) },
    legend: layers.length > 1 ? { symbolType: "stroke", symbolSize: 600 } : null };
  const panel = (measure, { title, height, domain, line, across, upwards }) => {
    const x = { field: axis, type: "quantitative", title: null, axis: across,
      scale: { type: "log", domain: [Math.min(...costs) / 1.2, Math.max(...costs) * 1.2], nice: false } };
    const y = { field: measure, type: "quantitative", title: null, scale: { zero: false, nice: false, domain },
      axis: { minExtent: 48, maxExtent: 48, ...upwards } };
    const bar = { x, y: { ...y, field: `${measure}_low` }, y2: { field: `${measure}_high` }, color: cell };
    const fillOpacity = { condition: { test: "datum.competes", value: 1 }, value: 0 };
    const rule = { type: "rule", color: "var(--soft)", aria: false };
    const [chosenOne, champion] = ["chosen", "champion"].map(name => [{ filter: `datum.${name}` }]);
    return { title, width, height, layer: [
      ...[line].filter(({ at }) => at > domain[0] && at < domain[1]).map(({ at, ...style }) => (
        { data: { values: [{ at }] }, mark: { ...rule, color: "var(--ink)", ...style },
          encoding: { y: { ...y, field: "at" } } })),
      { transform: chosenOne, mark: rule, encoding: { x } },
      { transform: chosenOne, mark: rule, encoding: { y } },
      { mark: { type: "line", strokeWidth: 1.4, aria: false },
        encoding: { x, y, color: cell, strokeDash, detail: { field: "series" }, order: { field: "parameters" } } },
      { mark: { type: "rule", strokeWidth: 1.4, clip: true, aria: false }, encoding: bar },
      { mark: { type: "point", size: 75, strokeWidth: 1.6, opacity: 1 },
        encoding: { x, y, color: cell, shape, fill: cell, fillOpacity, description: { field: "tip" } } },
      { transform: champion, encoding: { x, y }, mark: { type: "point", shape: "circle", size: 420, strokeWidth: 2.4,
        color: "var(--mark)", opacity: 1, aria: false } },
    ] };
  };
  const description = `Held-out ${metric} and generalization gap of ${rows.length} networks against ${axes[axis]}.`;
  return { data: { values }, description, vconcat: [
    panel("accuracy", { title: `Held-out ${metric}${scale.title}`, height: 250, domain: scale.domain,
      line: { at: scale.place(baseline), strokeDash: [2, 3], strokeWidth: 1.6 },
      across: { labels: false, ticks: false }, upwards: scale.axis }),
    panel("gap", { title: "Generalization gap: train minus held-out, points", height: 120,
      domain: [least - room, most + room], line: { at: 0, strokeWidth: 0.8 },
      across: { title: `${axes[axis]} (log scale)`, format: ",~r", tickCount: 5 },
      upwards: { tickCount: 4, labelExpr: "format(100 * datum.value, '.4~r')" } }),
  ] };
}

function draw() {
  const axis = form.axis.value, chosen = networks[form.network.value];
  const passing = networks.filter(network => FIELDS.every(field => lets(field, network)));
  const rows = passing.filter(network => network[axis] > 0), lost = passing.length - rows.length;
  for (const field of FIELDS) for (const box of boxes(field)) {
    const others = FIELDS.filter(other => other !== field);
    const found = networks.filter(network => others.every(other => lets(other, network)));
    const count = found.filter(network => String(network[field]) === box.value).length;
    box.parentElement.querySelector("span").textContent = `(${count})`;
  }
  figure.querySelector("[role=status]").textContent = `Networks drawn: ${rows.length} of ${networks.length}.`
    + (lost ? ` Of ${lost} more “${axes[axis]}” is not known.` : "");
  const offered = passing.includes(chosen) || !chosen ? passing : [chosen, ...passing];
  form.network.replaceChildren(new Option("choose one", ""), ...offered.map(network => new Option(
    `${network.name} (${network.study}, ${network.samples.toLocaleString("en")} samples)`, networks.indexOf(network))));
  form.network.value = chosen ? networks.indexOf(chosen) : "";
  picture.hidden = !rows.length;
  if (rows.length) render(picture, pictureOf(rows, axis, rows.includes(chosen) ? chosen : null));
}

// The learning curves of one network's trainings, and a mark at each epoch's mean.
function curvesOf(network) {
  const lines = [], epochs = new Map();
  for (const [training, curve] of network.curves.entries()) curve.epoch.forEach((epoch, place) => {
    const at = Object.fromEntries(Object.entries(curve).map(([name, values]) => [name, values[place]]));
    for (const data of ["train", "validation"]) for (const measure of ["accuracy", "loss"]) {
      const value = at[`${data}_${measure}`];
      const shown = measure === "loss" && value <= 0 ? null : value;  // no place on its axis
      lines.push({ epoch, data, measure, value: shown, line: `${training} ${data}` });
    }
    epochs.set(epoch, [...epochs.get(epoch) ?? [], at]);
  });
  const mean = (all, name) => all.some(at => at[name] === null) ? null
    : all.reduce((sum, at) => sum + at[name], 0) / all.length;
  const told = (all, name) => {
    const value = mean(all, name);
    if (value === null) return "not measured";
    return name.endsWith("accuracy") ? `${(100 * value).toFixed(2)} %` : value.toPrecision(3);
  };
  const marks = [...epochs].flatMap(([epoch, all]) => ["accuracy", "loss"].map(measure => ({
    epoch, measure, value: mean(all, `validation_${measure}`) || null,
    tip: `epoch ${epoch}: ${network.measured} ${told(all, "validation_accuracy")}, train ${told(all, "train_accuracy")}; `
      + `loss ${told(all, "validation_loss")} and ${told(all, "train_loss")} nats`,
  })));
  const color = variable(network.cell), two = curves.clientWidth > 560;
  const width = (two ? (curves.clientWidth - 30) / 2 : curves.clientWidth) - 62;
  const size = Math.min(22, 300 / epochs.size);
  const panel = (measure, title, scale, upwards) => {
    const x = { field: "epoch", type: "quantitative", scale: { nice: false, zero: false },
      axis: { tickMinStep: 1, tickCount: 6 } };
    const y = { field: "value", type: "quantitative", title: null, scale: { nice: false, ...scale },
      axis: { minExtent: 40, maxExtent: 40, ...upwards } };
    const of = text => [{ filter: `datum.measure === '${measure}'${text}` }];
    const line = (data, style) => ({ transform: of(` && datum.data === '${data}'`),
      mark: { type: "line", aria: false, ...style }, encoding: { x, y, detail: { field: "line" } } });
    return { title, width, height: 150, layer: [
      line("train", { strokeDash: [5, 3], strokeWidth: 1.2, color: "var(--ink)" }),
      line("validation", { strokeWidth: 1.8, color }),
      { data: { values: marks }, transform: of(""), mark: { type: "point", filled: true, size, color, opacity: 1 },
        encoding: { x, y, description: { field: "tip" } } },
    ] };
  };
  const description = `Learning curves of ${network.name}: ${metric} and loss by epoch.`;
  return { data: { values: lines }, description, [two ? "hconcat" : "vconcat"]: [
    panel("accuracy", metric, { zero: false }, { labelExpr: "format(100 * datum.value, '.4~r') + ' %'", tickCount: 5 }),
    panel("loss", "loss, nats (log scale)", { type: "log" }, { format: "~r", tickCount: 4 }),
  ] };
}

function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

function tell() {
  const network = networks[form.network.value];
  details.hidden = !network;
  if (!network) return;
  details.querySelector("h3").textContent = network.name;
  details.querySelector("p").textContent = network.about;
  details.querySelector("dl").replaceChildren(...network.facts.map(([label, value]) =>
    element("div", element("dt", label), element("dd", value))));
  const { headers, rows } = network.trainings, head = headers.map(text => element("th", text));
  for (const cell of head) cell.scope = "col";
  details.querySelector(".scroll").replaceChildren(element("table", element("thead", element("tr", ...head)),
    element("tbody", ...rows.map(row => element("tr", ...row.map(text => element("td", text)))))));
  details.querySelector("pre").textContent = network.commands.join("\n");
  render(curves, curvesOf(network));
}

function choose(network) {
  form.network.value = networks.indexOf(network);
  tell();
  draw();
  details.querySelector("h3").scrollIntoView({ block: "nearest" });
}

document.documentElement.classList.add("explores");
figure.hidden = false;
form.addEventListener("change", ({ target }) => { if (target === form.network) tell(); draw(); });
form.addEventListener("submit", event => event.preventDefault());
picture.addEventListener("click", event => {
  const mark = nearest(event);
  if (mark) choose(networks.find(network => network.tip === mark.dataset.tip));
});
let drawn = innerWidth;
addEventListener("resize", () => { if (innerWidth !== drawn) { drawn = innerWidth; draw(); tell(); } });
draw();
