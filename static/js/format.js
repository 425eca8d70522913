// Times, durations and ids as people read them. Pure; it must never see the page.

const DAY_MS = 86_400_000;
const two = (number) => String(number).padStart(2, "0");

/** 14:03:22 today, 11-24 14:03 this year, else 2025-11-24. */
export function clock(iso) {
  if (!iso) return "";
  const at = new Date(iso);
  const now = new Date();
  const date = `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  if (at.getFullYear() !== now.getFullYear()) return `${at.getFullYear()}-${date}`;
  const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return at.toDateString() === now.toDateString() ? `${minutes}:${two(at.getSeconds())}` : `${date} ${minutes}`;
}

/** 12 ms, 3.0 s, 2 min 5 s, 3 h 4 min, 2 d 3 h. */
export function duration(ms) {
  if (ms === null) return "";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (ms < DAY_MS) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
  return `${Math.floor(ms / DAY_MS)} d ${Math.floor((ms % DAY_MS) / 3_600_000)} h`;
}

/** The same at a glance: 3 s, 2 min, 3 h, 2 d. */
export function age(ms) {
  const [size, unit] = [[DAY_MS, "d"], [3_600_000, "h"], [60_000, "min"]].find(([least]) => ms >= least) ?? [1_000, "s"]; // prettier-ignore
  return `${Math.floor(ms / size)} ${unit}`;
}

/** How long the job's last run took, or takes so far; null if it has none. */
export function runMs(job) {
  if (!job.startedAt) return null;
  const end = job.status === "RUNNING" ? Date.now() : job.finishedAt && Date.parse(job.finishedAt);
  return end ? Math.max(0, end - Date.parse(job.startedAt)) : null;
}

/** Its beginning is its time, its end tells neighbours apart. */
export const shortId = (id) => (id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id);

export const firstLine = (text) => String(text).split("\n", 1)[0].slice(0, 200);

/** 1 job, 2 jobs. */
export const jobs = (number) => `${count(number)} ${number === 1 ? "job" : "jobs"}`;

export const count = (number) => number.toLocaleString("en");
