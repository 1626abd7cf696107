// Log viewers (.log): the end stays in sight until someone scrolls up; "Follow" goes back to it; long logs lose their oldest lines.
(() => {
  "use strict";
  const MOST_LINES = 5000; // twice as many while someone reads further up
  const NEAR_PX = 24;
  const WRAP = "agentopia.log-wrap";

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
    const follow = log.querySelector("[data-log-follow]");
    let following = true;
    let scheduled = false;

    const setFollowing = (on) => {
      following = on;
      follow?.setAttribute("aria-pressed", String(on));
    };
    const toEnd = () => {
      scheduled = false;
      if (following) lines.scrollTop = lines.scrollHeight;
    };

    // One scroll per frame, however many lines arrive in it; there are no frames while the tab is hidden, but lines.
    new MutationObserver(() => {
      const most = following ? MOST_LINES : 2 * MOST_LINES;
      while (lines.childElementCount > most) lines.firstElementChild.remove();
      if (scheduled) return;
      scheduled = true;
      requestAnimationFrame(toEnd);
    }).observe(lines, { childList: true });

    lines.addEventListener("scroll", () => {
      const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < NEAR_PX;
      if (atEnd !== following && !scheduled) setFollowing(atEnd);
    }, { passive: true });

    follow?.addEventListener("click", () => {
      setFollowing(!following);
      toEnd();
    });
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
    setFollowing(true);
    toEnd();
  }

  function beginAll(part) {
    for (const log of part.querySelectorAll(".log")) begin(log);
  }

  beginAll(document);
  document.addEventListener("htmx:load", (event) => beginAll(event.target));
})();
