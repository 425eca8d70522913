// JSON whose numbers stay as they were written: 12345678901234567890 and 1.0 would otherwise be rounded. It must never guess at bad JSON.

/** Like JSON.parse, where the browser can keep a number's text (JSON.rawJSON); elsewhere exactly JSON.parse. */
export function parseExactly(text) {
  if (!JSON.rawJSON) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && context?.source !== undefined && String(value) !== context.source ? JSON.rawJSON(context.source) : value,
  );
}

export const print = (value, indent = undefined) => JSON.stringify(value, null, indent);
