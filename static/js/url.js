// What the page shows, kept in its URL: a page or a tenant, the filter of its jobs, what lies beside
// them, and how the overview is looked at. It must never hold anything a reload should forget.

import { readMoment } from "./moment.js";
import { STATUSES } from "./status.js";

const FILTER = ["status", "type", "tag", "error", "key", "after", "before"];
const NAMES = ["view", "tenant", ...FILTER, "job", "policy", "span", "sort", "order", "search"];
const ALLOWED = {
  view: ["jobs", "workers", "types"],
  status: STATUSES,
  span: ["day", "week", "quarter"],
  sort: ["backlog", "running", "oldest"],
  order: ["reversed"],
};
const nothing = (names) => Object.fromEntries(names.map((name) => [name, null]));
export const NOTHING = nothing(NAMES);
export const NO_FILTER = nothing(FILTER);

export function createUrl() {
  const listeners = new Set();
  let shown = stateOf(location.search);

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
    shown = stateOf(location.search);
    tell();
  });

  // A link of ours with data-here: followed without a reload. One that is to open elsewhere is the browser's own work.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-here]");
    if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    set(stateOf(link.search));
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

    /** Another page or tenant, of the same time. */
    elsewhere: (patch) => ({ ...NOTHING, after: shown.after, before: shown.before, ...patch }),

    set,

    /** `listener(shown)` is called after every change. */
    onChange: (listener) => listeners.add(listener),
  };
}

/** What a query says; what it must not say is left out. Several tags are one text, one a line. */
export function stateOf(search) {
  const query = new URLSearchParams(search);
  const found = Object.fromEntries(NAMES.map((name) => [name, query.get(name) || null]));
  found.tag = query.getAll("tag").filter(Boolean).join("\n") || null;
  for (const [name, values] of Object.entries(ALLOWED)) {
    if (!values.includes(found[name])) found[name] = null;
  }
  for (const name of ["after", "before"]) found[name] &&= readMoment(found[name]);
  return found;
}

function addressOf(wanted) {
  const query = new URLSearchParams();
  for (const name of NAMES.filter((each) => wanted[each])) {
    const values = name === "tag" ? wanted.tag.split("\n") : [wanted[name]];
    for (const value of values) query.append(name, value);
  }
  return query.size ? `${location.pathname}?${query}` : location.pathname;
}
