// The client: one method per thing that is done with jobs; `http` has every route.

import createHttp, { type Client as Http } from "openapi-fetch";

import { MonoqError, refusal } from "./error.js";
import type { paths } from "./schema.js";
import type { AnyJob, Job, JobPage, ListQuery, Submitted, SubmittedMany } from "./shapes.js";
import { isFinal } from "./shapes.js";
import type { WebSocketClass } from "./socket.js";
import { type Source, Stream, type StreamOptions } from "./stream.js";
import { Waits } from "./waits.js";

export interface ClientOptions {
  /** For each request; 30,000 by default. */
  timeoutMs?: number;
  /** Sent with each request, for a proxy that authenticates; not with a WebSocket's handshake. */
  headers?: Record<string, string>;
  /** Instead of the global one, which Node.js has from version 22 on: that of `ws`, say. */
  WebSocket?: WebSocketClass;
  fetch?: (request: Request) => Promise<Response>;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface SubmitOptions extends CallOptions {
  /** A repeat with the same key and the same request brings back what it created. */
  idempotencyKey?: string;
}

export interface WaitOptions extends CallOptions {
  /** For ever, if it is left out. */
  timeoutMs?: number;
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/**
 * A client of one monoq. Every call throws a MonoqError; what `signal` aborts throws its reason.
 *
 * `Jobs` are the jobs that may be submitted: by default of any type, with any payload.
 */
export class Client<Jobs extends AnyJob = AnyJob> {
  /** Every route, typed: `client.http.GET("/stats")`. See openapi-fetch. Throws no MonoqError. */
  readonly http: Http<paths>;
  readonly #timeoutMs: number;
  readonly #webSocketUrl: string;
  readonly #options: ClientOptions;
  readonly #streams = new Set<Stream>();
  readonly #closing = new AbortController();
  #waits: Waits | null = null;

  constructor(url: string, options: ClientOptions = {}) {
    const baseUrl = url.replace(/\/+$/, "");
    const { headers, fetch } = options;
    const given = { ...(headers && { headers }), ...(fetch && { fetch }) };
    this.http = createHttp<paths>({ baseUrl, ...given });
    this.#webSocketUrl = `${baseUrl.replace(/^http/, "ws")}/ws`;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#options = options;
  }

  /** Creates a job. */
  async submit(job: Jobs, options: SubmitOptions = {}): Promise<Submitted> {
    const params = { header: keyOf(options) };
    const [data, status] = await this.#call(options, (signal) =>
      this.http.POST("/jobs", { signal, params, body: job as never }),
    );
    return { jobId: data.jobId, created: status === 201 };
  }

  /** Creates up to 10,000 jobs, all or none. */
  async submitMany(jobs: readonly Jobs[], options: SubmitOptions = {}): Promise<SubmittedMany> {
    const params = { header: keyOf(options) };
    const [{ jobIds, repeated = [] }] = await this.#call(options, (signal) =>
      this.http.POST("/jobs/batch", { signal, params, body: { jobs } as never }),
    );
    return { jobIds, repeated };
  }

  /** A job with its payload, result and errors. */
  async get(jobId: string, options: CallOptions = {}): Promise<Job> {
    const params = { path: { jobId } };
    const [job] = await this.#call(options, (signal) =>
      this.http.GET("/jobs/{jobId}", { signal, params }),
    );
    return job;
  }

  /** A page of a tenant's jobs, newest first; go on with its `nextCursor`. */
  async list(tenantId: string, query: ListQuery = {}, options: CallOptions = {}): Promise<JobPage> {
    const params = { query: { ...query, tenantId } };
    const [page] = await this.#call(options, (signal) =>
      this.http.GET("/jobs", { signal, params }),
    );
    return page;
  }

  /** Cancels a job that waits or runs. */
  async cancel(jobId: string, options: CallOptions = {}): Promise<Job> {
    const params = { path: { jobId } };
    const [job] = await this.#call(options, (signal) =>
      this.http.POST("/jobs/{jobId}/cancel", { signal, params }),
    );
    return job;
  }

  /** Lets a job run again that has FAILED or was CANCELLED. */
  async retry(jobId: string, options: CallOptions = {}): Promise<Job> {
    const params = { path: { jobId } };
    const [job] = await this.#call(options, (signal) =>
      this.http.POST("/jobs/{jobId}/retry", { signal, params }),
    );
    return job;
  }

  /** The job once it is COMPLETED, FAILED or CANCELLED, which a stream of changes tells. A server
   * that goes away meanwhile is waited for. */
  async wait(jobId: string, options: WaitOptions = {}): Promise<Job> {
    const { signal: given, timeoutMs } = options;
    const late = timeoutMs === undefined ? null : AbortSignal.timeout(timeoutMs);
    const ends = [this.#closing.signal, given, late].filter((one) => one != null);
    const signal = AbortSignal.any(ends);
    try {
      let job = await this.get(jobId, { signal });
      if (isFinal(job.status)) return job;
      this.#waits ??= new Waits(this.#webSocket(), this.#webSocketUrl);
      return await this.#waits.during(job.tenantId, job.id, async (news) => {
        while (!isFinal(job.status)) {
          await news(signal);
          signal.throwIfAborted();
          job = await this.get(job.id, { signal }).catch((error: unknown) => {
            if (error instanceof MonoqError && error.passes) return job;
            throw error;
          });
        }
        return job;
      });
    } catch (error) {
      if (given?.aborted) throw given.reason;
      if (this.#closing.signal.aborted) throw new MonoqError("the client was closed", "closed");
      if (late?.aborted) {
        throw new MonoqError(`job ${jobId} has not ended within ${timeoutMs} ms`, "timeout");
      }
      throw error;
    }
  }

  /** Every change of a tenant's jobs, across lost connections and restarts of servers; first all
   * jobs as they are, or what changed since `cursor`. */
  stream(tenantId: string, options: StreamOptions = {}): Stream {
    const source: Source = {
      Socket: this.#webSocket(),
      url: this.#webSocketUrl,
      list: (limit, cursor, signal) =>
        this.list(tenantId, cursor === undefined ? { limit } : { limit, cursor }, { signal }),
    };
    const stream = new Stream(source, tenantId, options);
    this.#streams.add(stream);
    stream.closed.addEventListener("abort", () => this.#streams.delete(stream));
    return stream;
  }

  /** Ends all streams and waits. */
  close(): void {
    this.#closing.abort();
    for (const stream of [...this.#streams]) stream.close();
    this.#waits?.close();
  }

  #webSocket(): WebSocketClass {
    const found = this.#options.WebSocket ?? (globalThis.WebSocket as WebSocketClass | undefined);
    if (found) return found;
    throw new TypeError("no global WebSocket: give the option WebSocket, that of `ws` for example");
  }

  async #call<T>(
    { signal: given }: CallOptions,
    call: (signal: AbortSignal) => Promise<Answer<T>>,
  ): Promise<[T, number]> {
    const late = AbortSignal.timeout(this.#timeoutMs);
    let answer: Answer<T>;
    try {
      answer = await call(given ? AbortSignal.any([given, late]) : late);
    } catch (error) {
      if (given?.aborted) throw given.reason;
      const cause = { cause: error };
      throw late.aborted
        ? new MonoqError("the server took too long", "timeout", 0, [], null, cause)
        : new MonoqError("no monoq answers", "unreachable", 0, [], null, cause);
    }
    const { data, error, response } = answer;
    if (!response.ok || data === undefined) throw refusal(response, error);
    return [data, response.status];
  }
}

const keyOf = ({ idempotencyKey }: SubmitOptions): { "Idempotency-Key"?: string } =>
  idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey };
