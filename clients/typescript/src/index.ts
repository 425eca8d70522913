export { Client } from "./client.js";
export type { CallOptions, ClientOptions, SubmitOptions, WaitOptions } from "./client.js";
export { type FieldError, MonoqError, type Reason } from "./error.js";
export type { components, operations, paths } from "./schema.js";
export type { AnyJob, Job, JobPage, ListQuery, NewJob, Status, Update } from "./shapes.js";
export type { Submitted, SubmittedMany } from "./shapes.js";
export type { WebSocketClass, WebSocketLike } from "./socket.js";
export { Stream, type StreamOptions } from "./stream.js";
