// Forms: a button that shows what is typed into a secret, Ctrl-Enter, and <form data-check novalidate>, which says at each field what is wrong
// with it before anything is sent, so that nothing typed is lost. The server judges again.
(() => {
  "use strict";
  const WORDS = {
    valueMissing: () => "This field is required.",
    badInput: () => "This must be a number.",
    typeMismatch: (field) => (field.type === "url" ? "Write the whole address, as in https://example.com." : ""),
    patternMismatch: (field) => field.dataset.pattern ?? "",
  };

  function wordsFor(field) {
    const found = Object.keys(WORDS).find((problem) => field.validity[problem]);
    return (found && WORDS[found](field)) || field.validationMessage;
  }

  function tell(field) {
    const place = field.closest(".field");
    if (!place) return;
    const id = `${field.id}_error`;
    let error = document.getElementById(id);
    if (!error) {
      error = Object.assign(document.createElement("div"), { className: "field-error", id });
      error.append(document.createElement("span"));
      place.append(error);
    }
    error.querySelector("span").textContent = wordsFor(field);
    field.setAttribute("aria-invalid", "true");
    const described = new Set((field.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean));
    field.setAttribute("aria-describedby", [...described.add(id)].join(" "));
    const fold = field.closest("details");
    if (fold) fold.open = true;
  }

  function clear(field) {
    field.removeAttribute("aria-invalid");
    document.getElementById(`${field.id}_error`)?.remove();
  }

  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      if (!form.matches("[data-check]") || form.checkValidity()) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const fields = [...form.elements].filter((field) => field.willValidate);
      for (const field of fields) field.validity.valid ? clear(field) : tell(field);
      fields.find((field) => !field.validity.valid)?.focus();
    },
    true,
  );

  // A form whose buttons decide something says which of them Ctrl-Enter is: <form data-ctrl-enter="id of the button">.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat) return;
    const form = document.querySelector("form[data-ctrl-enter]");
    if (!form || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    form.requestSubmit(document.getElementById(form.dataset.ctrlEnter));
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-reveal]");
    if (!button) return;
    const field = document.getElementById(button.dataset.reveal);
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  });

  // Without script the button could do nothing.
  const offer = (part) => part.querySelectorAll?.("button[data-reveal][hidden]").forEach((button) => (button.hidden = false));
  offer(document);
  document.addEventListener("htmx:load", (event) => offer(event.target));
})();
