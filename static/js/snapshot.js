// Reads the list as the server has it now: at the start, when the socket cannot go on from where it was, and as a sweep behind it.
// It must never overwrite what was heard while it read: all goes through the store, by version.

import * as api from "./api.js";
import { atMostEvery } from "./pace.js";

const INTERVAL_MS = 1_000;
const MOST_AT_ONCE = 500;
const FAILURE = "list";

/** `isRefused(error)`: it is the filter that the server refuses, and that is shown elsewhere. */
export function createSnapshot({ store, view, notice, isRefused, onRead }) {
  /** From the top, through the cursor, as far as the view goes: while jobs stream in, a cursor kept from earlier would leave a gap. */
  async function read(signal) {
    const { limit } = view;
    const query = view.query();
    const moment = store.moment();
    const ids = [];
    let cursor = null;
    try {
      do {
        const most = Math.min(limit - ids.length, MOST_AT_ONCE);
        const page = await api.listJobs({ ...query, limit: most, cursor }, signal);
        store.merge(page.jobs);
        ids.push(...page.jobs.map((job) => job.id));
        cursor = page.nextCursor;
      } while (cursor !== null && ids.length < limit);
    } catch (error) {
      if (signal.aborted) return false;
      if (isRefused(error)) notice.clear(FAILURE);
      else notice.report(FAILURE, error);
      return error.passes;
    }
    if (signal.aborted) return false;
    notice.clear(FAILURE);
    view.confirm(ids, cursor !== null, moment);
    onRead();
    return false;
  }

  return atMostEvery(INTERVAL_MS, read);
}
