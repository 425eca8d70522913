// The job types the server offers, and an example payload of each. It must never stand in the way of a type it does not know.

import * as api from "./api.js";
import { exampleOf } from "./schema.js";

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

    get names() {
      return Array.from(schemas.keys());
    },

    /** The JSON schema of its payload; {} if nothing is known of it. */
    schema: (name) => schemas.get(name) ?? {},

    example: (name) => exampleOf(schemas.get(name) ?? {}),
  };
}
