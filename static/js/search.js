// The one box that the list is searched by: what is typed becomes the filter in the URL, and the
// filter in the URL stands in the box. It must never search for what a person is still typing, nor
// drop what was typed and not taken.

import * as api from "./api.js";
import { completionsOf, seenIn } from "./completions.js";
import { readFilter, split, wordsOf, writeFilter } from "./filter.js";
import { keyed } from "./keyed.js";
import { atMostEvery } from "./pace.js";
import { put } from "./text.js";

const LOOK_EVERY_MS = 150;
const MOST_TENANTS = 5;
// A field that the server refuses, and what it is called here.
const WORDS = {
  status: "status",
  type: "type",
  tag: "tag",
  error: "error",
  idempotencyKey: "key",
  createdAfter: "after",
  createdBefore: "before",
};

/** `types`: those that are known. `listed()`: the jobs of the list. */
export function createSearch({ box, template, url, types, listed }) {
  const [input, list, problem, clear] = ["input", "list", "problem", "clear"].map((part) =>
    box.querySelector(`[data-part=${part}]`),
  );
  const pace = atMostEvery(LOOK_EVERY_MS, findTenants);
  let taken = ""; // the filter in the URL, as text
  let tenants = [];
  let known = null; // what the list had when the box was opened
  let offered = [];
  let chosen = -1; // none: Enter searches

  /** By name, as far as the server answers: the search does without. */
  async function findTenants(signal) {
    const { name, value } = split(word().text);
    let found = [];
    try {
      if (value && ["", "tenant"].includes(name)) {
        const page = await api.listTenantsPage({ prefix: value, limit: MOST_TENANTS }, signal);
        found = page.tenants.map(({ id }) => id);
      }
    } catch {
      // no tenants are offered
    }
    if (signal.aborted || known === null) return false;
    tenants = found;
    paint();
    return false;
  }

  /** Where the caret is; between words an empty one. */
  function word() {
    const at = input.selectionStart;
    const { value } = input;
    const found = wordsOf(value).find(({ start, end }) => start <= at && at <= end);
    return found ?? { text: "", start: at, end: at };
  }

  function open() {
    known = seenIn(listed());
    tenants = [];
    chosen = -1;
    paint();
    pace.restart();
  }

  function close() {
    known = null;
    paint();
  }

  function paint() {
    offered = known ? completionsOf(word().text, { ...known, tenants, types: types.names }) : [];
    chosen = Math.min(chosen, offered.length - 1);
    keyed(list, offered, template, ({ text }) => text, paintOffer); // prettier-ignore
    Array.from(list.children).forEach((element, index) => {
      element.id = `completion-${index}`;
      element.setAttribute("aria-selected", String(index === chosen));
    });
    if (chosen >= 0) input.setAttribute("aria-activedescendant", `completion-${chosen}`);
    else input.removeAttribute("aria-activedescendant");
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
    list.hidden = offered.length === 0;
    input.setAttribute("aria-expanded", String(offered.length > 0));
    paintState();
  }

  function paintOffer(element, { text, hint }) {
    put(element.children[0], text);
    put(element.children[1], hint);
  }

  function paintState() {
    clear.hidden = input.value === "";
    box.toggleAttribute("data-typed", input.value.trim() !== taken);
  }

  function complain(problems) {
    put(problem, problems.join(" · "));
    input.setAttribute("aria-invalid", String(problems.length > 0));
  }

  /** What is typed becomes the filter. `more`: a person goes on. */
  function take({ more = false } = {}) {
    const { patch, problems } = readFilter(input.value);
    close();
    if (problems.length) return complain(problems);
    const before = taken;
    taken = writeFilter({ ...url.shown, ...patch });
    input.value = more && taken ? `${taken} ` : taken;
    if (taken !== before) complain([]); // else what the server refused is still there
    paintState();
    url.set({ ...patch, ...(patch.tenant ? { view: null } : {}) });
  }

  function pick({ text, done }) {
    const { start, end } = word();
    const rest = input.value.slice(end);
    const before = `${input.value.slice(0, start)}${text}${done && !rest.startsWith(" ") ? " " : ""}`;
    input.value = before + rest;
    input.setSelectionRange(before.length, before.length);
    if (done && !readFilter(input.value).problems.length) take({ more: true });
    else open();
  }

  function restore() {
    input.value = taken;
    complain([]);
    close();
  }

  input.addEventListener("input", () => {
    complain([]);
    if (input.value === "") take();
    open();
  });
  input.addEventListener("click", () => known ?? open());
  input.addEventListener("blur", () => {
    if (input.value.trim() === taken) input.value = taken;
    close();
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && known === null) open();
    else if (step && offered.length) {
      const places = offered.length + 1; // one is none of them
      chosen = ((chosen + 1 + step + places) % places) - 1;
      paint();
    } else if (event.key === "Enter") {
      if (chosen >= 0) pick(offered[chosen]);
      else take();
    } else if (event.key === "Escape" && offered.length) close();
    else if (event.key === "Escape" && input.value.trim() !== taken) restore();
    else return;
    event.preventDefault();
  });
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
  list.addEventListener("click", (event) => {
    const element = event.target.closest("li");
    if (element) pick(offered[Array.from(list.children).indexOf(element)]);
  });
  clear.addEventListener("click", () => {
    input.value = "";
    take();
    input.focus();
  });

  return {
    /** After every change of the URL. */
    show() {
      const text = writeFilter(url.shown);
      if (text === taken) return;
      taken = text;
      restore();
    },

    /** Whether it is the filter that the server refuses: then that stands at the box. */
    refuse({ status, errors }) {
      const named = (errors ?? []).map(({ field, message }) => [WORDS[field.split(".")[0]], message]);
      if (status !== 422 || !named.length || named.some(([name]) => !name)) return false;
      complain(named.map(([name, message]) => `${name}: ${message}`));
      return true;
    },

    /** The server has taken it. */
    accept: () => input.value.trim() === taken && complain([]),

    focus() {
      input.focus();
      if (input.value === taken && taken) input.value = `${taken} `;
      input.setSelectionRange(input.value.length, input.value.length);
      open();
    },
  };
}
