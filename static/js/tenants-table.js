// All tenants, a page at a time: what each has, what limits it, and what holds it. It must never read more than a page at once, and never
// move a row while a hand is on the table.

import * as api from "./api.js";
import { age, count } from "./format.js";
import { keyed } from "./keyed.js";
import { atMostEvery } from "./pace.js";
import { put } from "./text.js";

const PAGE = 50;
const INTERVAL_MS = 2_000;
const FAILURE = "tenants";
const LOOKS = ["sort", "order", "search"]; // what the URL says of the table
const HELD = { paused: "Paused", maxRunning: "Held by its cap", rate: "Held by its rate" };

const valueOf = (setting) => setting?.value ?? setting; // some hold until a time
const percent = (share) => Math.round(share * 100);

export function createTenantsTable({ section, template, url, notice }) {
  const [search, body, empty, next, first] = ["search", "rows", "empty", "next", "first"].map((part) => section.querySelector(`[data-part=${part}]`));
  const headers = Array.from(section.querySelectorAll("button[data-sort]"));
  const pace = atMostEvery(INTERVAL_MS, read);
  let look = null; // {sort, order, search}, as the URL says
  let cursor = null;
  let following = null;
  let listed = ""; // which list is in the table

  const held = () => body.matches(":hover") || body.contains(document.activeElement);

  const sort = () => look.sort ?? "tenant";

  /** Names go up and numbers down, if it is not the other way round. */
  const order = () => ((sort() === "tenant") === (look.order === null) ? "asc" : "desc");

  async function read(signal) {
    const wanted = JSON.stringify([look, cursor]);
    try {
      const page = { limit: PAGE, cursor, sort: sort(), order: order(), prefix: look.search };
      const { tenants, nextCursor } = await api.listTenantsPage(page, signal);
      if (signal.aborted) return false;
      following = nextCursor;
      paint(wanted === listed && held() ? inPlace(tenants) : tenants);
      listed = wanted;
      next.hidden = following === null;
      first.hidden = cursor === null;
      put(empty, tenants.length ? "" : emptyText());
      empty.hidden = tenants.length > 0;
      notice.clear(FAILURE);
    } catch (error) {
      if (signal.aborted) return false;
      notice.report(FAILURE, error);
      return error.passes;
    }
    return false;
  }

  /** Those that are in the table, in its order. */
  function inPlace(tenants) {
    const told = new Map(tenants.map((tenant) => [tenant.id, tenant]));
    return Array.from(body.children, (row) => told.get(row.dataset.key) ?? { id: row.dataset.key, counts: null });
  }

  function emptyText() {
    if (look.search) return `No tenant's name begins with ${look.search}.`;
    return sort() === "oldest" ? "No tenant has jobs that are due." : "No tenants yet: the first job brings the first one.";
  }

  function paint(tenants) {
    keyed(body, tenants, template, ({ id }) => id, paintRow);
  }

  function paintRow(row, { id, counts, oldestWaitingSeconds, runningShare, weightShare, policy, heldBy }) {
    if (counts === null) return;
    const [name, pending, running, failed, oldest, share, state, more] = Array.from(row.children, (cell) => cell.firstElementChild ?? cell);
    put(name, id, id);
    paintLink(name, id);
    put(pending, count(counts.PENDING));
    const cap = valueOf(policy.maxRunning) ?? null;
    put(running, cap === null ? count(counts.RUNNING) : `${count(counts.RUNNING)} of ${count(cap)}`);
    put(failed, count(counts.FAILED));
    put(oldest, oldestWaitingSeconds === null ? "" : age(oldestWaitingSeconds * 1000));
    put(share, counts.RUNNING > 0 ? `${percent(runningShare)} / ${percent(weightShare)} %` : "");
    const holds = valueOf(policy.paused) ? "Paused" : (HELD[heldBy] ?? "");
    put(state, holds);
    row.toggleAttribute("data-held", holds !== "");
    more.dataset.tenant = id;
    more.setAttribute("aria-label", `Limits of ${id}`);
  }

  function paintLink(link, id) {
    const here = url.address(url.elsewhere({ tenant: id }));
    if (link.getAttribute("href") !== here) link.href = here;
  }

  function turn(to) {
    cursor = to;
    pace.restart();
  }

  search.addEventListener("input", () => {
    url.set({ search: search.value.trim() || null }, { replace: true }); // no step back a letter
  });
  next.addEventListener("click", () => turn(following));
  first.addEventListener("click", () => turn(null));
  for (const header of headers) {
    header.addEventListener("click", () => {
      const wanted = header.dataset.sort;
      const again = wanted === sort() && look.order === null;
      url.set({ sort: wanted === "tenant" ? null : wanted, order: again ? "reversed" : null });
    });
  }
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    const button = event.target.closest("button");
    if (button) url.set({ policy: button.dataset.tenant });
    else if (row && !event.target.closest("a") && !getSelection().toString()) url.set(url.elsewhere({ tenant: row.dataset.key }));
  });

  function paintLook() {
    if (search.value.trim() !== (look.search ?? "")) search.value = look.search ?? "";
    for (const { dataset, parentElement } of headers) {
      if (dataset.sort === sort()) parentElement.setAttribute("aria-sort", `${order()}ending`);
      else parentElement.removeAttribute("aria-sort");
    }
  }

  return {
    ask: pace.ask,
    restart: pace.restart,
    focus: () => search.focus(),

    /** After every change of the URL. */
    show() {
      const wanted = Object.fromEntries(LOOKS.map((name) => [name, url.shown[name]]));
      const isSame = look !== null && LOOKS.every((name) => wanted[name] === look[name]);
      look = wanted;
      for (const row of body.children) paintLink(row.querySelector("a"), row.dataset.key);
      if (isSame) return;
      paintLook();
      turn(null);
    },
  };
}
