// What happened to a job, oldest first, and how long each part took, as far as that is known. Pure; it must never name a cause that nobody
// recorded: why a job waits now is asked of the server, why it waited then is not known.

import { duration } from "./format.js";

const WAITS = {
  paused: "Paused",
  scheduled: "Scheduled",
  backoff: "Backing off",
  cap: "Held back by a cap",
  rate: "Held back by a rate",
  noWorker: "No live worker for its type",
  slots: "All slots are taken",
  share: "Its tenant holds its part of the slots",
  queued: "In the queue",
};

/** [{key, kind, at, what, note, why}]. `waitsFor`: the code of the reason why it waits; "": not known. */
export function momentsOf(job, waitsFor) {
  const errors = Array.isArray(job.errors) ? job.errors : [];
  const moments = [{ key: "created", kind: "created", at: job.createdAt, what: "Created" }];
  errors.forEach(({ attempt, error, at, workerId }, index) => {
    if (index > 0 && attempt <= errors[index - 1].attempt) moments.push({ key: `again|${at}`, kind: "pending", at: null, what: "Sent back by a person: attempts are counted anew" });
    const isLast = index === errors.length - 1 && !isLaterRun(job, at);
    const notes = [isLast ? waitBefore(job, errors[index - 1]?.at) : "", isLast ? ran(job.startedAt, at) : "", workerId ? `worker ${workerId}` : ""];
    moments.push({ key: `${attempt}|${at}`, kind: "failed", at, what: `Attempt ${attempt} failed`, note: notes.filter(Boolean).join(", "), why: String(error ?? "") });
  }); // prettier-ignore
  const last = errors.at(-1);
  if (job.status !== "PENDING" && job.startedAt && isLaterRun(job, last?.at)) {
    if (last && job.attempts <= last.attempt) moments.push({ key: "again", kind: "pending", at: null, what: "Sent back by a person: attempts are counted anew" });
    const running = job.status === "RUNNING";
    const what = `Attempt ${job.attempts} ${running ? "is running" : "started"}`;
    moments.push({ key: running ? "running" : "started", kind: "running", at: job.startedAt, what, note: waitBefore(job, last?.at) });
  } // prettier-ignore
  const took = job.startedAt && isLaterRun(job, last?.at) ? ran(job.startedAt, job.finishedAt) : "";
  if (job.status === "PENDING") moments.push(waitOf(job, waitsFor));
  if (job.status === "COMPLETED") moments.push({ key: "over", kind: "completed", at: job.finishedAt, what: "Completed", note: took });
  if (job.status === "FAILED") moments.push({ key: "over", kind: "failed", at: job.finishedAt, what: "Failed for good", why: lastWord(job, last) });
  if (job.status === "CANCELLED") moments.push({ key: "over", kind: "cancelled", at: job.finishedAt, what: "Cancelled", note: took, why: lastWord(job, last) });
  return moments;
}

function waitOf(job, waitsFor) {
  const isDue = !job.runAt || Date.parse(job.runAt) <= Date.now();
  const what = WAITS[waitsFor] ?? (isDue ? "Waiting" : "Not due yet");
  const since = Date.parse(isDue ? (job.runAt ?? job.updatedAt) : job.updatedAt);
  const note = isDue ? `due for ${duration(Math.max(Date.now() - since, 0))}` : `due in ${duration(Date.parse(job.runAt) - Date.now())}`;
  return { key: "waiting", kind: "pending", at: job.runAt ?? job.updatedAt, what, note };
}

/** Whether the run that began last is not the one whose error came at this time. */
const isLaterRun = (job, at) => !at || Date.parse(job.startedAt) > Date.parse(at);

/** From the creation or the last failure to the start of the last run: until it was due, and then until a worker took it. */
function waitBefore({ createdAt, runAt, startedAt }, failedAt) {
  if (!startedAt || !runAt) return "";
  const [from, due, began] = [failedAt ?? createdAt, runAt, startedAt].map((at) => Date.parse(at));
  const delay = Math.max(due - from, 0);
  const wait = began - Math.max(due, from);
  if (wait < 0) return ""; // it was put off since
  return `${delay >= 1 ? `${duration(delay)} of ${failedAt ? "backoff" : "delay"}, ` : ""}waited ${duration(wait)}`;
}

const ran = (from, to) => (from && to ? `ran ${duration(Math.max(Date.parse(to) - Date.parse(from), 0))}` : "");

/** The job's own error, unless its last attempt has said it already. */
const lastWord = (job, last) => (job.error && job.error !== last?.error ? job.error : "");
