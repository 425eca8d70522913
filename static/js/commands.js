// What can be done from here, by name, for the palette. It must do what the page's own buttons and links do, and nothing else.

import { STATUSES } from "./status.js";
import { NO_FILTER } from "./url.js";

export function listCommands({
  url,
  details,
  workers,
  types,
  panels,
  pageLinks,
  bulkButtons,
  views,
  range,
  onSearch,
  onKeys,
  onSubmit,
}) {
  const { page, shown } = url;
  const commands = [...details.actions];
  if (document.body.dataset.panel !== "none") commands.push({ name: "Close the panel", run: panels.close });
  for (const link of pageLinks) if (link.dataset.pageLink !== page) commands.push({ name: `Go to ${link.textContent}`, run: () => link.click() });
  if (page === "workers") commands.push(...workers.actions);
  commands.push({ name: "New job", run: panels.openForm });
  if (page === "jobs" && shown.tenant) {
    for (const status of STATUSES) if (status !== shown.status) commands.push({ name: `Show ${status} jobs only`, run: () => url.set({ status }) });
    if (Object.keys(NO_FILTER).some((name) => shown[name])) {
      commands.push({ name: "Show all jobs", run: () => url.set(NO_FILTER) });
    }
    for (const button of bulkButtons) if (!button.hidden) commands.push({ name: button.textContent, run: () => button.click() });
    commands.push({ name: `Limits of tenant ${shown.tenant}`, run: () => url.set({ job: null, policy: shown.tenant }) });
  }
  if (page === "overview") commands.push(...range.actions);
  commands.push(...views.actions);
  commands.push({ name: "Search", run: onSearch }, { name: "Keys", run: onKeys });
  commands.push({ name: "HTTP API", run: () => location.assign("/docs") });
  for (const type of types.names) commands.push({ name: `New job of type ${type}`, run: () => onSubmit(type) });
  return commands;
}
