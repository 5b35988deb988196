// The page: what is heard goes where it is shown.

import { Chart, RANGES } from "./chart.js";
import { keepTime, now, one, say, setClock, since } from "./dom.js";
import { showFiles, showForecast } from "./files.js";
import { clock } from "./format.js";
import { showEmptiness, showFigures, showHealth } from "./glance.js";
import { listen } from "./live.js";
import { askForToken, offerToSignOut } from "./login.js";
import { read } from "./read.js";
import { showSweeps } from "./sweeps.js";

const REFRESH = 60000;

const chart = new Chart();
const main = one("#main");
const line = one("#line");
let base = "";
let range = "hour";
let records = null;
let refreshing = 0;
let fresh = false; // whether what is asked for now and then has been since the line is there

function heard(overview) {
  setClock(overview.at);
  base = overview.health.base_dir;
  main.hidden = false;
  say(one("#version"), overview.version);
  showHealth(overview.health);
  showFigures(overview);
  showEmptiness(overview);
  showSweeps(overview);
  chart.append(overview.at, overview.stats.records, overview.stats.bytes);
  // Files that come or go are news; their ages alone can wait.
  if (fresh && records !== overview.stats.records) soon(overview.at);
  records = overview.stats.records;
  if (!fresh) refresh();
  fresh = true;
}

function examined(health) {
  main.hidden = false;
  showHealth(health);
}

// -- the line

function connected() {
  line.dataset.lost = "";
  say(line, "live");
}

function lost() {
  if (line.dataset.lost) return;
  line.dataset.lost = "yes";
  fresh = false;
  const ago = document.createElement("time");
  since(ago, now(), (text) => (text === "now" ? "" : `(${text})`));
  line.replaceChildren(`not connected since ${clock(now())} `, ago, ", trying again");
}

// -- what is asked for now and then

async function outlook() {
  const found = await read("v1/outlook");
  showForecast(found);
  showFiles(one("#oldest-files"), found.oldest, { base, wide: "size" });
  showFiles(one("#largest-files"), found.largest, { base, wide: "registered" });
  return found;
}

async function samples() {
  const asked = range;
  const { back, step } = RANGES[asked];
  const found = await read(`v1/samples?step=${step}&since=${Math.floor(now() - back)}`);
  if (asked === range) chart.show(RANGES[asked], found.samples);
}

// What fails here is told by the line, which is broken then, too.
const refresh = () => Promise.allSettled([outlook(), samples()]);

/** Ask until the answer is newer than what there is to see: the service keeps answers that cost it much. */
function soon(changed) {
  clearTimeout(refreshing);
  refreshing = setTimeout(async () => {
    const found = await outlook().catch(() => null);
    if (found && found.asof < changed) soon(changed);
  }, 1000);
}

function choose(button) {
  range = button.dataset.range;
  for (const other of one("#ranges").children) other.setAttribute("aria-pressed", String(other === button));
  samples().catch(() => {});
}

// -- from here on

function start() {
  offerToSignOut();
  fresh = false;
  listen({ heard, examined, connected, lost, stranger });
}

function stranger() {
  main.hidden = true;
  one("#grade").hidden = true;
  say(line, "not signed in");
  askForToken(() => {
    start();
    main.focus();
  });
}

one("#ranges").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) choose(button);
});
setInterval(() => {
  if (!document.hidden && !main.hidden) refresh();
}, REFRESH);
keepTime();
start();
