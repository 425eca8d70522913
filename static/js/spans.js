// What stretch of time the chart shows: one that ends now, or a range that was chosen. Pure; it must
// never ask the history for more than it keeps at such steps.

import { clock } from "./format.js";
import { isoOf, timeOf } from "./moment.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const LABELS = 6;

// How far back each reaches, by which steps (seconds) of the history, and what stands below it.
const UNTIL_NOW = {
  live: { ms: 5 * MINUTE_MS, axis: ["5 min ago", "4", "3", "2", "1", "now"] },
  day: { ms: DAY_MS, step: 600, axis: ["24 h ago", "19", "14", "10", "5", "now"] },
  week: { ms: 7 * DAY_MS, step: 3_600, axis: ["7 d ago", "6", "4", "3", "1", "now"] },
  quarter: { ms: 90 * DAY_MS, step: 86_400, axis: ["90 d ago", "72", "54", "36", "18", "now"] },
};

/** What the URL says: {isLive, bounds(now) → {from, to}, query(now) → of the history, axis(now)}. */
export function spanOf({ after, before, span }) {
  return after || before ? rangeOf(after, before) : untilNow(span ?? "live");
}

function untilNow(name) {
  const { ms, step, axis } = UNTIL_NOW[name];
  const whole = (at) => Math.ceil(at / (step * 1_000)) * step * 1_000;
  return {
    isLive: name === "live",
    bounds: (now) => ({ from: now - ms, to: now }),
    query: (now) => ({ from: isoOf(whole(now - ms)), step }),
    axis: () => axis,
  };
}

/** Without a beginning it is a day; without an end it lasts until now. */
function rangeOf(after, before) {
  function bounds(now) {
    const to = before ? timeOf(before, now) : now;
    return { from: after ? timeOf(after, now) : to - DAY_MS, to };
  }
  return {
    isLive: false,
    bounds,
    query: (now) => ({ from: isoOf(bounds(now).from), to: isoOf(bounds(now).to) }), // in steps that fit
    axis(now) {
      const { from, to } = bounds(now);
      return Array.from({ length: LABELS }, (_, place) => tick(from + ((to - from) * place) / (LABELS - 1), to - from)); // prettier-ignore
    },
  };
}

/** 14:03 today, 11-24 14:03 before; over many days 11-24. */
function tick(at, span) {
  const text = clock(isoOf(at));
  if (/^\d{2}:/.test(text)) return span > 10 * MINUTE_MS ? text.slice(0, 5) : text;
  return span > 5 * DAY_MS ? text.split(" ")[0] : text;
}
