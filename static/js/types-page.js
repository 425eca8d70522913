// How each type does: what waits, runs, ends and fails, and who can run it. It must be read only while it is seen.

import * as api from "./api.js";
import { count, duration } from "./format.js";
import { keyed } from "./keyed.js";
import { atMostEvery } from "./pace.js";
import { put } from "./text.js";

const INTERVAL_MS = 2_000;
const RATE_OVER_MS = 60_000;
const FAILURE = "types";

/** `onSubmit(type)`: a person wants to create a job of it. */
export function createTypesPage({ section, template, notice, types, onSubmit }) {
  const [body, empty] = ["rows", "empty"].map((part) => section.querySelector(`[data-part=${part}]`));
  const pace = atMostEvery(INTERVAL_MS, read);
  const seen = []; // [{at, ended: Map(type → {COMPLETED, FAILED})}], of the last minute

  async function read(signal) {
    try {
      const told = await api.countTypes(signal);
      if (signal.aborted) return false;
      const at = performance.now();
      seen.push({ at, counts: new Map(told.map(({ type, counts }) => [type, counts])) });
      while (seen.length > 2 && seen[1].at < at - RATE_OVER_MS) seen.shift();
      keyed(body, told, template, ({ type }) => type, paintRow);
      put(empty, told.length ? "" : "No types yet.");
      empty.hidden = told.length > 0;
      notice.clear(FAILURE);
    } catch (error) {
      if (signal.aborted) return false;
      notice.report(FAILURE, error);
      return error.passes;
    }
    return false;
  }

  function paintRow(row, { type, counts, workers, meanRunSeconds }) {
    const [name, live, pending, running, completed, failed, rate, run, action] = row.children;
    put(name, type, type);
    put(live, workers ? count(workers) : "none");
    row.toggleAttribute("data-lacking", workers === 0 && counts.PENDING > 0);
    put(pending, count(counts.PENDING));
    put(running, count(counts.RUNNING));
    put(completed, count(counts.COMPLETED));
    put(failed, count(counts.FAILED));
    put(rate, perMinute(type));
    put(run, meanRunSeconds === null ? "" : duration(meanRunSeconds * 1000));
    const [button] = action.children;
    button.dataset.type = type;
    button.hidden = !types.has(type);
    button.setAttribute("aria-label", `New job of type ${type}`);
  }

  /** Since this page has been open, a minute at most. */
  function perMinute(type) {
    const [first, last] = [seen[0], seen.at(-1)];
    if (first === last) return "–";
    const [before, now] = [first, last].map(({ counts }) => counts.get(type) ?? { COMPLETED: 0, FAILED: 0 });
    const a = (status) => Math.round((Math.max(now[status] - before[status], 0) * 60_000) / (last.at - first.at));
    return a("FAILED") ? `${count(a("COMPLETED"))} + ${count(a("FAILED"))} failed` : count(a("COMPLETED"));
  }

  body.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) onSubmit(button.dataset.type);
  });

  return {
    ask: pace.ask,
    /** The page is opened: rates begin anew. */
    restart() {
      seen.length = 0;
      pace.restart();
    },
  };
}
