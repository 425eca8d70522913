// How many jobs are in each status, and for how long the oldest has been waiting; each count is a button that filters the list. It must never
// count by itself: the server's counters are read again at most once a second while changes come in, and once more after the last.

import * as api from "./api.js";
import { age, count } from "./format.js";
import { atMostEvery } from "./pace.js";
import { STATUSES } from "./status.js";
import { put } from "./text.js";

const INTERVAL_MS = 1_000;
const TICK_MS = 1_000;
const ALL = "ALL";
const FAILURE = "counts";
const NOTHING = { counts: {}, oldestWaitingSeconds: null };

export function createCounts({ url, notice, container, template, oldest, onRead }) {
  let waitingSince = null; // on the monotonic clock
  const buttons = new Map([ALL, ...STATUSES].map((status) => [status, createButton(status)]));
  container.prepend(...Array.from(buttons.values(), ({ element }) => element));
  const pace = atMostEvery(INTERVAL_MS, read);
  setInterval(paintOldest, TICK_MS);

  async function read(signal) {
    try {
      const stats = await api.readStats(url.shown.tenant, signal);
      paint(stats);
      onRead(stats);
      notice.clear(FAILURE);
    } catch (error) {
      if (signal.aborted) return false;
      if (!error.passes) paint(NOTHING);
      notice.report(FAILURE, error);
      return error.passes;
    }
    return false;
  }

  function paint({ counts, oldestWaitingSeconds: oldestSeconds }) {
    waitingSince = oldestSeconds === null ? null : performance.now() - oldestSeconds * 1000;
    paintOldest();
    const known = STATUSES.filter((status) => status in counts);
    const all = { ...counts, [ALL]: known.length ? known.reduce((sum, status) => sum + counts[status], 0) : undefined };
    for (const [status, { number }] of buttons) {
      const text = all[status] === undefined ? "–" : count(all[status]);
      put(number, text);
    }
  }

  function paintOldest() {
    const text = waitingSince === null ? "–" : age(performance.now() - waitingSince);
    put(oldest, text);
  }

  function createButton(status) {
    const element = template.content.firstElementChild.cloneNode(true);
    element.dataset.status = status;
    element.dataset.testid = `count-${status}`;
    element.querySelector(".name").textContent = status.toLowerCase();
    element.addEventListener("click", () => url.set({ status: status === ALL || status === url.shown.status ? null : status }));
    return { element, number: element.querySelector(".number") };
  }

  return {
    ask: pace.ask,
    restart: pace.restart,

    /** Marks the count that filters the list. */
    mark() {
      for (const [status, { element }] of buttons) element.setAttribute("aria-pressed", String((url.shown.status ?? ALL) === status));
    },

    /** Nothing is known yet, of another tenant. */
    blank: () => paint(NOTHING),
  };
}
