// One field of a form for each value that a JSON schema wants. It must never change a value that nobody touched: what it cannot show as a
// field it shows as JSON.

import { parseExactly, print } from "./json.js";
import { exampleOf, kindOf, resolve } from "./schema.js";

const MAKERS = { choice: makeChoice, object: makeObject, array: makeArray, string: makeText, number: makeNumber, boolean: makeBoolean, json: makeJson };

/**
 * A field: {element, get, set, fits}. `get()` is undefined if the value is left out, and throws for what is no value; `fits(value)`: whether
 * it can show this. `path` says where the value is, as the server names it in its errors: to.0.name.
 */
export function makeField(schema, { root, path, name, required }) {
  const wanted = resolve(schema, root);
  const kind = kindOf(wanted);
  const field = MAKERS[kind](wanted, { root, path, name, required });
  const fits = field.fits;
  field.fits = (value) => value === undefined || (value === null && wanted.nullable) || fits(value);
  const error = create("span", { className: "error" });
  error.dataset.errorAt = path;
  field.element.append(error);
  field.element.dataset.path = path;
  return field;
}

/** A label with one control in it. `read(text)` and `write(value)` are its inverse functions; an empty one is left out, or null, or "". */
function single(control, schema, { path, name, required }, { read, write, fits }) {
  const { nullable, description, kind, title } = schema;
  const element = create("div", { className: "schema-field" });
  const label = create("label", { textContent: name });
  control.id = label.htmlFor = `schema-${path}`;
  control.dataset.testid = `schema-${path}`;
  if (description ?? title) control.title = description ?? title;
  const usual = "default" in schema && schema.default !== null ? `default: ${typeof schema.default === "string" ? schema.default : print(schema.default)}` : "";
  if (usual && control.options) control.options[0].textContent = usual;
  else if (usual) control.placeholder = usual;
  control.required = required;
  if (required) label.append(create("span", { className: "quiet", textContent: " required" }));
  else if (kind) label.append(create("span", { className: "quiet", textContent: ` ${kind}` }));
  element.append(label, control);
  let isNull = false;
  control.addEventListener("input", () => (isNull = false));
  return {
    element,
    get: () => (control.value !== "" ? read(control.value) : isNull || (nullable && required) ? null : read("")),
    set(value) {
      isNull = value === null;
      control.value = value === undefined || value === null ? "" : write(value);
    },
    fits,
  };
}

function makeText(schema, place) {
  const type = { "date-time": "datetime-local", date: "date" }[schema.format] ?? "text";
  const control = create("input", { type, autocomplete: "off", spellcheck: false });
  if (type === "datetime-local") control.step = "0.001";
  const isMoment = type === "datetime-local";
  return single(control, { ...schema, kind: isMoment ? "your time" : "" }, place, {
    read: (text) => (text === "" ? (place.required && type === "text" ? "" : undefined) : isMoment ? new Date(text).toISOString() : text),
    write: (value) => (isMoment ? localTime(value) : value),
    fits: (value) => typeof value === "string" && !value.includes("\n") && (!isMoment || !Number.isNaN(Date.parse(value))),
  });
}

function makeNumber(schema, place) {
  const control = create("input", { type: "number", step: schema.type === "integer" ? "1" : "any" });
  if (schema.minimum !== undefined) control.min = String(schema.minimum);
  if (schema.maximum !== undefined) control.max = String(schema.maximum);
  return single(control, schema, place, {
    read: (text) => (text === "" ? undefined : parseExactly(text)),
    write: print,
    fits: (value) => typeof value === "number" || isRaw(value),
  });
}

function makeBoolean(schema, place) {
  return makeChoice({ ...schema, enum: [true, false] }, place);
}

function makeChoice(schema, place) {
  const control = create("select");
  const all = schema.enum ?? [schema.const];
  if (!place.required || schema.nullable) control.append(create("option", { value: "", textContent: "–" }));
  for (const value of all) control.append(create("option", { value: print(value), textContent: typeof value === "string" ? value : print(value) }));
  return single(control, schema, place, {
    read: (text) => (text === "" ? undefined : JSON.parse(text)),
    write: print,
    fits: (value) => all.some((one) => print(one) === print(value)),
  });
}

function makeJson(schema, place) {
  const control = create("textarea", { rows: 2, spellcheck: false });
  return single(control, { ...schema, nullable: false, kind: "JSON" }, place, {
    read: (text) => (text.trim() === "" ? undefined : parseExactly(text)),
    write: (value) => print(value, 2),
    fits: () => true,
  });
}

