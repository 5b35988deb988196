// How far it is to each limit. Every bar reaches its mark at the same place, whatever is measured.

import { keyed, make, mark, one, say } from "./dom.js";
import { bytes, count, number, span } from "./format.js";
import { path, sentence } from "./names.js";

/** What is looked at, in words; `room`: what is left, of which there may be too little. */
const MEASURES = {
  bytes: { of: "of files on record", words: bytes },
  files: { of: "files on record", words: count },
  free: { of: "free on the disk", words: bytes, room: true },
  free_inodes: { of: "more files possible on the disk", words: count, room: true },
  memory: { of: "of memory in use", words: bytes },
};

const SIGNS = { within: "●", over: "▲", unmet: "✖", unknown: "?" };
const WORDS = { within: "within", over: "passed", unmet: "not met", unknown: "not known" };
const BEYOND = 1.1; // how far a bar goes past its mark at most

export function showLimits({ measured_age: age, limits }) {
  one("#limits-panel").hidden = limits.length === 0;
  keyed(one("#limits"), limits, (limit) => limit.name, limitRow, fill);
  const known = age === null ? "not all sizes have been looked at yet" : `sizes are at most ${span(age)} old`;
  say(one("#limits-note"), limits.some((limit) => limit.measure === "bytes") ? known : "");
}

function limitRow(limit) {
  const tags = limit.tags.flatMap((tag) => [" ", make("span", { class: "tag" }, path(tag))]);
  const name = make("th", { scope: "row" }, path(limit.name), ...tags);
  const cells = ["now", "left"].map((kind) => make("td", { class: `number ${kind}` }));
  const track = make("div", { class: "track", "aria-hidden": "true" });
  track.append(...["bar", "to", "mark"].map((kind) => make("div", { class: kind })));
  const state = make("b", {}, make("span", { class: "sign", "aria-hidden": "true" }), " ", make("span", { class: "word" }));
  const told = make("p", { class: "told" }, state, " ", make("span", { class: "note" }));
  return make("tbody", {}, make("tr", {}, name, ...cells), make("tr", {}, make("td", { colspan: 3 }, track, told)));
}

function fill(body, limit) {
  const { of, words, room = false } = MEASURES[limit.measure];
  const [value, at, to] = [limit.value ?? NaN, number(limit.mark), number(limit.to)];
  const state = stateOf(limit);
  mark(body, "data-state", state);
  say(one(".now", body), words(value));
  say(one(".left", body), difference(room ? value - at : at - value, room, words));
  say(one(".sign", body), SIGNS[state]);
  say(one(".word", body), WORDS[state] + (limit.unmet ? `: ${sentence(limit.unmet)}` : ""));
  const bound = room ? ["at least", "below that", "up"] : ["at most", "beyond that", "down"];
  const marks = `${bound[0]} ${words(at)} ${of}; ${bound[1]} files are removed, ${bound[2]} to ${words(to)}`;
  const refused = limit.refuse ? ", and none are made" : "";
  say(one(".note", body), Number.isFinite(at) ? marks + refused : of);
  const part = (amount) => Math.min(BEYOND, room ? at / amount : amount / at) / BEYOND;
  place(one(".bar", body), "width", part(value));
  place(one(".mark", body), "left", part(at));
  place(one(".to", body), "left", part(to));
}

const stateOf = (limit) => (limit.unmet ? "unmet" : limit.over ? "over" : limit.value === null ? "unknown" : "within");

function difference(left, room, words) {
  if (!Number.isFinite(left)) return "";
  return left < 0 ? `${words(-left)} too ${room ? "little" : "much"}` : `${words(left)} ${room ? "to spare" : "left"}`;
}

/** Nothing is drawn of what is not known. */
function place(element, side, part) {
  element.hidden = Number.isNaN(part);
  element.style[side] = `${100 * (part || 0)}%`;
}
