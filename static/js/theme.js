// Runs before the first paint (no defer), so that a chosen theme never flashes. "auto" follows the system.
(() => {
  "use strict";
  const KEY = "agentopia.theme";
  const root = document.documentElement;

  function chosen() {
    try {
      const value = localStorage.getItem(KEY);
      return value === "light" || value === "dark" ? value : "auto";
    } catch {
      return "auto"; // storage is blocked: follow the system
    }
  }

  function apply(theme) {
    root.dataset.theme = theme;
    for (const input of document.querySelectorAll('input[name="theme"]')) input.checked = input.value === theme;
  }

  apply(chosen());
  document.addEventListener("DOMContentLoaded", () => apply(chosen()));
  window.addEventListener("storage", (event) => event.key === KEY && apply(chosen()));
  document.addEventListener("change", (event) => {
    if (!event.target.matches('input[name="theme"]')) return;
    try {
      localStorage.setItem(KEY, event.target.value);
    } catch {
      // Not kept, but still applied to this page.
    }
    apply(event.target.value);
  });
})();
