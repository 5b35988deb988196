// The page: what is heard goes where it is shown.

import { Chart, RANGES } from "./chart.js";
import { keepTime, make, now, one, say, setClock, since } from "./dom.js";
import { showFiles, showForecast, showNoForecast, showUnremoved } from "./files.js";
import { showFleet } from "./fleet.js";
import { clock } from "./format.js";
import { showEmptiness, showFigures, showHealth, showOldHealth } from "./glance.js";
import { showLimits } from "./limits.js";
import { listen } from "./live.js";
import { askForToken, offerToSignOut } from "./login.js";
import { showMakers } from "./makers.js";
import { MOST, showQuarantine } from "./quarantine.js";
import { read, Refusal } from "./read.js";
import { showRules } from "./rules.js";
import { offerSearch } from "./search.js";
import { showSessions } from "./sessions.js";
import { showSweeps } from "./sweeps.js";

const REFRESH = 60000;

const chart = new Chart();
const main = one("#main");
const line = one("#line");
let base = "";
let range = "hour";
let order = "overdue"; // of the fleet's hosts
let records = null;
let inFleet = false;
let moved = null; // how many files have come into quarantine, or gone from somewhere
let refreshing = 0;
let fresh = false; // whether what is asked for now and then has been since the line is there
let broken = null; // since when the line is

function heard(overview) {
  setClock(overview.at);
  base = overview.health.base_dir;
  inFleet = overview.fleet;
  main.hidden = false;
  say(one("#version"), overview.version);
  showHealth(overview.health);
  showFigures(overview);
  showEmptiness(overview);
  showLimits(overview.limits);
  showSessions(overview.sessions);
  showSweeps(overview);
  chart.append(overview.at, overview.stats.records, overview.stats.bytes);
  // Files that come or go are news; their ages alone can wait.
  if (fresh && records !== overview.stats.records) soon(overview.at);
  records = overview.stats.records;
  const { quarantined, restored, removed } = overview.stats;
  const were = moved;
  moved = quarantined + restored + removed;
  if (fresh && were !== moved) quarantine().catch(() => {});
  if (!fresh) refresh();
  fresh = true;
}

function examined(health) {
  main.hidden = false;
  showHealth(health);
}

// -- the line

function tell(words) {
  broken = null;
  line.dataset.lost = "";
  say(line, words);
}

const connected = () => tell("live");

function lost(answers) {
  fresh = false;
  if (!answers) showOldHealth();
  const words = answers ? "the figures cannot be read" : "not connected";
  if (line.dataset.lost === words) return;
  broken ??= now();
  line.dataset.lost = words;
  const ago = make("time", { "aria-hidden": "true" }); // or it would be read out each second
  since(ago, broken, (text, left) => (left > -1 ? "" : `(${text})`));
  line.replaceChildren(`${words} since ${clock(broken)} `, ago, ", trying again");
}

// -- what is asked for now and then

async function outlook() {
  const found = await read("v1/outlook").catch((error) => {
    if (error instanceof Refusal) showNoForecast(error.message);
    throw error;
  });
  showForecast(found);
  showFiles(one("#oldest-files"), found.oldest, { base, wide: "size" });
  showFiles(one("#largest-files"), found.largest, { base, wide: "registered" });
  showUnremoved(found.unremoved, base);
  showMakers(found.makers, found.forecast.reduce((sum, part) => sum + part.files, 0), base);
  return found;
}

async function samples() {
  const asked = range;
  const { back, step } = RANGES[asked];
  const found = await read(`v1/samples?step=${step}&since=${Math.floor(now() - back)}`);
  if (asked === range) chart.show(RANGES[asked], found.samples);
}

async function fleet() {
  if (!inFleet) return;
  const asked = order;
  const found = await read(`v1/fleet?order=${asked}`);
  if (asked === order) showFleet(found);
}

const rules = async () => showRules(await read("v1/rules"));

const quarantine = async () => showQuarantine(await read(`v1/quarantine?limit=${MOST + 1}`), base, quarantine);

// What fails here is told by the line, which is broken then, too, or in the forecast's place.
const refresh = () => Promise.allSettled([outlook(), samples(), rules(), quarantine(), fleet()]);

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

function sort(button) {
  order = button.dataset.order;
  for (const head of document.querySelectorAll("#hosts [data-order]")) {
    head.setAttribute("aria-sort", head.dataset.order === order ? "descending" : "none");
  }
  for (const other of one("#fleet-orders").children) other.setAttribute("aria-pressed", String(other === button));
  fleet().catch(() => {});
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
  tell("not signed in");
  askForToken(() => {
    start();
    main.focus();
  });
}

one("#ranges").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) choose(button);
});
one("#fleet-orders").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) sort(button);
});
setInterval(() => {
  if (!document.hidden && !main.hidden) refresh();
}, REFRESH);
offerSearch(() => base, () => records);
keepTime();
start();
