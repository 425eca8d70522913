// Which page is shown, and the links that lead to the others. It must never know what is on them.

import { NOTHING } from "./url.js";

export function createPages({ links, url }) {
  const { body } = document;
  let lastTenant = null;

  return {
    /** After every change of the URL. */
    show() {
      const { page, shown } = url;
      lastTenant = shown.tenant ?? lastTenant;
      body.dataset.page = page;
      for (const link of links) {
        const { pageLink } = link.dataset;
        const jobs = lastTenant === null ? { view: "jobs" } : { tenant: lastTenant };
        link.href = url.address({ ...NOTHING, ...{ overview: {}, jobs, workers: { view: "workers" }, types: { view: "types" } }[pageLink] });
        if (pageLink === page) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
      const name = page === "jobs" ? (shown.tenant ?? "Jobs") : `${page[0].toUpperCase()}${page.slice(1)}`;
      document.title = `${name} · monoq`;
    },
  };
}
