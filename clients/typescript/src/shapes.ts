// What the client takes and gives, by short names. HTTP's shapes are generated (schema.ts); those
// of the WebSocket are written here, because OpenAPI has no words for it.

import type { components, operations } from "./schema.js";

type Schemas = components["schemas"];

export type Status = Schemas["Status"];
export type Job = Schemas["Job"];
export type JobPage = Schemas["JobPage"];

/** A job to submit. `AnyJob` takes each type with each payload; `NewJob` the types that ship, each
 * with its own payload. For types of your own, generate this type: see the README. */
export type AnyJob = Schemas["JobRequest"];
export type NewJob = Schemas["JobToCreate"];

/** What `list` looks for, besides the tenant. */
export type ListQuery = Omit<operations["getJobs"]["parameters"]["query"], "tenantId">;

export interface Submitted {
  jobId: string;
  /** false: the idempotency key was used before, and this is the job that it made. */
  created: boolean;
}

export interface SubmittedMany {
  /** In the order of the jobs. */
  jobIds: string[];
  /** The places, from 0, of jobs that idempotency keys brought back. */
  repeated: number[];
}

/** A change of a job. `version` grows at each change that can be seen. */
export interface Update {
  jobId: string;
  tenantId: string;
  type: string;
  status: Status;
  attempts: number;
  version: number;
  error: string | null;
  workerId: number | null;
  updatedAt: string;
}

/** What a server says on /ws. */
export interface Message {
  type: string;
  cursor?: string;
  updates?: Update[];
  message?: string;
}

const FINAL: readonly Status[] = ["COMPLETED", "FAILED", "CANCELLED"];

export const isFinal = (status: Status): boolean => FINAL.includes(status);
