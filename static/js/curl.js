// A job as the command that creates the same once more. Pure; whatever is in the payload, a shell must read it as one word.

import { print } from "./json.js";

export function asCurl({ tenantId, type, payload, priority, maxAttempts }, origin) {
  const job = { tenantId, type, payload };
  if (priority) job.priority = priority;
  if (maxAttempts) job.maxAttempts = maxAttempts;
  return `curl ${quoted(`${origin}/jobs`)} -H 'Content-Type: application/json' -d ${quoted(print(job))}`;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
