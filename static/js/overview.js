// All tenants, a page at a time, with what waits and runs; the one that the page shows has its policy below. It must never read more than a page at once.

import * as api from "./api.js";
import { age, count } from "./format.js";
import { atMostEvery } from "./pace.js";
import { put } from "./text.js";

const PAGE = 50;
const INTERVAL_MS = 1_000;

export function createOverview({ panel, template, url, policy }) {
  const [list, next, first, problem] = ["list", "next", "first", "list-problem"].map((part) => panel.querySelector(`[data-part=${part}]`));
  const pace = atMostEvery(INTERVAL_MS, read);
  let cursor = null;
  let following = null;

  async function read(signal) {
    try {
      const { tenants, nextCursor } = await api.listTenantsPage({ limit: PAGE, cursor }, signal);
      if (signal.aborted) return false;
      following = nextCursor;
      const rows = new Map(Array.from(list.children, (row) => [row.dataset.tenant, row]));
      const wanted = tenants.map((tenant) => paintRow(rows.get(tenant.id) ?? createRow(tenant.id), tenant));
      // in place, unless others came or went: a row that is focused stays so
      if (wanted.length !== list.children.length || wanted.some((row, index) => row !== list.children[index])) list.replaceChildren(...wanted);
      next.hidden = following === null;
      first.hidden = cursor === null;
      put(problem, tenants.length ? "" : "No tenants yet.");
    } catch (error) {
      if (signal.aborted) return false;
      put(problem, `The tenants could not be read: ${error.message}`);
      return error.passes;
    }
    return false;
  }

  function createRow(id) {
    const row = template.content.firstElementChild.cloneNode(true);
    row.dataset.tenant = id;
    const [button] = row.children;
    button.textContent = id;
    button.addEventListener("click", () => url.set({ tenant: id, job: null }));
    return row;
  }

  function paintRow(row, { id, counts, oldestWaitingSeconds }) {
    const [button, facts] = row.children;
    if (id === url.shown.tenant) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    const waits = oldestWaitingSeconds === null ? "" : ` · oldest waits ${age(oldestWaitingSeconds * 1000)}`;
    const failed = counts.FAILED ? ` · ${count(counts.FAILED)} failed` : "";
    put(facts, `${count(counts.PENDING)} pending · ${count(counts.RUNNING)} running${failed}${waits}`);
    return row;
  }

  function turn(to) {
    cursor = to;
    pace.restart();
  }

  next.addEventListener("click", () => turn(following));
  first.addEventListener("click", () => turn(null));

  return {
    /** Reads both anew. */
    open() {
      turn(null);
      if (url.shown.tenant) policy.open(url.shown.tenant);
    },

    /** Another tenant is shown. */
    select() {
      if (document.body.dataset.panel !== "tenants") return;
      for (const button of list.querySelectorAll("button")) {
        if (button.textContent === url.shown.tenant) button.setAttribute("aria-current", "true");
        else button.removeAttribute("aria-current");
      }
      policy.open(url.shown.tenant);
    },
    ask: pace.ask,
  };
}
