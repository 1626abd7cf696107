// Which of the lines shown have a text in them. Many lines are looked through a part at a time, so that the page stays smooth.
const AT_ONCE = 20_000;

export class Search {
  pattern = null; // global, to mark what is found
  matches = []; // the numbers (seq) of lines, in order
  current = -1; // index in `matches`
  #lines;
  #changed;
  #test = null;
  #done = 0; // so many of the lines shown were looked through
  #run = 0;
  #looking = false;

  constructor(lines, changed) {
    this.#lines = lines;
    this.#changed = changed;
  }

  // Resolves when all is looked through.
  look(query) {
    const literal = query.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    this.#test = query ? new RegExp(literal, "i") : null;
    this.pattern = query ? new RegExp(literal, "gi") : null;
    return this.again();
  }

  // Lines came or went in front, or others are shown. The current match stays where it is still there.
  async again() {
    const run = ++this.#run;
    const seq = this.matches[this.current];
    this.matches = [];
    this.current = -1;
    this.#done = 0;
    this.#looking = true;
    while (this.#test && this.#done < this.#lines.shown.length) {
      this.#part();
      if (this.#done < this.#lines.shown.length) await new Promise((resolve) => setTimeout(resolve));
      if (run !== this.#run) return false;
    }
    this.#looking = false;
    if (seq !== undefined) this.current = this.matches.indexOf(seq);
    this.#changed();
    return true;
  }

  // More lines came at the end; those that a search under way has still before it, it finds itself.
  more() {
    if (!this.#test || this.#looking) return;
    const before = this.matches.length;
    while (this.#done < this.#lines.shown.length) this.#part();
    if (this.matches.length !== before) this.#changed();
  }

  // Go to the next match (1) or the one before (-1), at first to the nearest one from the line `from` on; its number, or undefined.
  step(direction, from) {
    if (!this.matches.length) return undefined;
    if (this.current < 0) {
      const next = this.matches.findIndex((seq) => seq >= from);
      this.current = direction > 0 ? (next < 0 ? 0 : next) : (next < 0 ? this.matches.length : next) - 1;
      if (this.current < 0) return undefined;
    } else {
      const to = this.current + direction;
      if (to < 0) return undefined; // there may be older ones
      this.current = to % this.matches.length;
    }
    return this.matches[this.current];
  }

  // The first one, or going back the last one.
  around(direction) {
    this.current = direction > 0 ? 0 : this.matches.length - 1;
    return this.matches[this.current];
  }

  #part() {
    const { shown } = this.#lines;
    const end = Math.min(shown.length, this.#done + AT_ONCE);
    for (; this.#done < end; this.#done++) {
      if (this.#test.test(shown[this.#done].text)) this.matches.push(shown[this.#done].seq);
    }
  }
}
