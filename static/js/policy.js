// One tenant's policy, edited in place. It must never lose a value that nobody changed: PUT replaces the whole policy.

import * as api from "./api.js";
import { put } from "./text.js";

const NAMES = ["paused", "maxRunning", "ratePerSecond", "burst", "weight", "maxWaiting"];

export function createPolicy({ form, title, template, onSaved }) {
  const [problem, saved] = ["problem", "saved"].map((part) => form.querySelector(`[data-part=${part}]`));
  const submit = form.querySelector("[type=submit]");
  const fields = new Map(NAMES.map((name) => [name, createField(name)]));
  let id = null;
  let reading = null;

  function createField(name) {
    const element = template.content.firstElementChild.cloneNode(true);
    const [label, value, pause, until, error] = ["label", "value", "pause", "until", "error"].map((part) => element.querySelector(`[data-part=${part}]`)); // prettier-ignore
    const input = name === "paused" ? pause : value;
    (name === "paused" ? value : pause).remove();
    label.textContent = name;
    label.htmlFor = input.id = `policy-${name}`;
    error.id = `policy-error-${name}`;
    input.dataset.testid = `policy-${name}`;
    until.dataset.testid = `policy-until-${name}`;
    until.setAttribute("aria-label", `${name} until`);
    error.dataset.testid = `policy-error-${name}`;
    for (const control of [input, until]) control.setAttribute("aria-describedby", error.id);
    form.querySelector("[data-part=fields]").append(element);
    return { input, until, error, given: undefined, shown: "", end: "" };
  }

  function fill({ policy, effective }) {
    for (const [name, field] of fields) {
      field.given = policy[name];
      const ends = field.given !== null && typeof field.given === "object";
      const value = ends ? field.given.value : field.given;
      field.input.value = field.shown = value === undefined || value === null ? "" : String(value);
      field.until.value = ends ? localTime(field.given.until) : "";
      field.end = field.until.value; // as the browser writes it
      field.input.title = `What holds now: ${effective[name] ?? "no limit"}`;
      if (field.input.type === "number") field.input.placeholder = String(effective[name] ?? "no limit");
    }
    showErrors([]);
  }

  function read() {
    const policy = {};
    const problems = [];
    for (const [name, { input, until, given, shown, end }] of fields) {
      if (input.validity.badInput) problems.push({ field: name, message: "not a number" });
      else if (until.validity.badInput) problems.push({ field: name, message: "until: not a time" });
      else if (input.value === shown && until.value === end) {
        if (given !== undefined) policy[name] = given; // with its seconds, and what comes after
      } else if (input.value === "") {
        if (until.value) problems.push({ field: name, message: "until needs a value" });
      } else {
        const value = name === "paused" ? input.value === "true" : input.valueAsNumber;
        const then = given !== null && typeof given === "object" ? given.then : null;
        const at = until.value === end && end ? given.until : until.value && new Date(until.value).toISOString();
        policy[name] = until.value ? { value, until: at, then } : value;
      }
    }
    return { policy, problems };
  }

  function showErrors(problems) {
    const texts = new Map([...NAMES, ""].map((name) => [name, []]));
    for (const { field, message } of problems) {
      const [first, ...rest] = String(field).split(".");
      if (fields.has(first)) texts.get(first).push(rest.length ? `${rest.join(".")}: ${message}` : message);
      else texts.get("").push(field ? `${field}: ${message}` : message);
    }
    for (const [name, { input, error }] of fields) {
      put(error, texts.get(name).join("; "));
      if (texts.get(name).length) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
    put(problem, texts.get("").join("; "));
    NAMES.map((name) => fields.get(name)).find(({ error }) => error.textContent)?.input.focus();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = id;
    const { policy, problems } = read();
    showErrors(problems);
    put(saved, "");
    if (problems.length) return;
    submit.disabled = true;
    try {
      const answer = await api.writePolicy(asked, policy);
      if (asked !== id) return;
      fill(answer);
      put(saved, "Saved");
      onSaved();
    } catch (error) {
      if (asked === id) showErrors(error.errors?.length ? error.errors : [{ field: "", message: `Not saved: ${error.message}` }]);
    } finally {
      submit.disabled = id !== asked;
    }
  });

  return {
    /** Shows this tenant's policy; it can be saved once it was read. */
    async open(wanted) {
      reading?.abort();
      reading = new AbortController();
      const { signal } = reading;
      id = wanted;
      submit.disabled = true;
      put(title, `Policy of ${id}`);
      put(saved, "");
      for (const { input, until } of fields.values()) input.value = until.value = "";
      showErrors([]);
      try {
        const answer = await api.readPolicy(wanted, signal);
        if (signal.aborted) return;
        fill(answer);
        submit.disabled = false;
      } catch (error) {
        if (!signal.aborted) put(problem, `The policy could not be read: ${error.message}`);
      }
    },
  };
}

function localTime(iso) {
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
