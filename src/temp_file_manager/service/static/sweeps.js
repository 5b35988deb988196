// What the last sweeps did, and when the next begins.

import { folding, keyed, make, mark, one, say, since } from "./dom.js";
import { count, counted, number, span, took } from "./format.js";
import { path } from "./names.js";

const COUNTS = ["removed", "gone", "replaced", "kept", "failed"];

export function showSweeps({ sweeps, scheduler, health }) {
  const table = one("#sweeps");
  table.nextElementSibling.hidden = sweeps.length > 0;
  keyed(table, sweeps, (sweep) => `${sweep.at} ${sweep.duration}`, (sweep) => sweepRow(sweep, health.base_dir), () => {});
  showSchedule(scheduler, health);
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
    since(time, scheduler.next, (text) => `${every}, next ${text.startsWith("in") ? text : "now"}`);
    return;
  }
}

function sweepRow(sweep, base) {
  const ended = make("time");
  since(ended, number(sweep.at));
  const when = make("td", {}, ended);
  if (!sweep.scheduled) when.append(" ", make("span", { class: "tag" }, "asked for"));
  const row = make("tr", {}, when, make("td", { class: "number" }, took(sweep.duration)));
  for (const name of COUNTS) {
    const bad = name === "failed" && sweep.failed > 0 ? " bad" : "";
    row.append(make("td", { class: `number ${sweep[name] ? "" : "zero"}${bad}` }, count(sweep[name])));
  }
  const why = make("td", { class: "why" });
  row.append(why);
  if (sweep.stopped) why.append(make("span", { class: "tag" }, `ended by ${sweep.stopped}`), " ");
  if (!sweep.reasons.length) return make("tbody", {}, row);
  const button = make("button", { type: "button", class: "fold" }, counted(sweep.reasons.length, "reason"));
  why.append(button);
  const { body, cell } = folding(button, row, COUNTS.length + 3);
  cell.append(make("ul", {}, ...sweep.reasons.map((reason) => told(reason, base))));
  return body;
}

function told(reason, base) {
  const example = make("span", { class: "example" }, reason.files === 1 ? "" : "such as ", path(reason.example, base));
  return make("li", {}, make("b", {}, `${count(reason.files)} ${reason.status}`), ` ${reason.reason} `, example);
}
