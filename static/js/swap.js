// What a swapped fragment must not lose: the focus, what was folded open or shut, the beat of the spinners, and the mark in a list of what
// is open beside it: <section data-marks="id"> gives the element of that id aria-current. Looked after once per frame, however many
// fragments arrive in it.
(() => {
  "use strict";
  const ENDLESS = ["spin", "travel"];
  let before = null; // what was so before the first fragment of this frame

  function mark() {
    const wanted = document.querySelector("[data-marks]")?.dataset.marks;
    for (const marked of document.querySelectorAll("[data-marked]")) {
      marked.removeAttribute("aria-current");
      delete marked.dataset.marked;
    }
    const element = wanted && document.getElementById(wanted);
    if (!element) return;
    element.setAttribute("aria-current", "true");
    element.dataset.marked = "";
  }

  function restore() {
    const { focused, folds } = before;
    before = null;
    for (const [was, open] of folds) {
      const fold = document.getElementById(was.id);
      if (fold && fold !== was) fold.open = open; // one that was not swapped may have been folded since by whoever reads it
    }
    if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true });
    for (const animation of document.getAnimations()) {
      if (ENDLESS.includes(animation.animationName)) animation.startTime = 0; // as if it had never begun anew
    }
    mark();
  }

  document.addEventListener("htmx:wsBeforeMessage", () => {
    if (before) return;
    const folds = [...document.querySelectorAll("details[id]")].map((fold) => [fold, fold.open]);
    before = { focused: document.activeElement?.id ?? "", folds };
    requestAnimationFrame(restore);
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    mark();
    // What one asked for gets the focus; a form that came back with errors gives it to the first of them.
    const result = event.target.querySelector?.("[data-focus]");
    if (result) result.focus();
    else if (document.activeElement === document.body) event.target.querySelector?.("[aria-invalid=true]")?.focus();
  });
})();
