// What is wrong with the whole, in a line each. It must never stay when it is over, nor touch a line that stays.

import { count, jobs } from "./format.js";
import { oncePerFrame } from "./frame.js";
import { keyed } from "./keyed.js";
import { put } from "./text.js";

export function createBanners({ list, template, totals }) {
  function paint() {
    keyed(list, bannersOf(totals.latest), template, ({ key }) => key, (element, { text }) => put(element, text)); // prettier-ignore
  }

  totals.onChange(oncePerFrame(paint));
}

function bannersOf(told) {
  if (told === null) return [];
  const banners = [];
  if (told.engines.database !== "ok") banners.push({ key: "database", text: `PostgreSQL: ${told.engines.database}` });
  if (told.engines.queue !== "ok") banners.push({ key: "queue", text: `Redis: ${told.engines.queue}. Jobs go on, more slowly.` });
  if (told.workers === 0) banners.push({ key: "worker", text: `No live worker: nothing runs${told.due ? `, and ${jobs(told.due)} ${told.due === 1 ? "is" : "are"} due` : ""}.` });
  else for (const { type, due } of told.withoutWorker ?? []) banners.push({ key: `type ${type}`, text: `No live worker has a handler for type ${type}: ${due < 1_000 ? jobs(due) : `${count(due)} jobs or more`} ${due === 1 ? "waits" : "wait"}.` }); // prettier-ignore
  return banners;
}
