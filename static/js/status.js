// The statuses of a job and what may be done in each. Pure; it must never know how they look.

export const STATUSES = ["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"];

export const mayCancel = (status) => status === "PENDING" || status === "RUNNING";
export const mayRetry = (status) => status === "FAILED" || status === "CANCELLED";
export const isOver = (status) => status !== "PENDING" && status !== "RUNNING";
