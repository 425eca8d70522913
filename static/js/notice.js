// One line for what could not be read, so that nobody takes old figures for new ones. It must never hide a failure, nor show one that is over.

import { put } from "./text.js";

export function createNotice(element) {
  const reports = new Map();

  function paint() {
    const reasons = new Set(reports.values());
    const affected = (reason) => Array.from(reports.keys()).filter((what) => reports.get(what) === reason);
    const text = Array.from(reasons, (reason) => `Not up to date (${affected(reason).join(", ")}): ${reason}.`).join(" ");
    put(element, text);
    element.hidden = text === "";
  }

  return {
    report(what, error) {
      const named = (error.errors ?? []).map(({ field, message }) => `${field}: ${message}`).join("; ");
      reports.set(what, named || error.message);
      paint();
    },
    clear(what) {
      if (reports.delete(what)) paint();
    },
  };
}
