// Whether the list must hold still, because a hand is on it. It must never let a row move between a person's aim and the click.

export function createHold({ section, body, onRelease }) {
  for (const name of ["pointerleave", "focusout"]) section.addEventListener(name, onRelease);
  addEventListener("scroll", () => scrollY === 0 && onRelease(), { passive: true });

  /** While the pointer is over the list, a row is focused or its job is open, or the page is scrolled. */
  return () =>
    section.matches(":hover") || body.contains(document.activeElement) || body.querySelector("tr[aria-current]") !== null || scrollY > 0;
}
