// Brings the children of an element in line with a list of items, by key, in place: what stays is not touched, so it keeps its focus.

export function keyed(parent, items, template, keyOf, paint) {
  const byKey = new Map(Array.from(parent.children, (element) => [element.dataset.key, element]));
  items.forEach((item, index) => {
    const key = String(keyOf(item));
    const element = byKey.get(key) ?? template.content.firstElementChild.cloneNode(true);
    byKey.delete(key);
    element.dataset.key = key;
    paint(element, item);
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
  for (const element of byKey.values()) element.remove();
}
