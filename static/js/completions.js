// What a word of the search may go on as. Pure; it must never offer what the search does not read.

import { JOB_ID, quoted, split } from "./filter.js";
import { STATUSES } from "./status.js";

const MOST = 10; // that are offered
const LONGEST = 60; // characters of an error that are offered
const NAMES = {
  status: "pending, running, completed, failed or cancelled",
  type: "jobs of this type",
  tag: "name=value; again for more of them",
  error: "what the error begins with",
  key: "the job with this idempotency key",
  after: "created from then on: 2h (ago), 09:00, 2026-11-28T09:00",
  before: "created before then",
  tenant: "the jobs of another tenant",
  id: "one job: paste its id",
};
const TIMES = {
  "15m": "15 minutes ago",
  "1h": "an hour ago",
  "24h": "a day ago",
  "7d": "a week ago",
  "30d": "30 days ago",
};

/** `jobs`: those of the list; {tags: name → its values, errors}: what may be searched for there. */
export function seenIn(jobs) {
  const tags = new Map();
  const errors = new Set();
  for (const { tags: ofJob, error, status } of jobs) {
    for (const [name, value] of Object.entries(ofJob ?? {})) {
      if (!tags.has(name)) tags.set(name, new Set());
      tags.get(name).add(value);
    }
    if (error && status !== "PENDING") errors.add(error.split("\n", 1)[0].slice(0, LONGEST));
  }
  return { tags, errors: Array.from(errors, (error) => error.trimEnd()) };
}

/** [{text, hint, done}]: `text` in the place of the word; `done`: it is a whole condition.
 * `known`: {types, tenants, tags, errors}. */
export function completionsOf(word, known) {
  const { name, value } = split(word);
  if (name === "id" && JOB_ID.test(value)) {
    return [{ text: `id:${value.toLowerCase()}`, hint: "open this job", done: true }];
  }
  const isNamed = Object.hasOwn(NAMES, name);
  const found = isNamed ? valuesOf(name, value, known) : [...namesOf(value), ...all(value, known)];
  return found.filter(({ text }) => text !== word).slice(0, MOST);
}

const namesOf = (typed) =>
  Object.entries(NAMES)
    .filter(([name]) => name.startsWith(typed.toLowerCase()))
    .map(([name, hint]) => ({ text: `${name}:`, hint, done: false }));

/** A word without a name may be of anything. */
function all(typed, known) {
  if (typed === "") return [];
  const of = (name) => valuesOf(name, typed, known);
  const free = ["error", "key"].map((name) => ({
    text: `${name}:${quoted(typed)}`,
    hint: NAMES[name],
    done: true,
  }));
  const seen = [...of("tag").slice(0, 3), ...of("error").slice(0, 3)];
  return [...of("status"), ...of("type").slice(0, 3), ...seen, ...of("tenant"), ...free];
}

function valuesOf(name, typed, { types, tenants, tags, errors }) {
  const low = typed.toLowerCase();
  const offer = (values, hint = () => "") =>
    values
      .filter((value) => value.toLowerCase().includes(low))
      .map((value) => ({ text: `${name}:${quoted(value)}`, hint: hint(value), done: true }));
  const readers = {
    status: () => offer(STATUSES.map((status) => status.toLowerCase())),
    type: () => offer(types),
    tenant: () => offer(tenants, () => "its jobs"),
    tag: () => tagsOf(typed, tags),
    error: () => offer(errors, () => "seen in the list"),
    after: () => offer(Object.keys(TIMES), (time) => TIMES[time]),
    before: () => offer(Object.keys(TIMES), (time) => TIMES[time]),
  };
  return readers[name]?.() ?? [];
}

function tagsOf(typed, tags) {
  const [, name, value] = /^([^=:]*)(?:[=:](.*))?$/s.exec(typed);
  if (value === undefined) {
    return Array.from(tags.keys())
      .filter((each) => each.toLowerCase().includes(name.toLowerCase()))
      .map((each) => ({ text: `tag:${each}=`, hint: "seen in the list", done: false }));
  }
  return Array.from(tags.get(name) ?? [])
    .filter((each) => each.toLowerCase().includes(value.toLowerCase()))
    .map((each) => ({ text: `tag:${quoted(`${name}=${each}`)}`, hint: "", done: true }));
}
