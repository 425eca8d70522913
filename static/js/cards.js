// The figures of all tenants together, at a glance. It must show no figure that was not told.

import { age, count } from "./format.js";
import { oncePerFrame } from "./frame.js";
import { put } from "./text.js";

const UNKNOWN = "–";
const ENGINES = { database: "PostgreSQL", queue: "Redis" };

export function createCards({ section, totals }) {
  const cards = Object.fromEntries(
    Array.from(section.querySelectorAll("[data-card]"), (card) => [card.dataset.card, { card, number: card.querySelector(".number"), more: card.querySelector(".more-of-it") }]),
  ); // prettier-ignore

  function paint() {
    const told = totals.latest;
    if (told === null) return;
    const known = told.counts !== undefined;
    const show = (name, text, more = "") => {
      put(cards[name].number, known ? text : UNKNOWN);
      put(cards[name].more, known ? more : "");
    };
    show("pending", known && count(told.counts.PENDING), known ? pendingOf(told) : "");
    show("running", known && count(told.counts.RUNNING), known ? slotsOf(told.pools) : "");
    show("completed", perMinute("completed"));
    show("failed", perMinute("failed"));
    cards.failed.card.toggleAttribute("data-bad", known && totals.perMinute("failed") > 0);
    show("oldest", known && told.oldestWaitingSeconds !== null ? age(told.oldestWaitingSeconds * 1000) : UNKNOWN);
    show("workers", known && count(told.workers), known ? `${count(allSlots(told.pools))} slots${told.draining ? `, ${count(told.draining)} draining` : ""}` : "");
    cards.workers.card.toggleAttribute("data-bad", known && told.workers === 0);
    const away = Object.keys(ENGINES).filter((engine) => told.engines[engine] !== "ok");
    put(cards.engines.number, away.length ? "not well" : "well");
    put(cards.engines.more, away.length ? `away: ${away.map((engine) => ENGINES[engine]).join(", ")}` : Object.values(ENGINES).join(", "));
    cards.engines.card.toggleAttribute("data-bad", away.length > 0);
  }

  function perMinute(kind) {
    const rate = totals.perMinute(kind);
    return rate === null ? UNKNOWN : count(Math.round(rate));
  }

  totals.onChange(oncePerFrame(paint));
}

function pendingOf({ due, notDue, notDueIsExact }) {
  return notDue ? `${count(due)} due, ${count(notDue)}${notDueIsExact ? "" : " or more"} later` : "";
}

/** The pools that have something in use. */
function slotsOf(pools) {
  const names = { loop: "async", threads: "in threads", children: "in children" };
  const used = Object.entries(pools).filter(([, pool]) => pool.used);
  return used.map(([name, pool]) => `${count(pool.used)} ${names[name]}`).join(", ");
}

const allSlots = (pools) => Object.values(pools).reduce((sum, pool) => sum + pool.slots, 0);
