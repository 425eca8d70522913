// The page that shows GET /openapi.json: every call with its parameters, bodies and answers, and
// every schema. It must show what the document says and nothing of its own, and ask nobody else. The
// usual viewers (Swagger UI, Redoc) set styles in the page, which our CSP forbids, and are a
// megabyte or more.

import { readDocument } from "./api.js";
import { element, prose } from "./element.js";
import { measureHeader } from "./header.js";
import { anchorOf, explain, field, nameOf } from "./reference-schema.js";

const SCHEMAS = "#/components/schemas/";
const main = document.getElementById("reference");
const contents = document.getElementById("contents");
const search = document.getElementById("search");
const nothing = document.getElementById("nothing");

function callOf(path, method, call) {
  const title = element(
    "h3",
    {},
    element("span", { class: "method", "data-method": method }, method.toUpperCase()),
    " ",
    element("code", {}, path),
  );
  const part = element(
    "section",
    { id: call.operationId, class: "entry", "data-testid": "call" },
    title,
    element("p", {}, prose(call.summary)),
  );
  const parameters = (call.parameters ?? []).map((one) =>
    field(one.name, one.schema, { ...one, among: one.in }),
  );
  if (parameters.length)
    part.append(element("h4", {}, "Parameters"), element("ul", { class: "fields" }, parameters));
  if (call.requestBody)
    part.append(element("h4", {}, "Body"), ...bodiesOf(call.requestBody.content));
  const answers = Object.entries(call.responses);
  const isProblem = ([, { content = {} }]) => "application/problem+json" in content;
  part.append(
    element("h4", {}, "Answers"),
    ...answers.filter((one) => !isProblem(one)).map(answerOf),
  );
  part.append(
    element("h4", {}, "Errors"),
    element("ul", { class: "errors" }, answers.filter(isProblem).map(problemOf)),
  );
  return part;
}

function bodiesOf(content) {
  return Object.entries(content).map(([kind, { schema }]) =>
    element("div", {}, schema.$ref ? linkTo(schema.$ref) : explain(schema), ` · ${kind}`),
  );
}

const answerOf = ([status, { description, content = {}, headers = {} }]) => {
  const bodies = Object.entries(content).map(([kind, { schema }]) => [
    " · ",
    schema.$ref ? linkTo(schema.$ref) : `${schema.type} (${kind})`,
  ]);
  return element(
    "p",
    {},
    element("strong", {}, status),
    ` ${description}`,
    bodies,
    headerNames(headers),
  );
};

const problemOf = ([status, { description, content, headers = {} }]) => {
  const link = linkTo(content["application/problem+json"].schema.$ref, `${status} ${description}`);
  return element("li", {}, link, headerNames(headers));
};

const headerNames = (headers) =>
  Object.keys(headers).map((name) => [" · header ", element("code", {}, name)]);

const linkTo = (reference, text = nameOf(reference)) =>
  element("a", { href: `#${anchorOf(reference)}` }, text);

function schemaOf(name, schema) {
  const reference = SCHEMAS + name;
  const inner = Object.entries(schema.$defs ?? {}).map(([own, inside]) =>
    element(
      "section",
      { id: anchorOf(`${reference}/$defs/${own}`) },
      element("h4", {}, own),
      explain(inside),
    ),
  );
  return element(
    "section",
    { id: anchorOf(reference), class: "entry", "data-testid": "schema" },
    element("h3", {}, nameOf(reference)),
    explain(schema),
    inner,
  );
}

function show(api) {
  const calls = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, call]) => callOf(path, method, call)),
  );
  const schemas = Object.entries(api.components.schemas).map(([name, schema]) => [
    name,
    schemaOf(name, schema),
  ]);
  const those = (wanted) => schemas.filter(([name]) => wanted(name)).map(([, shown]) => shown);
  const isPayload = (name) => name.startsWith("Payload.");
  const isProblem = (name) => name.startsWith("Problem");
  const parts = [
    ["Calls", calls, null],
    ["Job types", those(isPayload), "What the payload of a job of each type may be."],
    [
      "Shapes",
      those((name) => !isPayload(name) && !isProblem(name)),
      "What bodies and answers are made of.",
    ],
    ["Errors", those(isProblem), "Every error is application/problem+json, as RFC 9457 says."],
  ];
  document.getElementById("version").textContent = api.info.version;
  main.replaceChildren(
    element("p", { class: "quiet" }, prose(api.info.description)),
    ...parts.map(partOf),
  );
  contents.replaceChildren(...parts.map(contentsOf));
}

const partOf = ([name, entries, about]) =>
  element(
    "section",
    { class: "part" },
    element("h2", {}, name),
    about ? element("p", { class: "quiet" }, about) : null,
    entries,
  );

const contentsOf = ([name, entries]) => {
  const lines = entries.map((entry) =>
    element(
      "li",
      {},
      element("a", { href: `#${entry.id}` }, entry.querySelector("h3").textContent),
    ),
  );
  return element("section", {}, element("h2", {}, name), element("ul", {}, lines));
};

/** Shows the entries that have all the words, and their lines in the contents. */
function filter() {
  const words = search.value.trim().toLowerCase().split(/\s+/);
  const found = new Set();
  for (const entry of main.querySelectorAll(".entry")) {
    const text = entry.textContent.toLowerCase();
    entry.hidden = !words.every((word) => text.includes(word));
    if (!entry.hidden) found.add(`#${entry.id}`);
  }
  for (const line of contents.querySelectorAll("li"))
    line.hidden = !found.has(line.firstChild.getAttribute("href"));
  for (const part of [...main.querySelectorAll(".part"), ...contents.children])
    part.hidden = !part.querySelector(":is(.entry, li):not([hidden])");
  nothing.hidden = found.size > 0;
}

/** To what the address names: it was not there when the browser looked. */
function goThere() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.closest("[hidden]")) {
    search.value = "";
    filter();
  }
  target?.scrollIntoView();
}

measureHeader(document.querySelector(".top"));
try {
  show(await readDocument());
  goThere();
  addEventListener("hashchange", goThere);
  search.addEventListener("input", filter);
  search.disabled = false;
} catch (error) {
  main.replaceChildren(
    element(
      "p",
      { class: "error", role: "alert" },
      `The document cannot be read: ${error.message}. Load the page again.`,
    ),
  );
}
