// The keyboard's short ways. They must never take a key from a person who is typing, nor act behind an open dialog.

export function installKeyboard({ onSearch, onPalette, onKeys, onEscape }) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return onEscape();
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) return obey(event, onPalette);
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select")) return;
    if (event.key === "/") obey(event, onSearch);
    else if (event.key === "?") obey(event, onKeys);
  });
}

function obey(event, action) {
  event.preventDefault();
  action();
}
