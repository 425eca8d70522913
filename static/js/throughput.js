// How many jobs finish per second, over the last minute, as heard from the socket. It must never be painted more than once a second.

import { count } from "./format.js";
import { oncePerFrame } from "./frame.js";
import { put } from "./text.js";

const SECONDS = 60;
const WIDTH = 600;
const HEIGHT = 100;
const LEAST = 3; // one failure among thousands is still seen
const SVG = "http://www.w3.org/2000/svg";

export function createThroughput(figure) {
  const svg = figure.querySelector("svg");
  const [completed, failed, peak] = ["completed", "failed", "peak"].map((part) => figure.querySelector(`[data-part=${part}]`));
  const seconds = new Map(); // second → {completed, failed}
  const bars = Array.from({ length: SECONDS }, (_, index) => ({ completed: createBar(index, "completed"), failed: createBar(index, "failed") }));

  function createBar(index, kind) {
    const bar = document.createElementNS(SVG, "rect");
    bar.setAttribute("class", kind);
    bar.setAttribute("x", String((index * WIDTH) / SECONDS + 1));
    bar.setAttribute("width", String(WIDTH / SECONDS - 2));
    bar.setAttribute("height", "0");
    svg.append(bar);
    return bar;
  }

  function paint() {
    const now = Math.floor(Date.now() / 1000);
    for (const second of seconds.keys()) if (second <= now - SECONDS) seconds.delete(second);
    const shown = bars.map((_, index) => seconds.get(now - SECONDS + 1 + index) ?? { completed: 0, failed: 0 });
    const highest = Math.max(...shown.map((second) => second.completed + second.failed));
    const scale = (HEIGHT - LEAST) / Math.max(highest, 1);
    shown.forEach((second, index) => {
      const [low, high] = [second.failed, second.completed].map((jobs) => jobs && Math.max(jobs * scale, LEAST));
      place(bars[index].failed, HEIGHT - low, low);
      place(bars[index].completed, HEIGHT - low - high, high);
    });
    const sum = (kind) => shown.reduce((total, second) => total + second[kind], 0);
    put(completed, count(sum("completed")));
    put(failed, count(sum("failed")));
    put(peak, highest ? `peak ${count(highest)}/s` : "");
  }

  setInterval(oncePerFrame(paint), 1_000);

  return {
    /** Jobs that changed, as they are now. */
    add(jobs) {
      const now = Math.floor(Date.now() / 1000);
      if (!seconds.has(now)) seconds.set(now, { completed: 0, failed: 0 });
      const second = seconds.get(now);
      for (const { status } of jobs) {
        if (status === "COMPLETED") second.completed += 1;
        else if (status === "FAILED") second.failed += 1;
      }
    },

    /** Another tenant's picture begins. */
    clear() {
      seconds.clear();
      paint();
    },
  };
}

function place(bar, y, height) {
  bar.setAttribute("y", y.toFixed(2));
  bar.setAttribute("height", height.toFixed(2));
}
