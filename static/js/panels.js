// Which panel is beside the page: a job's details, a tenant's policy, the form, or none. It must never lose what is in the form.

export function createPanels({ url, form, opener, closer, policyCloser }) {
  const { body } = document;

  function show() {
    const { job, policy } = url.shown;
    if (job !== null) body.dataset.panel = "details";
    else if (policy !== null) body.dataset.panel = "policy";
    else if (body.dataset.panel !== "form") body.dataset.panel = "none";
  }

  /** Esc, or the cross: what lies on top goes first. */
  function close() {
    if (url.shown.job !== null) url.set({ job: null });
    else if (url.shown.policy !== null) url.set({ policy: null });
    else if (body.dataset.panel === "form") {
      body.dataset.panel = "none";
      if (closer.contains(document.activeElement)) opener.focus();
    }
  }

  function openForm() {
    if (url.shown.job !== null || url.shown.policy !== null) url.set({ job: null, policy: null });
    body.dataset.panel = "form";
    form.focus();
  }

  opener.addEventListener("click", openForm);
  policyCloser.addEventListener("click", close);
  closer.addEventListener("click", close);

  return { show, close, openForm };
}
