// What was due, and can be had back: a button brings a file back for whoever has the token.

import { folding, keyed, make, mark, one, say, since } from "./dom.js";
import { bytes, number } from "./format.js";
import { path, sentence, whole } from "./names.js";
import { change, Refusal, Stranger } from "./read.js";

export const MOST = 20; // that are shown; one more is asked for, to say that there are more

/** Show what is in quarantine; `again` is called when something has come back. */
export function showQuarantine({ files }, base, again) {
  const shown = files.slice(0, MOST);
  one("#quarantine-panel").hidden = shown.length === 0 && !one("#restored").textContent;
  const table = one("#quarantined");
  table.hidden = shown.length === 0;
  keyed(table, shown, (file) => file.quarantined_as, (file) => fileRow(file, base, again), fill);
  say(one("#quarantine-note"), files.length > MOST ? `more than ${MOST}, here those that came first` : "");
}

function fileRow(file, base, again) {
  const button = make("button", { type: "button" }, "Restore");
  const row = make("tr", {}, make("td", {}, path(file.path, base)));
  row.append(make("td", { class: "number size wide" }), make("td", { class: "number until" }));
  row.append(make("td", { class: "number" }, button));
  const { body, cell } = folding(button, row, 4);
  cell.append(make("p", {}, whole(file.path)), form(file, again));
  button.addEventListener("click", () => one("input[type=password]", cell).focus());
  mark(button, "aria-label", `Restore ${button.closest("tr").querySelector(".path").title}`);
  return body;
}

function fill(body, file) {
  say(one(".size", body), bytes(file.size ?? NaN));
  const until = one(".until", body);
  if (!Number.isFinite(number(file.until))) {
    say(until, "stays");
    return;
  }
  const time = one("time", until) ?? make("time");
  if (!time.parentElement) until.replaceChildren(time);
  since(time, number(file.until), (text, left) => (left < 0 ? "now" : text));
}

/** Whoever may look may not change anything: that takes the token each time, which is kept nowhere. */
function form(file, again) {
  const token = make("input", { type: "password", autocomplete: "current-password", required: "", spellcheck: "false" });
  const name = { type: "text", value: "temp-file-manager", autocomplete: "username", readonly: "", hidden: "" };
  const button = make("button", { type: "submit" }, "Bring it back");
  const refusal = make("p", { class: "refusal", role: "alert" });
  const all = make("form", { class: "restore" }, make("input", name), make("label", {}, "Token ", token), button, refusal);
  all.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const refused = await restore(file, token.value);
    button.disabled = false;
    say(refusal, refused);
    if (refused) {
      token.select();
      return;
    }
    token.value = "";
    say(one("#restored"), `Restored: ${sentence(file.path)}`);
    one("#restored").focus();
    again();
  });
  return all;
}

async function restore(file, token) {
  try {
    await change("v1/quarantine/restore", { path: file.quarantined_as }, token);
    return "";
  } catch (error) {
    if (error instanceof Stranger) return "This is not the token.";
    if (error instanceof Refusal) return `This did not work: ${sentence(error.message)}.`;
    return "The service does not answer: try again.";
  }
}
