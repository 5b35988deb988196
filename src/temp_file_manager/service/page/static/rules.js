// The rules in their order: what each is about, what becomes of that, and how many files it decides about.

import { keyed, make, one, say } from "./dom.js";
import { count } from "./format.js";
import { path, sentence } from "./names.js";

export function showRules({ held, rules }) {
  one("#rules-panel").hidden = rules.length === 0;
  keyed(one("#rules"), rules, (rule) => rule.name, ruleRow, fill);
  const warned = rules.filter((rule) => rule.warnings.length).length;
  const doubts = warned ? `${warned} of ${rules.length} to be looked at` : "";
  say(one("#rules-note"), held ? `▲ not in force: ${sentence(held)}` : doubts);
}

function ruleRow(rule) {
  const name = make("th", { scope: "row" }, path(rule.name));
  const what = make("td", { class: "what" }, make("div", { class: "about note" }), make("div", { class: "does" }));
  what.append(make("div", { class: "doubt" }));
  return make("tbody", {}, make("tr", {}, name, what, make("td", { class: "number files" })));
}

function fill(body, rule) {
  say(one(".about", body), sentence(rule.about));
  say(one(".does", body), sentence(rule.does));
  say(one(".doubt", body), rule.warnings.length ? `▲ ${rule.warnings.map(sentence).join("; ")}` : "");
  say(one(".files", body), count(rule.records));
}
