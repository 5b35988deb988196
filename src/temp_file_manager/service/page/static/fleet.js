// The fleet: who reports, who has not been seen, and what policies hold.

import { keyed, make, mark, now, one, say, since } from "./dom.js";
import { bytes, count, counted, number, span } from "./format.js";
import { path, sentence } from "./names.js";

export function showFleet({ set, at, here, trouble, view }) {
  one("#fleet-panel").hidden = !set;
  if (!set) return;
  const warning = one("#fleet-trouble");
  warning.hidden = !trouble;
  say(warning, trouble ? `▲ ${sentence(trouble)}. Sweeps go on here, by the policies known last.` : "");
  showPolicies(view?.policies ?? here.policies, here.policies);
  one("#hosts-part").hidden = !view;
  one("#missing-part").hidden = !view?.missing.length;
  say(one("#fleet-note"), view ? sum(view.totals, view.hosts.length) : "");
  if (!view) return;
  keyed(one("#missing"), view.missing, key, missingRow, (body, host) => fillMissing(body, host, at));
  keyed(one("#hosts"), view.hosts, key, hostRow, (body, host) => fillHost(body, host, at));
  one("#hosts").hidden = view.hosts.length === 0;
  one("#hosts-part .none").hidden = view.hosts.length > 0;
}

const key = (host) => JSON.stringify([host.scope, host.host]);

function sum({ hosts, scopes, missing, records, bytes: size, late }, shown) {
  const told = [`${counted(hosts, "host")}, ${counted(scopes, "scope")}`, `${counted(records, "file")}, ${bytes(size)}`];
  told.push(`${count(late)} overdue`, `${count(missing)} not seen`);
  return told.join("; ") + (shown < hosts ? `; here the first ${shown}` : "");
}

// -- hosts

function nameOf(host) {
  const place = make("div", { class: "place" }, path(host.host));
  if (host.team) place.append(make("span", { class: "tag" }, path(host.team)));
  const state = make("div", { class: "place note" }, make("span", { class: "word" }), path(host.scope));
  return make("th", { scope: "row" }, place, state);
}

function cells(...kinds) {
  return kinds.map((kind) => make("td", { class: `number ${kind}` }));
}

function hostRow(host) {
  const name = nameOf(host);
  name.append(make("div", { class: "by note" }));
  return make("tbody", {}, make("tr", {}, name, ...cells("overdue", "files wide", "size", "failed wide", "swept wide")));
}

function fillHost(body, host, at) {
  const overdue = number(host.overdue);
  say(one(".word", body), host.missing ? "not seen" : host.health);
  mark(one(".word", body), "data-grade", host.missing ? "old" : host.health);
  say(one(".by", body), host.policy ? `policy ${sentence(host.policy)}` : "");
  one(".overdue", body).classList.toggle("late", overdue > 0);
  say(one(".overdue", body), overdue > 0 ? span(overdue) : "none");
  say(one(".files", body), count(host.records));
  say(one(".size", body), bytes(host.bytes ?? NaN));
  say(one(".failed", body), count(host.failures));
  ago(one(".swept", body), host.swept_ago, at);
}

function missingRow(host) {
  return make("tbody", {}, make("tr", {}, nameOf(host), ...cells("files wide", "seen")));
}

function fillMissing(body, host, at) {
  one(".word", body).hidden = true;
  say(one(".files", body), count(host.records));
  ago(one(".seen", body), host.seen_ago, at);
}

/** Answers are kept for some seconds: what was so long ago then is longer ago now. */
function ago(cell, seconds, at) {
  if (seconds === null) {
    say(cell, "never");
    return;
  }
  const time = one("time", cell) ?? make("time");
  if (!time.parentElement) cell.replaceChildren(time);
  since(time, Math.min(at - seconds, now()), (text) => text);
}

// -- policies

function showPolicies(policies, here) {
  one("#policies-part").hidden = policies.length === 0;
  const ours = new Set(here.map((policy) => policy.target));
  keyed(one("#policies"), policies, (policy) => policy.target, policyRow, (body, policy) => fillPolicy(body, policy, ours));
}

function policyRow(policy) {
  const holds = make("td", { class: "holds" }, make("span", { class: "what" }), " ", make("span", { class: "here" }));
  holds.append(make("div", { class: "note by" }));
  return make("tbody", {}, make("tr", {}, make("th", { scope: "row" }, sentence(policy.target)), holds, ...cells("when wide")));
}

function fillPolicy(body, policy, ours) {
  say(one(".what", body), words(policy).join(", "));
  say(one(".here", body), ours.has(policy.target) ? "in force here" : "");
  say(one(".by", body), `set by ${sentence(policy.set_by)}`);
  const cell = one(".when", body);
  const time = one("time", cell) ?? make("time");
  if (!time.parentElement) cell.replaceChildren(time);
  since(time, policy.set_at);
}

function words({ paused, max_age: age, max_bytes: size, max_files: files }) {
  const told = paused ? ["sweeps are paused"] : [];
  if (age !== null) told.push(`max_age at most ${span(number(age))}`);
  if (size !== null) told.push(`at most ${bytes(size)}`);
  if (files !== null) told.push(`at most ${counted(files, "file")}`);
  return told;
}
