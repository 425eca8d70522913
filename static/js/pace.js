// Reading again without haste: at most once per interval, never twice at a time, and always once more after the last ask –
// so what was read last is never older than the last reason to read. It must never know what is read.

const RETRY_MS = 3_000;

/** `work(signal)` returns true to be run again after a pause: it failed in a way that passes. */
export function atMostEvery(intervalMs, work) {
  let timer = null;
  let running = null; // the controller of the read under way
  let wanted = false;
  let earliest = 0; // on the monotonic clock

  async function run() {
    timer = null;
    wanted = false;
    running = new AbortController();
    earliest = performance.now() + intervalMs;
    const again = await work(running.signal);
    if (again && !running.signal.aborted) {
      wanted = true;
      earliest = performance.now() + Math.max(intervalMs, RETRY_MS * (0.5 + Math.random()));
    }
    running = null;
    if (wanted) schedule();
  }

  function schedule() {
    timer ??= setTimeout(run, Math.max(0, earliest - performance.now()));
  }

  /** Soon. */
  function ask() {
    wanted = true;
    if (running === null) schedule();
  }

  /** Now: a read under way is dropped, for what it reads is no longer what is wanted. */
  function restart() {
    running?.abort();
    clearTimeout(timer);
    timer = null;
    earliest = 0;
    ask();
  }

  return { ask, restart };
}
