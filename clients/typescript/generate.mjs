// Writes src/schema.ts from an OpenAPI document: node generate.mjs openapi.json. Its first lines
// tell which document it was made from; a test compares that with what monoq gives now.

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const [source = "openapi.json", target = "src/schema.ts"] = process.argv.slice(2);
const document = await readFile(source);
// A payload's field with a default may be left out; of itself the tool would require it.
const ast = await openapiTS(document, { defaultNonNullable: false });
const header = [
  "// Made by `make client` from what GET /openapi.json gives. Not to be edited.",
  `// sha256 of the document: ${createHash("sha256").update(document).digest("hex")}`,
];
await writeFile(target, `${header.join("\n")}\n\n${astToString(ast)}`);
