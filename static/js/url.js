// What the page shows, kept in its URL: ?view= ?tenant= ?status= ?type= ?job= ?policy=. It must never hold anything a reload should forget.

import { STATUSES } from "./status.js";

const NAMES = ["view", "tenant", "status", "type", "job", "policy"];
const VIEWS = ["jobs", "workers", "types"];
export const NOTHING = Object.fromEntries(NAMES.map((name) => [name, null]));

export function createUrl() {
  const listeners = new Set();
  let shown = read();

  function read() {
    const query = new URLSearchParams(location.search);
    const found = Object.fromEntries(NAMES.map((name) => [name, query.get(name) || null]));
    if (!STATUSES.includes(found.status)) found.status = null;
    if (!VIEWS.includes(found.view)) found.view = null;
    return found;
  }

  function tell() {
    for (const listener of listeners) listener(shown);
  }

  /** Shows this instead. A new entry of the history, unless `replace`. */
  function set(patch, { replace = false } = {}) {
    const after = { ...shown, ...patch };
    if (NAMES.every((name) => after[name] === shown[name])) return;
    shown = after;
    history[replace ? "replaceState" : "pushState"](null, "", addressOf(after));
    tell();
  }

  addEventListener("popstate", () => {
    shown = read();
    tell();
  });

  // A link of ours with data-here: followed without a reload. One that is to open elsewhere is the browser's own work.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-here]");
    if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const query = new URLSearchParams(link.search);
    set(Object.fromEntries(NAMES.map((name) => [name, query.get(name) || null])));
  });

  return {
    get shown() {
      return shown;
    },

    /** overview, jobs, workers or types: a tenant or a job is shown among jobs, and without anything there is the overview. */
    get page() {
      return shown.view ?? (shown.tenant || shown.job ? "jobs" : "overview");
    },

    /** The address that shows this instead; what is not named stays. */
    address: (patch) => addressOf({ ...shown, ...patch }),

    set,

    /** `listener(shown)` is called after every change. */
    onChange: (listener) => listeners.add(listener),
  };
}

function addressOf(wanted) {
  const query = new URLSearchParams(NAMES.filter((name) => wanted[name]).map((name) => [name, wanted[name]]));
  return query.size ? `${location.pathname}?${query}` : location.pathname;
}
