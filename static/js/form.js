// Creates a job. It must never send what is not JSON, never create two jobs for one click, and never drop an error the server sent.

import * as api from "./api.js";
import { shortId } from "./format.js";
import { parseExactly, print } from "./json.js";
import { createSchemaForm } from "./schema-form.js";
import { put } from "./text.js";

const NUMBERS = ["priority", "delayMs", "maxAttempts"];

export function createForm({ form, fields, hint, rerun, created, types, url, onCreated }) {
  const { tenantId, type, payload } = form.elements;
  const submit = form.querySelector("[type=submit]");
  const errors = new Map(Array.from(form.querySelectorAll("[data-error]"), (element) => [element.dataset.error, element]));
  const [originalId, unlink] = ["original", "unlink"].map((part) => rerun.querySelector(`[data-part=${part}]`));
  let original = null; // the job that is run again
  let example = ""; // the payload as this module wrote it; what a person wrote stays
  const schemaForm = createSchemaForm({ container: fields, hint, onChange: writePayload });
  let key = newKey(); // one per job meant: a second try after a lost answer finds the first one's job

  function fillExample() {
    if (payload.value === example && types.has(type.value)) {
      example = print(types.example(type.value), 2);
      payload.value = example;
      clearError(payload);
    }
    showFields();
  }

  /** The fields follow the JSON. */
  function showFields() {
    let value;
    try {
      value = payload.value.trim() ? parseExactly(payload.value) : {};
    } catch {
      // not JSON yet
    }
    schemaForm.show(types.schema(type.value), value);
  }

  /** The JSON follows the fields. */
  function writePayload(value) {
    payload.value = print(value, 2);
    clearError(payload);
  }

  /** A job of another tenant or type is no re-run. */
  const isRerun = () => original !== null && tenantId.value.trim() === original.tenantId && type.value.trim() === original.type;

  function showOriginal() {
    rerun.hidden = !isRerun();
    put(originalId, original === null ? "" : shortId(original.id), original?.id);
  }

  async function send(event) {
    event.preventDefault();
    const { job, problems } = read();
    showErrors(problems);
    if (problems.length) return;
    submit.disabled = true;
    created.textContent = "";
    try {
      const id = await api.createJob(job, key);
      key = newKey();
      showCreated(id, job);
      onCreated(id, job);
    } catch (error) {
      showErrors(error.errors?.length ? error.errors : [{ field: "", message: `Not created: ${error.message}` }]);
    } finally {
      submit.disabled = false;
    }
  }

  function read() {
    const problems = [];
    const job = { tenantId: tenantId.value.trim(), type: type.value.trim() };
    if (!job.tenantId) problems.push({ field: "tenantId", message: "whose job is it?" });
    if (!job.type) problems.push({ field: "type", message: "which type?" });
    try {
      job.payload = payload.value.trim() ? parseExactly(payload.value) : {};
    } catch (error) {
      problems.push({ field: "payload", message: `not JSON: ${error.message}` });
    }
    for (const name of NUMBERS) {
      const field = form.elements[name];
      if (field.validity.badInput) problems.push({ field: name, message: "not a number" });
      else if (field.value !== "") job[name] = field.valueAsNumber;
    }
    if (isRerun()) job.tags = { rerunOf: original.id };
    return { job, problems };
  }

  /** Each error stands at the field it names (`payload.delayMs` at the payload); one that names none of ours, at the form. */
  function showErrors(problems) {
    schemaForm.tell(problems);
    const texts = new Map(Array.from(errors.keys(), (field) => [field, []]));
    for (const { field, message } of problems) {
      const [first, ...rest] = String(field).split(".");
      if (first && texts.has(first)) texts.get(first).push(rest.length ? `${rest.join(".")}: ${message}` : message);
      else texts.get("").push(field ? `${field}: ${message}` : message);
    }
    let focused = false;
    for (const [field, element] of errors) {
      const text = texts.get(field).join("; ");
      element.textContent = text;
      const input = field && form.elements[field];
      if (!input) continue;
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      if (text && !focused) input.focus();
      focused ||= text !== "";
    }
  }

  function link(job) {
    original = job;
    key = newKey();
    showOriginal();
  }

  function clearError(input) {
    input.removeAttribute("aria-invalid");
    errors.get(input.name).textContent = "";
  }

  function showCreated(id, job) {
    const link = document.createElement("a");
    link.textContent = shortId(id);
    link.href = url.address({ tenant: job.tenantId, status: null, type: null, job: id });
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      url.set({ tenant: job.tenantId, job: id });
    });
    created.replaceChildren("Created ", link, job.tenantId === url.shown.tenant ? "" : ` for ${job.tenantId}`);
  }

  form.addEventListener("submit", send);
  form.addEventListener("input", (event) => {
    key = newKey(); // another job is meant
    showOriginal();
    if (event.target.name) clearError(event.target); // while typing, not on leaving: a line that goes away under the pointer would take a click with it
  });
  unlink.addEventListener("click", () => {
    link(null);
    payload.focus();
  });
  type.addEventListener("input", fillExample);
  payload.addEventListener("input", showFields);
  payload.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  return {
    /** The tenant that the page shows is the one meant, unless a person says otherwise. */
    setTenant(wanted, before) {
      if (tenantId.value !== (before ?? "") && tenantId.value !== "") return;
      tenantId.value = wanted;
      key = newKey();
      showOriginal();
    },

    /** Another job is meant, of this type. */
    fill({ type: wanted }) {
      type.value = wanted;
      link(null);
      fillExample();
    },

    /** Another job is meant, like this one. */
    fillFrom(job) {
      tenantId.value = job.tenantId;
      type.value = job.type;
      payload.value = print(job.payload, 2);
      for (const name of NUMBERS) form.elements[name].value = job[name] || "";
      link(job);
      showFields();
      showErrors([]);
      created.textContent = "";
    },

    /** Once the types are known. */
    start() {
      if (type.value === "") type.value = types.first;
      fillExample();
    },

    focus: () => type.focus(),
    focusPayload: () => payload.focus(),
  };
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
