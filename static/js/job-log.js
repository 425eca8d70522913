// What the handler of one job has logged, oldest first, live. It must never show a line twice, and never leave a gap: what a message may have missed is read.

import * as api from "./api.js";
import { clock } from "./format.js";
import { print } from "./json.js";
import { keyed } from "./keyed.js";
import { put } from "./text.js";

const MOST = 1_000; // lines that a job keeps

export function createJobLog({ section, list, template }) {
  let id = null;
  let lines = [];
  let end = 0; // the offset of the last line
  let reading = null;

  async function read() {
    if (id === null || reading === id) return;
    const asked = (reading = id);
    try {
      const page = await api.readLog(asked, end);
      if (asked === id) add(page.lines, page.next);
    } catch {
      // the next message, or the next look, asks again
    } finally {
      if (reading === asked) reading = null;
    }
  }

  function add(more, next) {
    lines = [...lines, ...more.filter(({ offset }) => offset > end)].slice(-MOST);
    end = Math.max(end, next);
    paint();
  }

  function paint() {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 20;
    section.hidden = lines.length === 0;
    keyed(list, lines, template, ({ offset }) => String(offset), (element, { at, text, fields, attempt }) => {
      const [time, what, more] = element.children;
      put(time, clock(at));
      time.dateTime = at;
      time.title = `${at}, attempt ${attempt}`;
      put(what, text);
      put(more, fields === null ? "" : print(fields));
    }); // prettier-ignore
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  return {
    /** Shows the log of this job; null: of none. */
    open(wanted) {
      id = wanted;
      lines = [];
      end = 0;
      reading = null;
      paint();
      read();
    },
    read,

    /** Takes a message about the job. */
    hear({ lines: more, logBefore, logEnd }) {
      if (logEnd === undefined || logEnd <= end) return;
      if (Array.isArray(more) && logBefore === end) add(more, logEnd);
      else read();
    },
  };
}
