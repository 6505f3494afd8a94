// Shows the counts of the cell under the pointer, or under the arrow keys. Everything else works without it.
"use strict";
const COLUMNS = 128, BLOCK = 524288;
const tip = document.createElement("div");
tip.id = "tip";
tip.setAttribute("role", "status");
document.body.append(tip);
const decoded = new WeakMap();

function countsOf(map) {
  if (!decoded.has(map)) {
    const cells = [];
    for (const word of map.dataset.counts.split(";")) {
      const [counts, times] = word.split("*");
      const fields = counts.split(",");
      for (let left = times ? parseInt(times, 36) : 1; left > 0; left--) cells.push(fields);
    }
    decoded.set(map, cells);
  }
  return decoded.get(map);
}

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; unit++; }
  return bytes.toFixed(bytes >= 100 || Number.isInteger(bytes) ? 0 : 1) + " " + units[unit];
}

function told(map, at) {
  const cells = Number(map.dataset.cells), blocks = Number(map.dataset.blocks);
  const first = Math.floor(blocks * at / cells), end = Math.floor(blocks * (at + 1) / cells), all = end - first;
  const count = (text) => text === "~" ? all : text ? parseInt(text, 36) : 0;
  const [zero, changed, injected, drifted, both] = [0, 1, 2, 3, 4].map((n) => count(countsOf(map)[at][n]));
  const data = all - zero - changed - injected - drifted + both;
  const lines = [`${size(first * BLOCK)} to ${size(end * BLOCK)}`];
  for (const [name, number] of Object.entries({ drifted, changed, injected, unchanged: data, zero })) {
    if (number) lines.push(`${number.toLocaleString("en")} of ${all.toLocaleString("en")} blocks ${name}`);
  }
  return lines.join("\n");
}

function show(map, at, x, y) {
  tip.textContent = told(map, at);
  tip.style.visibility = "visible";
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 4)) + "px";
  tip.style.top = (y + 18 + tip.offsetHeight < innerHeight ? y + 18 : y - tip.offsetHeight - 10) + "px";
}

function hide(map) {
  tip.style.visibility = "hidden";
  map.querySelector(".cursor")?.remove();
}

function move(map, at) {
  let cursor = map.querySelector(".cursor");
  if (!cursor) {
    cursor = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [key, value] of Object.entries({ class: "cursor", width: 1, height: 1 })) cursor.setAttribute(key, value);
    map.append(cursor);
  }
  cursor.setAttribute("x", at % COLUMNS);
  cursor.setAttribute("y", Math.floor(at / COLUMNS));
  const box = cursor.getBoundingClientRect();
  show(map, at, box.left, box.bottom - 10);
}

for (const map of document.querySelectorAll("svg.map")) {
  const cells = Number(map.dataset.cells);
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS };
  let at = -1;
  map.addEventListener("pointermove", (event) => {
    const box = map.getBoundingClientRect(), unit = box.width / COLUMNS;
    const under = Math.floor((event.clientY - box.top) / unit) * COLUMNS + Math.floor((event.clientX - box.left) / unit);
    if (under >= 0 && under < cells) { at = under; show(map, at, event.clientX, event.clientY); } else hide(map);
  });
  map.addEventListener("pointerleave", () => hide(map));
  map.addEventListener("blur", () => hide(map));
  map.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide(map);
    if (!(event.key in steps)) return;
    event.preventDefault();
    at = Math.max(0, Math.min(cells - 1, at < 0 ? 0 : at + steps[event.key]));
    move(map, at);
  });
}

// A link into a closed card opens it.
function open() {
  const card = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (card instanceof HTMLDetailsElement) { card.open = true; card.scrollIntoView(); }
}
addEventListener("hashchange", open);
open();
