// Which page is shown, and the links that lead to the others. It must never know what is on them.

export function createPages({ links, url }) {
  const { body } = document;
  let lastTenant = null;
  let overview = {}; // how it was looked at

  function addressOf(page) {
    const jobs = lastTenant === null ? { view: "jobs" } : { tenant: lastTenant };
    const states = { overview, jobs, workers: { view: "workers" }, types: { view: "types" } };
    return url.address(url.elsewhere(states[page]));
  }

  return {
    get lastTenant() {
      return lastTenant;
    },

    addressOf,

    /** After every change of the URL. */
    show() {
      const { page, shown } = url;
      lastTenant = shown.tenant ?? lastTenant;
      if (page === "overview") {
        overview = { sort: shown.sort, order: shown.order, search: shown.search, span: shown.span };
      }
      body.dataset.page = page;
      for (const link of links) {
        const { pageLink } = link.dataset;
        link.href = addressOf(pageLink);
        if (pageLink === page) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
      const name = page === "jobs" ? (shown.tenant ?? "Jobs") : `${page[0].toUpperCase()}${page.slice(1)}`;
      document.title = `${name} · monoq`;
    },
  };
}
