// The one error of this client.

export interface FieldError {
  /** Where: `payload.to`, or `jobs.3.payload.to` in a batch. */
  field: string;
  message: string;
}

/**
 * refused: the server answered with an error, `status`. unreachable: no answer of a monoq came.
 * timeout: it, or the job that is waited for, took too long. cursor: a stream without a snapshot
 * cannot go on from its cursor. closed: the client was closed.
 */
export type Reason = "refused" | "unreachable" | "timeout" | "cursor" | "closed";

/** What went wrong. `status` is HTTP's, 0 if there was no answer; `errors` names the fields. */
export class MonoqError extends Error {
  override readonly name = "MonoqError";

  constructor(
    message: string,
    readonly reason: Reason,
    readonly status = 0,
    readonly errors: readonly FieldError[] = [],
    /** Seconds after which to try again, as the server said. */
    readonly retryAfter: number | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Whether the same call may succeed later. */
  get passes(): boolean {
    if (this.status === 0) return this.reason === "unreachable" || this.reason === "timeout";
    return this.status === 429 || this.status >= 500;
  }
}

interface Problem {
  title?: unknown;
  detail?: unknown;
  errors?: unknown;
}

/** From an answer that is not 2xx: problem+json (RFC 9457), or whatever a proxy says. */
export function refusal(response: Response, body: unknown): MonoqError {
  const problem: Problem = typeof body === "object" && body !== null ? body : {};
  const errors = Array.isArray(problem.errors) ? (problem.errors as FieldError[]) : [];
  const said = problem.detail ?? problem.title ?? response.statusText;
  const fields = errors.map(({ field, message }) => `${field}: ${message}`).join("; ");
  const after = Number(response.headers.get("retry-after") ?? NaN);
  return new MonoqError(
    `${response.status}: ${fields || String(said)}`,
    "refused",
    response.status,
    errors,
    Number.isFinite(after) ? after : null,
  );
}
