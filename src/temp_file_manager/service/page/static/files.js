// What an outlook says: what expires when, and which files stand out.

import { folding, keyed, make, mark, one, say, since } from "./dom.js";
import { bytes, count, counted, exact, moment, number, span } from "./format.js";
import { path, sentence, whole } from "./names.js";
import { read } from "./read.js";

const NEVER = "never";

export function showForecast({ asof, took, forecast }) {
  const most = Math.max(1, ...forecast.map((part) => part.files));
  let from = 0;
  const parts = forecast.map((part) => {
    const label = due(from, part.until);
    from = part.until;
    return { ...part, label };
  });
  keyed(one("#forecast"), parts, (part) => part.label, forecastRow, (body, part) => {
    const [files, size, share] = body.querySelectorAll("td");
    say(files, count(part.files));
    say(size, part.bytes === null ? "" : bytes(part.bytes));
    one(".bar", share).style.width = `${(100 * part.files) / most}%`;
    body.classList.toggle("nothing", part.files === 0);
  });
  const all = forecast.reduce((sum, part) => sum + part.files, 0);
  one("#forecast-trouble").hidden = true;
  const note = one("#forecast-note");
  say(note, counted(all, "file"));
  mark(note, "title", `as of ${exact(asof)}; counting took ${Math.round(took * 1000)} ms`);
}

/** Say why there is no new forecast; the last one stays. */
export function showNoForecast(detail) {
  const trouble = one("#forecast-trouble");
  trouble.hidden = false;
  say(trouble, `This cannot be told now: ${sentence(detail)}.`);
}

function due(from, until) {
  if (until === 0) return "now";
  if (until === null) return `after ${span(from)}`;
  return from === 0 ? `in ${span(until)}` : `in ${span(from)} to ${span(until)}`;
}

function forecastRow(part) {
  const row = make("tr", {}, make("th", { scope: "row" }, part.label));
  row.append(make("td", { class: "number" }), make("td", { class: "number size" }));
  row.append(make("td", { class: "share", "aria-hidden": "true" }, make("div", { class: "bar" })));
  return make("tbody", {}, row);
}

/** Fill a table with files; `wide` says which of its columns narrow screens do without. */
export function showFiles(table, items, { base, wide }) {
  table.hidden = items.length === 0;
  table.nextElementSibling.hidden = items.length > 0;
  keyed(table, items, (item) => item.path, (item) => fileRow(item, base, wide), fill);
}

/** Fill the table of what sweeps have left, each with its cause. */
export function showUnremoved(items, base) {
  one("#unremoved-panel").hidden = items.length === 0;
  const create = (item) => leftRow(item, base);
  keyed(one("#unremoved"), items, (item) => item.path, create, (body, item) => {
    say(one(".what", body), item.failures ? `failed ${count(item.failures)}×` : "kept");
    one(".what", body).classList.toggle("bad", item.failures > 0);
    if (item.cause) say(one(".cause", body), sentence(item.cause));
    else if (!one(".cause", body).textContent) say(one(".cause", body), "open the row to look");
    facts(body, item);
  });
}

/** People know a file in quarantine by where it was. */
const place = (item) => (item.kind === "quarantined" && item.origin ? item.origin : item.path);

function name(item, base) {
  const button = make("button", { type: "button", class: "fold" }, path(place(item), base));
  const cell = make("td", {}, button);
  if (item.kind === "quarantined" || item.kind === "compressed") {
    cell.classList.add("marked");
    cell.append(make("span", { class: "tag" }, item.kind));
  }
  return { button, cell };
}

function fileRow(item, base, wide) {
  const { button, cell: named } = name(item, base);
  const row = make("tr", {}, named);
  for (const kind of ["size", "registered", "due"]) {
    row.append(make("td", { class: `number ${kind}${kind === wide ? " wide" : ""}` }));
  }
  return opening(button, row, item, 4);
}

function leftRow(item, base) {
  const { button, cell } = name(item, base);
  cell.append(make("div", { class: "cause note" }));
  return opening(button, make("tr", {}, cell, make("td", { class: "number what" })), item, 2);
}

/** A row that tells more when it is opened: then the service looks at the file itself. */
function opening(button, row, item, columns) {
  const { body, cell } = folding(button, row, columns);
  const why = make("p", { class: "because" });
  cell.append(make("p", {}, whole(place(item))), make("p", { class: "facts" }), why);
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-expanded") !== "true") return;
    const story = await read(`v1/files/why?path=${named(item.path)}`).catch(() => null);
    say(why, story ? told(story.run) : "");
  });
  return body;
}

/** What the next sweep makes of a file, as things are now. */
function told({ outcome, reason }) {
  const done = outcome === null ? "A sweep now leaves it alone" : `A sweep now: ${outcome}`;
  return `${done}${reason ? `: ${sentence(reason)}` : ""}.`;
}

/** A path as a query has it; bytes that are no UTF-8 come as lone surrogates, and go as they were. */
function named(text) {
  const stray = /[\udc80-\udcff]/u;
  return [...text].map((one) => (stray.test(one) ? `%${(one.codePointAt(0) - 0xdc00).toString(16)}` : encodeURIComponent(one))).join("");
}

function fill(body, item) {
  const [size, registered, due] = ["size", "registered", "due"].map((name) => one(`td.${name}`, body));
  say(size, bytes(item.size ?? NaN));
  away(registered, number(item.registered_at));
  if (item.failures) say(due, `failed ${count(item.failures)}×`);
  else if (item.state === "held" || item.state === "pinned") say(due, item.state);
  else if (item.due_at === null) due.replaceChildren(NEVER);
  else away(due, number(item.due_at), (text, left) => (left < 0 ? "now" : text));
  due.classList.toggle("bad", item.failures > 0);
  facts(body, item);
}

function facts(body, item) {
  const told = [
    `${Number.isFinite(item.size) ? `${count(item.size)} bytes` : "size not known"}`,
    `registered ${moment(number(item.registered_at))}`,
    item.due_at === null ? "due never" : `due ${moment(number(item.due_at))}`,
    ...(item.state === "held" ? ["held: a process works with it"] : []),
    ...(item.state === "pinned" ? ["pinned"] : []),
    ...(item.failures ? [`removing it failed ${counted(item.failures, "time")}`] : []),
  ];
  const tags = item.tags.flatMap((tag) => [" ", make("span", { class: "tag" }, whole(tag))]);
  const both = JSON.stringify([told, item.tags]);
  const element = one(".facts", body);
  if (element.dataset.told === both) return;
  element.dataset.told = both;
  element.replaceChildren(told.join("; "), ...tags);
}

function away(cell, at, words) {
  let element = one("time", cell);
  if (!element) {
    element = make("time");
    cell.replaceChildren(element);
  }
  since(element, at, words);
}
