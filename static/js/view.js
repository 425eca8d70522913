// Which jobs are listed, and in what order: those that match the filter, newest first, down to where the server's list was read.
// Pure; it must never touch the page, and never show a list with a gap in it.

import { tagsOf } from "./filter.js";
import { isoOf, timeOf } from "./moment.js";
import { mayRetry } from "./status.js";
import { NO_FILTER } from "./url.js";

export const PAGE = 200;
const MANY = 1_000; // changes at once: sorting anew is cheaper than placing each
const LONGEST = 2_000; // rows; a longer table is for the API

export function createView(store) {
  let filter = { tenantId: null, ...NO_FILTER };
  let ids = []; // descending: ids are UUIDs of version 7, so this is newest first, as the server lists them
  let limit = PAGE;
  let floor = ""; // below this id nothing is known; "": all is known
  let known = false; // whether the server's list was read with this filter
  let first = ""; // the ids of the filter's time: from this one on,
  let end = "~"; // and below this one
  let confirmed = new Set(); // with tags or a key in the filter: jobs that the server found by them
  let unsure = false; // whether some that it has not been asked about may match

  /** As far as is known here: no update tells of tags and keys. */
  const mayMatch = (job) =>
    job !== undefined &&
    !job.hidden &&
    job.id >= floor &&
    job.id >= first &&
    job.id < end &&
    job.tenantId === filter.tenantId &&
    (!filter.status || job.status === filter.status) &&
    (!filter.type || job.type === filter.type) &&
    (!filter.error || (mayRetry(job.status) && (job.error ?? "").startsWith(filter.error)));

  const isConfirmed = (job) => (!filter.tag && !filter.key) || confirmed.has(job.id);

  const matches = (job) => mayMatch(job) && isConfirmed(job);

  function setFilter(wanted) {
    filter = wanted;
    limit = PAGE;
    floor = "";
    known = unsure = false;
    confirmed = new Set();
    placeInTime();
    rebuild();
  }

  /** A time that is so long ago moves on. */
  function placeInTime() {
    first = filter.after ? firstIdAt(timeOf(filter.after)) : "";
    end = filter.before ? firstIdAt(timeOf(filter.before)) : "~";
  }

  /** The query of GET /jobs that lists these, as of now. */
  function query() {
    const { tenantId, status, type, tag, error, key, after, before } = filter;
    placeInTime();
    return {
      tenantId,
      status,
      type,
      tag: tagsOf(tag),
      error,
      idempotencyKey: key,
      createdAfter: after && isoOf(timeOf(after)),
      createdBefore: before && isoOf(timeOf(before)),
    };
  }

  /** The server's list may be another one than was read. */
  function doubt() {
    filter = { ...filter };
    known = false;
  }

  function rebuild() {
    ids = Array.from(store.values()).filter(matches).map((job) => job.id).sort().reverse(); // prettier-ignore
    trim();
  }

  /** These jobs changed: some come, some go. */
  function update(changed) {
    unsure ||= changed.some((id) => mayMatch(store.get(id)) && !isConfirmed(store.get(id)));
    if (changed.length > MANY) return rebuild();
    for (const id of changed) {
      const at = position(ids, id);
      const listed = ids[at] === id;
      if (matches(store.get(id))) {
        if (!listed) ids.splice(at, 0, id);
      } else if (listed) ids.splice(at, 1);
    }
    trim();
  }

  /** The server lists `read` (and more below, if `more`); what it does not list and was not heard of since `moment` is gone. */
  function confirm(read, more, moment) {
    known = true;
    unsure = false;
    if (filter.tag || filter.key) for (const id of read) confirmed.add(id);
    floor = more && read.length ? read.at(-1) : "";
    const listed = new Set(read);
    const gone = Array.from(store.values()).filter((job) => matches(job) && !listed.has(job.id) && job.heard <= moment);
    store.hide(gone.map((job) => job.id));
    for (const { id } of gone) confirmed.delete(id);
    rebuild();
  }

  /** New jobs push the oldest out; from then on those are not known to be complete. */
  function trim() {
    if (ids.length <= limit) return;
    ids.length = limit;
    floor = ids.at(-1);
  }

  return {
    get filter() {
      return filter;
    },
    get ids() {
      return ids;
    },
    get limit() {
      return limit;
    },
    get known() {
      return known;
    },
    /** Whether the server has more that match. */
    get more() {
      return floor !== "";
    },
    get growable() {
      return floor !== "" && limit < LONGEST;
    },
    /** Whether only the server can tell if some match. */
    get unsure() {
      return unsure;
    },
    /** Whether so many have left that the server should be asked for others. */
    get thin() {
      return floor !== "" && ids.length < limit / 2;
    },
    lists: (id) => ids[position(ids, id)] === id,
    query,
    setFilter,
    doubt,
    rebuild,
    update,
    confirm,
    grow: () => {
      limit = Math.min(limit + PAGE, LONGEST);
    },
  };
}

/** Ids are UUIDs of version 7: they begin with the milliseconds of their creation. */
function firstIdAt(ms) {
  const digits = Math.max(0, ms).toString(16).padStart(12, "0");
  return `${digits.slice(0, 8)}-${digits.slice(8)}`;
}

/** Where the id is in the descending list, or would be. */
function position(ids, id) {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ids[middle] > id) low = middle + 1;
    else high = middle;
  }
  return low;
}
