// What an overview says at a glance: how it is, and the key figures.

import { make, mark, now, one, say } from "./dom.js";
import { bytes, count, number, plural, span } from "./format.js";
import { escaped, path, sentence } from "./names.js";

const MARKS = { healthy: "●", degraded: "▲", unhealthy: "✖" };
const TITLES = { degraded: "Somebody should look at this", unhealthy: "Sweeps cannot do their work: act now" };

export function showHealth(health) {
  const grade = one("#grade");
  grade.hidden = false;
  mark(grade, "data-grade", health.status);
  say(one(".mark", grade), MARKS[health.status] ?? "?");
  say(one(".word", grade), health.status);
  document.title = (health.status === "healthy" ? "" : `${health.status}: `) + "temp-file-manager";

  const reasons = one("#reasons");
  reasons.hidden = health.reasons.length === 0;
  mark(reasons, "data-grade", health.status);
  say(one("#reasons-title"), TITLES[health.status] ?? "");
  const list = one("ul", reasons);
  const told = health.reasons.map(sentence);
  if (list.dataset.told !== told.join("\n")) {
    list.dataset.told = told.join("\n");
    list.replaceChildren(...told.map((text, at) => make("li", { title: escaped(health.reasons[at]) }, text)));
  }
  showBase(health);
}

/** Say that nobody knows how it is now: an old "healthy" in green would be taken for news. */
export function showOldHealth() {
  const grade = one("#grade");
  if (grade.hidden || grade.dataset.grade === "old") return;
  mark(grade, "data-grade", "old");
  say(one(".mark", grade), "?");
  say(one(".word", grade), `was ${one(".word", grade).textContent}`);
  document.title = "not connected: temp-file-manager";
}

function showBase(health) {
  const element = one("#base-dir");
  if (element.dataset.told === health.base_dir) return;
  element.dataset.told = health.base_dir;
  element.replaceChildren(path(health.base_dir));
}

export function showFigures({ stats, disk, health }) {
  const figure = (name, value, note) => {
    say(one(`#${name}`), value);
    say(one(`#${name}-note`), note);
  };
  const age = now() - number(stats.oldest);
  figure("records", count(stats.records), `fine up to ${count(health.max_files)}`);
  figure("bytes", stats.bytes === null ? "not known" : bytes(stats.bytes), "of files on record");
  figure("oldest", span(age), `due at ${span(number(health.max_age))} by default`);
  figure("registered", count(stats.registered), "by every process");
  const evicted = stats.evicted ? `; ${count(stats.evicted)} for limits` : "";
  figure("cleaned", count(stats.cleaned), `${bytes(stats.freed_bytes)} freed${evicted}`);
  const doubtful = stats.kept_unknown ? `; ${count(stats.kept_unknown)} in doubt` : "";
  figure("kept", count(stats.kept_in_use), `${plural(stats.kept_in_use, "time")}${doubtful}`);
  figure("failed", count(stats.failed), stats.failed ? plural(stats.failed, "attempt") : "no removal ever did");
  const share = disk.size ? `of ${bytes(disk.size)} (${Math.round((100 * disk.free) / disk.size)} %)` : "";
  figure("free", disk.free === null ? "not known" : bytes(disk.free), share);
  mark(one("#records").parentElement, "data-bad", stats.records > health.max_files);
}

/** Whoever has registered nothing yet is told how; nothing else has anything to show then. */
export function showEmptiness({ stats, health }) {
  const empty = stats.records === 0 && stats.registered === 0;
  one("#empty").hidden = !empty;
  one("#filled").hidden = empty;
  if (!empty) return;
  const alone = health.registry === "memory:";
  say(
    one("#empty-how"),
    alone
      ? "Records are in this process's memory: it registers its own files, and others do with the token:"
      : "Put a first file on record, in a terminal on this machine:",
  );
  say(one("#empty-command"), alone ? request() : command(health));
}

function request() {
  const told = `-H "Authorization: Bearer $TEMP_FILE_API_TOKEN" -H "Content-Type: application/json"`;
  return `curl ${new URL("v1/files", document.baseURI)} ${told} -d '{"paths": ["PATH"]}'`;
}

function command(health) {
  const usual = health.registry === `sqlite://${health.base_dir}/.temp-file-manager/registry.db`;
  const where = usual ? "" : ` --registry ${quoted(health.registry)}`;
  return `temp-file-manager register --base-dir ${quoted(health.base_dir)}${where} PATH`;
}

/** As a shell takes it. */
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${escaped(text).replaceAll("'", `'\\''`)}'`;
}
