// Jobs completed and failed per second, of all tenants: live over five minutes, or from the history. It must draw what the samples say,
// however far they lie apart, and nothing where there is none.

import * as api from "./api.js";
import { clock, count, duration } from "./format.js";
import { oncePerFrame } from "./frame.js";
import { atMostEvery } from "./pace.js";
import { put } from "./text.js";
import { steps } from "./totals.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
// How far back each reaches, by which steps (seconds) of the history, and what stands below it.
const SPANS = {
  live: { ms: 5 * MINUTE_MS, axis: ["5 min ago", "4", "3", "2", "1", "now"] },
  day: { ms: DAY_MS, step: 600, axis: ["24 h ago", "19", "14", "10", "5", "now"] },
  week: { ms: 7 * DAY_MS, step: 3_600, axis: ["7 d ago", "6", "4", "3", "1", "now"] },
  quarter: { ms: 90 * DAY_MS, step: 86_400, axis: ["90 d ago", "72", "54", "36", "18", "now"] },
};
const HISTORY_EVERY_MS = MINUTE_MS;
const WIDTH = 600;
const HEIGHT = 120;
const LEAST = 2; // one failure among thousands is still seen

export function createChart({ figure, totals, notice }) {
  const svg = figure.querySelector("svg");
  const [peak, readout, choice] = ["peak", "readout", "span"].map((part) => figure.querySelector(`[data-part=${part}]`));
  const axis = Array.from(figure.querySelectorAll(".axis span"));
  const pace = atMostEvery(HISTORY_EVERY_MS, readHistory);
  const [completed, failed] = ["completed", "failed"].map((kind) => svg.querySelector(`.${kind}`));
  const cursor = svg.querySelector(".cursor");
  let pointedAt = null; // a share of the width
  let shown = [];
  let end = 0;
  let span = SPANS.live;
  let past = []; // of the history, as steps

  async function readHistory(signal) {
    const wanted = span;
    if (!wanted.step) return false;
    const now = Date.now();
    try {
      const from = new Date(Math.ceil((now - wanted.ms) / (wanted.step * 1000)) * wanted.step * 1000).toISOString();
      const { points } = await api.readHistory({ from, step: wanted.step }, signal);
      if (signal.aborted || wanted !== span) return false;
      past = points.map(({ at, completed, failed, waitSeconds }) => {
        const began = Date.parse(at);
        return { from: began, to: Math.min(began + wanted.step * 1000, now), completed, failed, wait: waitSeconds };
      });
      end = now;
      notice.clear("history");
      paint();
    } catch (error) {
      if (signal.aborted) return false;
      notice.report("history", error);
      return error.passes;
    }
    return false;
  }

  function paint() {
    if (!span.step) end = totals.samples.at(-1)?.at ?? 0;
    const known = span.step ? past : steps(totals.samples);
    shown = known.filter((step) => step.to > end - span.ms && step.to > step.from).map((step) => ({ ...step, ...perSecond(step) })); // prettier-ignore
    const highest = Math.max(0, ...shown.map((step) => step.completed + step.failed));
    const scale = (HEIGHT - 2 * LEAST) / Math.max(highest, 1);
    const x = (at) => Math.max(0, WIDTH - ((end - at) / span.ms) * WIDTH);
    const area = (height, ground) =>
      shown.map((step) => {
        const [left, right] = [x(step.from).toFixed(1), x(step.to).toFixed(1)];
        const low = HEIGHT - ground(step);
        return height(step) ? `M${left} ${low.toFixed(1)}V${(low - height(step)).toFixed(1)}H${right}V${low.toFixed(1)}Z` : "";
      }).join(""); // prettier-ignore
    const tall = (jobs) => jobs && Math.max(jobs * scale, LEAST);
    failed.setAttribute("d", area((step) => tall(step.failed), () => 0)); // prettier-ignore
    completed.setAttribute("d", area((step) => tall(step.completed), (step) => tall(step.failed))); // prettier-ignore
    put(peak, highest ? `peak ${rate(highest)}/s` : "");
    paintReadout();
  }

  function paintReadout() {
    const at = pointedAt === null ? null : end - (1 - pointedAt) * span.ms;
    const step = at === null ? undefined : shown.find(({ from, to }) => at > from && at <= to);
    cursor.toggleAttribute("hidden", step === undefined);
    if (step) cursor.setAttribute("x", String(pointedAt * WIDTH));
    put(readout, step ? `${moment(step)}: ${rate(step.completed)} completed/s, ${rate(step.failed)} failed/s${waited(step)}` : "");
  }

  const moment = (step) => (span.step ? clock(new Date(step.from).toISOString()) : `${Math.round((end - step.to) / 1000)} s ago`);

  choice.addEventListener("change", () => {
    span = SPANS[choice.value];
    past = [];
    axis.forEach((element, index) => put(element, span.axis[index]));
    pace.restart();
    paint();
  });
  setInterval(() => {
    if (span.step && !document.hidden) pace.ask();
  }, HISTORY_EVERY_MS);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    pointedAt = (event.clientX - box.left) / box.width;
    paintReadout();
  });
  svg.addEventListener("pointerleave", () => {
    pointedAt = null;
    paintReadout();
  });
  totals.onChange(oncePerFrame(() => {
    if (!span.step) paint();
  })); // prettier-ignore
}

const waited = ({ wait }) => (wait ? `, waits p95 ${duration(wait.p95 * 1000)}` : "");

function perSecond({ from, to, completed, failed }) {
  const seconds = (to - from) / 1000;
  return { completed: completed / seconds, failed: failed / seconds };
}

const rate = (perSecond) => (perSecond >= 10 || perSecond === 0 ? count(Math.round(perSecond)) : perSecond.toFixed(1));
