// Dialogs open with <button command="show-modal" commandfor="id">. This adds: the same for browsers without command attributes, closing
// after an htmx request that succeeded.
(() => {
  "use strict";
  const hasCommands = "commandForElement" in HTMLButtonElement.prototype;

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[commandfor]");
    if (button && !hasCommands) {
      const dialog = document.getElementById(button.getAttribute("commandfor"));
      const command = button.getAttribute("command");
      if (command === "show-modal" && !dialog.open) dialog.showModal();
      if (command === "close") dialog.close();
    }
    // A click on the backdrop reaches the dialog itself, outside of its box.
    if (event.target instanceof HTMLDialogElement && event.target.open) {
      const box = event.target.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside && event.detail > 0) event.target.close(); // detail 0: a key press, reported at 0,0
    }
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const dialog = event.target.closest?.("dialog[open]");
    if (dialog && event.detail.successful && event.target.hasAttribute("data-closes-dialog")) dialog.close();
  });
})();
