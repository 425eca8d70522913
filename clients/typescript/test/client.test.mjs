// The client on a real monoq: MONOQ_URL. CLIENT: the module to test.

import assert from "node:assert/strict";
import { after, test } from "node:test";

const { Client, MonoqError } = await import(process.env.CLIENT);
const url = process.env.MONOQ_URL;
const sockets = [];
// remembers the sockets, so that a test can cut them
class WebSocket extends globalThis.WebSocket {
  constructor(to) {
    super(to);
    sockets.push(this);
  }
}
const client = new Client(url, { WebSocket });
after(() => client.close());

const echo = (n, more = {}) => ({ tenantId: "acme", type: "echo", payload: { n }, ...more });
const later = { delayMs: 3_600_000 };
const fails = (promise, reason, status = 0) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof MonoqError, error);
    assert.deepEqual([error.reason, error.status], [reason, status], error.message);
    return true;
  });

/** Takes updates until one is of this job with this status; returns what was seen of it. */
async function until(stream, jobId, status) {
  const seen = [];
  for (;;) {
    const { value, done } = await stream.next();
    assert.ok(!done);
    if (value.jobId === jobId) seen.push(value);
    if (value.jobId === jobId && value.status === status) return seen;
  }
}

test("a job is submitted, waited for and read", async () => {
  const { jobId, created } = await client.submit(echo(1), { idempotencyKey: "one" });
  assert.equal(created, true);
  const repeat = await client.submit(echo(1), { idempotencyKey: "one" });
  assert.deepEqual(repeat, { jobId, created: false });
  const job = await client.wait(jobId, { timeoutMs: 20_000 });
  assert.deepEqual([job.status, job.result], ["COMPLETED", { n: 1 }]);
  assert.equal((await client.get(jobId)).id, jobId);
});

test("many are submitted and listed, and a hundred waits share a subscription", async () => {
  const tagged = (n) => echo(n, { tenantId: "many", tags: { n: `${n}` } });
  const jobs = Array.from({ length: 100 }, (_, n) => tagged(n));
  const { jobIds, repeated } = await client.submitMany(jobs, { idempotencyKey: "many" });
  assert.deepEqual([jobIds.length, repeated], [100, []]);
  assert.equal((await client.submitMany(jobs, { idempotencyKey: "many" })).repeated.length, 100);
  const before = sockets.length;
  await Promise.all(jobIds.map((one) => client.wait(one, { timeoutMs: 20_000 })));
  assert.ok(sockets.length <= before + 1);
  const first = await client.list("many", { status: "COMPLETED", limit: 60 });
  const second = await client.list("many", { limit: 60, cursor: first.nextCursor });
  assert.deepEqual([first.jobs.length, second.jobs.length, second.nextCursor], [60, 40, null]);
  const [found] = (await client.list("many", { tag: ["n:7"] })).jobs;
  assert.equal(found.id, jobIds[7]);
});

test("a job is cancelled and retried", async () => {
  const { jobId } = await client.submit(echo(2, later));
  assert.equal((await client.cancel(jobId)).status, "CANCELLED");
  assert.equal((await client.retry(jobId)).status, "PENDING");
  assert.equal((await client.wait(jobId)).status, "COMPLETED");
});

test("an error names its status and its fields", async () => {
  const sleep = { tenantId: "acme", type: "sleep", payload: { delayMs: "x" } };
  await assert.rejects(client.submitMany([echo(3), sleep]), (error) => {
    assert.deepEqual([error.reason, error.status, error.passes], ["refused", 422, false]);
    assert.deepEqual(
      error.errors.map(({ field }) => field),
      ["jobs.1.payload.delayMs"],
    );
    assert.match(error.message, /delayMs/);
    return true;
  });
  await fails(client.get("00000000-0000-7000-8000-000000000000"), "refused", 404);
  await fails(new Client("http://127.0.0.1:9").list("acme"), "unreachable");
  await fails(client.stream("no tenant").next(), "refused", 422);
});

test("a wait ends when it is late, aborted, or its client is closed", async () => {
  const { jobId } = await client.submit(echo(4, later));
  await fails(client.wait(jobId, { timeoutMs: 50 }), "timeout");
  const controller = new AbortController();
  const wait = client.wait(jobId, { signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(wait, /enough/);
  const other = new Client(url, { WebSocket });
  const closed = other.wait(jobId);
  other.close();
  await fails(closed, "closed");
});

test("a stream misses nothing over a lost connection, and goes on from a kept cursor", async () => {
  const { jobId: known } = await client.submit(echo(5, { tenantId: "streams", ...later }));
  const stream = client.stream("streams");
  await until(stream, known, "PENDING"); // as it is
  const { jobId: first } = await client.submit(echo(6, { tenantId: "streams" }));
  await until(stream, first, "COMPLETED");
  sockets.at(-1).close();
  const { jobId: away } = await client.submit(echo(7, { tenantId: "streams" }));
  await client.wait(away);
  const seen = await until(stream, away, "COMPLETED");
  const versions = seen.map(({ version }) => version);
  assert.deepEqual(
    versions,
    [...versions].sort((a, b) => a - b),
  );
  stream.close();
  assert.equal((await stream.next()).done, true);

  const { jobId: second } = await client.submit(echo(8, { tenantId: "streams" }));
  const again = client.stream("streams", { cursor: stream.cursor, snapshot: false });
  for await (const { jobId, status } of again) {
    if (jobId === second && status === "COMPLETED") break; // closes it
  }
  assert.equal((await again.next()).done, true);
  const wrong = client.stream("streams", { cursor: "nonsense", snapshot: false });
  await fails(wrong.next(), "cursor");
});
