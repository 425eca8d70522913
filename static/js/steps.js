// While little happens, every status a job passes through is painted for a frame at least, even if the next one came a millisecond later.
// It must never hold anything back while much happens, or in a tab that nobody sees.

const MOST_HELD = 50; // updates; with more, only the newest of each job counts

export function createSteps(apply) {
  const changed = new Set(); // jobs with something to paint in the coming frame
  let held = [];
  let asked = false;

  function take(updates) {
    if (document.hidden || held.length + updates.length > MOST_HELD) {
      const all = [...held, ...updates];
      held = [];
      return apply(all);
    }
    const now = [];
    for (const update of updates) {
      if (changed.has(update.id)) held.push(update);
      else now.push(update);
      changed.add(update.id);
    }
    apply(now); // asks for its frame first, so it is painted before the next step is taken
    if (asked) return;
    asked = true;
    requestAnimationFrame(step);
  }

  function step() {
    asked = false;
    changed.clear();
    const updates = held;
    held = [];
    if (updates.length) take(updates);
  }

  return { take };
}
