// How many files and bytes there were, over time. Drawn by uPlot; this says what, and makes it usable by keyboard.

import { make, now, one, say } from "./dom.js";
import { bytes, count, moment, tick } from "./format.js";

const DAY = 86400;

/** How far back, in seconds, and with which of the service's steps. */
export const RANGES = {
  hour: { back: 3600, step: 60 },
  day: { back: DAY, step: 60 },
  month: { back: 30 * DAY, step: 900 },
  years: { back: 3653 * DAY, step: DAY },
};

const HEIGHT = 248;
const ROWS = 60;
const LEAST = 5; // steps of samples: the axis spans no less
const WHOLE = [1, 2, 5].flatMap((n) => Array.from({ length: 13 }, (_, power) => n * 10 ** power)).sort((a, b) => a - b);
const BINARY = Array.from({ length: 60 }, (_, power) => 2 ** power);

export class Chart {
  constructor() {
    this.root = one("#chart");
    this.range = RANGES.hour;
    this.samples = [];
    this.live = [];
    this.shown = [];
    this.plot = null;
    this.at = null; // which point the keyboard is at; null: the newest, whatever comes
    new ResizeObserver(() => this.resize()).observe(this.root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.rebuild());
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("blur", () => this.leave());
    one("#values").addEventListener("toggle", () => this.list());
  }

  /** Take what is on record for a range. */
  show(range, samples) {
    this.range = range;
    this.samples = samples;
    this.live = this.live.filter(([at]) => at > now() - RANGES.hour.back);
    this.draw();
    this.list();
  }

  /** Take how much there is now. */
  append(at, records, size) {
    this.live.push([at, records, size]);
    this.draw();
  }

  /** Samples, and what was heard since: in an hour every word of it counts, in more the last. */
  points() {
    const from = now() - this.range.back;
    const last = this.samples.at(-1)?.[0] ?? -Infinity;
    const live = this.range === RANGES.hour ? this.live : this.live.slice(-1).filter(([at]) => at > last);
    return [...this.samples, ...live].filter(([at]) => at >= from).sort((a, b) => a[0] - b[0]);
  }

  draw() {
    this.shown = this.points();
    const data = columns(this.shown, this.range.step);
    if (!this.plot) this.build(data);
    else this.plot.setData(data);
    this.point(this.at);
  }

  build(data) {
    this.plot = new window.uPlot(this.options(), data, this.root);
    for (const canvas of this.root.querySelectorAll("canvas")) canvas.setAttribute("aria-hidden", "true");
  }

  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    this.draw();
  }

  resize() {
    const width = this.root.clientWidth;
    if (this.plot && width && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  options() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const [text, line, files, size] = ["muted", "line", "files", "bytes"].map(colour);
    const axis = { stroke: text, font: "11px system-ui, sans-serif", ticks: { show: false }, gap: 6, size: 26 };
    return {
      width: this.root.clientWidth || 600,
      height: HEIGHT,
      padding: [10, 4, 0, 4],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 7 } },
      scales: {
        x: { time: true, range: () => this.window() },
        files: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] },
        bytes: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] },
      },
      series: [
        {},
        { scale: "files", stroke: files, width: 1.5, fill: colour("files-area"), points: { size: 4, fill: files } },
        { scale: "bytes", stroke: size, width: 1.5, dash: [5, 3], points: { size: 4, fill: size } },
      ],
      axes: [
        { ...axis, grid: { stroke: line, width: 1 }, space: 64, values: (_, at, __, ___, step) => at.map((t) => tick(t, step)) },
        { ...axis, scale: "files", grid: { stroke: line, width: 1 }, incrs: WHOLE, size: 56, values: (_, at) => at.map(count) },
        { ...axis, scale: "bytes", side: 1, grid: { show: false }, incrs: BINARY, size: 64, values: (_, at) => at.map(sizeTick) },
      ],
      hooks: { setCursor: [(plot) => this.read(plot.cursor.idx)] },
    };
  }

  /** What the axis of time spans: a range, from where there is something in it, and some steps at least. */
  window() {
    const end = now();
    const first = this.shown[0]?.[0] ?? end;
    return [end - Math.min(this.range.back, Math.max((end - first) * 1.02, LEAST * this.range.step)), end];
  }

  // -- reading values

  /** Say the values at a place under the pointer or the keyboard's; the newest when there is none. */
  read(index) {
    const under = index === null || index === undefined ? null : this.plot.data.map((column) => column[index]);
    const [at, records, size] = under?.[1] === null ? [under[0], NaN, NaN] : (under ?? this.shown.at(-1) ?? []);
    say(one("#legend-files"), count(records));
    say(one("#legend-bytes"), bytes(size ?? NaN));
    say(one("#legend-at"), under ? moment(at) : "now");
  }

  key(event) {
    const last = this.shown.length - 1;
    const from = this.at === null ? last : this.shown.findIndex(([at]) => at >= this.at);
    const moves = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last, PageUp: from - 10, PageDown: from + 10 };
    if (last < 0 || !(event.key in moves)) return;
    event.preventDefault();
    const point = this.shown[Math.min(last, Math.max(0, moves[event.key]))];
    this.point(point[0]);
    say(one("#chart-said"), `${moment(point[0])}: ${count(point[1])} files, ${bytes(point[2] ?? NaN)}`);
  }

  /** Go to where the keyboard is; where it is nowhere, the pointer may be. */
  point(at) {
    this.at = at;
    if (at !== null) this.plot.setCursor({ left: this.plot.valToPos(at, "x"), top: HEIGHT / 2 });
    else this.read(this.plot.cursor.idx);
  }

  leave() {
    this.at = null;
    this.plot?.setCursor({ left: -10, top: -10 });
  }

  /** Fill the table, the newest first; evenly thinned, for it is to be read. */
  list() {
    if (!one("#values").open) return;
    const every = Math.ceil(this.shown.length / ROWS);
    const chosen = this.shown.toReversed().filter((_, at) => at % every === 0);
    const cell = (text) => make("td", { class: "number" }, text);
    const rows = chosen.map(([at, records, size]) =>
      make("tr", {}, make("th", { scope: "row" }, moment(at)), cell(count(records)), cell(bytes(size ?? NaN))),
    );
    one("#values tbody").replaceChildren(...rows);
  }
}

/** A mark on an axis of bytes, which are round numbers there. */
const sizeTick = (size) => bytes(size).replace(".0 ", " ");

/** Columns as uPlot wants them, with a gap where nobody looked for longer than samples are apart. */
function columns(points, step) {
  const found = [[], [], []];
  let former = Infinity;
  for (const [at, records, size] of points) {
    if (at - former > 2.5 * step) push(found, (at + former) / 2, null, null);
    push(found, at, records, size);
    former = at;
  }
  return found;
}

function push(found, ...values) {
  values.forEach((value, column) => found[column].push(value));
}
