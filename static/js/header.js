// How high the bar on top is, for the styles: its lines depend on the width. It must set nothing else.

export function measureHeader(header) {
  const { style } = document.documentElement;
  new ResizeObserver(() => style.setProperty("--top-height", `${header.offsetHeight}px`)).observe(header);
}
