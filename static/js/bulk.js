// Cancels or retries all jobs that the list's filter matches, also those that are not shown. It must tell how many these are before anything happens.

import * as api from "./api.js";
import { clock, count } from "./format.js";
import { isoOf, timeOf } from "./moment.js";
import { put } from "./text.js";

const LOOK_EVERY_MS = 500;
const OVER = ["COMPLETED", "ABORTED", "FAILED"];
const VERBS = { cancel: "Cancel", retry: "Retry" };
// Which jobs each concerns; without a status in the filter, all of these.
const STATUSES = { cancel: ["PENDING", "RUNNING"], retry: ["FAILED", "CANCELLED"] };

/** `buttons`: {cancel, retry}. `onChanged()`: jobs have changed. */
export function createBulk({ buttons, dialog, url, onChanged }) {
  const parts = Object.fromEntries(Array.from(dialog.querySelectorAll("[data-part]"), (part) => [part.dataset.part, part]));
  let kind = null;
  let filter = null;
  let operation = null;

  function filterOf({ tenant, status, type, error, after, before }) {
    const all = {
      tenantId: tenant,
      type,
      status,
      errorPrefix: error,
      createdAfter: after && isoOf(timeOf(after)),
      createdBefore: before && isoOf(timeOf(before)),
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
  }

  function inWords({ tenantId, status, type, errorPrefix, createdAfter, createdBefore }) {
    const which = status ? status : STATUSES[kind].join(" or ");
    const words = [`${which} jobs${type ? ` of type ${type}` : ""} of tenant ${tenantId}`];
    if (createdAfter) words.push(`created from ${clock(createdAfter)} on`);
    if (createdBefore) words.push(`created before ${clock(createdBefore)}`);
    if (errorPrefix) words.push(`with an error that begins with “${errorPrefix}”`);
    return words.join(", ");
  }

  /** An operation takes neither tags nor a key, and errors are found among jobs that ended. */
  function isOffered(name, { tenant, status, error, tag, key }) {
    if (!tenant || tag || key || (error && name === "cancel")) return false;
    return status ? STATUSES[name].includes(status) : name === "cancel" || error !== null;
  }

  async function ask(wanted) {
    kind = wanted;
    filter = filterOf(url.shown);
    operation = null;
    put(parts.title, `${VERBS[kind]} all`);
    put(parts.text, `Counting the ${inWords(filter)} …`);
    put(parts.begin, VERBS[kind]);
    parts.begin.disabled = true;
    parts.begin.hidden = false;
    parts.abort.hidden = parts.bar.hidden = true;
    dialog.showModal();
    try {
      const { matched, matchedIsExact } = await api.countMatching(kind, filter);
      const many = matchedIsExact ? count(matched) : `At least ${count(matched)}`;
      put(parts.text, matched || !matchedIsExact ? `${many} ${inWords(filter)}.` : `There are no ${inWords(filter)}.`);
      parts.begin.disabled = matched === 0 && matchedIsExact;
    } catch (error) {
      put(parts.text, `They could not be counted: ${error.message}`);
    }
  }

  async function begin() {
    parts.begin.disabled = true;
    try {
      operation = await api.beginOperation(kind, filter);
    } catch (error) {
      put(parts.text, `It could not begin: ${error.message}`);
      parts.begin.disabled = false;
      return;
    }
    parts.begin.hidden = true;
    follow(operation.id);
  }

  async function follow(id) {
    paint();
    while (operation?.id === id && !OVER.includes(operation.state)) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      if (operation?.id !== id) return;
      try {
        operation = await api.readOperation(id);
      } catch (error) {
        if (!error.passes) return put(parts.text, error.message);
      }
      paint();
    }
    onChanged();
  }

  function paint() {
    const { state, matched, done, skipped, error } = operation;
    const over = OVER.includes(state);
    parts.bar.hidden = false;
    parts.bar.max = Math.max(matched, done + skipped, 1);
    parts.bar.value = over && state === "COMPLETED" ? parts.bar.max : done + skipped;
    const left = skipped ? `, ${count(skipped)} had changed meanwhile` : "";
    const ends = { COMPLETED: "Done: ", ABORTED: "Stopped: ", FAILED: `Failed (${error}): ` };
    put(parts.text, `${ends[state] ?? ""}${count(done)} of ${count(Math.max(matched, done + skipped))} jobs${left}.`);
    parts.abort.hidden = over;
  }

  for (const [name, button] of Object.entries(buttons)) button.addEventListener("click", () => ask(name));
  parts.begin.addEventListener("click", begin);
  parts.abort.addEventListener("click", () => api.abortOperation(operation.id).catch((error) => put(parts.text, error.message)));
  parts.close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => (operation = null)); // it goes on; the list shows what it does

  return {
    /** Offers what the filter allows. */
    show(shown) {
      for (const [name, button] of Object.entries(buttons)) button.hidden = !isOffered(name, shown);
    },
  };
}
