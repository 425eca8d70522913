// Sets the text of a node, and its tooltip if one is given. It must never touch a node whose text is the same: screen readers and selections would notice.

export function put(node, text, title) {
  if (node.textContent !== text) node.textContent = text;
  if (title !== undefined && node.title !== (title ?? "")) node.title = title ?? "";
}
