// How the log begins on this page, and how to get at what came before.
const WORDS = {
  full: ["This page holds as many lines as it can. The download has all of them.", ""],
  asking: ["Loading older lines…", ""],
  letGo: ["Older lines were let go from this page.", "Load them again"],
  started: ["The present container started below.", "Load what came before"],
  more: ["There are older lines.", "Load them"],
  none: ["Nothing has been printed yet.", ""],
  begins: ["The log begins here.", ""],
  waiting: ["Reading the log…", ""],
};

export class Older {
  more = null; // whether the toolbox has older lines; null while that is not known
  #feed;
  #lines;
  #text;
  #button;
  #problem = "";
  #beyond = false; // the present container's start, as someone asked for
  #waiting = [];

  constructor(element, feed, lines) {
    this.#feed = feed;
    this.#lines = lines;
    this.#text = element.querySelector("span");
    this.#button = element.querySelector("button");
    this.#button.addEventListener("click", () => this.load());
  }

  get #some() {
    return this.more || this.#lines.letGo;
  }

  // Whether scrolling up loads them: not past the start of the present container.
  get unasked() {
    return this.#some && !this.#problem && !this.#lines.full && (this.#beyond || this.#lines.letGo || !this.#lines.starts.length);
  }

  // Ask for a page of them; resolves, once it is there, to whether lines came.
  load() {
    if (!this.#some || this.#lines.full) return Promise.resolve(false);
    if (this.#lines.starts.length) this.#beyond = true;
    if (!this.#feed.asking && !this.#feed.askOlder(this.#lines.oldest)) return Promise.resolve(false);
    this.tell();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  // They came.
  take(lines, more, problem) {
    this.#problem = problem;
    this.more = problem ? true : more;
    if (!problem) this.#lines.letGo = false;
    if (lines.length && !problem) this.#lines.prepend(lines);
    this.tell();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(lines.length > 0 && !problem);
  }

  tell() {
    const [text, label] = this.#problem && !this.#feed.asking ? [this.#problem, "Try again"] : WORDS[this.#state()];
    if (this.#text.textContent !== text) this.#text.textContent = text;
    if (this.#button.textContent !== label) this.#button.textContent = label;
    this.#button.hidden = !label;
  }

  #state() {
    if (this.more === null) return "waiting";
    if (!this.#some) return this.#lines.all.length ? "begins" : "none";
    if (this.#lines.full) return "full";
    if (this.#feed.asking) return "asking";
    if (this.#lines.letGo) return "letGo";
    return this.#lines.starts.length && !this.#beyond ? "started" : "more";
  }
}
