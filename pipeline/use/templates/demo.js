// The drawing goes to the program that serves this page; its answer is shown as of one row (or column) at a time.
const settings = JSON.parse(document.getElementById("settings").textContent);
const { drawing: sent, side, step, labels, networks } = settings;
const byId = (id) => document.getElementById(id);
const [canvas, pen, slider, play] = ["canvas", "pen", "steps", "play"].map(byId);
const context = canvas.getContext("2d", { willReadFrequently: true });
const size = canvas.width, width = 22;  // of the drawing and of a stroke, in its own pixels
const articles = [...document.querySelectorAll("[data-network]")];
const lessMotion = matchMedia("(prefers-reduced-motion: reduce)");
let sample = null;   // the pixels of a test image, as long as nobody draws
let reading = null;  // what the networks make of the drawing
let asking = false, again = false, began = 0;

// Drawing

context.lineCap = context.lineJoin = "round";
context.lineWidth = width;

// Everything that is drawn, in the colour of the screen's ink: how much ink there is, its alpha alone says.
function inked() {
  context.strokeStyle = context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--ink");
  context.globalCompositeOperation = "source-in";
  context.fillRect(0, 0, size, size);
  context.globalCompositeOperation = "source-over";
}

function place({ clientX, clientY }) {
  const box = canvas.getBoundingClientRect();
  return [(clientX - box.left) * size / box.width, (clientY - box.top) * size / box.height];
}

function stroke(from, to) {
  if (sample) clear();
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  ask();
}

function clear() {
  context.clearRect(0, 0, size, size);
  sample = null;
  byId("told").textContent = "";
}

let last = null;
canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  pen.hidden = true;
  last = place(event);
  stroke(last, last);
});
canvas.addEventListener("pointermove", (event) => {
  if (!last) return;
  for (const each of event.getCoalescedEvents?.() ?? [event]) {
    const next = place(each);
    stroke(last, next);
    last = next;
  }
});
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });

// The pen of the keyboard

const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const held = new Set();
let [x, y, down] = [size / 2, size / 2, false];

function showPen() {
  pen.hidden = document.activeElement !== canvas;
  pen.classList.toggle("down", down);
  pen.style.left = `${100 * x / size}%`;
  pen.style.top = `${100 * y / size}%`;
}
canvas.addEventListener("keydown", (event) => {
  if (event.key in moves) {
    held.add(event.key);
    const from = [x, y];
    const inside = (value) => Math.max(width / 2, Math.min(size - width / 2, value));
    for (const key of held) [x, y] = [inside(x + 8 * moves[key][0]), inside(y + 8 * moves[key][1])];
    if (down) stroke(from, [x, y]);
  } else if (event.key === " ") {
    down = !down;
    say(down ? "pen down" : "pen up");
    if (down) stroke([x, y], [x, y]);
  } else if (event.key === "Delete" || event.key === "Backspace") {
    byId("clear").click();
  } else return;
  event.preventDefault();
  showPen();
});
canvas.addEventListener("keyup", (event) => { held.delete(event.key); });
canvas.addEventListener("focus", () => { if (canvas.matches(":focus-visible")) showPen(); });
canvas.addEventListener("blur", () => { held.clear(); down = false; pen.hidden = true; });
byId("clear").addEventListener("click", () => { clear(); ask(); });

// Test images

const shown = {};  // how many of each kind
for (const button of document.querySelectorAll("[data-kind]")) {
  button.addEventListener("click", () => show(button.dataset.kind));
}

async function show(kind) {
  const number = shown[kind] ?? 0;
  const answer = await asked(`/sample/${kind}/${number}`);
  if (!answer) return;
  shown[kind] = number + 1;
  clear();
  sample = bytes(answer.pixels, Uint8Array);
  byId("told").textContent = `A test image of a ${answer.label}. Your first stroke clears it.`;
  const small = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const image = new ImageData(side, side);
  sample.forEach((ink, place) => { image.data[4 * place + 3] = ink; });
  small.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(small, 0, 0, size, size);
  inked();
  ask();
}

// Questions: one at a time, and the newest drawing next

async function asked(url, options) {
  try {
    const response = await fetch(url, options);
    if (response.ok) { byId("problem").textContent = ""; return await response.json(); }
    byId("problem").textContent = await response.text();
  } catch {
    byId("problem").textContent = "The program that answers has ended: start it again, and reload this page.";
  }
  return null;
}

async function ask() {
  again = true;
  began ||= performance.now();
  stop();
  if (asking) return;
  asking = true;
  while (again) {
    again = false;
    const since = began;
    began = 0;
    const body = sample ?? drawn();
    reading = body && await asked("/read", { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body });
    slider.value = side;
    update();
    requestAnimationFrame(() => performance.measure("stroke", { start: since }));
  }
  asking = false;
  later();
}

// The drawing in grey, ink dark on light; null where there is none.
function drawn() {
  const { data } = context.getImageData(0, 0, size, size);
  const grey = new Uint8Array(sent * sent).fill(255);
  const every = size / sent;
  let ink = false;
  for (let row = 0; row < sent; row++) {
    for (let column = 0; column < sent; column++) {
      const alpha = data[4 * (row * every * size + column * every) + 3];
      grey[row * sent + column] -= alpha;
      ink ||= alpha > 0;
    }
  }
  return ink ? grey : null;
}

