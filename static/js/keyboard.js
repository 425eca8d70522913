// The keyboard's short ways. They must never take a key from a person who is typing.

export function installKeyboard({ onSearch, onEscape }) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (event.key === "Escape") return onEscape();
    const typing = event.target.closest?.("input, textarea, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      onSearch();
    }
  });
}
