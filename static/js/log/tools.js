// The bar above the log: what is shown and how, remembered where it is a matter of taste.
const remembered = {
  get(name) {
    try {
      return localStorage.getItem(`agentopia.log-${name}`);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`agentopia.log-${name}`, value);
    } catch {
      // Not remembered; it still holds on this page.
    }
  },
};

const pressed = (button) => button.getAttribute("aria-pressed") === "true";
const press = (button, on) => button.setAttribute("aria-pressed", String(on));

// `on` has: filter(streams or null, severity), style({zone}, wrap), copy().
export function tools(bar, on) {
  const streams = [...bar.querySelectorAll("[data-log-stream]")];
  const severity = bar.querySelector("[data-log-severity]");
  const zone = bar.querySelector("[data-log-zone]");
  const wrap = bar.querySelector("[data-log-wrap]");
  const narrow = matchMedia("(width < 720px)").matches;

  const style = () => on.style({ zone: zone.value }, pressed(wrap));
  const filter = () => {
    const chosen = streams.filter(pressed).map((button) => button.dataset.logStream);
    on.filter(chosen.length === streams.length ? null : new Set(chosen), Number(severity.value));
  };

  for (const button of streams) {
    button.addEventListener("click", () => {
      press(button, !pressed(button));
      filter();
    });
  }
  severity.addEventListener("change", filter);
  zone.addEventListener("change", () => {
    remembered.set("times", zone.value);
    style();
  });
  wrap.addEventListener("click", () => {
    press(wrap, !pressed(wrap));
    remembered.set("wrap", pressed(wrap) ? "1" : "0");
    style();
  });
  bar.querySelector("[data-log-copy]").addEventListener("click", on.copy);

  const times = remembered.get("times");
  zone.value = [...zone.options].some(({ value }) => value === times) ? times : narrow ? "off" : "local";
  press(wrap, remembered.get("wrap") === "1");
  severity.value = "0"; // browsers restore what was chosen before a reload
  style();
  return { zone: () => zone.value };
}
