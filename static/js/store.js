// What the page knows of jobs: by id, the newest version wins. A version must never go back, whatever order answers and messages come in.

const CAPACITY = 20_000; // jobs remembered; the ones not heard of for longest are forgotten first
const SLACK = 1_000; // forgotten at once, so that it is not looked for at every message
const FIELDS = [
  "id", "tenantId", "type", "status", "attempts", "maxAttempts", "priority", "error", "progress", "version", "workerId",
  "createdAt", "updatedAt", "runAt", "startedAt", "finishedAt", "tags",
]; // prettier-ignore

export function createStore() {
  const jobs = new Map(); // in the order in which they were last heard of
  const listeners = new Set();
  let heard = 0;
  let isShown = () => false;

  /** Takes jobs as in GET /jobs, or as updates (which say less). Returns the previous and new state of those that got a newer version. */
  function merge(incoming) {
    const news = [];
    const touched = [];
    for (const said of incoming) {
      const known = jobs.get(said.id);
      if (known && said.version < known.version) continue;
      const newer = !known || said.version > known.version;
      const job = newer ? { ...inferred(said, known), ...picked(said) } : { ...known, ...picked(said) };
      job.hidden = false;
      job.heard = ++heard;
      jobs.delete(job.id);
      jobs.set(job.id, job);
      touched.push(job.id);
      if (newer) news.push(job);
    }
    forgetOldest();
    tell(touched);
    return news;
  }

  /** These are no longer where they were, though nobody said so. Their versions stay: an older one must not bring them back. */
  function hide(ids) {
    for (const id of ids) jobs.get(id).hidden = true;
    tell(ids);
  }

  /** From now on what is said counts, whatever its version: the database is another one, or as it was before. */
  function distrust() {
    for (const job of jobs.values()) job.version = 0;
  }

  function forgetOldest() {
    if (jobs.size <= CAPACITY) return;
    for (const id of Array.from(jobs.keys()).slice(0, jobs.size - CAPACITY + SLACK)) if (!isShown(id)) jobs.delete(id);
  }

  function tell(ids) {
    if (ids.length) for (const listener of listeners) listener(ids);
  }

  return {
    merge,
    hide,
    distrust,
    get: (id) => jobs.get(id),
    values: () => jobs.values(),

    /** A job whose `heard` is greater was heard of after this moment. */
    moment: () => heard,

    /** These are never forgotten: `isShown(id)`. */
    spare: (shown) => {
      isShown = shown;
    },

    /** `listener(ids)` is called when something is known anew about these jobs. */
    onChange: (listener) => listeners.add(listener),
  };
}

/** What follows from an update that does not say it: a run starts when its job becomes RUNNING, and ends when it leaves. */
function inferred(said, known) {
  const job = { maxAttempts: null, priority: null, progress: null, runAt: null, startedAt: null, finishedAt: null, ...known };
  job.createdAt ??= creationOf(said.id);
  if (said.status === "RUNNING") Object.assign(job, { startedAt: said.updatedAt, finishedAt: null, progress: null });
  else if (said.status === "PENDING") Object.assign(job, { finishedAt: null, runAt: null });
  else job.finishedAt = said.updatedAt;
  return job;
}

function picked(said) {
  const job = {};
  for (const field of FIELDS) if (said[field] !== undefined) job[field] = said[field];
  return job;
}

/** Ids are UUIDs of version 7: they begin with the milliseconds of their creation. */
function creationOf(id) {
  return id[14] === "7" ? new Date(parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toISOString() : null;
}
