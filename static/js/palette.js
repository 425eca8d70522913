// Everything that can be done, found by typing. It must offer nothing that cannot be done now, and do nothing that was not chosen.

import * as api from "./api.js";
import { JOB_ID } from "./filter.js";
import { keyed } from "./keyed.js";
import { atMostEvery } from "./pace.js";
import { put } from "./text.js";

const LOOK_EVERY_MS = 150;
const MOST = 12; // that are offered
const MOST_TENANTS = 5;

/** `commands()`: [{name, run}], as of now. `onTenant(id)` and `onJob(id)`: one that was typed is to be shown. */
export function createPalette({ dialog, template, commands, onTenant, onJob }) {
  const [input, list, empty] = ["input", "list", "empty"].map((part) => dialog.querySelector(`[data-part=${part}]`));
  const pace = atMostEvery(LOOK_EVERY_MS, findTenants);
  let known = [];
  let tenants = [];
  let offered = [];
  let chosen = 0;

  /** By name, as far as the server answers: the palette does without. */
  async function findTenants(signal) {
    const search = input.value.trim();
    let found = [];
    try {
      if (search) found = (await api.listTenantsPage({ prefix: search, limit: MOST_TENANTS }, signal)).tenants.map(({ id }) => id);
    } catch {
      // no tenants are offered
    }
    if (signal.aborted || !dialog.open) return false;
    tenants = found;
    paint();
    return false;
  }

  function paint() {
    const typed = input.value.trim();
    const words = typed.toLowerCase().split(/\s+/);
    const jobs = JOB_ID.test(typed) ? [{ name: `Job ${typed}`, run: () => onJob(typed.toLowerCase()) }] : [];
    const found = known.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
    const shown = tenants.map((id) => ({ name: `Jobs of tenant ${id}`, run: () => onTenant(id) }));
    offered = [...jobs, ...found, ...shown].slice(0, MOST);
    chosen = Math.min(chosen, Math.max(offered.length - 1, 0));
    keyed(list, offered, template, ({ name }) => name, (element, { name }) => put(element, name)); // prettier-ignore
    Array.from(list.children).forEach((element, index) => {
      element.id = `command-${index}`;
      element.setAttribute("aria-selected", String(index === chosen));
    });
    if (offered.length) input.setAttribute("aria-activedescendant", `command-${chosen}`);
    else input.removeAttribute("aria-activedescendant");
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
    empty.hidden = offered.length > 0;
  }

  function run(command) {
    dialog.close(); // first: what is done may move the focus
    command?.run();
  }

  input.addEventListener("input", () => {
    chosen = 0;
    tenants = [];
    paint();
    pace.restart();
  });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && offered.length) {
      event.preventDefault();
      chosen = (chosen + step + offered.length) % offered.length;
      paint();
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      run(offered[chosen]);
    } else if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      dialog.close();
    }
  });
  list.addEventListener("click", (event) => {
    const element = event.target.closest("li");
    if (element) run(offered[Array.from(list.children).indexOf(element)]);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside it

  return {
    open() {
      known = commands();
      tenants = [];
      chosen = 0;
      input.value = "";
      dialog.showModal();
      paint();
    },
  };
}
