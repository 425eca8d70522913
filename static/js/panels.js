// Which panel is beside the list: the form or a job's details; on a narrow screen, over it, or none. It must never lose what is in the form.

export function createPanels({ url, form, opener, closer, overview, tenantsOpener, tenantsCloser }) {
  const { body } = document;

  function show() {
    if (url.shown.job !== null) body.dataset.panel = "details";
    else if (body.dataset.panel === "details") body.dataset.panel = "none";
  }

  /** Esc, or the cross: what lies on top goes first. */
  function close() {
    if (url.shown.job !== null) url.set({ job: null });
    else if (body.dataset.panel === "form") {
      body.dataset.panel = "none";
      if (closer.contains(document.activeElement)) opener.focus();
    } else if (body.dataset.panel === "tenants") {
      body.dataset.panel = "none";
      tenantsOpener.focus();
    }
  }

  opener.addEventListener("click", () => {
    if (url.shown.job !== null) url.set({ job: null });
    body.dataset.panel = "form";
    form.focus();
  });
  tenantsOpener.addEventListener("click", () => {
    if (url.shown.job !== null) url.set({ job: null });
    body.dataset.panel = "tenants";
    overview.open();
    tenantsCloser.focus();
  });
  tenantsCloser.addEventListener("click", close);
  closer.addEventListener("click", close);

  return { show, close };
}
