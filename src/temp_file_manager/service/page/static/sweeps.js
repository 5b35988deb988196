// What the last sweeps did, and when the next begins.

import { folding, keyed, make, one, say, since } from "./dom.js";
import { clock, count, counted, number, span, took } from "./format.js";
import { path, sentence } from "./names.js";

const GRAVEST = ["failed", "replaced", "kept"];
const COUNTS = ["removed", "gone", "replaced", "kept", "failed"];
const MOVED = ["quarantined", "compressed"]; // by rules: most have none
const WIDE = new Set(["gone", "replaced"]); // narrow screens do without

export function showSweeps({ sweeps, scheduler, health }) {
  const table = one("#sweeps");
  table.hidden = sweeps.length === 0;
  table.nextElementSibling.hidden = sweeps.length > 0;
  const create = (row) => (row.idle > 1 ? idleRow(row) : sweepRow(row, health.base_dir));
  keyed(table, folded(sweeps), (row) => `${row.at} ${row.duration} ${row.idle}`, create, () => {});
  showSchedule(scheduler, health);
}

/** Several sweeps in a row that had nothing to do are one line, as in `top`. */
function folded(sweeps) {
  const rows = [];
  for (const sweep of sweeps) {
    const former = rows.at(-1);
    if (isIdle(sweep) && former?.idle) {
      former.idle += 1;
      former.first = sweep.at;
    } else rows.push({ ...sweep, idle: isIdle(sweep) ? 1 : 0, first: sweep.at });
  }
  return rows;
}

const isIdle = (sweep) =>
  sweep.scheduled && !sweep.stopped && [...COUNTS, ...MOVED, "skipped"].every((name) => sweep[name] === 0);

function idleRow({ at, first, idle }) {
  const ended = make("time");
  since(ended, number(at));
  const when = make("td", {}, ended, " ", make("span", { class: "clock" }, clock(number(at))));
  const told = make("td", { colspan: COUNTS.length + 2, class: "idle" });
  told.append(`${idle} sweeps with nothing to do`, make("span", { class: "clock" }, `since ${clock(number(first))}`));
  return make("tbody", { class: "nothing" }, make("tr", {}, when, told));
}

function showSchedule(scheduler, health) {
  const note = one("#schedule");
  const every = `every ${span(scheduler.interval)}`;
  if (health.scheduler_alive === null) say(note, "this process sweeps nothing by itself");
  else if (health.scheduler_alive === false) say(note, "the scheduler has ended");
  else if (scheduler.next === null) say(note, `${every}; the first is under way`);
  else {
    const time = one("time", note) ?? make("time");
    if (!time.parentElement) note.replaceChildren(time);
    since(time, scheduler.next, (text, left) => `${every}, next ${left < 0 ? "now" : text}`);
    return;
  }
}

function sweepRow(sweep, base) {
  const ended = make("time");
  since(ended, number(sweep.at));
  const when = make("td", {}, ended, " ", make("span", { class: "clock" }, clock(number(sweep.at))));
  if (!sweep.scheduled) when.append(" ", make("span", { class: "tag" }, "asked for"));
  const row = make("tr", {}, when, make("td", { class: "number wide" }, took(sweep.duration)));
  for (const name of COUNTS) row.append(countCell(name, sweep[name]));
  const why = make("div", { class: "why" });
  row.append(make("td", {}, why));
  for (const name of MOVED) if (sweep[name]) why.append(make("span", { class: "tag" }, `${count(sweep[name])} ${name}`));
  if (sweep.stopped) why.append(make("span", { class: "tag" }, `ended by ${sweep.stopped}`));
  if (!sweep.reasons.length) return make("tbody", {}, row);
  const reasons = sweep.reasons.toSorted((a, b) => GRAVEST.indexOf(a.status) - GRAVEST.indexOf(b.status));
  const button = make("button", { type: "button", class: "fold" });
  const gist = make("span", { class: "gist" }, reasons.map(shortly).join("; "));
  button.append(gist, make("span", { class: "brief" }, counted(reasons.length, "reason")));
  why.append(button);
  const { body, cell } = folding(button, row, COUNTS.length + 3);
  cell.append(make("ul", {}, ...reasons.map((reason) => told(reason, base))));
  return body;
}

const shortly = (reason) => `${count(reason.files)} ${reason.status}: ${sentence(reason.reason)}`;

function countCell(name, value) {
  const bad = name === "failed" && value > 0;
  const kinds = ["number", value ? "" : "zero", bad ? "bad" : "", WIDE.has(name) ? "wide" : ""];
  return make("td", { class: kinds.filter(Boolean).join(" ") }, count(value));
}

function told(reason, base) {
  const example = make("span", { class: "example" }, reason.files === 1 ? "" : "such as ", path(reason.example, base));
  const files = make("b", {}, `${count(reason.files)} ${reason.status}`);
  return make("li", {}, files, `: ${sentence(reason.reason)} `, example);
}
