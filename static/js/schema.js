// What a JSON schema says of a value: where its references lead, what kind of value it wants, and an example. Pure; it must end on a schema
// that contains itself.

const DEEPEST = 4;

/** The schema itself, after `$ref`, a lone `allOf`, and the one choice beside null: then `nullable` is true. */
export function resolve(schema, root) {
  let found = schema ?? {};
  for (let steps = 0; steps < 20; steps += 1) {
    const only = choices(found);
    if (typeof found.$ref === "string") found = { ...at(root, found.$ref), ...without(found, "$ref") };
    else if (found.allOf?.length === 1) found = { ...found.allOf[0], ...without(found, "allOf") };
    else if (only) found = { ...only, ...without(found, "anyOf", "oneOf"), nullable: true };
    else break;
  }
  if (Array.isArray(found.type) && found.type.length === 2 && found.type.includes("null")) {
    return { ...found, type: found.type.find((type) => type !== "null"), nullable: true };
  }
  return found;
}

/** choice, object, array, string, number, boolean; json: anything else, which only JSON can tell. */
export function kindOf(schema) {
  if ("const" in schema || Array.isArray(schema.enum)) return "choice";
  if (schema.type === "object" && schema.properties) return "object";
  if (schema.type === "array" && schema.items) return "array";
  if (schema.type === "integer") return "number";
  return ["string", "number", "boolean"].includes(schema.type) ? schema.type : "json";
}

/** What the schema gives as an example, else its default, else the smallest value that its shape allows. */
export function exampleOf(schema, root = schema, depth = 0) {
  const wanted = resolve(schema, root);
  if (wanted.examples?.length) return wanted.examples[0];
  if ("default" in wanted) return wanted.default;
  if ("const" in wanted) return wanted.const;
  if (wanted.enum?.length) return wanted.enum[0];
  if (wanted.nullable) return null;
  switch (wanted.type) {
    case "string":
      return "";
    case "integer":
    case "number":
      return wanted.minimum ?? 0;
    case "boolean":
      return false;
    case "array":
      return [];
    case "null":
      return null;
    default: {
      const required = depth >= DEEPEST ? [] : (wanted.required ?? []);
      return Object.fromEntries(required.map((name) => [name, exampleOf(wanted.properties?.[name] ?? {}, root, depth + 1)]));
    }
  }
}

function choices({ anyOf, oneOf }) {
  const all = anyOf ?? oneOf;
  if (all?.length !== 2) return null;
  const others = all.filter(({ type }) => type !== "null");
  return others.length === 1 ? others[0] : null;
}

function at(root, pointer) {
  if (!pointer.startsWith("#/")) return {};
  const parts = pointer.slice(2).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~")); // prettier-ignore
  return parts.reduce((found, part) => found?.[part], root) ?? {};
}

const without = (object, ...names) => Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
