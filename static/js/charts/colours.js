// What a token of the style sheet is in the present theme, as the canvas understands it.
const known = new Map();

export function colour(token) {
  if (!known.has(token)) {
    const probe = document.createElement("span");
    probe.style.color = `var(${token})`;
    document.body.append(probe);
    known.set(token, getComputedStyle(probe).color);
    probe.remove();
  }
  return known.get(token);
}

// Tones are named as in the markup; text in the accent's colour has a token of its own.
export const toneColour = (tone) => colour(tone === "accent" ? "--accent-text" : `--${tone}`);

// Calls back whenever colours are others.
export function onTheme(repaint) {
  const changed = () => {
    known.clear();
    repaint();
  };
  new MutationObserver(changed).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}
