// Follows the jobs of a tenant across lost connections. It must never yield a version older than
// one before it, nor a cursor before the updates that it covers.

import { MonoqError } from "./error.js";
import type { Job, JobPage, Message, Update } from "./shapes.js";
import { type Ending, messages, pause, type WebSocketClass } from "./socket.js";

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;
const RESTART_DELAY_MS = 1_000; // the server is back soon, but not for all in the same instant
const REMEMBERED = 100_000; // versions
const PAGE = 500; // jobs read at once

export interface StreamOptions {
  /** Where an earlier stream stood: what changed since comes first. Without it, all jobs come
   * first, as they are. */
  cursor?: string | null;
  /** false: only changes come, no jobs as they are. */
  snapshot?: boolean;
  /** Ends the stream. */
  signal?: AbortSignal;
}

/** What a stream needs of its client. */
export interface Source {
  Socket: WebSocketClass;
  url: string;
  list(limit: number, cursor: string | undefined, signal: AbortSignal): Promise<JobPage>;
}

/**
 * Every change of a tenant's jobs. `for await` closes it when it is left; `close` does, too.
 *
 * `cursor` covers what was taken from the stream: keep it, and another stream goes on from there.
 */
export class Stream implements AsyncIterableIterator<Update> {
  #cursor: string | null;
  #failures = 0;
  #versions = new Map<string, number>();
  readonly #snapshot: boolean;
  readonly #closing = new AbortController();
  readonly #updates: AsyncGenerator<Update, void>;

  constructor(
    private readonly source: Source,
    private readonly tenantId: string,
    options: StreamOptions = {},
  ) {
    this.#cursor = options.cursor ?? null;
    this.#snapshot = options.snapshot ?? true;
    this.#updates = this.#follow();
    const { signal } = options;
    if (signal?.aborted) this.#closing.abort();
    const until = { signal: this.#closing.signal };
    signal?.addEventListener("abort", () => this.#closing.abort(), until);
  }

  /** What covers all that was taken from it; null: not known yet. */
  get cursor(): string | null {
    return this.#cursor;
  }

  /** Aborted when it is closed. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  next(): Promise<IteratorResult<Update, void>> {
    return this.#updates.next();
  }

  async return(): Promise<IteratorResult<Update, void>> {
    this.close();
    return this.#updates.return();
  }

  /** Closes its connection; then it yields no more. */
  close(): void {
    this.#closing.abort();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async *#follow(): AsyncGenerator<Update, void> {
    const { signal } = this.#closing;
    try {
      while (!signal.aborted) {
        let ending: Ending = "lost";
        try {
          ending = yield* this.#followOnce();
          // a handshake tells no reason: a request does
          const mute = ending === "unopened" && !signal.aborted;
          if (mute) await this.source.list(1, undefined, signal);
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof MonoqError && error.passes)) throw error;
        }
        await pause(this.#nextDelay(ending), signal);
      }
    } finally {
      this.close();
    }
  }

  /** One connection. */
  async *#followOnce(): AsyncGenerator<Update, Ending> {
    const { Socket, url } = this.source;
    const received = messages(Socket, url, this.tenantId, this.#cursor, this.#closing.signal);
    try {
      for (;;) {
        const { value, done } = await received.next();
        if (done) return value;
        this.#failures = 0;
        yield* this.#take(value);
      }
    } finally {
      await received.return("lost");
    }
  }

  async *#take(message: Message): AsyncGenerator<Update, void> {
    const reset = message.type === "RESET";
    if (reset && !this.#snapshot) {
      throw new MonoqError("it is not known what has changed since the cursor", "cursor");
    }
    if (reset) this.#versions.clear();
    const first = message.type === "SUBSCRIBED" && this.#cursor === null;
    if (this.#snapshot && (reset || first)) yield* this.#readAll();
    for (const update of message.updates ?? []) if (this.#isNews(update)) yield update;
    this.#cursor = message.cursor ?? this.#cursor;
  }

  /** The jobs as they are now; only after it a cursor of before it holds. */
  async *#readAll(): AsyncGenerator<Update, void> {
    let cursor: string | undefined;
    do {
      const page = await this.source.list(PAGE, cursor, this.#closing.signal);
      for (const update of page.jobs.map(updateOf)) if (this.#isNews(update)) yield update;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  #isNews({ jobId, version }: Update): boolean {
    const known = this.#versions.get(jobId) ?? 0;
    // put back at the end: those not heard of for longest are forgotten first
    this.#versions.delete(jobId);
    this.#versions.set(jobId, Math.max(known, version));
    if (this.#versions.size > REMEMBERED) {
      const oldest = [...this.#versions.keys()].slice(0, REMEMBERED / 2);
      for (const one of oldest) this.#versions.delete(one);
    }
    return version > known;
  }

  /** Drawn at random: thousands of clients must not come back in one instant. */
  #nextDelay(ending: Ending): number {
    const backoff = Math.min(FIRST_DELAY_MS * 2 ** this.#failures, LONGEST_DELAY_MS);
    this.#failures = Math.min(this.#failures + 1, 10);
    return (ending === "restart" ? RESTART_DELAY_MS : backoff) * (0.5 + Math.random() / 2);
  }
}

/** The change that led to a job as it is now. */
const updateOf = (job: Job): Update => ({
  jobId: job.id,
  tenantId: job.tenantId,
  type: job.type,
  status: job.status,
  attempts: job.attempts,
  version: job.version,
  error: job.error,
  workerId: job.workerId,
  updatedAt: job.updatedAt,
});
