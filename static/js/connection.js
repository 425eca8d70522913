// Says whether the page is live, and how fresh it is. It must never say Live when it is not; only the state is read aloud, not each second.

import { put } from "./text.js";

const WORDS = { connecting: "Connecting…", live: "Live", refused: "Not live", reconnecting: "Reconnecting…", offline: "Offline" };

export function createConnection(element) {
  const [word, detail] = ["state", "detail"].map((part) => element.querySelector(`[data-part=${part}]`));
  let told = { state: "connecting", retryAt: null, heardAt: null };
  let trouble = ""; // why nothing runs, though the page is live
  let lost = false; // since it was live: the tries in between are one long reconnecting

  function paint() {
    const shown = stateToShow();
    if (element.dataset.state !== shown) element.dataset.state = shown;
    put(word, shown === "live" && trouble ? `Live, but ${trouble}` : WORDS[shown]);
    element.toggleAttribute("data-stuck", trouble !== "");
    put(detail, told.retryAt === null ? age(told.heardAt) : `${Math.max(0, Math.ceil((told.retryAt - Date.now()) / 1000))} s`);
  }

  function stateToShow() {
    if (told.state === "waiting" && !navigator.onLine) return "offline";
    if (told.state === "waiting" || (told.state === "connecting" && lost)) return "reconnecting";
    return told.state;
  }

  setInterval(paint, 500);
  addEventListener("online", paint);
  addEventListener("offline", paint);

  return {
    /** As told by the socket. */
    show(news) {
      const changed = news.state !== told.state;
      told = news;
      if (told.state === "waiting") lost = true;
      else if (told.state !== "connecting") lost = false;
      if (changed) paint(); // the age can wait for the next tick, at a thousand messages a second
    },

    /** Why nothing runs; "" if that is not so. */
    suspect(wanted) {
      if (wanted === trouble) return;
      trouble = wanted;
      paint();
    },
  };
}

function age(heardAt) {
  if (heardAt === null) return "";
  const seconds = Math.max(0, Math.floor((Date.now() - heardAt) / 1000));
  return seconds < 60 ? `last message ${seconds} s ago` : `last message ${Math.floor(seconds / 60)} min ago`;
}
