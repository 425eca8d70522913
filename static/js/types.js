// The job types the server offers, and an example payload of each. It must never stand in the way of a type it does not know.

import * as api from "./api.js";

export function createTypes(datalist) {
  let schemas = new Map();

  return {
    async read() {
      const types = await api.listTypes();
      schemas = new Map(types.map(({ name, schema }) => [name, schema ?? {}]));
      datalist.replaceChildren(
        ...types.map(({ name }) => {
          const option = document.createElement("option");
          option.value = name;
          return option;
        }),
      );
    },

    get known() {
      return schemas.size > 0;
    },

    get first() {
      return schemas.has("sleep") ? "sleep" : (schemas.keys().next().value ?? "");
    },

    has: (name) => schemas.has(name),

    example: (name) => exampleOf(schemas.get(name) ?? {}),
  };
}

/** What the schema gives as an example, else its default, else the smallest value that its shape allows. */
function exampleOf(schema, depth = 0) {
  if (schema.examples?.length) return schema.examples[0];
  if ("default" in schema) return schema.default;
  if (schema.enum?.length) return schema.enum[0];
  switch (schema.type) {
    case "string":
      return "";
    case "integer":
    case "number":
      return schema.minimum ?? 0;
    case "boolean":
      return false;
    case "array":
      return [];
    case "null":
      return null;
    default: {
      const required = depth > 3 ? [] : (schema.required ?? []);
      return Object.fromEntries(required.map((name) => [name, exampleOf(schema.properties?.[name] ?? {}, depth + 1)]));
    }
  }
}
