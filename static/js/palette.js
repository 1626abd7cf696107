// The command palette (#palette): Ctrl-K or Cmd-K opens and closes it; arrows choose, Enter goes there, Esc closes. The server sends the list.
(() => {
  "use strict";
  const palette = document.getElementById("palette");
  if (!palette) return;
  const input = document.getElementById("palette-input");
  const results = document.getElementById("palette-results");
  const said = document.getElementById("palette-said");
  const apple = /Mac|iPhone|iPad/.test(navigator.platform);
  if (apple) for (const key of document.querySelectorAll("[data-palette-key]")) key.textContent = "⌘ K";

  const options = () => [...results.querySelectorAll("[role=option]")];
  const chosen = () => results.querySelector("[aria-selected=true]");

  function choose(option) {
    for (const other of options()) other.setAttribute("aria-selected", String(other === option));
    if (option) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function step(by) {
    const all = options();
    if (all.length) choose(all[(all.indexOf(chosen()) + by + all.length) % all.length]);
  }

  function open() {
    if (!palette.open) palette.showModal();
  }

  // What was typed before is marked, so that it is kept or typed over; what is found of it now is asked anew.
  function opened() {
    input.focus();
    input.select();
    input.dispatchEvent(new CustomEvent("palette:ask"));
  }

  function go(option, event) {
    const theme = /^#theme-(\w+)$/.exec(option.getAttribute("href"));
    if (theme) {
      event.preventDefault();
      palette.close();
      document.querySelector(`input[name="theme"][value="${theme[1]}"]`)?.click();
    } else if (event.type === "keydown") {
      event.preventDefault();
      option.click();
    } else if (!(event.ctrlKey || event.metaKey || event.shiftKey)) palette.close();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (palette.open) palette.close();
    else open();
  });

  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowUp") step(-1);
    else if (event.key === "Enter" && chosen()) return go(chosen(), event);
    else return;
    event.preventDefault();
  });

  results.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) go(option, event);
  });
  results.addEventListener("pointermove", (event) => {
    const option = event.target.closest("[role=option]");
    if (option && option !== chosen()) choose(option);
  });

  new MutationObserver(() => palette.open && opened()).observe(palette, { attributeFilter: ["open"] });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target !== results) return;
    choose(options()[0]);
    const count = options().length;
    said.textContent = count ? `${count} found` : "Nothing found";
    results.scrollTop = 0;
  });
})();
