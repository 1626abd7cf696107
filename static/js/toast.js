// Toasts: those the server sent (Django messages, hx-swap-oob into #toasts), an HX-Trigger {"toast": {tone, text}}, and failed requests.
(() => {
  "use strict";
  const STAY_MS = 6000;
  const box = document.getElementById("toasts");
  if (!box) return;

  const SAYINGS = {
    401: "You are signed out. Reload the page and sign in again.",
    403: "That was refused: you may not do it, or your session has ended. Reload the page and try again.",
    404: "That no longer exists. Reload the page to see what does.",
    409: "It has changed in the meantime. Reload the page and try again.",
    413: "That is too large to send.",
    429: "Too many requests. Wait a moment and try again.",
  };

  // An error stays until it is dismissed; the rest leave by themselves, unless someone is reading them.
  function begin(toast) {
    if (toast.dataset.begun) return;
    toast.dataset.begun = "1";
    let timer = 0;
    const wait = () => {
      if (toast.dataset.tone !== "error") timer = setTimeout(() => dismiss(toast), STAY_MS);
    };
    const hold = () => clearTimeout(timer);
    toast.addEventListener("pointerenter", hold);
    toast.addEventListener("focusin", hold);
    toast.addEventListener("pointerleave", wait);
    toast.addEventListener("focusout", wait);
    wait();
  }

  function dismiss(toast) {
    toast.dataset.leaving = "";
    setTimeout(() => toast.remove(), 200);
  }

  // Shown again, a popover rises above a dialog that was opened after it.
  function raise() {
    if (!box.showPopover) return;
    if (box.matches(":popover-open")) box.hidePopover();
    if (box.querySelector(".toast")) box.showPopover();
  }

  function show({ tone = "info", text = "" }) {
    const template = document.getElementById(`toast-${tone}`) ?? document.getElementById("toast-info");
    const toast = template.content.firstElementChild.cloneNode(true);
    toast.querySelector("p").textContent = text;
    box.append(toast);
  }

  // The server's own sentence, where it sent one: JSON with message or detail, or plain text.
  function sentence(xhr) {
    const type = xhr.getResponseHeader("Content-Type") ?? "";
    if (type.includes("json")) {
      try {
        const body = JSON.parse(xhr.responseText);
        const said = body.error?.message ?? body.message ?? body.detail;
        if (typeof said === "string" && said) return said;
      } catch {
        // Not JSON after all: fall through to what the status says.
      }
    } else if (type.startsWith("text/plain") && xhr.responseText.length < 400) {
      return xhr.responseText.trim();
    }
    return SAYINGS[xhr.status] ?? `The server could not answer (${xhr.status}). Try again; if it goes on, look at the server's log.`;
  }

  new MutationObserver((changes) => {
    for (const toast of box.querySelectorAll(".toast")) begin(toast);
    if (changes.some((change) => change.addedNodes.length)) raise();
  }).observe(box, { childList: true });
  for (const toast of box.querySelectorAll(".toast")) begin(toast);
  raise();

  box.addEventListener("click", (event) => {
    if (event.target.closest("[data-dismiss]")) dismiss(event.target.closest(".toast"));
  });
  document.addEventListener("toast", (event) => show(event.detail));
  document.addEventListener("htmx:responseError", (event) => show({ tone: "error", text: sentence(event.detail.xhr) }));
  document.addEventListener("htmx:sendError", () =>
    show({ tone: "error", text: "The server cannot be reached. Check that Agentopia is running, and reload the page to see what was done before trying again." }),
  );
  document.addEventListener("htmx:timeout", () =>
    show({ tone: "error", text: "The server took too long. Reload the page to see whether it was done before trying again." }),
  );
})();
