// One subscription: a WebSocket, and what a server says on it. It must never hold more messages
// than a reader keeps up with: then it ends, and its reader comes back by the cursor.

import { MonoqError } from "./error.js";
import type { Message } from "./shapes.js";

/** As much of a WebSocket as is used: that of browsers, Node.js and the package `ws` alike. */
export interface WebSocketLike {
  send(text: string): void;
  close(): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "close", listener: (event: { code: number }) => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

export type WebSocketClass = new (url: string) => WebSocketLike;

const OPEN_MS = 10_000;
// a server says something every half minute; one that is silent for longer is gone
const SILENCE_MS = 75_000;
const MOST_UNREAD = 1_000; // messages
const SERVICE_RESTART = 1012;

/** How a connection ended: never opened, closed because the server restarts, or anything else. */
export type Ending = "unopened" | "restart" | "lost";

/** What a server says of a tenant, from SUBSCRIBED or RESET on; ends when the connection does, or
 * `signal` is aborted, and tells how. Throws a MonoqError for a subscription that is refused. */
export async function* messages(
  Socket: WebSocketClass,
  url: string,
  tenantId: string,
  cursor: string | null,
  signal: AbortSignal,
): AsyncGenerator<Message, Ending> {
  if (signal.aborted) return "lost";
  const unread: Message[] = [];
  let ending: Ending | null = null;
  let opened = false;
  let wake = (): void => {};
  const socket = new Socket(url);
  const end = (how: Ending): void => {
    ending ??= how;
    clearTimeout(timer);
    socket.close();
    wake();
  };
  const stop = (): void => end("lost");
  let timer = setTimeout(() => end("unopened"), OPEN_MS);
  const heard = (): void => {
    clearTimeout(timer);
    timer = setTimeout(stop, SILENCE_MS);
  };
  signal.addEventListener("abort", stop);
  socket.addEventListener("open", () => {
    if (ending) return;
    opened = true;
    heard();
    socket.send(JSON.stringify({ type: "SUBSCRIBE", tenantId, batch: true, cursor }));
  });
  socket.addEventListener("message", ({ data }) => {
    if (ending) return;
    heard();
    try {
      unread.push(JSON.parse(String(data)) as Message);
    } catch {
      end("lost"); // no monoq, or a proxy's words
    }
    if (unread.length > MOST_UNREAD) end("lost");
    wake();
  });
  socket.addEventListener("error", () => {}); // a close follows
  socket.addEventListener("close", ({ code }) => {
    end(!opened ? "unopened" : code === SERVICE_RESTART ? "restart" : "lost");
  });
  try {
    for (;;) {
      const message = unread.shift();
      if (message?.type === "ERROR") {
        throw new MonoqError(`422: ${message.message ?? "refused"}`, "refused", 422);
      }
      if (message) yield message;
      else if (ending) return ending;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal.removeEventListener("abort", stop);
    end("lost");
  }
}

/** Returns after a while, or as soon as `signal` is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