function bytes(text, type) {
  return new type(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

// What is shown: all as of one row

function percent(share) {
  return share > 0 && share < 0.0005 ? "<0.1 %" : `${(100 * share).toFixed(1)} %`;
}

function best(answer) {
  return answer.indexOf(Math.max(...answer));
}

function update() {
  const read = Number(slider.value);
  document.body.style.setProperty("--read", read / side);
  document.body.classList.toggle("whole", read === side);
  byId("read").textContent = slider.ariaValueText = `${step} ${read} of ${side}`;
  play.textContent = playing ? "Pause" : "Play";
  for (const control of [play, slider, byId("back"), byId("on")]) control.disabled = !reading;
  const colours = palette();
  paint(byId("seen"), reading && bytes(reading.pixels, Uint8Array), (value) => mixed(colours.paper, colours.ink, value / 255));
  byId("glance").textContent = reading?.networks.map(({ answers }, number) => {
    const answer = answers[read - 1], most = best(answer);
    return `${networks[number].name}: ${labels[most]}, ${percent(answer[most])}`;
  }).join("\n") ?? "";
  articles.forEach((article, number) => showNetwork(article, reading?.networks[number], read, colours, number));
}

function showNetwork(article, network, read, colours, number) {
  const find = (selector) => article.querySelector(selector);
  const answer = network?.answers[read - 1];
  const most = answer && best(answer);
  find(".digit").textContent = answer ? labels[most] : "–";
  find(".sure").textContent = answer ? percent(answer[most]) + (network.sure || read < side ? "" : ", not sure") : "";
  article.querySelectorAll(".bars tr").forEach((row, place) => {
    row.classList.toggle("most", place === most);
    row.querySelector(".bar").style.setProperty("--share", answer ? answer[place] : 0);
    row.querySelector(".value").textContent = answer ? percent(answer[place]) : "–";
  });
  const mind = find(".mind");
  mind.hidden = !network;
  if (network) mind.style.left = `${100 * (network.decided - 1) / side}%`;
  find(".course").textContent = network ? course(network) : "";
  const [answers, ...states] = article.querySelectorAll(".labelled canvas");
  paint(answers, network && labels.flatMap((_, label) => network.answers.map((each) => each[label])),
    (value) => mixed(colours.panel, colours.gru, value));
  states.forEach((map, place) => {
    const units = networks[number].maps[place];
    const values = network && (network.bytes ??= network.maps.map((text) => bytes(text, Int8Array)))[place];
    const here = values?.subarray((read - 1) * side * units, read * side * units);
    paint(map, here && Array.from({ length: side * units }, (_, at) => here[at % side * units + Math.floor(at / side)]),
      (value) => mixed(colours.panel, value < 0 ? colours.negative : colours.positive, Math.abs(value) / 127));
  });
}

// In a sentence, what a network says after which row.
function course({ answers, decided }) {
  const runs = [];
  answers.forEach((answer, place) => {
    const said = labels[best(answer)];
    if (said === runs.at(-1)?.said) runs.at(-1).to = place + 1;
    else runs.push({ said, from: place + 1, to: place + 1 });
  });
  const end = runs.pop();
  const before = runs.map(({ said, from, to }) => from === to ? `${step} ${from}: ${said}, ` : `${step}s ${from}–${to}: ${said}, `);
  return `${before.join("")}from ${step} ${decided} on: ${end.said}`;
}

function paint(map, values, colour) {
  const paper = map.getContext("2d");
  paper.clearRect(0, 0, map.width, map.height);
  if (!values) return;
  const image = paper.createImageData(map.width, map.height);
  values.forEach((value, place) => image.data.set(colour(value), 4 * place));
  paper.putImageData(image, 0, 0);
}

function palette() {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => {
    const text = style.getPropertyValue(`--${name}`).trim();
    return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  };
  return { ...Object.fromEntries(["paper", "panel", "ink", "gru"].map((name) => [name, named(name)])),
    negative: named("lstm"), positive: named("simple-rnn") };
}

function mixed(from, to, share) {
  return [...from.map((value, place) => value + (to[place] - value) * share), 255];
}

// Playing

let playing = 0;

function stop() {
  clearInterval(playing);
  playing = 0;
}

function go(to) {
  slider.value = to;
  update();
}

play.addEventListener("click", () => {
  if (playing) { stop(); update(); return; }
  if (Number(slider.value) === side) slider.value = 1;
  playing = setInterval(() => {
    if (Number(slider.value) + 1 >= side) { stop(); later(); }
    go(Number(slider.value) + 1);
  }, lessMotion.matches ? 600 : 150);
  update();
});
slider.addEventListener("input", () => { stop(); update(); });
byId("back").addEventListener("click", () => { stop(); go(Number(slider.value) - 1); });
byId("on").addEventListener("click", () => { stop(); go(Number(slider.value) + 1); });
for (const map of document.querySelectorAll(".labelled .map")) {
  const seek = ({ clientX }) => {
    const box = map.getBoundingClientRect();
    stop();
    go(Math.ceil((clientX - box.left) / box.width * side));
  };
  map.addEventListener("pointerdown", (event) => { if (reading) seek(event); });
  map.addEventListener("pointermove", (event) => { if (reading && event.buttons) seek(event); });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { inked(); update(); });

// For those who listen: the answers, once the pen has rested

let resting = 0;

function say(text) { byId("said").textContent = text; }

function later() {
  clearTimeout(resting);
  resting = setTimeout(() => {
    if (!reading) return;
    say(reading.networks.map(({ answers, decided, sure }, number) => {
      const answer = answers.at(-1), most = best(answer);
      return `${networks[number].name}: ${labels[most]}, ${percent(answer[most])}${sure ? "" : ", not sure"}, from ${step} ${decided} on.`;
    }).join(" "));
  }, 900);
}

for (const map of document.querySelectorAll("[data-units]")) map.style.setProperty("--units", map.dataset.units);
inked();
update();
show([...document.querySelectorAll("[data-kind]")].at(-1).dataset.kind);
