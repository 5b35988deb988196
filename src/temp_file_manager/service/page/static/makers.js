// Who makes the files: bars by directory, tag and session.

import { keyed, make, mark, one, say } from "./dom.js";
import { bytes, count, counted } from "./format.js";
import { path } from "./names.js";

const NOBODY = { directories: "", tags: "without a tag", sessions: "in no session" };
const OTHERS = { directories: "other directories", tags: "other tags", sessions: "other sessions" };

let sort = "directories";
let last = null;

/** Show what an outlook says of makers; `records` is how many files it counts. */
export function showMakers(makers, records, base) {
  last = { makers, records, base };
  draw();
}

function draw() {
  const { makers, records, base } = last;
  const rows = makers[sort].map((maker) => ({ ...maker, key: `${sort} ${maker.name === null ? "" : `=${maker.name}`}` }));
  const sized = rows.some((row) => row.bytes);
  const amount = (row) => (sized ? row.bytes : row.files);
  const most = Math.max(1, ...rows.map(amount));
  const all = Math.max(1, rows.reduce((sum, row) => sum + amount(row), 0));
  keyed(one("#makers"), rows, (row) => row.key, (row) => makerRow(row, base), (body, row) => {
    say(one(".files", body), count(row.files));
    say(one(".size", body), row.bytes === null ? "" : bytes(row.bytes));
    say(one(".part", body), percent(amount(row) / all));
    one(".bar", body).style.width = `${(100 * amount(row)) / most}%`;
  });
  say(one("#makers-note"), notes(makers, records).join("; "));
  const [files, size] = document.querySelectorAll("#makers thead .number");
  mark(files, "aria-sort", sized ? "none" : "descending");
  mark(size, "aria-sort", sized ? "descending" : "none");
  for (const button of one("#makers-sorts").children) mark(button, "aria-pressed", String(button.dataset.sort === sort));
}

const percent = (part) => (part > 0 && part < 0.01 ? "< 1 %" : `${Math.round(100 * part)} %`);

function notes(makers, records) {
  const told = [];
  if (makers.looked_at < records) told.push(`the largest groups: ${count(makers.looked_at)} of ${counted(records, "file")}`);
  for (const [kind, words] of [["quarantined", "in quarantine"], ["compressed", "compressed"]]) {
    const { files, bytes: size } = makers[kind];
    if (files) told.push(`${count(files)} ${words}${size === null ? "" : `, ${bytes(size)}`}`);
  }
  if (sort === "tags") told.push("a file with two tags counts under both");
  return told;
}

function makerRow({ name }, base) {
  const known = name !== null && name !== "" && name !== base;
  const plain = name === null ? OTHERS[sort] : name === base ? "the base directory itself" : NOBODY[sort];
  const title = make("th", { scope: "row" }, known ? path(name, base) : make("span", { class: "note" }, plain));
  const row = make("tr", {}, title, make("td", { class: "number files" }), make("td", { class: "number size" }));
  row.append(make("td", { class: "number part wide" }));
  row.append(make("td", { class: "share", "aria-hidden": "true" }, make("div", { class: "bar" })));
  return make("tbody", {}, row);
}

one("#makers-sorts").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !last) return;
  sort = button.dataset.sort;
  draw();
});
