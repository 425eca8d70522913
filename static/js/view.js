// Which jobs are listed, and in what order: those that match the filter, newest first, down to where the server's list was read.
// Pure; it must never touch the page, and never show a list with a gap in it.

export const PAGE = 200;
const MANY = 1_000; // changes at once: sorting anew is cheaper than placing each
const LONGEST = 2_000; // rows; a longer table is for the API

export function createView(store) {
  let filter = { tenantId: null, status: null, type: null };
  let ids = []; // descending: ids are UUIDs of version 7, so this is newest first, as the server lists them
  let limit = PAGE;
  let floor = ""; // below this id nothing is known; "": all is known
  let known = false; // whether the server's list was read with this filter

  const matches = (job) =>
    job !== undefined &&
    !job.hidden &&
    job.id >= floor &&
    job.tenantId === filter.tenantId &&
    (!filter.status || job.status === filter.status) &&
    (!filter.type || job.type === filter.type);

  function setFilter(wanted) {
    filter = wanted;
    limit = PAGE;
    floor = "";
    known = false;
    rebuild();
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
    floor = more && read.length ? read.at(-1) : "";
    const listed = new Set(read);
    const gone = Array.from(store.values()).filter((job) => matches(job) && !listed.has(job.id) && job.heard <= moment);
    store.hide(gone.map((job) => job.id));
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
    /** Whether so many have left that the server should be asked for others. */
    get thin() {
      return floor !== "" && ids.length < limit / 2;
    },
    lists: (id) => ids[position(ids, id)] === id,
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
