// What an outlook says: what expires when, and which files stand out.

import { folding, keyed, make, mark, one, say, since } from "./dom.js";
import { bytes, count, counted, exact, moment, number, span } from "./format.js";
import { path, sentence, whole } from "./names.js";

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

function fileRow(item, base, wide) {
  const button = make("button", { type: "button", class: "fold" }, path(item.path, base));
  const row = make("tr", {}, make("td", {}, button));
  for (const name of ["size", "registered", "due"]) {
    row.append(make("td", { class: `number ${name}${name === wide ? " wide" : ""}` }));
  }
  const { body, cell } = folding(button, row, 4);
  cell.append(make("p", {}, whole(item.path)), make("p", { class: "facts" }));
  return body;
}

function fill(body, item) {
  const [size, registered, due] = ["size", "registered", "due"].map((name) => one(`td.${name}`, body));
  say(size, bytes(item.size ?? NaN));
  away(registered, number(item.registered_at));
  if (item.failures) say(due, `failed ${count(item.failures)}×`);
  else if (item.due_at === null) due.replaceChildren(NEVER);
  else away(due, number(item.due_at), (text, left) => (left < 0 ? "now" : text));
  due.classList.toggle("bad", item.failures > 0);
  const facts = [
    `${Number.isFinite(item.size) ? `${count(item.size)} bytes` : "size not known"}`,
    `registered ${moment(number(item.registered_at))}`,
    item.due_at === null ? "due never" : `due ${moment(number(item.due_at))}`,
    ...(item.failures ? [`removing it failed ${counted(item.failures, "time")}`] : []),
  ];
  const tags = item.tags.flatMap((tag) => [" ", make("span", { class: "tag" }, whole(tag))]);
  const told = JSON.stringify([facts, item.tags]);
  const element = one(".facts", body);
  if (element.dataset.told === told) return;
  element.dataset.told = told;
  element.replaceChildren(facts.join("; "), ...tags);
}

function away(cell, at, words) {
  let element = one("time", cell);
  if (!element) {
    element = make("time");
    cell.replaceChildren(element);
  }
  since(element, at, words);
}
