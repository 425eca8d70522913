// The composition: builds each part once and tells it of what concerns it. The only module that knows them all; it must hold no behaviour of its own.

import { createConnection } from "./connection.js";
import { createCounts } from "./counts.js";
import { createDetails } from "./details.js";
import { createForm } from "./form.js";
import { installKeyboard } from "./keyboard.js";
import { createNotice } from "./notice.js";
import { createOverview } from "./overview.js";
import { createPanels } from "./panels.js";
import { createPolicy } from "./policy.js";
import { createSnapshot } from "./snapshot.js";
import { createSocket } from "./socket.js";
import { createSteps } from "./steps.js";
import { createStore } from "./store.js";
import { createTable } from "./table.js";
import { createTenants } from "./tenants.js";
import { createThroughput } from "./throughput.js";
import { createTypes } from "./types.js";
import { createUrl } from "./url.js";
import { createView } from "./view.js";

const SWEEP_MS = 10_000; // a message is a hint, this is the truth
const STUCK_S = 10; // a due job that waits so long while none runs is taken by nobody
const byId = (id) => document.getElementById(id);

const url = createUrl();
const store = createStore();
const view = createView(store);
const notice = createNotice(byId("notice"));
const connection = createConnection(byId("connection"));
const throughput = createThroughput(byId("throughput"));
const types = createTypes(byId("types"));
const tenants = createTenants({ form: byId("tenant-form"), input: byId("tenant"), datalist: byId("tenants"), url });
const counts = createCounts({ url, notice, container: byId("counts"), template: byId("count"), oldest: byId("oldest"), onRead: judge });
const snapshot = createSnapshot({ store, view, notice, onRead: () => table.paint() });
const table = createTable({
  store,
  view,
  url,
  snapshot,
  elements: {
    section: byId("jobs"),
    body: byId("rows"),
    empty: byId("empty"),
    more: byId("more"),
    news: byId("news"),
    shown: byId("shown"),
    template: byId("row"),
  },
});
store.spare((id) => view.lists(id) || table.has(id)); // a list that holds still shows more than the view lists
const details = createDetails({ panel: byId("details"), templates: { fact: byId("fact"), moment: byId("moment") }, store, url });
const form = createForm({ form: byId("form"), created: byId("created"), types, url, onCreated: counts.ask });
const steps = createSteps((updates) => throughput.add(store.merge(updates)));
const policy = createPolicy({ form: byId("policy"), template: byId("policy-field"), onSaved: () => overview.ask() });
const overview = createOverview({ panel: byId("tenants-panel"), template: byId("tenant-row"), url, policy });
const panels = createPanels({
  url,
  form,
  opener: byId("new-job"),
  closer: byId("form-close"),
  overview,
  tenantsOpener: byId("show-tenants"),
  tenantsCloser: byId("tenants-close"),
});

const socket = createSocket({
  onState: connection.show,
  onSubscribed({ anew }) {
    if (anew) {
      store.distrust();
      view.doubt();
    }
    snapshot.restart(); // after SUBSCRIBED, so that nothing falls between the list and the stream
    refresh({ anew });
  },
  onResumed: () => refresh({ anew: false }), // the list is brought up to date by the stream
  onUpdates(updates, { missed }) {
    const jobs = updates.map(({ jobId, ...update }) => ({ id: jobId, ...update }));
    if (missed) store.merge(jobs);
    else steps.take(jobs);
    counts.ask();
  },
  onError: (message) => notice.report("live updates", new Error(message)),
});

/** What the stream does not tell. */
function refresh({ anew }) {
  notice.clear("live updates");
  counts.restart();
  details.refresh({ anew });
  if (!types.known) readTypes();
}

/** What the counts say of the tenant, and of the workers. */
function judge({ tenantId, counts: jobs, oldestWaitingSeconds }) {
  if (tenantId !== url.shown.tenant) return;
  table.tellUnknown(Object.values(jobs).some((number) => number > 0) ? null : tenantId);
  connection.suspect(oldestWaitingSeconds >= STUCK_S && !jobs.RUNNING);
}

let before = { job: null }; // what was shown last

function show(wanted) {
  const tenantChanged = wanted.tenant !== before.tenant;
  if (tenantChanged) {
    tenants.show(wanted.tenant);
    form.setTenant(wanted.tenant, before.tenant);
    connection.suspect(false);
    counts.blank();
    counts.restart();
    throughput.clear();
    socket.watch(wanted.tenant);
    overview.select();
  }
  if (tenantChanged || wanted.status !== before.status || wanted.type !== before.type) {
    byId("type-filter").value = wanted.type ?? "";
    counts.mark();
    view.setFilter({ tenantId: wanted.tenant, status: wanted.status, type: wanted.type });
    snapshot.restart();
    table.paint();
  }
  if (wanted.job !== before.job) {
    details.open(wanted.job);
    panels.show();
    table.mark(wanted.job);
    if (wanted.job === null) table.focus(before.job);
  }
  before = wanted;
}

url.onChange((wanted) => (wanted.tenant ? show(wanted) : chooseTenant()));

async function readTypes() {
  try {
    await types.read();
    notice.clear("job types");
    form.start();
  } catch (error) {
    notice.report("job types", error);
  }
}

async function chooseTenant() {
  url.set({ tenant: (await tenants.ofJob(url.shown.job)) ?? (await tenants.first()) }, { replace: true });
}

byId("type-filter").addEventListener("change", (event) => url.set({ type: event.target.value.trim() || null }));
installKeyboard({ onSearch: tenants.focus, onEscape: panels.close });
addEventListener("pageshow", (event) => event.persisted && wake());
addEventListener("online", wake);
document.addEventListener("visibilitychange", wake);
setInterval(sweep, SWEEP_MS);

function wake() {
  if (!document.hidden) socket.check();
  sweep();
}

function sweep() {
  if (document.hidden || !url.shown.tenant) return;
  snapshot.ask();
  counts.ask();
  if (document.body.dataset.panel === "tenants") overview.ask();
}

readTypes();
if (url.shown.tenant) show(url.shown);
else chooseTenant();