function makeObject(schema, { root, path, name, required }) {
  const { element, inside, presence } = group(name, path, required);
  let fields = null; // made when they are wanted: a schema may contain itself
  let others = {}; // what the schema does not name
  const make = () => {
    const isRequired = (key) => (schema.required ?? []).includes(key);
    const inOrder = Object.entries(schema.properties).sort(([one], [other]) => isRequired(other) - isRequired(one)); // the required ones first
    fields ??= inOrder.map(([key, property]) => {
      const field = makeField(property, { root, path: joined(path, key), name: key, required: isRequired(key) });
      inside.append(field.element);
      return [key, field];
    });
  };
  if (required) make();
  presence.onAdd = () => {
    make();
    const example = exampleOf(schema, root);
    for (const [key, field] of fields) field.set(example?.[key] ?? undefined);
  };
  return {
    element,
    get() {
      if (!presence.here) return presence.isNull ? null : undefined;
      const entries = fields.map(([key, field]) => [key, field.get()]).filter(([, value]) => value !== undefined);
      return { ...Object.fromEntries(entries), ...others };
    },
    set(value) {
      presence.show(value !== undefined && value !== null, value === null);
      if (!presence.here) return;
      make();
      others = Object.fromEntries(Object.entries(value ?? {}).filter(([key]) => !(key in schema.properties)));
      for (const [key, field] of fields) field.set(value?.[key]);
    },
    fits(value) {
      if (typeof value !== "object" || value === null || Array.isArray(value) || isRaw(value)) return false;
      make();
      return fields.every(([key, field]) => field.fits(value[key]));
    },
  };
}

function makeArray(schema, { root, path, name, required }) {
  const { element, inside, presence } = group(name, path, true);
  const add = create("button", { type: "button", textContent: "Add" });
  add.dataset.testid = `schema-add-${path}`;
  add.setAttribute("aria-label", `Add to ${name}`);
  element.append(add);
  let fields = [];
  let left = !required; // out, as long as it is empty

  function make(value) {
    const row = create("div", { className: "schema-item" });
    const field = makeField(schema.items, { root, path: joined(path, fields.length), name: `${name} ${fields.length + 1}`, required: true });
    const remove = create("button", { type: "button", className: "close", textContent: "✕" });
    remove.setAttribute("aria-label", `Remove ${name} ${fields.length + 1}`);
    remove.addEventListener("click", () => {
      const values = fields.map((one) => one.get());
      values.splice(fields.indexOf(field), 1);
      fill(values);
      element.dispatchEvent(new Event("input", { bubbles: true }));
    });
    field.set(value);
    row.append(field.element, remove);
    inside.append(row);
    fields.push(field);
  }

  function fill(values) {
    fields = [];
    inside.replaceChildren();
    for (const value of values) make(value);
  }

  add.addEventListener("click", () => {
    make(exampleOf(schema.items, root));
    fields.at(-1).element.querySelector("input, select, textarea")?.focus();
    element.dispatchEvent(new Event("input", { bubbles: true }));
  });
  return {
    element,
    get: () => (fields.length === 0 && (left || presence.isNull) ? (presence.isNull ? null : undefined) : fields.map((field) => field.get())),
    set(value) {
      presence.isNull = value === null;
      left = value === undefined;
      fill(value ?? []);
    },
    fits: (value) => Array.isArray(value) && value.every((one) => makeField(schema.items, { root, path, name, required: true }).fits(one)),
  };
}

/** A frame with a title; what need not be there has a button that adds it, and one that takes it away. */
function group(name, path, required) {
  const element = create("fieldset", { className: "schema-group" });
  const inside = create("div");
  const presence = { here: required, isNull: false, onAdd: () => {}, show };
  const toggle = create("button", { type: "button" });
  toggle.dataset.testid = `schema-toggle-${path}`;
  function show(here, isNull = false) {
    presence.here = required || here;
    presence.isNull = isNull;
    inside.hidden = !presence.here;
    toggle.textContent = presence.here ? `Leave out ${name}` : `Add ${name}`;
  }
  toggle.addEventListener("click", () => {
    show(!presence.here);
    if (presence.here) presence.onAdd();
    element.dispatchEvent(new Event("input", { bubbles: true }));
  });
  if (name) element.append(create("legend", { textContent: name }));
  element.append(inside);
  if (!required) element.append(toggle);
  show(required);
  return { element, inside, presence };
}

const joined = (path, key) => (path === "" ? String(key) : `${path}.${key}`);

const isRaw = (value) => JSON.isRawJSON?.(value) === true;

const create = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);

function localTime(iso) {
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 23);
}
