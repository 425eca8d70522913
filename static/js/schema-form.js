// The payload as a form, made from the schema of its type, beside the payload as JSON: each follows the other. It must never overwrite JSON
// that it cannot show; then it steps back.

import { makeField } from "./schema-fields.js";
import { kindOf, resolve } from "./schema.js";
import { put } from "./text.js";

/** `onChange(value)`: a person changed a field. */
export function createSchemaForm({ container, hint, onChange }) {
  let field = null;
  let known = null; // the schema that the fields are of

  function take() {
    let value;
    try {
      value = field.get();
    } catch {
      return put(hint, "A field is not JSON yet.");
    }
    put(hint, "");
    onChange(value);
  }

  container.addEventListener("input", () => field && take());

  return {
    /** The payload is this now; undefined: it is no JSON. */
    show(schema, value) {
      if (schema !== known) {
        known = schema;
        field = kindOf(resolve(schema, schema)) === "object" ? makeField(schema, { root: schema, path: "", name: "", required: true }) : null;
        container.replaceChildren(...(field ? [field.element] : []));
      }
      const fits = field !== null && value !== undefined && value !== null && field.fits(value);
      container.hidden = !fits;
      put(hint, field === null || fits ? "" : "The JSON below has another shape than the fields.");
      if (fits) field.set(value);
    },

    /** What the server says of the payload: [{field: "payload.to.0", message}]. */
    tell(problems) {
      for (const place of container.querySelectorAll("[data-error-at]")) {
        const told = problems.filter(({ field: at }) => at === `payload.${place.dataset.errorAt}`);
        put(place, told.map(({ message }) => message).join("; "));
        const control = place.parentElement.querySelector(":scope > input, :scope > select, :scope > textarea");
        if (told.length) control?.setAttribute("aria-invalid", "true");
        else control?.removeAttribute("aria-invalid");
      }
    },
  };
}
