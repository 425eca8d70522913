// Who waits for which job to end, and what wakes them: one subscription per tenant, shared by all
// that wait. It is a hint: whoever is woken looks, and looks now and then by himself.

import { isFinal } from "./shapes.js";
import { messages, pause, type WebSocketClass } from "./socket.js";

const UNWOKEN_MS = 15_000; // between two looks while the subscription is alive
const POLL_MS = 500; // without it
const LINGER_MS = 1_000; // who waits for one job after the other needs no new subscription for each

export class Waits {
  readonly #tenants = new Map<string, Tenant>();

  constructor(
    private readonly Socket: WebSocketClass,
    private readonly url: string,
  ) {}

  /** Calls `wait` with a function that returns when it is time to look: the job has ended, or may
   * have, or `signal` is aborted. */
  async during<T>(
    tenantId: string,
    jobId: string,
    wait: (news: (signal: AbortSignal) => Promise<void>) => Promise<T>,
  ): Promise<T> {
    let tenant = this.#tenants.get(tenantId);
    if (!tenant) {
      tenant = new Tenant(this.Socket, this.url, tenantId);
      this.#tenants.set(tenantId, tenant);
    }
    const waiter = { jobId, woken: new AbortController() };
    const { waiters } = tenant;
    const here = tenant;
    waiters.add(waiter);
    try {
      return await wait(async (signal) => {
        const either = AbortSignal.any([waiter.woken.signal, signal]);
        await pause(here.isLive ? UNWOKEN_MS : POLL_MS, either);
        waiter.woken = new AbortController();
      });
    } finally {
      waiters.delete(waiter);
      if (!waiters.size) here.leaveLater(() => this.#leave(tenantId, here));
    }
  }

  /** Ends all subscriptions. */
  close(): void {
    for (const tenant of this.#tenants.values()) tenant.stop();
    this.#tenants.clear();
  }

  #leave(tenantId: string, tenant: Tenant): void {
    if (tenant.waiters.size || this.#tenants.get(tenantId) !== tenant) return;
    tenant.stop();
    this.#tenants.delete(tenantId);
  }
}

interface Waiter {
  jobId: string;
  woken: AbortController;
}

class Tenant {
  isLive = false;
  readonly waiters = new Set<Waiter>();
  readonly #stopping = new AbortController();
  #leaving: ReturnType<typeof setTimeout> | undefined;

  constructor(Socket: WebSocketClass, url: string, tenantId: string) {
    void this.#follow(Socket, url, tenantId);
  }

  leaveLater(leave: () => void): void {
    clearTimeout(this.#leaving);
    this.#leaving = setTimeout(leave, LINGER_MS);
  }

  stop(): void {
    clearTimeout(this.#leaving);
    this.#stopping.abort();
  }

  async #follow(Socket: WebSocketClass, url: string, tenantId: string): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        for await (const { updates = [] } of messages(Socket, url, tenantId, null, signal)) {
          // what ended before the subscription began, nobody was told
          if (!this.isLive) this.#wake(() => true);
          this.isLive = true;
          const ended = new Set<string>();
          for (const { jobId, status } of updates) if (isFinal(status)) ended.add(jobId);
          this.#wake(({ jobId }) => ended.has(jobId));
        }
      } catch {
        // without it, who waits looks more often
      }
      this.isLive = false;
      this.#wake(() => true);
      await pause(POLL_MS * (1 + Math.random()), signal);
    }
  }

  #wake(whom: (waiter: Waiter) => boolean): void {
    for (const waiter of this.waiters) if (whom(waiter)) waiter.woken.abort();
  }
}
