// What the compiler must take, and what it must refuse. Nothing here runs.

import { type AnyJob, Client, type components, type NewJob } from "../src/index.js";

export async function jobs(client: Client, typed: Client<NewJob>): Promise<void> {
  await client.submit({ tenantId: "acme", type: "of_mine", payload: { any: ["thing"] } });
  await typed.submit({ tenantId: "acme", type: "sleep", payload: { delayMs: 5 }, priority: -1 });
  // a field with a default may be left out
  await typed.submit({ tenantId: "acme", type: "webhook", payload: { url: "https://a.b/" } });
  // @ts-expect-error: no such type
  await typed.submit({ tenantId: "acme", type: "of_mine" });
  // @ts-expect-error: not that payload
  await typed.submit({ tenantId: "acme", type: "sleep", payload: { delayMs: "5" } });
  // @ts-expect-error: nobody's
  await client.submit({ type: "sleep" });
  // @ts-expect-error: no such status
  await client.list("acme", { status: "DONE" });
}

export async function routes(client: Client): Promise<number | undefined> {
  const { data } = await client.http.GET("/stats", { params: { query: { tenantId: "acme" } } });
  // @ts-expect-error: no such route
  await client.http.GET("/statistics");
  return data?.counts["PENDING"];
}

export const own = (): Client<Own> => new Client<Own>("http://127.0.0.1:8000");

type Own = AnyJob & { type: "invoice"; payload: components["schemas"]["Payload.sleep"] };
