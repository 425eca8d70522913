// Drains one worker, or resumes it, after a confirmation. It must never act without one.

import * as api from "./api.js";
import { count } from "./format.js";
import { put } from "./text.js";

const VERBS = { drain: "Drain", resume: "Resume" };

/** `onChanged()`: a worker has changed. */
export function createDrain({ dialog, onChanged }) {
  const found = dialog.querySelectorAll("[data-part]");
  const parts = Object.fromEntries(Array.from(found, (part) => [part.dataset.part, part]));
  let kind = null;
  let id = null;

  function textOf({ running, name }) {
    if (kind === "resume") return `${name} claims jobs again.`;
    const runs = running.reduce((sum, { jobs }) => sum + jobs, 0);
    const goOn = runs ? `its running jobs (${count(runs)} now) go on` : "it runs none now";
    return `${name} claims no more jobs; ${goOn}. It drains until somebody resumes it or restarts its process.`;
  }

  async function begin() {
    const asked = id;
    parts.begin.disabled = true;
    put(parts.problem, "");
    try {
      await (kind === "drain" ? api.drainWorker : api.resumeWorker)(asked);
      if (asked === id) dialog.close();
      onChanged();
    } catch (error) {
      if (asked === id) put(parts.problem, error.message);
    } finally {
      parts.begin.disabled = false;
    }
  }

  parts.begin.addEventListener("click", begin);
  parts.close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => (id = null));

  /** Asks whether to drain this worker, or to resume it if it drains. */
  return function ask(worker) {
    kind = worker.draining ? "resume" : "drain";
    id = worker.id;
    put(parts.title, `${VERBS[kind]} worker ${id}`);
    put(parts.text, textOf(worker));
    put(parts.begin, VERBS[kind]);
    put(parts.problem, "");
    dialog.showModal();
    parts.begin.focus();
  };
}
