// Jobs completed and failed per second, of all tenants, over five minutes. It must draw what the samples say, however far they lie apart,
// and nothing where there is none.

import { count } from "./format.js";
import { oncePerFrame } from "./frame.js";
import { put } from "./text.js";
import { steps } from "./totals.js";

const SPAN_MS = 300_000;
const WIDTH = 600;
const HEIGHT = 120;
const LEAST = 2; // one failure among thousands is still seen

export function createChart({ figure, totals }) {
  const svg = figure.querySelector("svg");
  const [peak, readout] = ["peak", "readout"].map((part) => figure.querySelector(`[data-part=${part}]`));
  const [completed, failed] = ["completed", "failed"].map((kind) => svg.querySelector(`.${kind}`));
  const cursor = svg.querySelector(".cursor");
  let pointedAt = null; // a share of the width
  let shown = [];
  let end = 0;

  function paint() {
    end = totals.samples.at(-1)?.at ?? 0;
    shown = steps(totals.samples).filter((step) => step.to > end - SPAN_MS).map((step) => ({ ...step, ...perSecond(step) })); // prettier-ignore
    const highest = Math.max(0, ...shown.map((step) => step.completed + step.failed));
    const scale = (HEIGHT - 2 * LEAST) / Math.max(highest, 1);
    const x = (at) => Math.max(0, WIDTH - ((end - at) / SPAN_MS) * WIDTH);
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
    const at = pointedAt === null ? null : end - (1 - pointedAt) * SPAN_MS;
    const step = at === null ? undefined : shown.find(({ from, to }) => at > from && at <= to);
    cursor.toggleAttribute("hidden", step === undefined);
    if (step) cursor.setAttribute("x", String(pointedAt * WIDTH));
    const ago = step && Math.round((end - step.to) / 1000);
    put(readout, step ? `${ago} s ago: ${rate(step.completed)} completed/s, ${rate(step.failed)} failed/s` : "");
  }

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    pointedAt = (event.clientX - box.left) / box.width;
    paintReadout();
  });
  svg.addEventListener("pointerleave", () => {
    pointedAt = null;
    paintReadout();
  });
  totals.onChange(oncePerFrame(paint));
}

function perSecond({ from, to, completed, failed }) {
  const seconds = (to - from) / 1000;
  return { completed: completed / seconds, failed: failed / seconds };
}

const rate = (perSecond) => (perSecond >= 10 || perSecond === 0 ? count(Math.round(perSecond)) : perSecond.toFixed(1));
