// Which tenant the page shows, and which others there are. It must never choose another tenant than the one in the URL.

import * as api from "./api.js";
import { count } from "./format.js";

const FALLBACK = "tenant-1";
const MOST = 100; // names that are offered

export function createTenants({ form, input, datalist, url }) {
  async function read() {
    const { tenants } = await api.listTenantsPage({ limit: MOST, prefix: input.value === url.shown.tenant ? "" : input.value.trim() });
    datalist.replaceChildren(
      ...tenants.map(({ id, counts }) => {
        const option = document.createElement("option");
        option.value = id;
        option.label = `${count(counts.PENDING ?? 0)} pending, ${count(counts.RUNNING ?? 0)} running`;
        return option;
      }),
    );
    return tenants;
  }

  function choose() {
    const wanted = input.value.trim();
    if (wanted) url.set({ view: null, tenant: wanted, job: null, policy: null });
    else input.value = url.shown.tenant ?? "";
  }

  input.addEventListener("change", choose);
  input.addEventListener("focus", () => {
    input.select();
    read().catch(() => {}); // the list of others is a convenience
  });
  input.addEventListener("input", () => read().catch(() => {}));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    choose();
  });

  return {
    /** On a first visit, when the URL names none: the first one known. */
    async first() {
      try {
        return (await api.listTenantsPage({ limit: 1 })).tenants[0]?.id ?? FALLBACK;
      } catch {
        return FALLBACK;
      }
    },
    /** Whose job it is; null if nobody can tell. */
    async ofJob(job) {
      if (job === null) return null;
      try {
        return (await api.readJob(job)).tenantId;
      } catch {
        return null;
      }
    },
    show(tenant) {
      input.value = tenant ?? "";
    },
    focus: () => input.focus(),
  };
}
