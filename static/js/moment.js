// Points in time as people type them, and as they stand in the URL: 2h (so long ago, so it moves on),
// or RFC 3339 in UTC. Pure; it must never guess at what is no time.

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const AGO = /^(\d{1,6})([smhd])$/;
const CLOCK = /^\d{2}:\d{2}(?::\d{2})?$/; // of today
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const FULL = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?$/;
const two = (number) => String(number).padStart(2, "0");

/** What was typed (local time where it names no zone) as it stands in the URL; null: it is no time. */
export function readMoment(text, now = Date.now()) {
  const typed = text.trim();
  if (AGO.test(typed)) return typed;
  let written = typed.replace(" ", "T").replace(/z$/, "Z");
  if (CLOCK.test(typed)) written = `${dateOf(new Date(now))}T${typed}`;
  else if (DATE.test(typed)) written = `${typed}T00:00`;
  const at = FULL.test(written) ? Date.parse(written) : NaN;
  return Number.isNaN(at) ? null : isoOf(at);
}

/** When that is, in ms since 1970. */
export function timeOf(moment, now = Date.now()) {
  const ago = AGO.exec(moment);
  return ago ? now - Number(ago[1]) * UNITS[ago[2]] : Date.parse(moment);
}

/** As people type it, in local time. */
export const writeMoment = (moment) => (AGO.test(moment) ? moment : localText(Date.parse(moment)));

/** 2026-11-28T09:00, with the seconds if there are any: as inputs of times take it, too. */
export function localText(ms) {
  const at = new Date(ms);
  const seconds = ms % 60_000 ? `:${two(at.getSeconds())}` : "";
  const thousandths = ms % 1_000 ? `.${String(at.getMilliseconds()).padStart(3, "0")}` : "";
  return `${dateOf(at)}T${two(at.getHours())}:${two(at.getMinutes())}${seconds}${thousandths}`;
}

export const isoOf = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");

const dateOf = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
