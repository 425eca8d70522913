// Jobs completed and failed per second, of all tenants: live over five minutes, or from the history. It must draw what the samples say,
// however far they lie apart, and nothing where there is none.

import * as api from "./api.js";
import { clock, count, duration } from "./format.js";
import { oncePerFrame } from "./frame.js";
import { atMostEvery } from "./pace.js";
import { spanOf } from "./spans.js";
import { put } from "./text.js";
import { steps } from "./totals.js";

const HISTORY_EVERY_MS = 60_000;
const WIDTH = 600;
const HEIGHT = 120;
const LEAST = 2; // one failure among thousands is still seen
const REFUSED = 422;

/** `onRefused(error)`: the server does not have the time that is wanted. */
export function createChart({ figure, totals, notice, onRefused }) {
  const svg = figure.querySelector("svg");
  const [peak, readout] = ["peak", "readout"].map((part) => figure.querySelector(`[data-part=${part}]`));
  const axis = Array.from(figure.querySelectorAll(".axis span"));
  const pace = atMostEvery(HISTORY_EVERY_MS, readHistory);
  const [completed, failed] = ["completed", "failed"].map((kind) => svg.querySelector(`.${kind}`));
  const [cursor, selection] = ["cursor", "selection"].map((kind) => svg.querySelector(`.${kind}`));
  let pointedAt = null; // a share of the width
  let selected = null; // two times
  let shown = [];
  let span = null;
  let bounds = { from: 0, to: 1 };
  let past = []; // of the history, as steps

  async function readHistory(signal) {
    const wanted = span;
    if (wanted.isLive) return false;
    const now = Date.now();
    try {
      const { points, step } = await api.readHistory(wanted.query(now), signal);
      if (signal.aborted) return false;
      past = points.map(({ at, completed, failed, waitSeconds }) => {
        const began = Date.parse(at);
        return { from: began, to: Math.min(began + step * 1000, now), completed, failed, wait: waitSeconds };
      });
      bounds = wanted.bounds(now);
      paintAxis(now);
      notice.clear("history");
      paint();
    } catch (error) {
      if (signal.aborted) return false;
      if (error.status === REFUSED) onRefused(error);
      else notice.report("history", error);
      return error.passes;
    }
    return false;
  }

  const width = () => Math.max(bounds.to - bounds.from, 1); // in ms
  const x = (at) => Math.min(Math.max((at - bounds.from) / width(), 0), 1) * WIDTH;

  function paint() {
    if (span.isLive) bounds = span.bounds(totals.samples.at(-1)?.at ?? Date.now());
    const known = span.isLive ? steps(totals.samples) : past;
    shown = known.filter((step) => step.to > bounds.from && step.from < bounds.to && step.to > step.from).map((step) => ({ ...step, ...perSecond(step) })); // prettier-ignore
    const highest = Math.max(0, ...shown.map((step) => step.completed + step.failed));
    const scale = (HEIGHT - 2 * LEAST) / Math.max(highest, 1);
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
    paintSelection();
    paintReadout();
  }

  function paintAxis(now) {
    const labels = span.axis(now);
    axis.forEach((element, index) => put(element, labels[index]));
  }

  function paintSelection() {
    selection.toggleAttribute("hidden", selected === null);
    if (selected === null) return;
    const [left, right] = selected.map(x).sort((one, other) => one - other);
    selection.setAttribute("x", left.toFixed(1));
    selection.setAttribute("width", (right - left).toFixed(1));
  }

  function paintReadout() {
    const at = pointedAt === null ? null : bounds.from + pointedAt * width();
    const step = at === null ? undefined : shown.find(({ from, to }) => at > from && at <= to);
    cursor.toggleAttribute("hidden", step === undefined);
    if (step) cursor.setAttribute("x", String(pointedAt * WIDTH));
    put(readout, step ? `${moment(step)}: ${rate(step.completed)} completed/s, ${rate(step.failed)} failed/s${waited(step)}` : "");
  }

  const moment = (step) =>
    span.isLive ? `${Math.round((bounds.to - step.to) / 1000)} s ago` : clock(new Date(step.from).toISOString());

  function share(clientX) {
    const box = svg.getBoundingClientRect();
    return Math.min(Math.max((clientX - box.left) / box.width, 0), 1);
  }

  setInterval(() => {
    if (span && !span.isLive && !document.hidden) pace.ask();
  }, HISTORY_EVERY_MS);
  svg.addEventListener("pointermove", (event) => {
    pointedAt = share(event.clientX);
    paintReadout();
  });
  svg.addEventListener("pointerleave", () => {
    pointedAt = null;
    paintReadout();
  });
  totals.onChange(oncePerFrame(() => {
    if (span?.isLive) paint();
  })); // prettier-ignore

  return {
    /** The time that the URL says. */
    show(wanted) {
      span = spanOf(wanted);
      past = [];
      const now = Date.now();
      bounds = span.bounds(now);
      paintAxis(now);
      pace.restart();
      paint();
    },

    bounds: () => bounds,

    /** The time at a place of the window. */
    timeAt: (clientX) => bounds.from + share(clientX) * width(),

    /** Marks what lies between two times; null: nothing. */
    select(wanted) {
      selected = wanted;
      paintSelection();
    },
  };
}

const waited = ({ wait }) => (wait ? `, waits p95 ${duration(wait.p95 * 1000)}` : "");

function perSecond({ from, to, completed, failed }) {
  const seconds = (to - from) / 1000;
  return { completed: completed / seconds, failed: failed / seconds };
}

const rate = (perSecond) => (perSecond >= 10 || perSecond === 0 ? count(Math.round(perSecond)) : perSecond.toFixed(1));
