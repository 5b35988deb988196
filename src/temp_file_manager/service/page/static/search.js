// Looking for files by a part of their path, or a tag. The service looks at some records for each answer: so it is asked
// again until enough are found, or all have been looked at, or something else is looked for.

import { one, say } from "./dom.js";
import { showFiles } from "./files.js";
import { count, counted } from "./format.js";
import { read } from "./read.js";

const MOST = 30; // that are shown
const PART = 1000;
const LOOK = 250; // milliseconds after the last letter

let turn = 0;
let timer = 0;

/** Let the field look; `base` gives the base directory, and `known` how many records there are. */
export function offerSearch(base, known) {
  const field = one("#wanted");
  const form = one("#search");
  const begin = () => {
    clearTimeout(timer);
    look(field.value.trim(), base(), known);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin();
  });
  field.addEventListener("input", () => {
    turn += 1;
    clearTimeout(timer);
    timer = setTimeout(begin, LOOK);
  });
}

async function look(text, base, known) {
  turn += 1;
  const mine = turn;
  const note = one("#found-note");
  if (!text) {
    show([], base);
    say(note, "");
    return;
  }
  const found = [];
  let looked = 0;
  let after = null;
  do {
    const asked = new URLSearchParams({ contains: text, limit: PART, ...(after ? { after } : {}) });
    const answer = await read(`v1/files?${asked}`).catch((error) => ({ error }));
    if (mine !== turn) return;
    if (answer.error) {
      say(note, "This cannot be looked for now.");
      return;
    }
    found.push(...answer.files);
    looked += answer.looked_at;
    after = answer.next;
    show(found.slice(0, MOST), base);
    say(note, `looking … ${count(looked)} of ${count(known())}`);
  } while (after && found.length <= MOST);
  say(note, found.length > MOST ? `more than ${MOST}, here the first` : `${counted(found.length, "file")} found`);
}

const show = (files, base) => showFiles(one("#found"), files.map(shortly), { base, wide: "registered" });

function shortly(file) {
  const state = file.held ? "held" : file.pinned_until !== null && !file.due && file.reason.startsWith("pinned") ? "pinned" : "";
  const endless = file.due_in === "inf" || file.due_in === "nan";
  const due = endless ? null : Number(file.registered_at) + Number(file.age) + Number(file.due_in);
  return { ...file, state, due_at: due };
}
