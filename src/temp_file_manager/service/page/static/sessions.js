// Which sessions live: owners of files, which go when their session ends.

import { keyed, make, one, say, since } from "./dom.js";
import { count, counted, number } from "./format.js";
import { path, sentence } from "./names.js";

const COUNTED = 1000; // files of a session, by the service

export function showSessions({ count: all, sessions }) {
  one("#sessions-panel").hidden = all === 0;
  keyed(one("#living"), sessions, (session) => session.number, sessionRow, fill);
  say(one("#sessions-note"), counted(all, "session") + (sessions.length < all ? `, here the first ${sessions.length}` : ""));
}

function sessionRow(session) {
  const name = make("th", { scope: "row" }, session.name ? path(session.name) : `session ${session.number}`);
  name.append(make("div", { class: "note owner" }));
  const began = make("time");
  since(began, number(session.began_at));
  const row = make("tr", {}, name, make("td", { class: "number wide" }, began));
  row.append(make("td", { class: "number until" }), make("td", { class: "number files" }));
  return make("tbody", {}, row);
}

function fill(body, session) {
  const gone = session.alive === false;
  body.classList.toggle("ended", gone);
  say(one(".owner", body), sentence(session.owner) + (gone ? ", which has ended" : ""));
  const until = one(".until", body);
  if (session.ends_at === null) until.replaceChildren("its owner ends");
  else {
    const time = one("time", until) ?? make("time");
    if (!time.parentElement) until.replaceChildren(time);
    since(time, number(session.ends_at), (text, left) => (left < 0 ? "now" : text));
  }
  say(one(".files", body), count(session.records) + (session.records >= COUNTED ? " or more" : ""));
}
