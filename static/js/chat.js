// The chat's composer and its messages: Enter sends, Escape twice stops, files as chips, what is typed survives a reload of the tab; a way back
// to the newest message; and forms that one is typing in stay when the card around them is sent anew.
(() => {
  "use strict";
  const TWICE_MS = 700;
  const FAR_PX = 160; // further up than this one reads what was said before
  const LONG_PASTE = 4000; // characters: such a text is attached rather than typed
  const byId = (id) => document.getElementById(id);
  const form = byId("composer");
  const scroller = byId("chat-scroll");
  let escapedAt = -Infinity;

  // Dialogs that were fetched open themselves.
  document.addEventListener("htmx:afterSettle", () => {
    for (const dialog of document.querySelectorAll("dialog[data-opens]:not([open])")) {
      delete dialog.dataset.opens;
      dialog.addEventListener("close", () => dialog.remove(), { once: true });
      dialog.showModal();
    }
  });

  // What is typed into a card is not taken away while the same is still asked.
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target, fragment } = event.detail;
    for (const typed of target.querySelectorAll("form[data-keep]")) fragment.querySelector(`#${CSS.escape(typed.id)}`)?.replaceWith(typed);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !document.querySelector("dialog[open], :popover-open:not(.toasts)")) escaped(event.target);
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !event.target.matches?.("#message, [data-sends]")) return;
    event.preventDefault();
    if (event.target.id !== "message" || byId("send")) event.target.form.requestSubmit();
  });

  function escaped(field) {
    const now = performance.now();
    const cancel = field.closest?.("form[data-keep]")?.querySelector("[data-cancels]");
    if (cancel) cancel.click();
    else if (now - escapedAt < TWICE_MS) byId("stop")?.click();
    else if (field.matches?.("textarea, input")) scroller ? scroller.focus({ preventScroll: true }) : field.blur();
    escapedAt = now;
  }

  if (scroller) {
    // The flow grows upwards from its end (column-reverse), so that it stays there by itself; further up the browser holds what is read.
    const back = byId("to-newest");
    const look = () => (back.hidden = scroller.scrollTop > -FAR_PX);
    scroller.addEventListener("scroll", look, { passive: true });
    back.addEventListener("click", () => scroller.scrollTo({ top: 0, behavior: "smooth" }));
    if (!CSS.supports("overflow-anchor", "auto")) {
      let height = scroller.scrollHeight;
      new ResizeObserver(() => {
        if (scroller.scrollTop < -1) scroller.scrollTop -= scroller.scrollHeight - height;
        height = scroller.scrollHeight;
      }).observe(scroller.firstElementChild);
    }
    look();
  }

  if (!form) return;
  const text = byId("message");
  const input = byId("composer-input");
  const files = byId("composer-files");
  const chip = byId("composer-file");
  const draft = `agentopia.draft.${form.dataset.conversation}`;
  const sized = CSS.supports("field-sizing", "content");

  function fit() {
    if (sized) return;
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  }

  function remember() {
    try {
      if (text.value) sessionStorage.setItem(draft, text.value);
      else sessionStorage.removeItem(draft);
    } catch {
      // Not kept; it can still be sent.
    }
  }

  function recall() {
    try {
      text.value ||= sessionStorage.getItem(draft) ?? "";
    } catch {
      // Nothing was kept.
    }
    fit();
  }

  function show() {
    const resources = [...files.children].filter((item) => item.querySelector("[name=resource]"));
    files.replaceChildren(
      ...resources,
      ...[...input.files].map((file, place) => {
        const item = chip.content.firstElementChild.cloneNode(true);
        item.querySelector("[data-name]").textContent = file.name;
        item.querySelector("button").setAttribute("aria-label", `Remove ${file.name}`);
        item.querySelector("button").addEventListener("click", () => keep([...input.files].filter((_, other) => other !== place)));
        return item;
      }),
    );
  }

  function keep(list) {
    const carrier = new DataTransfer();
    for (const file of list) carrier.items.add(file);
    input.files = carrier.files;
    chosen = list;
    show();
  }

  // A resource of a server is read there when the message is sent; until then its address stands in the form.
  document.addEventListener("click", (event) => {
    const offered = event.target.closest?.("button[data-resource]");
    if (!offered) return;
    const item = chip.content.firstElementChild.cloneNode(true);
    item.querySelector("[data-name]").textContent = offered.dataset.name;
    item.querySelector("button").setAttribute("aria-label", `Remove ${offered.dataset.name}`);
    item.querySelector("button").addEventListener("click", () => item.remove());
    item.append(Object.assign(document.createElement("input"), { type: "hidden", name: "resource", value: offered.dataset.resource }));
    files.append(item);
    offered.closest("dialog").close();
    text.focus();
  });

  // Another agent has other servers: what was chosen of those is none of its.
  byId("composer-agent")?.addEventListener("change", () => {
    for (const given of files.querySelectorAll("[name=resource]")) given.closest("li").remove();
  });

  let chosen = [];
  input.addEventListener("change", () => keep([...chosen, ...input.files]));
  const attach = (list) => keep([...chosen, ...list]);

  text.addEventListener("input", () => {
    remember();
    fit();
  });
  text.addEventListener("paste", (event) => {
    const pasted = [...event.clipboardData.files];
    const words = event.clipboardData.getData("text/plain");
    if (!pasted.length && words.length > LONG_PASTE) pasted.push(new File([words], "Pasted text.txt", { type: "text/plain" }));
    if (!pasted.length) return;
    event.preventDefault();
    attach(pasted);
  });

  const place = byId("chat");
  const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  place.addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    place.dataset.dropping = "";
  });
  place.addEventListener("dragleave", (event) => place.contains(event.relatedTarget) || delete place.dataset.dropping);
  place.addEventListener("drop", (event) => {
    delete place.dataset.dropping;
    if (!carries(event)) return;
    event.preventDefault();
    attach([...event.dataTransfer.files]);
  });

  // Without a word there is nothing to send.
  form.addEventListener(
    "submit",
    (event) => {
      if (text.value.trim() || files.children.length) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      text.focus();
    },
    true,
  );
  let sent = "";
  form.addEventListener("htmx:beforeRequest", () => (sent = text.value));
  form.addEventListener("htmx:afterRequest", (event) => {
    if (event.target !== form || event.detail.xhr.status !== 204) return; // an error is told in a toast, and what was typed stays
    if (text.value === sent) text.value = "";
    remember();
    fit();
    files.replaceChildren();
    keep([]);
    scroller?.scrollTo({ top: 0 });
    if (event.detail.xhr.getResponseHeader("HX-Redirect")) return; // it is shown on a page of its own
    if (document.documentElement.dataset.live !== "open") location.reload(); // nothing else would show what was sent
  });

  recall();
  if (matchMedia("(pointer: fine)").matches && !location.hash) text.focus({ preventScroll: true });
})();
