// What the page shows, kept in its URL: ?tenant= ?status= ?type= ?job=. It must never hold anything a reload should forget.

import { STATUSES } from "./status.js";

const NAMES = ["tenant", "status", "type", "job"];

export function createUrl() {
  const listeners = new Set();
  let shown = read();

  function read() {
    const query = new URLSearchParams(location.search);
    const found = Object.fromEntries(NAMES.map((name) => [name, query.get(name) || null]));
    if (!STATUSES.includes(found.status)) found.status = null;
    return found;
  }

  function tell() {
    for (const listener of listeners) listener(shown);
  }

  addEventListener("popstate", () => {
    shown = read();
    tell();
  });

  return {
    get shown() {
      return shown;
    },

    /** The address that shows this instead; what is not named stays. */
    address: (patch) => addressOf({ ...shown, ...patch }),

    /** Shows this instead. A new entry of the history, unless `replace`. */
    set(patch, { replace = false } = {}) {
      const after = { ...shown, ...patch };
      if (NAMES.every((name) => after[name] === shown[name])) return;
      shown = after;
      history[replace ? "replaceState" : "pushState"](null, "", addressOf(after));
      tell();
    },

    /** `listener(shown)` is called after every change. */
    onChange: (listener) => listeners.add(listener),
  };
}

function addressOf(wanted) {
  const query = new URLSearchParams(NAMES.filter((name) => wanted[name]).map((name) => [name, wanted[name]]));
  return query.size ? `${location.pathname}?${query}` : location.pathname;
}
