// File names as they may be shown: any bytes that strangers chose.

import { make } from "./dom.js";

const UNSEEN = /[\p{C}\p{Z}]/u;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const LONGEST = 300;
const LONGEST_WORD = 110;

/** As the command line writes it: what is not seen, or moves what is, comes out as \n, \x1b, \u202e, \udc80. */
export function escaped(text) {
  return [...text].map(escape).join("");
}

function escape(character) {
  if (character === " " || !UNSEEN.test(character)) return character;
  const code = character.codePointAt(0);
  const hex = (digits) => code.toString(16).padStart(digits, "0");
  if (code < 0x100) return SHORT[character] ?? `\\x${hex(2)}`;
  return code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
}

/** Text nodes, and a span for each run of escapes: a name may hold a backslash and an n of its own. */
function parts(characters) {
  const found = [];
  let plain = "";
  let escapes = "";
  const flush = () => {
    if (plain) found.push(plain);
    if (escapes) found.push(make("span", { class: "escape" }, escapes));
    plain = escapes = "";
  };
  for (const character of characters) {
    const text = escape(character);
    if (text === character ? escapes : plain) flush();
    if (text === character) plain += text;
    else escapes += text;
  }
  flush();
  return found;
}

function shortened(text, longest = LONGEST) {
  const characters = [...text];
  if (characters.length <= longest) return characters;
  return [...characters.slice(0, longest / 2), "…", ...characters.slice(-longest / 2)];
}

/** A path that leaves out its middle where room is scarce; what lies in the base directory without it. */
export function path(text, base = "") {
  const inside = base && text.startsWith(`${base}/`) ? text.slice(base.length + 1) : text;
  const cut = inside.lastIndexOf("/") + 1;
  const folder = make("bdi", { class: "folder", dir: "ltr" }, ...parts(shortened(inside.slice(0, cut))));
  const leaf = make("bdi", { class: "leaf" }, ...parts(shortened(inside.slice(cut))));
  const all = cut ? [folder, leaf] : [leaf];
  return make("span", { class: "path", title: escaped(text) }, ...all);
}

/** All of a name, however long. */
export function whole(text) {
  return make("bdi", { class: "whole", dir: "ltr" }, ...parts(text));
}

/** A sentence that may have a path in it; endless words lose their middle. */
export function sentence(text) {
  return escaped(text.split(" ").map((word) => shortened(word, LONGEST_WORD).join("")).join(" "));
}
