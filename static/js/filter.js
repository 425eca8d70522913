// The filter of the list as a person types it, and back: status:failed type:email tag:order=17
// error:"timed out" after:2h. Pure; it must never drop a word that it does not understand.

import { readMoment, writeMoment } from "./moment.js";
import { STATUSES } from "./status.js";
import { NO_FILTER } from "./url.js";

export const JOB_ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const WORD = /(?:[^\s"]|"(?:[^"\\]|\\.)*"?)+/g; // a quoted part may have spaces
const QUOTED = /"((?:[^"\\]|\\.)*)"?/g;
const NAMED = /^([a-z]+):(.*)$/is;

const READERS = {
  status: (value) => STATUSES.find((status) => status === value.toUpperCase()) ?? null,
  type: (value) => value,
  tag: (value) => (/^[^=:]+[=:]./s.test(value) ? value.replace(/[=:]/, ":") : null),
  error: (value) => value,
  key: (value) => value,
  after: readMoment,
  before: readMoment,
  tenant: (value) => value,
  id: (value) => (JOB_ID.test(value) ? value.toLowerCase() : null),
};
const A_TIME = "is a time like 2h (ago), 09:00 or 2026-11-28T09:00";
const RULES = {
  status: `is one of ${STATUSES.join(", ").toLowerCase()}`,
  tag: "is written tag:name=value",
  after: A_TIME,
  before: A_TIME,
  id: "is the whole id of a job",
};

/** The words, and where they stand: [{text, start, end}]. */
export const wordsOf = (text) =>
  Array.from(text.matchAll(WORD), ({ 0: word, index }) => ({
    text: word,
    start: index,
    end: index + word.length,
  }));

/** What it sets in the URL, and what is wrong with it, in words: {patch, problems}. */
export function readFilter(text) {
  const patch = { ...NO_FILTER };
  const problems = [];
  for (const word of wordsOf(text)) {
    const { name, value } = split(word.text);
    if (!Object.hasOwn(READERS, name)) {
      problems.push(`${word.text}: say of what, like type:${word.text} or error:${word.text}`);
      continue;
    }
    const read = value === "" ? null : READERS[name](value);
    const target = name === "id" ? "job" : name;
    if (value === "") problems.push(`${name}: needs a value`);
    else if (read === null) problems.push(`${name}: ${RULES[name]}`);
    else if (name === "tag") patch.tag = patch.tag ? `${patch.tag}\n${read}` : read;
    else if (patch[target]) problems.push(`${name}: only once`);
    else patch[target] = read;
  }
  return { patch, problems };
}

/** {name, value}: an id needs no name; name is "" if nobody knows what the word means. */
export function split(word) {
  const [, name, rest] = NAMED.exec(word) ?? [null, "", word];
  const value = rest.replace(QUOTED, (_, inner) => inner.replace(/\\(.)/gs, "$1"));
  if (JOB_ID.test(word)) return { name: "id", value: word };
  return { name: name.toLowerCase(), value };
}

/** The words that mean the filter in the URL. */
export function writeFilter({ status, type, tag, error, key, after, before }) {
  const words = [];
  if (status) words.push(`status:${status.toLowerCase()}`);
  if (type) words.push(`type:${quoted(type)}`);
  for (const each of tagsOf(tag)) words.push(`tag:${quoted(each.replace(":", "="))}`);
  if (error) words.push(`error:${quoted(error)}`);
  if (key) words.push(`key:${quoted(key)}`);
  if (after) words.push(`after:${writeMoment(after)}`);
  if (before) words.push(`before:${writeMoment(before)}`);
  return words.join(" ");
}

/** The tags of a filter, each as name:value. */
export const tagsOf = (tag) => (tag ? tag.split("\n") : []);

export const quoted = (value) =>
  /[\s"]/.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : value;
