// The difference of two JSON values, a line for each place. Pure; it must never see the page.

import { print } from "./json.js";

const A_NAME = /^[A-Za-z_]\w*$/;

/** Lines like `- to: "a"`, of `before`, and `+ to: "b"`, of `after`. */
export function difference(before, after) {
  const [was, is] = [before, after].map((value) => leavesOf(value));
  const lines = [];
  for (const [place, text] of was) {
    if (is.get(place) === text) continue;
    lines.push(`- ${place}: ${text}`);
    if (is.has(place)) lines.push(`+ ${place}: ${is.get(place)}`);
  }
  for (const [place, text] of is) if (!was.has(place)) lines.push(`+ ${place}: ${text}`);
  return lines;
}

/** The text of each value without parts, by its place, like lines[0].text. */
function leavesOf(value, place = "", found = new Map()) {
  const parts = partsOf(value);
  if (parts.length === 0) found.set(place || "payload", print(value));
  for (const [name, part] of parts) leavesOf(part, below(place, name), found);
  return found;
}

function partsOf(value) {
  if (value === null || typeof value !== "object" || JSON.isRawJSON?.(value)) return [];
  return Array.isArray(value) ? Array.from(value.entries()) : Object.entries(value);
}

function below(place, name) {
  if (typeof name === "string" && A_NAME.test(name)) return place ? `${place}.${name}` : name;
  return `${place}[${JSON.stringify(name)}]`;
}
