// Views with a name, kept in this browser: a view is what the URL says, without what lies beside the
// list. It must never trust what it finds in the browser's storage, nor lose a view that it cannot write.

import { writeFilter } from "./filter.js";
import { keyed } from "./keyed.js";
import { put } from "./text.js";
import { stateOf } from "./url.js";

const KEY = "monoq.views";
const MOST = 100;
const LONGEST = 60; // characters of a name
const BESIDE = { job: null, policy: null };

/** `lastTenant()`: whose jobs a view shows that is of no tenant's own. */
export function createViews({ dialog, opener, template, url, lastTenant }) {
  const parts = Object.fromEntries(
    Array.from(dialog.querySelectorAll("[data-part]"), (part) => [part.dataset.part, part]),
  );

  /** What a view would show now. */
  function stateFor({ query }) {
    const state = { ...stateOf(query), ...BESIDE };
    return state.view === "jobs" && !state.tenant ? { ...state, tenant: lastTenant() } : state;
  }

  function open() {
    put(parts.problem, "");
    parts.name.value = "";
    const { tenant } = url.shown;
    parts.own.checked = true;
    parts["own-label"].hidden = tenant === null;
    put(parts["own-text"], `of tenant ${tenant} only`);
    put(parts.what, inWords(url.shown, url.page));
    paint();
    dialog.showModal();
  }

  function paint() {
    const views = readViews();
    keyed(parts.list, views, template, ({ name }) => name, paintView); // prettier-ignore
    parts.empty.hidden = views.length > 0;
  }

  function paintView(element, view) {
    const [link, what, remove] = element.children;
    const state = stateFor(view);
    put(link, view.name);
    link.href = url.address(state);
    const words = inWords(stateOf(view.query), pageOf(state));
    put(what, words, words);
    remove.setAttribute("aria-label", `Delete the view ${view.name}`);
  }

  function save(event) {
    event.preventDefault();
    const name = parts.name.value.trim();
    if (name === "") return put(parts.problem, "A view needs a name.");
    const { tenant } = url.shown;
    const whose = tenant && !parts.own.checked ? { view: "jobs", tenant: null } : {};
    const query = new URL(url.address({ ...BESIDE, ...whose }), location.href).search;
    const others = readViews().filter((view) => view.name !== name);
    if (others.length >= MOST) return put(parts.problem, `${MOST} views are the most.`);
    if (!write([...others, { name, query }])) return;
    parts.name.value = "";
    put(parts.problem, "");
    paint();
  }

  function write(views) {
    views.sort((one, other) => one.name.localeCompare(other.name));
    try {
      localStorage.setItem(KEY, JSON.stringify(views));
      return true;
    } catch {
      put(parts.problem, "This browser does not keep it.");
      return false;
    }
  }

  opener.addEventListener("click", open);
  parts.form.addEventListener("submit", save);
  parts.close.addEventListener("click", () => dialog.close());
  parts.list.addEventListener("click", (event) => {
    const row = event.target.closest("li");
    if (event.target.closest("a")) dialog.close(); // the link itself leads there
    if (!event.target.closest("button")) return;
    if (write(readViews().filter(({ name }) => name !== row.dataset.key))) paint();
    parts.name.focus(); // the button that had it is gone
  });

  return {
    open,

    /** For the palette. */
    get actions() {
      const show = (view) => ({ name: `View ${view.name}`, run: () => url.set(stateFor(view)) });
      return [...readViews().map(show), { name: "Save this view, or delete one", run: open }];
    },
  };
}

/** [{name, query}], by name. */
function readViews() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    const isView = (view) => [view?.name, view?.query].every((each) => typeof each === "string");
    return found.filter((view) => isView(view) && view.name.length <= LONGEST).slice(0, MOST);
  } catch {
    return []; // no storage, or not ours
  }
}

const pageOf = ({ view, tenant }) => view ?? (tenant ? "jobs" : "overview");

function inWords(shown, page) {
  const whose = page !== "jobs" ? page : shown.tenant ? `jobs of ${shown.tenant}` : "jobs of any tenant"; // prettier-ignore
  const { sort, search } = shown;
  const tenants = [sort && `by ${sort}`, search && `that begin with ${search}`].filter(Boolean);
  return [whose, writeFilter(shown), ...tenants].filter(Boolean).join(" · ");
}
