// The live workers: how full they are, what they run, whether they drain. It must be read only
// while it is seen.

import * as api from "./api.js";
import { clock, count } from "./format.js";
import { keyed } from "./keyed.js";
import { atMostEvery } from "./pace.js";
import { put } from "./text.js";

const INTERVAL_MS = 2_000;
const FAILURE = "workers";

/** `onDrain(worker)`: a person wants to drain it, or to resume it if it drains. */
export function createWorkers({ section, template, notice, onDrain }) {
  const [body, empty] = ["rows", "empty"].map((part) => section.querySelector(`[data-part=${part}]`));
  const pace = atMostEvery(INTERVAL_MS, read);
  const shown = new Map(); // by id

  async function read(signal) {
    try {
      const { workers, runsAreComplete } = await api.listWorkers(signal);
      if (signal.aborted) return false;
      shown.clear();
      for (const worker of workers) shown.set(worker.id, worker);
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

  function paintRow(row, worker, complete) {
    const { id, name, version, startedAt, silentSeconds } = worker;
    const { hungHandlers, draining, pools, running } = worker;
    const [who, which, beat, since, loop, threads, children, runs, action] = row.children;
    put(who, name, `worker ${id}`);
    put(which, version ?? "unknown");
    put(beat, `${Math.round(silentSeconds)} s ago`);
    put(since, clock(startedAt), startedAt);
    for (const [cell, pool] of [[loop, pools.loop], [threads, pools.threads], [children, pools.children]]) paintPool(cell, pool); // prettier-ignore
    const what = running.map(({ type, jobs }) => `${type} × ${count(jobs)}`);
    if (!complete) what.push("… more than is shown");
    if (hungHandlers) what.push(`${count(hungHandlers)} handlers do not return`);
    const text = what.join(", ") || (draining ? "nothing runs" : "idle");
    put(runs, draining ? `Draining: ${text}` : text, what.join("\n"));
    row.toggleAttribute("data-bad", hungHandlers > 0);
    row.toggleAttribute("data-draining", draining);
    const [button] = action.children;
    put(button, draining ? "Resume" : "Drain");
    button.setAttribute("aria-label", `${button.textContent} worker ${id}, ${name}`);
  }

  body.addEventListener("click", (event) => {
    const row = event.target.closest("button")?.closest("tr");
    if (row) onDrain(shown.get(Number(row.dataset.key)));
  });

  return {
    ask: pace.ask,
    restart: pace.restart,

    /** What can be done with the workers that are shown: [{name, run}]. */
    get actions() {
      return Array.from(shown.values(), (worker) => {
        const verb = worker.draining ? "Resume" : "Drain";
        return { name: `${verb} worker ${worker.id}, ${worker.name}`, run: () => onDrain(worker) };
      });
    },
  };
}

function paintPool(cell, { slots, used, types }) {
  const [meter, text] = cell.children;
  meter.max = Math.max(slots, 1);
  meter.value = used;
  meter.hidden = slots === 0;
  put(text, slots ? `${count(used)} of ${count(slots)}` : "none", types.join(", "));
}
