// Logs that are part of a page (.log, but for the log page's own viewer): the end is in sight, and lines can be wrapped.
(() => {
  "use strict";
  const WRAP = "agentopia.log-wrap"; // the log page remembers it too

  function remembered() {
    try {
      return localStorage.getItem(WRAP) === "1";
    } catch {
      return false;
    }
  }

  function setWrap(log, on) {
    log.toggleAttribute("data-wrap", on);
    log.querySelector("[data-log-wrap]")?.setAttribute("aria-pressed", String(on));
  }

  function begin(log) {
    if (log.dataset.begun) return;
    log.dataset.begun = "1";
    const lines = log.querySelector(".log-lines");
    const toEnd = () => (lines.scrollTop = lines.scrollHeight);
    log.querySelector("[data-log-wrap]")?.addEventListener("click", () => {
      const on = !log.hasAttribute("data-wrap");
      setWrap(log, on);
      try {
        localStorage.setItem(WRAP, on ? "1" : "0");
      } catch {
        // Not remembered; the toggle still works on this page.
      }
      toEnd();
    });
    setWrap(log, remembered());
    toEnd();
  }

  function beginAll(part) {
    for (const log of part.querySelectorAll(".log:not([data-log-viewer])")) begin(log);
  }

  beginAll(document);
  document.addEventListener("htmx:load", (event) => beginAll(event.target));
})();
