// Painting at most once per frame, however often it is asked for. It must never paint in a tab nobody sees (no frames come there).

export function oncePerFrame(paint) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      paint();
    });
  };
}
