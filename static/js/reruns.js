// The original of a re-run, the re-runs of an original, and the difference of their payloads. It
// must never show the difference of another job.

import * as api from "./api.js";
import { difference } from "./difference.js";
import { shortId } from "./format.js";
import { keyed } from "./keyed.js";
import { put } from "./text.js";

const MOST_LINES = 100; // of a difference
const LONGEST_LINE = 300; // characters

/** `parts`: elements of the job's panel. */
export function createReruns({ parts, template, url }) {
  let id = null; // the job whose difference is read or shown

  function paintLink(link, job) {
    put(link, shortId(job), job);
    const address = url.address({ job });
    if (link.getAttribute("href") !== address) link.href = address;
  }

  async function compare({ id: asked, rerunOf, payload }) {
    id = asked;
    parts["changes-section"].hidden = true;
    try {
      const original = await api.readJob(rerunOf);
      if (asked === id) paintChanges(difference(original.payload, payload));
    } catch (error) {
      const gone = error.status === 404;
      const why = gone ? "The original was removed." : `The original could not be read: ${error.message}`;
      if (asked === id) paintChanges([why]);
    }
  }

  function paintChanges(lines) {
    const shown = lines.slice(0, MOST_LINES).map(shortened);
    if (lines.length > MOST_LINES) shown.push(`… ${lines.length - MOST_LINES} more lines`);
    put(parts.changes, shown.join("\n") || "Nothing: the payload is the same.");
    parts["changes-section"].hidden = false;
  }

  return {
    /** Forgets the job that was shown. */
    clear() {
      id = null;
      parts["changes-section"].hidden = true;
    },

    /** Shows those of this job. */
    paint(job) {
      const { rerunOf, reruns } = { rerunOf: null, reruns: [], ...job };
      parts["rerun-of"].hidden = rerunOf === null;
      if (rerunOf !== null) paintLink(parts["rerun-of-link"], rerunOf);
      parts["reruns-section"].hidden = reruns.length === 0;
      const paint = (element, rerun) => paintLink(element.firstElementChild, rerun);
      keyed(parts.reruns, reruns, template, (rerun) => rerun, paint);
      if (rerunOf !== null && job.id !== id) compare(job);
    },
  };
}

const shortened = (line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line);
