// The table of jobs: one keyed row per job of the view, changed in place. It must never be rebuilt, never be painted more than once a frame,
// and never move a row while a hand is on the list: what comes and goes then waits.

import { clock, count, duration, firstLine, runMs, shortId } from "./format.js";
import { oncePerFrame } from "./frame.js";
import { createHold } from "./hold.js";
import { put } from "./text.js";
import { NO_FILTER } from "./url.js";

const MOST_REMEMBERED = 10_000; // changes between two frames; after more of them all rows are looked at

export function createTable({ store, view, url, snapshot, elements: { section, body, empty, more, news, shown, template } }) {
  const rows = new Map(); // job id → its row
  const changed = new Set(); // ids since the last frame
  let marked = null;
  let unknownTenant = null;
  let overrun = false; // too many of them: a tab that nobody sees has no frames
  let settled = null; // the filter whose list, as the server has it, is in the table
  let released = false; // asked to show what waits, whatever holds
  const paint = oncePerFrame(paintNow);
  const held = createHold({ section, body, onRelease: paint });

  function paintNow() {
    if (overrun) view.rebuild();
    else view.update(Array.from(changed));
    if (rows.size > 0 && settled === view.filter && !released && held()) appendRows();
    else {
      removeRows();
      insertRows();
      released = false;
      if (view.known) settled = view.filter;
    }
    for (const id of overrun ? rows.keys() : changed) if (rows.has(id) && store.get(id)) paintRow(rows.get(id), store.get(id));
    changed.clear();
    overrun = false;
    paintAround();
    paintNews();
    if (view.thin || view.unsure) snapshot.ask();
  }

  function removeRows() {
    const listed = new Set(view.ids);
    for (const [id, { element }] of rows) {
      if (listed.has(id)) continue;
      rows.delete(id);
      element.remove();
    }
  }

  /** While the list holds still: rows below the last one move nothing. */
  function appendRows() {
    const last = body.lastElementChild.dataset.jobId;
    for (const id of view.ids) if (id < last) body.append(addRow(id).element);
  }

  /** Rows never move: their order is that of their ids. So one walk puts the new ones in place. */
  function insertRows() {
    let next = body.firstElementChild;
    for (const id of view.ids) {
      const row = rows.get(id);
      if (row && row.element === next) {
        next = next.nextElementSibling;
        continue;
      }
      body.insertBefore(addRow(id).element, next);
    }
  }

  function addRow(id) {
    const row = createRow(id);
    rows.set(id, row);
    paintRow(row, store.get(id));
    return row;
  }

  function createRow(id) {
    const element = template.content.firstElementChild.cloneNode(true);
    const [status, type, link, attempts, created, updated, took, note] = Array.from(element.children, (cell) => cell.firstElementChild ?? cell);
    element.dataset.jobId = id;
    if (id === marked) element.setAttribute("aria-current", "true");
    link.textContent = shortId(id);
    link.title = id;
    link.href = url.address({ ...NO_FILTER, job: id });
    return { element, status, type, attempts, created, updated, took, note };
  }

  function paintRow(row, job) {
    if (row.element.dataset.status !== job.status) row.element.dataset.status = job.status;
    row.element.toggleAttribute("data-gone", job.hidden);
    put(row.status, job.status);
    put(row.type, job.type, job.type);
    put(row.attempts, String(job.attempts ?? ""), job.maxAttempts ? `of at most ${job.maxAttempts}` : "");
    put(row.created, clock(job.createdAt), job.createdAt);
    put(row.updated, clock(job.updatedAt), job.updatedAt);
    put(row.took, duration(runMs(job)));
    const note = noteOf(job);
    put(row.note, firstLine(note), String(note).slice(0, 1_000));
  }

  function paintAround() {
    more.hidden = !view.growable;
    more.disabled = false;
    put(shown, view.ids.length ? `${count(view.ids.length)} shown, newest first` : "");
    empty.hidden = view.ids.length > 0 || !view.known;
    put(empty, emptyText(view.filter));
  }

  function emptyText({ tenantId, status, type, ...others }) {
    if (view.known && unknownTenant === tenantId) {
      return `The tenant ${tenantId} is unknown here: it has no jobs.`;
    }
    const which = ["No", status, type, "jobs"].filter(Boolean).join(" ");
    const more = Object.values(others).some((value) => value !== null);
    return `${which} of ${tenantId}${more ? " match the search" : ""}.`;
  }

  /** The button keeps its place while it is not seen: the rows must not move when it comes. */
  function paintNews() {
    const waiting = view.ids.filter((id) => !rows.has(id)).length;
    put(news, waiting ? `${count(waiting)}${waiting === view.limit ? " or more" : ""} new` : "");
    news.classList.toggle("nothing", waiting === 0);
  }

  function paintRunning() {
    for (const [id, row] of rows) {
      const job = store.get(id);
      if (job?.status === "RUNNING") put(row.took, duration(runMs(job)));
    }
  }

  store.onChange((ids) => {
    if (changed.size > MOST_REMEMBERED) {
      overrun = true;
      changed.clear();
    }
    if (!overrun) for (const id of ids) changed.add(id);
    paint();
  });

  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    const aside = event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0; // a new tab: the link's own work
    if (!row?.dataset.jobId || aside || getSelection().toString()) return;
    event.preventDefault();
    url.set({ job: row.dataset.jobId });
  });

  news.addEventListener("click", () => {
    released = true;
    scrollTo({ top: 0 });
    paint();
  });

  more.addEventListener("click", () => {
    more.disabled = true;
    view.grow();
    snapshot.restart();
  });

  setInterval(oncePerFrame(paintRunning), 1_000);

  return {
    paint,

    /** Marks the row whose details are open. */
    mark(jobId) {
      rows.get(marked)?.element.removeAttribute("aria-current");
      marked = jobId;
      rows.get(marked)?.element.setAttribute("aria-current", "true");
      paint();
    },

    /** The tenant that is known to have no jobs at all; null if it has. */
    tellUnknown(tenantId) {
      if (unknownTenant === tenantId) return;
      unknownTenant = tenantId;
      paint();
    },

    has: (jobId) => rows.has(jobId),

    /** Back to the row that led away. */
    focus: (jobId) => rows.get(jobId)?.element.querySelector("a").focus({ preventScroll: true }),
  };
}

function noteOf(job) {
  if (job.status === "RUNNING") return job.workerId === null || job.workerId === undefined ? "" : `worker ${job.workerId}`;
  if (job.status === "PENDING" && job.runAt && Date.parse(job.runAt) > Date.now()) {
    return `due ${clock(job.runAt)}${job.error ? ` · ${job.error}` : ""}`;
  }
  return job.error ?? "";
}
