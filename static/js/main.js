// The composition: builds each part once and tells it of what concerns it. The only module that knows them all; it must hold no behaviour of its own.

import { createBanners } from "./banners.js";
import { createBulk } from "./bulk.js";
import { createCards } from "./cards.js";
import { listCommands } from "./commands.js";
import { createChart } from "./chart.js";
import { createConnection } from "./connection.js";
import { createCounts } from "./counts.js";
import { createDetails } from "./details.js";
import { createDrain } from "./drain.js";
import { createForm } from "./form.js";
import { measureHeader } from "./header.js";
import { installKeyboard } from "./keyboard.js";
import { createNotice } from "./notice.js";
import { createPages } from "./pages.js";
import { createPalette } from "./palette.js";
import { createPanels } from "./panels.js";
import { createPolicy } from "./policy.js";
import { createRange } from "./range.js";
import { createSearch } from "./search.js";
import { createSnapshot } from "./snapshot.js";
import { createSocket } from "./socket.js";
import { createSteps } from "./steps.js";
import { createStore } from "./store.js";
import { createTable } from "./table.js";
import { createTenantsTable } from "./tenants-table.js";
import { createTenants } from "./tenants.js";
import { createThroughput } from "./throughput.js";
import { createTotals } from "./totals.js";
import { createTypesPage } from "./types-page.js";
import { createTypes } from "./types.js";
import { createUrl, NO_FILTER, NOTHING } from "./url.js";
import { createView } from "./view.js";
import { createViews } from "./views.js";
import { createWorkers } from "./workers.js";

const SWEEP_MS = 10_000; // a message is a hint, this is the truth
const STUCK_S = 10; // a due job that waits so long while none runs is taken by nobody
const byId = (id) => document.getElementById(id);

const url = createUrl();
const store = createStore();
const view = createView(store);
const totals = createTotals();
const notice = createNotice(byId("notice"));
const connection = createConnection(byId("connection"));
const pageLinks = Array.from(document.querySelectorAll("[data-page-link]"));
const pages = createPages({ links: pageLinks, url });
const throughput = createThroughput(byId("throughput"));
const types = createTypes(byId("types"));
const tenants = createTenants({ form: byId("tenant-form"), input: byId("tenant"), datalist: byId("tenants"), url });
const counts = createCounts({ url, notice, container: byId("counts"), template: byId("count"), oldest: byId("oldest"), onRead: judge });
const search = createSearch({ box: byId("search"), template: byId("completion"), url, types, listed: () => view.ids.map(store.get) });
const snapshot = createSnapshot({ store, view, notice, isRefused: search.refuse, onRead: listIsRead });
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
const details = createDetails({ panel: byId("details"), templates: { fact: byId("fact"), moment: byId("moment"), line: byId("line"), rerun: byId("rerun") }, store, url, onAgain: submitLike });
const form = createForm({ form: byId("form"), fields: byId("f-fields"), hint: byId("f-hint"), rerun: byId("f-original"), created: byId("created"), types, url, onCreated: counts.ask });
const steps = createSteps((updates) => throughput.add(store.merge(updates)));
const tenantsTable = createTenantsTable({ section: byId("all-tenants"), template: byId("tenant-row"), url, notice });
const policy = createPolicy({ form: byId("policy"), title: byId("policy-title"), template: byId("policy-field"), onSaved: tenantsTable.ask });
const drain = createDrain({ dialog: byId("drain"), onChanged: () => workers.ask() });
const workers = createWorkers({ section: byId("workers"), template: byId("worker-row"), notice, onDrain: drain });
const bulkButtons = [byId("cancel-all"), byId("retry-all")];
const bulk = createBulk({
  buttons: { cancel: bulkButtons[0], retry: bulkButtons[1] },
  dialog: byId("bulk"),
  url,
  onChanged: () => counts.ask(),
});
const panels = createPanels({ url, form, opener: byId("new-job"), closer: byId("form-close"), policyCloser: byId("policy-close") });
const typesPage = createTypesPage({ section: byId("all-types"), template: byId("type-row"), notice, types, onSubmit: submitOf });
createBanners({ list: byId("banners"), template: byId("banner"), totals });
createCards({ section: byId("cards"), totals });
const chart = createChart({ figure: byId("chart"), totals, notice, onRefused: (error) => range.refuse(error) });
const range = createRange({ figure: byId("chart"), chart, url, jobsAddress: () => pages.addressOf("jobs") });
const views = createViews({ dialog: byId("views"), opener: byId("open-views"), template: byId("view"), url, lastTenant: () => pages.lastTenant });

