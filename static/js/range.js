// The time that the chart shows, chosen by dragging over it or in two fields; it is the time filter of
// the jobs, too. It must never take a click for a choice.

import { isoOf, localText, timeOf } from "./moment.js";
import { put } from "./text.js";

const LEAST_PX = 6; // a shorter drag is a click
const MINUTE_MS = 60_000; // the history knows nothing shorter
const ANY = "range";

/** `chart`: what is chosen on. `jobsAddress()`: where the jobs of this time are. */
export function createRange({ figure, chart, url, jobsAddress }) {
  const svg = figure.querySelector("svg");
  const [choice, form, from, to, reset, jobs, problem] = ["span", "range", "from", "to", "reset", "jobs", "range-problem"].map((part) => figure.querySelector(`[data-part=${part}]`)); // prettier-ignore
  let held = null; // where a drag began: {x, at}

  function choose(first, last) {
    const after = isoOf(Math.floor(first / MINUTE_MS) * MINUTE_MS);
    url.set({ after, before: isoOf(Math.ceil(last / MINUTE_MS) * MINUTE_MS) });
  }

  function chooseShown() {
    const shown = chart.bounds();
    choose(shown.from, shown.to);
    from.focus();
  }

  function letGo() {
    held = null;
    chart.select(null);
  }

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault(); // no text is selected
    held = { x: event.clientX, at: chart.timeAt(event.clientX) };
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (held) chart.select([held.at, chart.timeAt(event.clientX)]);
  });
  svg.addEventListener("pointerup", (event) => {
    if (!held) return;
    const { x, at } = held;
    const ends = [at, chart.timeAt(event.clientX)];
    letGo();
    if (Math.abs(event.clientX - x) >= LEAST_PX) choose(Math.min(...ends), Math.max(...ends));
  });
  svg.addEventListener("pointercancel", letGo);
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !held) return;
    event.preventDefault();
    letGo();
  }, true); // prettier-ignore
  choice.addEventListener("change", () => {
    if (choice.value === ANY) return chooseShown();
    const span = choice.value === "live" ? null : choice.value;
    url.set({ after: null, before: null, span });
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [first, last] = [from, to].map((input) => (input.value ? Date.parse(input.value) : null));
    if ([from, to].some((input) => input.validity.badInput)) put(problem, "That is not a time.");
    else if (first !== null && last !== null && first >= last) put(problem, "From must be before To.");
    else url.set({ after: first && isoOf(first), before: last && isoOf(last) });
  });
  reset.addEventListener("click", () => {
    url.set({ after: null, before: null });
    choice.focus();
  });

  return {
    /** After every change of the URL. */
    show() {
      const { after, before, span } = url.shown;
      const chosen = Boolean(after || before);
      form.hidden = !chosen;
      choice.value = chosen ? ANY : (span ?? "live");
      const text = (moment) => (moment ? localText(timeOf(moment)).slice(0, 16) : "");
      from.value = text(after);
      to.value = text(before);
      jobs.href = jobsAddress();
      put(problem, "");
    },

    /** The server does not have this time. */
    refuse: (error) =>
      put(problem, error.errors.map(({ field, message }) => `${field}: ${message}`).join("; ") || error.message), // prettier-ignore

    /** For the palette. */
    get actions() {
      const change = { name: "Choose the time of the chart", run: chooseShown };
      return form.hidden ? [change] : [{ name: "Reset the time", run: () => reset.click() }];
    },
  };
}
