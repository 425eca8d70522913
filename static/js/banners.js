// What is wrong with the whole, in a line each. It must never stay when it is over, nor touch a line that stays.

import * as api from "./api.js";
import { clock, count, jobs } from "./format.js";
import { oncePerFrame } from "./frame.js";
import { keyed } from "./keyed.js";
import { atMostEvery } from "./pace.js";
import { put } from "./text.js";

const BREAKERS_EVERY_MS = 10_000;
const MOST_BREAKERS = 5; // that have a line each

export function createBanners({ list, template, totals }) {
  const pace = atMostEvery(BREAKERS_EVERY_MS, readBreakers);
  const paint = oncePerFrame(() => {
    const banners = [...bannersOf(totals.latest), ...breakers];
    keyed(list, banners, template, ({ key }) => key, (element, { text }) => put(element, text)); // prettier-ignore
  });
  let breakers = [];

  async function readBreakers(signal) {
    try {
      breakers = bannersOfBreakers(await api.readBreakers(signal));
      paint();
    } catch {
      // what was read last stays; that the server is away is said elsewhere
    }
    return false;
  }

  totals.onChange(() => {
    paint();
    if (!document.hidden) pace.ask();
  });
}

/** A line an endpoint, however many workers have found it dead. */
function bannersOfBreakers({ open, breakers }) {
  const dead = new Map(breakers.filter(({ state }) => state !== "closed").map((breaker) => [breaker.endpoint, breaker]));
  const lines = Array.from(dead.values(), ({ endpoint, since, reason }) => ({ key: `breaker ${endpoint}`, text: `Webhooks to ${endpoint} wait since ${clock(since)}: ${reason}.` })); // prettier-ignore
  if (lines.length <= MOST_BREAKERS) return lines;
  return [...lines.slice(0, MOST_BREAKERS), { key: "breakers", text: `${count(Math.max(open, lines.length) - MOST_BREAKERS)} more endpoints of webhooks are dead.` }];
}

function bannersOf(told) {
  if (told === null) return [];
  const banners = [];
  if (told.engines.database !== "ok") banners.push({ key: "database", text: `PostgreSQL: ${told.engines.database}` });
  if (told.engines.queue !== "ok") banners.push({ key: "queue", text: `Redis: ${told.engines.queue}. Jobs go on, more slowly.` });
  const due = told.due ? `, and ${jobs(told.due)} ${told.due === 1 ? "is" : "are"} due` : "";
  if (told.workers === 0) banners.push({ key: "worker", text: `No live worker: nothing runs${due}.` });
  else if (told.workers === told.draining) banners.push({ key: "draining", text: `All live workers are draining: nothing is started${due}.` });
  else for (const { type, due } of told.withoutWorker ?? []) banners.push({ key: `type ${type}`, text: `No live worker ${told.draining ? "takes jobs of" : "has a handler for"} type ${type}: ${due < 1_000 ? jobs(due) : `${count(due)} jobs or more`} ${due === 1 ? "waits" : "wait"}.` }); // prettier-ignore
  return banners;
}
