// Pointing at, searching and sorting of ribbons. Their strokes are the data: "M<first frame> 0h<frames>".
"use strict";
const tip = document.querySelector(".tip");
const line = document.createElement("div");
line.className = "line";
const known = new WeakMap();

function segments(svg) {
  if (!known.has(svg)) {
    const names = JSON.parse(svg.closest(".ribbons").dataset.names);
    const found = [];
    for (const path of svg.querySelectorAll("path")) {
      const cluster = path.dataset.cluster;
      const name = cluster === undefined ? names[+path.classList[0].slice(1)] : `cluster ${cluster}, no class`;
      for (const [, start, length] of path.getAttribute("d").matchAll(/M(\d+) 0h(\d+)/g))
        found.push({ start: +start, stop: +start + +length, name });
    }
    known.set(svg, found.sort((a, b) => a.start - b.start));
  }
  return known.get(svg);
}

function describe(video, frame) {
  const lines = [`${video.dataset.name}: frame ${frame} of ${video.dataset.frames}`];
  for (const row of video.querySelectorAll(".row:not([hidden])")) {
    const part = segments(row.querySelector("svg")).find((s) => s.start <= frame && frame < s.stop);
    const text = part ? `${part.name} (${part.start} to ${part.stop - 1})` : "no label";
    lines.push(`${row.querySelector("b").textContent}: ${text}`);
  }
  return lines.join("\n");
}

function hide() {
  tip.hidden = true;
  line.remove();
}

function show(video, frame, x) {
  const outer = video.getBoundingClientRect();
  tip.textContent = describe(video, frame);
  tip.hidden = false;
  const width = tip.offsetWidth, height = tip.offsetHeight;
  const below = outer.bottom + 8 + height < innerHeight;
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 4))}px`;
  tip.style.top = `${below ? outer.bottom + 8 : Math.max(4, outer.top - height - 8)}px`;
  const rows = video.querySelector(".rows");
  line.style.left = `${x - outer.left}px`;
  line.style.top = `${rows.offsetTop}px`;
  line.style.height = `${rows.offsetHeight}px`;
  if (line.parentNode !== video) video.append(line);
}

function point(event) {
  const svg = event.target.closest && event.target.closest(".row svg");
  if (!svg) return hide();
  const video = svg.closest(".video"), box = svg.getBoundingClientRect(), n = +video.dataset.frames;
  const frame = Math.max(0, Math.min(n - 1, Math.floor(((event.clientX - box.left) / box.width) * n)));
  show(video, frame, event.clientX);
}

// By keys, the ribbons of a video are a slider: what is shown is also what a screen reader says.
function shown(rows) {
  return [...rows.querySelectorAll(".row:not([hidden]) svg")];
}

function goto(rows, frame) {
  const video = rows.closest(".video"), [svg] = shown(rows);
  if (!svg) return hide();
  const box = svg.getBoundingClientRect();
  rows.setAttribute("aria-valuenow", frame);
  rows.setAttribute("aria-valuetext", describe(video, frame));
  show(video, frame, box.left + ((frame + 0.5) / +video.dataset.frames) * box.width);
}

function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const rows = event.currentTarget, frame = +rows.getAttribute("aria-valuenow");
  const last = +rows.getAttribute("aria-valuemax");
  const starts = event.shiftKey ? [frame - 1, frame + 1] : shown(rows).flatMap(segments).map((part) => part.start);
  const to = {
    ArrowLeft: Math.max(0, ...starts.filter((start) => start < frame)),
    ArrowRight: Math.min(last, ...starts.filter((start) => start > frame)),
    Home: 0,
    End: last,
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  goto(rows, to);
}

function again() {
  const rows = document.activeElement;
  if (rows.matches(".rows:focus-visible")) goto(rows, +rows.getAttribute("aria-valuenow"));
  else hide();
}

for (const rows of document.querySelectorAll(".rows")) {
  const { name, frames } = rows.closest(".video").dataset;
  rows.tabIndex = 0;
  rows.setAttribute("role", "slider");
  rows.setAttribute("aria-label", `Segments of ${name}`);
  for (const [key, value] of [["min", 0], ["max", frames - 1], ["now", 0]]) rows.setAttribute(`aria-value${key}`, value);
  rows.addEventListener("keydown", press);
  rows.addEventListener("focus", again);
  rows.addEventListener("blur", hide);
}

document.addEventListener("pointermove", point);
document.addEventListener("pointerdown", point);
document.addEventListener("scroll", again, { passive: true });
document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

for (const ribbons of document.querySelectorAll(".ribbons")) {
  const list = ribbons.querySelector(".videos"), videos = [...list.children];
  const count = ribbons.querySelector("output"), find = ribbons.querySelector(".find");
  const orders = {
    score: (a, b) => worth(a) - worth(b),
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, undefined, { numeric: true }),
    length: (a, b) => b.dataset.frames - a.dataset.frames,
  };
  const worth = (video) => (video.dataset.score === "nan" ? Infinity : +video.dataset.score);
  ribbons.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  find.addEventListener("input", () => {
    const text = find.value.trim().toLowerCase();
    for (const video of videos) video.hidden = !video.dataset.name.toLowerCase().includes(text);
    const shown = videos.filter((video) => !video.hidden).length;
    count.textContent = text ? `${shown} of ${videos.length} videos` : `${videos.length} videos`;
  });
  const sort = ribbons.querySelector(".sort");
  sort.addEventListener("change", () => list.append(...videos.sort(orders[sort.value])));
  ribbons.querySelector(".lengths").addEventListener("change", (event) =>
    ribbons.classList.toggle("show-lengths", event.target.checked));
  for (const box of ribbons.querySelectorAll("input[data-seed]"))
    box.addEventListener("change", () => {
      for (const row of list.querySelectorAll(`.row[data-seed="${box.dataset.seed}"]`)) row.hidden = !box.checked;
    });
  for (const entry of ribbons.querySelectorAll(".legend li")) {
    const mark = (on) => {
      ribbons.classList.toggle("focus", on);
      for (const path of list.getElementsByClassName(entry.dataset.class)) path.classList.toggle("focused", on);
    };
    entry.tabIndex = 0;
    for (const kind of ["pointerenter", "focus"]) entry.addEventListener(kind, () => mark(true));
    for (const kind of ["pointerleave", "blur"]) entry.addEventListener(kind, () => mark(false));
  }
}

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
