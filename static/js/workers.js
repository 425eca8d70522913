// The live workers: how full they are and what they run. It must be read only while it is seen.

import * as api from "./api.js";
import { clock, count } from "./format.js";
import { keyed } from "./keyed.js";
import { atMostEvery } from "./pace.js";
import { put } from "./text.js";

const INTERVAL_MS = 2_000;
const FAILURE = "workers";

export function createWorkers({ section, template, notice }) {
  const [body, empty] = ["rows", "empty"].map((part) => section.querySelector(`[data-part=${part}]`));
  const pace = atMostEvery(INTERVAL_MS, read);

  async function read(signal) {
    try {
      const { workers, runsAreComplete } = await api.listWorkers(signal);
      if (signal.aborted) return false;
      keyed(body, workers, template, ({ id }) => id, (row, worker) => paintRow(row, worker, runsAreComplete)); // prettier-ignore
      put(empty, workers.length ? "" : "No live worker: nothing runs. Start one with: monoq serve --role=worker");
      empty.hidden = workers.length > 0;
      notice.clear(FAILURE);
    } catch (error) {
      if (signal.aborted) return false;
      notice.report(FAILURE, error);
      return error.passes;
    }
    return false;
  }

  function paintRow(row, { id, name, version, startedAt, silentSeconds, hungHandlers, pools, running }, complete) {
    const [who, which, beat, since, loop, threads, children, runs] = row.children;
    put(who, name, `worker ${id}`);
    put(which, version ?? "unknown");
    put(beat, `${Math.round(silentSeconds)} s ago`);
    put(since, clock(startedAt), startedAt);
    for (const [cell, pool] of [[loop, pools.loop], [threads, pools.threads], [children, pools.children]]) paintPool(cell, pool); // prettier-ignore
    const what = running.map(({ type, jobs }) => `${type} × ${count(jobs)}`);
    if (!complete) what.push("… more than is shown");
    if (hungHandlers) what.push(`${count(hungHandlers)} handlers do not return`);
    put(runs, what.join(", ") || "idle", what.join("\n"));
    row.toggleAttribute("data-bad", hungHandlers > 0);
  }

  return { ask: pace.ask, restart: pace.restart };
}

function paintPool(cell, { slots, used, types }) {
  const [meter, text] = cell.children;
  meter.max = Math.max(slots, 1);
  meter.value = used;
  meter.hidden = slots === 0;
  put(text, slots ? `${count(used)} of ${count(slots)}` : "none", types.join(", "));
}
