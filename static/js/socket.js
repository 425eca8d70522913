// The page's only WebSocket: connects, subscribes to the totals and to one tenant or none, comes back after every loss. It must never judge what a message means
// for the page, and never connect twice at a time.

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;
const RESTART_DELAY_MS = 1_000; // the server restarts and said so: it will be back soon, but not for all viewers in the same instant
const CONNECT_TIMEOUT_MS = 10_000; // to the answer to SUBSCRIBE
const ANSWER_TIMEOUT_MS = 5_000; // of a socket that is being checked
const SILENCE_MS = 25_000; // then it is checked
const STEADY_MS = 5_000; // a connection that held for this long forgets the failures before it
const SERVICE_RESTART = 1012;

/**
 * `onState({state, retryAt, heardAt})`: state is connecting, live, refused (the server does not know such a tenant) or waiting.
 * `onSubscribed({anew})`: from now on nothing is missed; read what was before. `anew`: what was known may be of another database.
 * `onResumed()`: it was away, and what it missed comes as updates.
 * `onTotals(message)`, `onHistory(history)`: the totals of all tenants, and their samples of the last minutes.
 * `onProgress(message)`: what the job that is followed says of itself.
 * `onUpdates(updates, {missed})`: what happens, or, with `missed`, what happened while it was away. `onError(message)`.
 */
export function createSocket({ onState, onTotals, onHistory, onSubscribed, onResumed, onUpdates, onProgress, onError }) {
  let socket = null;
  let tenantId = undefined; // watched; null: none, undefined: not said yet
  let cursor = null; // how far all is known of this tenant
  let catchingUp = false; // until a newer cursor comes
  let followed = null; // the job whose progress and log are wanted
  let asked = null; // the tenant of the SUBSCRIBE said last on this connection
  let subscribed = false;
  let state = "waiting";
  let failures = 0;
  let liveAt = 0;
  let heardAt = null;
  let retryAt = null;
  let retryTimer = null;
  let deadline = null;

  function become(next) {
    state = next;
    onState({ state, retryAt, heardAt });
  }

  function connect() {
    clearTimeout(retryTimer);
    retryAt = null;
    const opened = new WebSocket(new URL("/ws", location.href.replace(/^http/, "ws")));
    socket = opened;
    subscribed = false;
    asked = null;
    become("connecting");
    expectAnswer(CONNECT_TIMEOUT_MS);
    opened.onopen = subscribe;
    opened.onmessage = (event) => hear(event.data);
    opened.onclose = (event) => lose(event.code);
  }

  function say(message) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }

  function subscribe() {
    if (socket?.readyState !== WebSocket.OPEN) return; // said on opening
    asked = tenantId;
    if (tenantId !== null) say({ type: "SUBSCRIBE", tenantId, batch: true, cursor, log: followed });
    say({ type: "SUBSCRIBE", topic: "totals" });
  }

  function hear(text) {
    heardAt = Date.now();
    if (subscribed) clearTimeout(deadline);
    const message = JSON.parse(text);
    if (message.type === "ERROR") refuse(message.message);
    else if (message.type === "TOTALS") onTotals(message);
    else if (message.topic) welcomeToTopic(message);
    else if (message.tenantId !== tenantId) return; // of the one watched before
    else if (message.type === "UPDATES") takeUpdates(message);
    else if (message.type === "SUBSCRIBED") welcome(message);
    else if (message.type === "RESET") reset(message);
    else if (message.type === "PROGRESS") onProgress(message);
    else if (message.jobId) onUpdates([message], { missed: false });
    onState({ state, retryAt, heardAt });
  }

  function takeUpdates(message) {
    if (message.updates.length) onUpdates(message.updates, { missed: catchingUp });
    if (!message.cursor) return;
    cursor = message.cursor; // after its updates
    catchingUp = false;
  }

  function welcomeToTopic({ history }) {
    if (tenantId === null && !subscribed) goLive();
    onHistory(history);
  }

  function welcome(message) {
    const resumed = cursor !== null;
    catchingUp = resumed;
    if (subscribed) return; // the answer to a check
    goLive();
    if (resumed) return onResumed();
    cursor = message.cursor ?? null;
    onSubscribed({ anew: false });
  }

  /** The cursor is of no use: too much has changed, or the database is another one. */
  function reset(message) {
    catchingUp = false;
    cursor = message.cursor ?? null;
    if (!subscribed) goLive();
    onSubscribed({ anew: true });
  }

  function goLive() {
    clearTimeout(deadline);
    subscribed = true;
    liveAt = Date.now();
    become("live");
  }

  function refuse(message) {
    if (subscribed) return;
    clearTimeout(deadline);
    asked = null;
    become("refused");
    onError(String(message));
  }

  function expectAnswer(withinMs) {
    clearTimeout(deadline);
    deadline = setTimeout(drop, withinMs);
  }

  /** Does not wait for the close to be answered: on a dead network that takes a minute. */
  function drop() {
    const { readyState } = socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (readyState !== WebSocket.CLOSED) socket.close();
    lose(null);
  }

  function lose(code) {
    clearTimeout(deadline);
    clearTimeout(retryTimer);
    if (subscribed && Date.now() - liveAt > STEADY_MS) failures = 0;
    subscribed = false;
    socket = asked = null;
    const longest = code === SERVICE_RESTART ? RESTART_DELAY_MS : Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS);
    failures += 1;
    const delay = longest / 2 + (Math.random() * longest) / 2;
    retryAt = Date.now() + delay;
    retryTimer = setTimeout(connect, delay);
    become("waiting");
  }

  /** Is it still there? A browser cannot ping; but a repeated SUBSCRIBE is answered and changes nothing. */
  function check() {
    if (tenantId === undefined || state === "connecting") return;
    if (socket === null) return connect();
    subscribe();
    expectAnswer(ANSWER_TIMEOUT_MS);
  }

  setInterval(() => {
    if (subscribed && Date.now() - heardAt > SILENCE_MS) check();
  }, SILENCE_MS / 5);

  return {
    check,

    /** Hears of the progress and the log of this job, too; null: of none. */
    follow(wanted) {
      if (wanted === followed) return;
      followed = wanted;
      if (subscribed && asked !== null) subscribe();
    },

    /** Hears of this tenant's jobs from now on, and of no other's; null: of nobody's. */
    watch(wanted) {
      if (wanted === tenantId) return;
      if (asked) say({ type: "UNSUBSCRIBE", tenantId: asked });
      tenantId = wanted;
      cursor = null;
      catchingUp = subscribed = false;
      if (socket === null) return connect();
      become("connecting");
      subscribe();
      expectAnswer(CONNECT_TIMEOUT_MS);
    },
  };
}