// What a page shows that is read, and not heard: anew when the page is opened, again while it is seen.
const readers = { overview: tenantsTable, workers, types: typesPage };

const socket = createSocket({
  onState: connection.show,
  onTotals(message) {
    totals.take(message);
    if (!document.hidden) readers[url.page]?.ask();
  },
  onHistory: totals.begin,
  onProgress: details.hear,
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

function listIsRead() {
  search.accept();
  table.paint();
}

/** What the counts say of the tenant, and of the workers. */
function judge({ tenantId, counts: jobs, oldestWaitingSeconds }) {
  if (tenantId !== url.shown.tenant) return;
  table.tellUnknown(Object.values(jobs).some((number) => number > 0) ? null : tenantId);
  connection.suspect(oldestWaitingSeconds >= STUCK_S && !jobs.RUNNING ? "no due job runs" : "");
}

function submitOf(type) {
  form.fill({ type });
  panels.openForm();
}

function submitLike(job) {
  form.fillFrom(job);
  panels.openForm();
  form.focusPayload();
}

let before = { ...NOTHING, page: null }; // what was shown last
const isChanged = (names, wanted) => names.some((name) => wanted[name] !== before[name]);

function show() {
  const wanted = { ...url.shown, page: url.page };
  if (wanted.page === "jobs" && !wanted.tenant) return chooseTenant();
  pages.show();
  const tenantChanged = wanted.tenant !== before.tenant;
  if (tenantChanged || before.page === null) socket.watch(wanted.tenant);
  if (tenantChanged) {
    tenants.show(wanted.tenant);
    if (wanted.tenant !== null) form.setTenant(wanted.tenant, before.tenant);
    connection.suspect("");
    counts.blank();
    throughput.clear();
  }
  if (wanted.page === "jobs") showJobs(wanted, tenantChanged);
  else if (wanted.page !== before.page) {
    scrollTo({ top: 0 });
    readers[wanted.page].restart();
  }
  if (wanted.page === "overview") showOverview(wanted);
  if (wanted.policy !== before.policy && wanted.policy !== null) policy.open(wanted.policy);
  if (wanted.job !== before.job) {
    details.open(wanted.job);
    socket.follow(wanted.job);
    table.mark(wanted.job);
  }
  bulk.show(wanted);
  panels.show();
  if (wanted.job === null && before.job !== null) table.focus(before.job);
  before = wanted;
}

function showJobs(wanted, tenantChanged) {
  byId("open-policy").href = url.address({ job: null, policy: wanted.tenant });
  if (tenantChanged) counts.restart();
  search.show();
  const filter = Object.keys(NO_FILTER);
  if (!isChanged(["page", "tenant", ...filter], wanted)) return;
  counts.mark();
  view.setFilter({ tenantId: wanted.tenant, ...Object.fromEntries(filter.map((name) => [name, wanted[name]])) });
  snapshot.restart();
  table.paint();
}

function showOverview(wanted) {
  tenantsTable.show();
  if (!isChanged(["page", "after", "before", "span"], wanted)) return;
  chart.show(wanted);
  range.show();
}

url.onChange(show);

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
  url.set({ view: null, tenant: (await tenants.ofJob(url.shown.job)) ?? (await tenants.first()) }, { replace: true });
}

const focusSearch = () => (({ overview: tenantsTable, jobs: search })[url.page] ?? tenants).focus();
const keys = byId("keys");
const palette = createPalette({
  dialog: byId("palette"),
  template: byId("command"),
  commands: () => listCommands({ url, details, workers, types, panels, pageLinks, bulkButtons, views, range, onSearch: focusSearch, onKeys: () => keys.showModal(), onSubmit: submitOf }),
  onTenant: (tenant) => url.set(url.elsewhere({ tenant })),
  onJob: (job) => url.set({ ...NOTHING, job }),
});
installKeyboard({ onSearch: focusSearch, onPalette: palette.open, onKeys: () => keys.showModal(), onEscape: panels.close });
byId("open-palette").addEventListener("click", palette.open);
byId("keys-close").addEventListener("click", () => keys.close());
addEventListener("pageshow", (event) => event.persisted && wake());
addEventListener("online", wake);
document.addEventListener("visibilitychange", wake);
setInterval(sweep, SWEEP_MS);

function wake() {
  if (!document.hidden) socket.check();
  sweep();
}

function sweep() {
  if (document.hidden) return;
  readers[url.page]?.ask();
  if (url.page !== "jobs" || !url.shown.tenant) return;
  snapshot.ask();
  counts.ask();
}

measureHeader(document.querySelector(".top"));
readTypes();
show();
