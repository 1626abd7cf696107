// The lines that this page holds, and which of them are shown. What is held is bounded by lines and by characters.
import { INFO, PLAIN, startsContainer } from "./line.js";

export const MOST_LINES = 200_000;
const MOST_CHARACTERS = 24_000_000;
const SLACK = 1.5; // while someone reads further up, so much more is held before new lines must wait

export class Lines {
  all = [];
  shown = [];
  starts = []; // of containers
  letGo = false; // whether older lines were here and are no more
  #characters = 0;
  #first = 0;
  #next = 0;
  #streams = null; // those that are shown; null for all
  #severity = PLAIN;
  #changed;

  // `changed(what)` hears of "appended", "rearranged" (lines came or went in front) and "filtered".
  constructor(changed) {
    this.#changed = changed;
  }

  get last() {
    return this.all.at(-1)?.at;
  }

  get oldest() {
    return this.all[0]?.at;
  }

  get full() {
    return this.#over(SLACK);
  }

  get filtered() {
    return this.#streams !== null || this.#severity > PLAIN;
  }

  append(lines) {
    for (const line of lines) {
      if (line.at <= this.last) continue; // it was here before the connection broke
      line.seq = this.#next++;
      this.#count(line);
      this.all.push(line);
      if (startsContainer(line)) this.starts.push(line);
      if (this.#passes(line)) this.shown.push(line);
    }
    this.#changed("appended");
  }

  prepend(lines) {
    const older = lines.filter((line) => this.oldest === undefined || line.at < this.oldest);
    this.#first -= older.length;
    older.forEach((line, i) => {
      line.seq = this.#first + i;
      this.#count(line);
    });
    this.all = older.concat(this.all);
    this.shown = older.filter((line) => this.#passes(line)).concat(this.shown);
    this.starts = older.filter(startsContainer).concat(this.starts);
    this.#changed("rearranged");
  }

  // Let go of the oldest, some at once, where too many are held.
  trim() {
    if (!this.#over(1)) return;
    let count = 0;
    for (let kept = this.#characters; count < this.all.length; count++) {
      if (this.all.length - count <= 0.9 * MOST_LINES && kept <= 0.9 * MOST_CHARACTERS) break;
      kept -= this.all[count].text.length;
    }
    const gone = this.all.splice(0, count);
    for (const line of gone) this.#characters -= line.text.length;
    this.#first = this.all[0]?.seq ?? this.#next;
    this.shown.splice(0, this.indexOf(this.#first));
    this.starts = this.starts.filter((line) => line.seq >= this.#first);
    this.letGo = true;
    this.#changed("rearranged");
  }

  filter(streams, severity) {
    this.#streams = streams;
    this.#severity = severity;
    this.shown = this.filtered ? this.all.filter((line) => this.#passes(line)) : this.all.slice();
    this.#changed("filtered");
  }

  // Where the line with this number is among those shown, or else the next one.
  indexOf(seq) {
    let [low, high] = [0, this.shown.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.shown[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #over(slack) {
    return this.all.length > slack * MOST_LINES || this.#characters > slack * MOST_CHARACTERS;
  }

  #count(line) {
    this.#characters += line.text.length;
  }

  // What tells no severity counts as information.
  #passes(line) {
    return (this.#streams === null || this.#streams.has(line.stream)) && (line.severity || INFO) >= this.#severity;
  }
}
