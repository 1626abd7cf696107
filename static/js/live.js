// Says whether the page hears of changes: <html data-live="connecting|open|lost|ended">; the styles show the indicator and the notice.
// After an interruption it triggers "live:resumed" on the body, for parts that fetch themselves again with hx-trigger.
(() => {
  "use strict";
  const GRACE_MS = 2000; // a reconnect within this time is not worth a word
  const FIRST_RETRY_MS = 500;
  const LAST_RETRY_MS = 30000;
  const RETRIED_BY_HTMX = [1006, 1011, 1012, 1013];
  const WORDS = { connecting: "Connecting", open: "Live", lost: "Reconnecting", ended: "Not live" };
  const root = document.documentElement;
  let lostTimer = 0;
  let interrupted = false;
  let retries = 0;
  let leaving = false;

  function set(state) {
    if (root.dataset.live === state) return;
    root.dataset.live = state;
    for (const text of document.querySelectorAll(".live-text")) text.textContent = WORDS[state];
  }

  function opened() {
    clearTimeout(lostTimer);
    lostTimer = 0;
    retries = 0;
    set("open");
    if (interrupted) document.body.dispatchEvent(new CustomEvent("live:resumed", { bubbles: true }));
    interrupted = false;
  }

  function closed(event) {
    if (leaving) return;
    interrupted = true;
    const { event: close, socketWrapper } = event.detail;
    if (close.code >= 4000) {
      // The server's last word (signed out, not yours, deleted): asking again would change nothing.
      clearTimeout(lostTimer);
      set("ended");
      return;
    }
    lostTimer ||= setTimeout(() => set("lost"), GRACE_MS);
    if (!RETRIED_BY_HTMX.includes(close.code) && document.contains(event.target)) {
      const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** retries++);
      setTimeout(() => document.contains(event.target) && socketWrapper.reconnect(), wait * (0.5 + Math.random() / 2));
    }
  }

  window.addEventListener("pagehide", () => (leaving = true));
  window.addEventListener("pageshow", () => (leaving = false));
  document.addEventListener("htmx:wsConnecting", () => root.dataset.live || set("connecting"));
  document.addEventListener("htmx:wsOpen", opened);
  document.addEventListener("htmx:wsClose", closed);
})();
