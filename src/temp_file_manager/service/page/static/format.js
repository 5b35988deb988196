// Numbers and times as people read them. Nothing here reads a clock: who asks says what time it is.

const GROUPED = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const NOTHING = "–";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

/** JSON has no number for infinity: it comes as a string. */
export function number(value) {
  if (typeof value !== "string") return value ?? NaN;
  return { inf: Infinity, "-inf": -Infinity }[value] ?? NaN;
}

export function count(value) {
  return Number.isFinite(value) ? GROUPED.format(value) : NOTHING;
}

export function counted(value, noun) {
  return `${count(value)} ${plural(value, noun)}`;
}

// "file" for 1, else "files"
export function plural(value, noun) {
  return value === 1 ? noun : `${noun}s`;
}

export function bytes(value) {
  if (!Number.isFinite(value)) return NOTHING;
  let size = value;
  let unit = 0;
  while (size >= 1023.95 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? GROUPED.format(size) : size.toFixed(1)} ${UNITS[unit]}`;
}

/** A length of time in at most two units; to the second below a quarter of an hour. */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return NOTHING;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < 15 * MINUTE) return two(whole, MINUTE, "min", 1, "s");
  if (whole < HOUR) return `${Math.round(whole / MINUTE)} min`;
  if (whole < DAY) return two(whole, HOUR, "h", MINUTE, "min");
  if (whole < 30 * DAY) return two(whole, DAY, "d", HOUR, "h");
  return `${GROUPED.format(whole / DAY)} d`;
}

function two(seconds, large, largeName, small, smallName) {
  const smalls = Math.round(seconds / small);
  const perLarge = large / small;
  const rest = smalls % perLarge;
  return `${Math.floor(smalls / perLarge)} ${largeName}` + (rest ? ` ${rest} ${smallName}` : "");
}

/** How long something took. */
export function took(seconds) {
  if (!Number.isFinite(seconds)) return NOTHING;
  if (seconds < 0.0095) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : span(seconds);
}

/** A moment as seen from another one; one unit is enough for what is not near. */
export function relative(at, now) {
  if (!Number.isFinite(at)) return NOTHING;
  const away = Math.abs(at - now);
  if (away < 1) return "now";
  const text = roughly(away);
  return at > now ? `in ${text}` : `${text} ago`;
}

function roughly(away) {
  if (away >= MINUTE && away < 2 * HOUR) return `${Math.round(away / MINUTE)} min`;
  if (away >= 2 * HOUR && away < 2 * DAY) return `${Math.round(away / HOUR)} h`;
  if (away >= 2 * DAY && away < 30 * DAY) return `${Math.round(away / DAY)} d`;
  return span(away);
}

const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const HOURS = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const MONTH = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric" });
const SHORT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** What a Date can hold; a clock that was wrong may have written anything. */
function date(at) {
  const found = new Date(at * 1000);
  return Number.isNaN(found.getTime()) ? null : found;
}

const written = (format) => (at) => {
  const found = date(at);
  return found ? format.format(found) : NOTHING;
};

export const exact = written(EXACT);
export const clock = written(CLOCK);
export const moment = written(SHORT);
export const iso = (at) => date(at)?.toISOString() ?? "";

/** A mark on an axis of time; a date where a day begins. */
export function tick(at, step) {
  const found = date(at);
  if (!found) return "";
  if (step >= 27 * DAY) return MONTH.format(found);
  const midnight = found.getHours() === 0 && found.getMinutes() === 0;
  return (step >= DAY || midnight ? DATE : HOURS).format(found);
}
