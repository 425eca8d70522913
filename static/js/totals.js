// What all tenants have together, as the server pushes it, with the last five minutes of it. Pure; it must never invent a figure that was
// not told: a rate needs two samples.

const KEPT_MS = 300_000;
export const KINDS = ["pending", "running", "completed", "failed", "cancelled"];

export function createTotals() {
  const listeners = new Set();
  let samples = []; // {at, pending, …}, in ms since 1970 by the server's clock, oldest first
  let latest = null;

  function tell() {
    for (const listener of listeners) listener();
  }

  return {
    get latest() {
      return latest;
    },

    get samples() {
      return samples;
    },

    /** The samples that the server kept: another one may have kept others. */
    begin({ fields, samples: rows }) {
      samples = rows.map((row) => Object.fromEntries(fields.map((field, index) => [field, row[index]])));
      tell();
    },

    take(message) {
      latest = message;
      const { at, counts } = message;
      if (counts && at > (samples.at(-1)?.at ?? 0)) {
        samples.push({ at, ...Object.fromEntries(KINDS.map((kind) => [kind, counts[kind.toUpperCase()]])) });
        const first = samples.findIndex((sample) => sample.at > at - KEPT_MS - 10_000);
        samples.splice(0, first);
      }
      tell();
    },

    /** How many a minute, over the last minute; null if that is not known. */
    perMinute(kind) {
      const newest = samples.at(-1);
      const oldest = newest && samples.find((sample) => sample.at >= newest.at - 60_000);
      if (!newest || oldest === newest) return null;
      const ended = steps(samples.slice(samples.indexOf(oldest))).reduce((sum, step) => sum + step[kind], 0);
      return (ended * 60_000) / (newest.at - oldest.at);
    },

    onChange: (listener) => listeners.add(listener),
  };
}

/** From sample to sample: {from, to, completed, failed}; a count that fell, for jobs were retried or deleted, counts as none. */
export function steps(samples) {
  return samples.slice(1).map((sample, index) => {
    const before = samples[index];
    const grown = (kind) => Math.max(sample[kind] - before[kind], 0);
    return { from: before.at, to: sample.at, completed: grown("completed"), failed: grown("failed"), cancelled: grown("cancelled") };
  });
}
