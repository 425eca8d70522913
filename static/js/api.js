// The page's only fetch: one function per call of the HTTP contract. It must never retry, cache or touch the page.

import { parseExactly, print } from "./json.js";

const TIMEOUT_MS = 10_000;
const A_NAME = /^[\w.:@-]*$/; // of a tenant: ASCII

/** An answer that is not 2xx, or none at all (status 0). `errors` are the fields it names: [{field, message}]. */
export class Problem extends Error {
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }

  /** Whether the same request may succeed later. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** A page: {tenants: [{id, counts, oldestWaitingSeconds, runningShare, weightShare, policy, heldBy}], nextCursor}. */
export const listTenantsPage = async (query, signal) =>
  A_NAME.test(query.prefix ?? "") ? get("/tenants", query, signal) : { tenants: [], nextCursor: null }; // no name begins so

/** {policy, effective}: what is said of the tenant, and what holds. */
export const readPolicy = (id, signal) => get(tenantPath(id), {}, signal);

/** Replaces the whole policy. */
export const writePolicy = (id, policy) => request("PUT", tenantPath(id), { body: JSON.stringify(policy) });

/** {points: [{at, completed, failed, …, waitSeconds, runSeconds}]}, from a time on in steps of so many seconds. */
export const readHistory = (query, signal) => get("/stats/history", query, signal);

/** {open, breakers: [{endpoint, state, since, reason, nextProbeAt, workerId}]}. */
export const readBreakers = (signal) => get("/breakers", {}, signal);

/** {workers: [{id, name, version, startedAt, silentSeconds, hungHandlers, draining, pools, running}], runsAreComplete}. */
export const listWorkers = (signal) => get("/workers", {}, signal);

/** The worker: it claims no more jobs, or claims again. */
export const drainWorker = (id) => request("POST", `/workers/${encodeURIComponent(id)}/drain`, { body: "{}" });

export const resumeWorker = (id) => request("POST", `/workers/${encodeURIComponent(id)}/resume`, { body: "{}" });

/** [{type, counts, workers, meanRunSeconds}]. */
export const countTypes = async (signal) => (await get("/stats/types", {}, signal)).types;

/** The OpenAPI document of all this. */
export const readDocument = () => get("/openapi.json");

export const listTypes = async () => (await get("/types")).types;

/** {counts, oldestWaitingSeconds}; null: no due job waits. */
export const readStats = (tenantId, signal) => get("/stats", { tenantId }, signal);

/** A page, newest first: {jobs, nextCursor}. */
export const listJobs = (query, signal) => get("/jobs", query, signal);

/** {lines: [{offset, attempt, at, text, fields}], next}: what the handler logged after this offset. */
export const readLog = (id, after) => get(`${jobPath(id)}/log`, { after });

/** A job with payload, result and errors, whose numbers are as they were written. */
export const readJob = (id, signal) => request("GET", jobPath(id), { signal, parse: parseExactly });

/** Why the job waits: {message}; null if the server cannot tell. */
export async function explainJob(id, signal) {
  try {
    return await request("GET", `${jobPath(id)}/explain`, { signal });
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

export const cancelJob = (id) => request("POST", `${jobPath(id)}/cancel`, { body: "{}", parse: parseExactly });

export const retryJob = (id) => request("POST", `${jobPath(id)}/retry`, { body: "{}", parse: parseExactly });

/** {matched, matchedIsExact}: how many jobs a filter matches. `kind`: cancel or retry. */
export const countMatching = (kind, filter) => request("POST", `/jobs/${kind}`, { body: JSON.stringify({ filter, dryRun: true }) });

/** An operation: {id, kind, state, matched, done, skipped, error}. */
export const beginOperation = (kind, filter) => request("POST", `/jobs/${kind}`, { body: JSON.stringify({ filter }) });

export const readOperation = (id) => get(`/operations/${encodeURIComponent(id)}`);

export const abortOperation = (id) => request("POST", `/operations/${encodeURIComponent(id)}/abort`, { body: "{}" });

/** The new job's id. A repeat with the same key creates no second job. */
export async function createJob(job, idempotencyKey) {
  const answer = await request("POST", "/jobs", { body: print(job), headers: { "Idempotency-Key": idempotencyKey } });
  return answer.jobId;
}

const tenantPath = (id) => `/tenants/${encodeURIComponent(id)}`;

const jobPath = (id) => `/jobs/${encodeURIComponent(id)}`;

function get(path, query = {}, signal = undefined) {
  const given = Object.entries(query)
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => [name, one]))
    .filter(([, value]) => value !== null && value !== undefined && value !== "");
  return request("GET", given.length ? `${path}?${new URLSearchParams(given)}` : path, { signal });
}

async function request(method, path, { body, headers = {}, signal, parse = JSON.parse }) {
  const deadline = AbortSignal.timeout(TIMEOUT_MS);
  let response, text;
  try {
    response = await fetch(path, {
      method,
      body,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, deadline.aborted ? "the server took too long" : "the server does not answer");
  }
  if (!response.ok) throw problemOf(response, text);
  try {
    return parse(text);
  } catch {
    throw new Problem(response.status, "the answer is not JSON");
  }
}

function problemOf(response, text) {
  try {
    const { title, detail, errors } = JSON.parse(text);
    return new Problem(response.status, String(detail || title), Array.isArray(errors) ? errors : []);
  } catch {
    return new Problem(response.status, `the server answered ${response.status} ${response.statusText}`.trim());
  }
}
