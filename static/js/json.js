// JSON whose numbers stay as they were written: a browser shows 1.0 as 1, and rounds 9007199254740993, which the server would refuse.
// It must never guess at bad JSON.

/** Like JSON.parse, where the browser can keep a number's text (JSON.rawJSON); elsewhere exactly JSON.parse. */
export function parseExactly(text) {
  if (!JSON.rawJSON) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && context?.source !== undefined && String(value) !== context.source ? JSON.rawJSON(context.source) : value,
  );
}

export const print = (value, indent = undefined) => JSON.stringify(value, null, indent);
