// A part's figures, read from the REST API: at once, again as often as there is something new, and not while the tab is hidden.
const RETRY_MS = 15000;
const SOON_MS = 300;

export class Source {
  // <… data-source="/api/…/metrics/" data-every="seconds">: how often it is read while the last hour is shown; else once a point.
  constructor(element, chosen, take, fail) {
    this.element = element;
    this.chosen = chosen;
    this.take = take;
    this.fail = fail;
    this.timer = 0;
    this.asked = 0;
    document.addEventListener("visibilitychange", () => !document.hidden && !this.timer && this.read());
  }

  // A burst of changes is read once.
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read(), SOON_MS);
  }

  async read() {
    clearTimeout(this.timer);
    const mine = ++this.asked;
    const window = this.chosen();
    let wait = RETRY_MS;
    try {
      const answer = await fetch(`${this.element.dataset.source}?window=${window}`, { headers: { Accept: "application/json" } });
      const found = await answer.json();
      if (mine !== this.asked) return; // another window was chosen meanwhile
      if (!answer.ok) throw new Error(found.detail);
      for (const each of [...found.points, ...(found.marks ?? [])]) each.at = Date.parse(each.at) / 1000;
      this.take(found);
      wait = 1000 * (window === "hour" ? Number(this.element.dataset.every) || found.resolution_seconds : found.resolution_seconds);
    } catch (error) {
      if (mine !== this.asked) return;
      this.fail(`The figures could not be read: ${error.message} Trying again.`);
    }
    if (document.contains(this.element)) this.timer = setTimeout(() => (document.hidden ? (this.timer = 0) : this.read()), wait);
  }
}
