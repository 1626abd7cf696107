// <button data-copy="#id"> copies the text of that element; the button says so for a moment.
(() => {
  "use strict";
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button[data-copy]");
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.innerText);
    } catch {
      // No clipboard (plain http, or refused): select it, so that the keyboard can.
      getSelection().selectAllChildren(source);
      document.dispatchEvent(new CustomEvent("toast", { detail: { tone: "info", text: "The text is selected: copy it with the keyboard." } }));
      return;
    }
    button.classList.add("copied");
    button.querySelector("[role=status]").textContent = "Copied";
    setTimeout(() => {
      button.classList.remove("copied");
      button.querySelector("[role=status]").textContent = "";
    }, 1500);
  });
})();
