// Keeps times true while a page stays open: <time data-ago> ("5 min ago"), <time data-elapsed> (counts up), <time data-until> ("expires in
// 59 min 10 s"); titles in local time.
(() => {
  "use strict";
  const UNITS = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];

  // The same words as templatetags/ui.py.
  function ago(seconds) {
    if (seconds < 5) return "just now";
    const [unit, size] = UNITS.find(([, length]) => seconds >= length);
    return `${Math.floor(seconds / size)} ${unit} ago`;
  }

  function elapsed(seconds) {
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    const two = (value) => String(Math.floor(value)).padStart(2, "0");
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
    return `${Math.floor(seconds / 3600)} h ${two((seconds % 3600) / 60)} min`;
  }

  const until = (seconds) => (seconds > 0 ? `expires in ${elapsed(seconds)}` : "has expired");

  function refresh(part) {
    for (const time of part.querySelectorAll("time[data-ago], time[data-elapsed], time[data-until]")) {
      const at = new Date(time.dateTime);
      const seconds = Math.max(0, (Date.now() - at) / 1000);
      if (!time.dataset.local) {
        time.dataset.local = "1";
        time.title = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
      }
      if ("ago" in time.dataset && seconds > 30 * 86400) continue; // the server wrote a date
      const text = "until" in time.dataset ? until((at - Date.now()) / 1000) : "ago" in time.dataset ? ago(seconds) : elapsed(seconds);
      if (time.textContent !== text) time.textContent = text;
    }
  }

  refresh(document);
  setInterval(() => refresh(document), 1000);
  document.addEventListener("htmx:load", (event) => refresh(event.target));
})();
