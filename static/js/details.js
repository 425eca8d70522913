// One job with all that is known of it, live. It must never show an older version after a newer one, and never act without a click.

import * as api from "./api.js";
import { copy } from "./clipboard.js";
import { asCurl } from "./curl.js";
import { clock, duration, runMs, shortId } from "./format.js";
import { oncePerFrame } from "./frame.js";
import { createJobLog } from "./job-log.js";
import { print } from "./json.js";
import { keyed } from "./keyed.js";
import { atMostEvery } from "./pace.js";
import { createReruns } from "./reruns.js";
import { isOver, mayCancel, mayRetry } from "./status.js";
import { put } from "./text.js";
import { momentsOf } from "./timeline.js";

const INTERVAL_MS = 300; // between reads while the job changes
const SWEEP_MS = 3_000; // a message may be lost
const LONGEST_TEXT = 100_000; // characters of a payload that are shown

/** `onAgain(job)`: a person wants to change the payload and run it again. */
export function createDetails({ panel, templates, store, url, onAgain }) {
  const parts = Object.fromEntries(Array.from(panel.querySelectorAll("[data-part]"), (part) => [part.dataset.part, part]));
  const title = panel.querySelector("h2");
  const pace = atMostEvery(INTERVAL_MS, read);
  const paint = oncePerFrame(paintNow);
  const log = createJobLog({ section: parts["log-section"], list: parts.log, template: templates.line });
  const reruns = createReruns({ parts, template: templates.rerun, url });
  let id = null;
  let reason = null; // why it waits: {code}, and in words
  let tellable = true; // until the server says that it cannot
  let full = null; // the newest answer that had payload, result and errors

  async function read(signal) {
    if (id === null) return false;
    try {
      const job = await api.readJob(id, signal);
      take(job);
      if (job.status === "PENDING" && tellable) await explain(job.id, signal);
    } catch (error) {
      if (signal.aborted) return false;
      showProblem(error.status === 404 ? `There is no job ${id}.` : `The job could not be read: ${error.message}`);
      return error.passes;
    }
    return false;
  }

  /** Why it waits is a convenience: a failure here is no problem of the job's. */
  async function explain(asked, signal) {
    let told = null;
    try {
      told = await api.explainJob(asked, signal);
      if (asked === id) tellable = told !== null;
    } catch {
      // as if nobody could tell
    }
    if (signal.aborted || asked !== id) return;
    reason = typeof told?.message === "string" ? { code: told.reason?.code ?? "", message: told.message } : null;
    paint();
  }

  function take(job) {
    if (full === null || job.version >= full.version) full = job;
    if (job.id === id && job.tenantId !== url.shown.tenant) url.set({ tenant: job.tenantId, status: null, type: null }, { replace: true });
    store.merge([job]);
    showProblem("");
    paint();
  }

  /** The answer, with what was heard since. */
  function current() {
    const heard = store.get(id);
    return heard && heard.version > full.version ? { ...full, ...heard } : full;
  }

  async function act(action) {
    const asked = id;
    parts.cancel.disabled = parts.retry.disabled = true;
    try {
      const job = await action(asked);
      if (asked === id) take(job);
      else store.merge([job]);
    } catch (error) {
      if (asked !== id) return;
      showProblem(error.message);
      pace.ask();
    }
    paint();
  }

  function paintNow() {
    if (full === null) return;
    const job = current();
    parts.body.hidden = false;
    put(parts.status, job.status);
    parts.status.dataset.status = job.status;
    panel.dataset.status = job.status;
    parts.cancel.disabled = !mayCancel(job.status);
    parts.retry.disabled = !mayRetry(job.status);
    parts.reason.hidden = job.status !== "PENDING" || reason === null;
    put(parts.reason, shortened(reason?.message ?? ""));
    paintFacts(job);
    reruns.paint(full);
    paintProgress(job);
    put(parts.payload, shortened(print(job.payload, 2)));
    const hasResult = job.status === "COMPLETED" && full.status === "COMPLETED";
    parts["result-section"].hidden = !hasResult;
    if (hasResult) put(parts.result, shortened(print(job.result, 2)));
    paintTimeline(job);
  }

  function paintFacts(job) {
    const due = job.status === "PENDING" && job.runAt && Date.parse(job.runAt) > Date.now() ? clock(job.runAt) : "";
    const facts = [
      ["Id", "id", job.id],
      ["Tenant", "tenant", job.tenantId],
      ["Type", "type", job.type],
      ["Attempts", "attempts", job.maxAttempts ? `${job.attempts} of ${job.maxAttempts}` : String(job.attempts)],
      ["Tags", "tags", Object.entries(job.tags ?? {}).map((tag) => tag.join("=")).join(", ")],
      ["Priority", "priority", job.priority ? String(job.priority) : ""],
      ["Due", "due", due],
      ["Created", "created", clock(job.createdAt), job.createdAt],
      ["Started", "started", clock(job.startedAt), job.startedAt],
      ["Finished", "finished", clock(job.finishedAt), job.finishedAt],
      ["Took", "took", duration(runMs(job))],
      ["Worker", "worker", job.status === "RUNNING" && job.workerId !== null ? String(job.workerId) : ""],
    ].filter(([, , text]) => text);
    keyed(parts.facts, facts, templates.fact, ([, key]) => key, (element, [name, key, text, title]) => {
      const [term, description] = element.children;
      put(term, name);
      put(description, text);
      description.title = title ?? "";
      description.dataset.testid = `details-${key}`;
    }); // prettier-ignore
  }

  function paintProgress(job) {
    const progress = full.progress ?? null;
    parts["progress-section"].hidden = progress === null || job.status === "PENDING";
    if (progress === null) return;
    const share = Number(print(progress.fraction)); // it may be a number with its text
    parts["progress-bar"].value = share;
    put(parts.progress, [`${Math.round(share * 100)} %`, progress.text].filter(Boolean).join(" · "));
  }

  function paintTimeline(job) {
    keyed(parts.timeline, momentsOf(job, reason?.code ?? ""), templates.moment, (moment) => moment.key, (element, { kind, at, what, note, why }) => {
      const [time, title, aside, text] = element.children;
      element.dataset.kind = kind;
      put(time, clock(at));
      time.dateTime = at ?? "";
      time.title = at ?? "";
      put(title, what);
      put(aside, note ?? "");
      put(text, shortened(why ?? ""));
      text.hidden = !why;
    }); // prettier-ignore
  }

  async function tellCopied(text) {
    put(parts.copied, (await copy(text)) ? "Copied" : "The browser does not let us copy");
    setTimeout(() => put(parts.copied, ""), 3_000);
  }

  function showProblem(text) {
    put(parts.problem, text);
  }

  store.onChange((ids) => {
    if (id === null || !ids.includes(id)) return;
    paint();
    if (full === null || store.get(id).version > full.version) pace.ask();
  });

  setInterval(() => {
    if (id === null || document.hidden) return;
    if (full !== null && !isOver(current().status)) paint(); // how long it runs or waits grows
  }, 1_000);
  setInterval(() => {
    if (id === null || document.hidden || (full !== null && isOver(full.status))) return;
    pace.ask();
    log.read();
  }, SWEEP_MS);

  parts.cancel.addEventListener("click", () => act(api.cancelJob));
  parts.retry.addEventListener("click", () => act(api.retryJob));
  parts.again.addEventListener("click", () => full !== null && onAgain(current()));
  parts["copy-link"].addEventListener("click", () => tellCopied(`${location.origin}/?${new URLSearchParams({ job: id })}`));
  parts["copy-curl"].addEventListener("click", () => full !== null && tellCopied(asCurl(full, location.origin)));
  parts.close.addEventListener("click", () => url.set({ job: null }));

  return {
    /** Shows this job; null closes the panel. */
    open(wanted) {
      if (wanted === id) return;
      id = wanted;
      full = null;
      reason = null;
      tellable = true;
      log.open(id);
      reruns.clear();
      panel.hidden = id === null;
      parts.body.hidden = true;
      put(parts.status, "");
      delete panel.dataset.status;
      showProblem("");
      pace.restart();
      if (id === null) return;
      put(title, `Job ${shortId(id)}`);
      panel.scrollTop = 0;
      panel.focus({ preventScroll: true });
    },

    /** What can be done with the job that is shown: [{name, run}]. */
    get actions() {
      if (full === null || id === null) return [];
      const buttons = ["cancel", "retry", "again", "copy-link", "copy-curl"].map((part) => parts[part]);
      return buttons.filter((button) => !button.disabled).map((button) => ({ name: `${button.textContent}: job ${shortId(id)}`, run: () => button.click() }));
    },

    /** Takes what the job says of itself. */
    hear(message) {
      if (message.jobId !== id || full === null) return;
      if (message.progress) full = { ...full, progress: message.progress };
      log.hear(message);
      paint();
    },

    /** After a reconnect. `anew`: the next answer counts, whatever its version. */
    refresh({ anew }) {
      if (id === null) return;
      if (anew) full = null;
      log.read();
      pace.ask();
    },
  };
}

function shortened(text) {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}\n… ${text.length - LONGEST_TEXT} more characters` : text;
}
