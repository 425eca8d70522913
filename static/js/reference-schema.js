// A JSON schema as elements that people read: what kind of value it wants, within which limits, with
// which fields. It must follow no reference, but link to where it leads: so it ends, whatever
// contains itself.

import { element, prose } from "./element.js";

const HERE = "#/components/schemas/";

/** The place on the page of what a reference names. */
export const anchorOf = (reference) =>
  `schema-${reference.slice(HERE.length).replaceAll("/", "-")}`;

/** What a reference names, as people call it: the payload of a job type by the type's own name. */
export function nameOf(reference) {
  const name = reference.split("/").at(-1);
  if (!name.startsWith("Payload.")) return name;
  const decoded = (_, code) => String.fromCodePoint(Number.parseInt(code, 16));
  return name.slice("Payload.".length).replace(/_([0-9a-f]{2,})_/g, decoded);
}

/** A schema with all its fields: nodes. */
export function explain(schema) {
  const choices = schema.oneOf?.every(({ properties }) => properties) ? schema.oneOf : null;
  const base = (schema.allOf ?? []).map((part) =>
    element("p", {}, "All of ", kindOf(part), choices ? " and one of:" : ""),
  );
  const kind =
    schema.properties || choices ? null : element("p", { class: "kind" }, wanted(schema));
  const listed = choices?.map((choice) => [
    element("h4", {}, choice.title ?? "either"),
    fieldsOf(choice),
  ]);
  return [
    schema.description ? element("p", {}, prose(schema.description)) : null,
    kind,
    base,
    fieldsOf(schema),
    listed,
    innerOf(schema),
  ];
}

/** One name, as a line: of a field, a parameter or a header. */
export function field(
  name,
  schema,
  { required = false, description = schema.description, among = "" } = {},
) {
  const needed = required ? element("strong", { class: "needed" }, "required") : null;
  const head = element(
    "p",
    {},
    element("code", { class: "name" }, name),
    among ? element("span", { class: "quiet" }, among) : null,
    wanted(schema),
    needed,
  );
  return element(
    "li",
    {},
    head,
    description ? element("p", { class: "quiet" }, prose(description)) : null,
    innerOf(schema),
  );
}

/** Of objects that have no name of their own. */
function innerOf(schema) {
  const inside = [schema.items, schema.additionalProperties, ...(schema.anyOf ?? [])].filter(
    (one) => one?.properties ?? one?.items?.properties,
  );
  return inside.map((one) => fieldsOf(one.properties ? one : one.items));
}

function fieldsOf({ properties, required = [] }) {
  if (!properties) return null;
  const lines = Object.entries(properties).map(([name, schema]) =>
    field(name, schema, { required: required.includes(name) }),
  );
  return lines.length ? element("ul", { class: "fields" }, lines) : null;
}

/** The kind of value, its limits and its default. */
function wanted(schema) {
  const told = [
    limitsOf(schema),
    "default" in schema
      ? [", ", element("code", {}, JSON.stringify(schema.default)), " if left out"]
      : null,
  ];
  return element("span", { class: "wanted" }, kindOf(schema), told);
}

function kindOf(schema) {
  if (schema.$ref) return element("a", { href: `#${anchorOf(schema.$ref)}` }, nameOf(schema.$ref));
  if ("const" in schema) return element("code", {}, JSON.stringify(schema.const));
  if (schema.enum)
    return joined(schema.enum.map((value) => element("code", {}, JSON.stringify(value))));
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return joined(choices.map((one) => [kindOf(one), limitsOf(one)]));
  if (schema.allOf) return joined(schema.allOf.map(kindOf), " and ");
  const values = schema.additionalProperties || Object.values(schema.patternProperties ?? {})[0];
  if (schema.type === "array")
    return ["list of ", kindOf(schema.items ?? {}), limitsOf(schema.items ?? {})];
  if (schema.type === "object" && typeof values === "object") return ["object of ", kindOf(values)];
  if (Array.isArray(schema.type)) return joined(schema.type);
  return [schema.type ?? "any JSON", schema.format ? ` (${schema.format})` : null];
}

const joined = (parts, word = " or ") =>
  parts.flatMap((part, place) => (place ? [word, part] : [part]));

function limitsOf(schema) {
  const least =
    schema.minimum ??
    (schema.exclusiveMinimum === undefined ? undefined : `above ${schema.exclusiveMinimum}`);
  const told = [
    range(least, schema.maximum, ""),
    range(schema.minLength, schema.maxLength, " characters"),
    range(schema.minItems, schema.maxItems, " items"),
    range(schema.minProperties, schema.maxProperties, " names"),
  ].filter(Boolean);
  const pattern = schema.pattern
    ? [", like ", element("code", { class: "pattern" }, schema.pattern)]
    : null;
  return [told.map((one) => `, ${one}`), pattern];
}

function range(least, most, of) {
  if (least !== undefined && most !== undefined) return `${least} to ${most}${of}`;
  if (least !== undefined) return typeof least === "string" ? least : `at least ${least}${of}`;
  return most === undefined ? null : `at most ${most}${of}`;
}
