// How many jobs are in each status; each count is a button that filters the list. It must never count by itself: the server's counters are
// read again at most once a second while changes come in, and once more after the last.

import * as api from "./api.js";
import { count } from "./format.js";
import { atMostEvery } from "./pace.js";
import { STATUSES } from "./status.js";

const INTERVAL_MS = 1_000;
const ALL = "ALL";
const FAILURE = "counts";

export function createCounts({ url, notice, container, template }) {
  const buttons = new Map([ALL, ...STATUSES].map((status) => [status, createButton(status)]));
  container.append(...Array.from(buttons.values(), ({ element }) => element));
  const pace = atMostEvery(INTERVAL_MS, read);

  async function read(signal) {
    try {
      paint(await api.readCounts(url.shown.tenant, signal));
      notice.clear(FAILURE);
    } catch (error) {
      if (signal.aborted) return false;
      if (!error.passes) paint({});
      notice.report(FAILURE, error);
      return error.passes;
    }
    return false;
  }

  function paint(counts) {
    const known = STATUSES.filter((status) => status in counts);
    const all = { ...counts, [ALL]: known.length ? known.reduce((sum, status) => sum + counts[status], 0) : undefined };
    for (const [status, { number }] of buttons) {
      const text = all[status] === undefined ? "–" : count(all[status]);
      if (number.textContent !== text) number.textContent = text;
    }
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
    blank: () => paint({}),
  };
}
