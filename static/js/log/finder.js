// The search field: marks, counts, goes from match to match, and looks further back where there are older lines.
import { Search } from "./search.js";

const PAUSE_MS = 120;

export class Finder {
  #search;
  #view;
  #lines;
  #older;
  #input;
  #count;
  #say;
  #timer = 0;

  constructor(element, { view, lines, older, say }) {
    [this.#view, this.#lines, this.#older, this.#say] = [view, lines, older, say];
    this.#search = new Search(lines, () => this.#tell());
    this.#input = element.querySelector("input");
    this.#count = element.querySelector("[data-log-matches]");
    this.#input.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#look(), PAUSE_MS);
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.go(event.shiftKey ? -1 : 1);
    });
    element.querySelector("[data-log-previous]").addEventListener("click", () => this.go(-1));
    element.querySelector("[data-log-next]").addEventListener("click", () => this.go(1));
  }

  get input() {
    return this.#input;
  }

  appended() {
    this.#search.more();
  }

  rearranged() {
    return this.#search.again();
  }

  clear() {
    this.#input.value = "";
    return this.#look();
  }

  // To the next match, or the one before, which may be in older lines that are not here yet.
  async go(direction) {
    if (this.#timer) await this.#look();
    if (!this.#search.pattern) return;
    let seq = this.#search.step(direction, this.#view.top);
    while (seq === undefined && (direction < 0 || !this.#search.matches.length) && (await this.#older.load())) {
      await this.#search.again();
      seq = this.#search.step(-1, this.#view.top);
    }
    seq ??= this.#search.around(direction);
    if (seq === undefined) {
      this.#say("Not found.");
      return;
    }
    this.#view.restyle({ current: seq });
    this.#view.show(seq);
    this.#tell();
    this.#say(`Match ${this.#search.current + 1} of ${this.#search.matches.length}: ${this.#lines.shown[this.#lines.indexOf(seq)].text.slice(0, 200)}`);
  }

  async #look() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const whole = await this.#search.look(this.#input.value);
    this.#view.restyle({ pattern: this.#search.pattern, current: null });
    if (whole && this.#search.pattern) this.#say(`${this.#search.matches.length} lines match.`);
  }

  #tell() {
    const { matches, current, pattern } = this.#search;
    const total = matches.length.toLocaleString("en");
    this.#count.textContent = pattern ? (current < 0 ? total : `${(current + 1).toLocaleString("en")}/${total}`) : "";
  }
}
