// The part of the log that is in sight: only its rows are in the document, however many lines there are. Heights of wrapped rows are
// estimated and corrected once they are seen; meanwhile the row at the top edge (the anchor) stays where it is.
import { Heights } from "./heights.js";
import { rowOf } from "./row.js";

const BEYOND_PX = 400; // rendered above and below what is in sight
const NEAR_PX = 4;
const MOST_PASSES = 4;

export class View {
  following = true;
  #scroller;
  #sizer;
  #rows;
  #lines;
  #heights = new Heights();
  #shown = new Map(); // seq → element
  #anchor = { seq: 0, offset: 0 };
  #style = { zone: "local", pattern: null, current: null };
  #wrap = false;
  #row = 20; // height of an unwrapped row
  #columns = 80;
  #longest = 0;
  #scheduled = false;
  #rearranged = true;
  #setTo = 0;
  #moved;

  // `moved()` hears that another part is in sight now, or that it follows the end or no more.
  constructor(scroller, lines, moved) {
    this.#scroller = scroller;
    this.#sizer = scroller.querySelector(".log-sizer");
    this.#rows = scroller.querySelector(".log-rows");
    this.#lines = lines;
    this.#moved = moved;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.rearrange()).observe(scroller);
  }

  // Other zone, pattern or current match, or wrapped rows: all rows are made anew.
  restyle(style, wrap = this.#wrap) {
    Object.assign(this.#style, style);
    this.#shown.clear();
    this.#rows.replaceChildren();
    if (wrap !== this.#wrap || "zone" in style) {
      this.#wrap = wrap;
      this.rearrange();
    } else this.schedule();
  }

  // Lines came at the end.
  appended() {
    if (!this.#rearranged) for (let i = this.#heights.count; i < this.#lines.shown.length; i++) this.#heights.append(this.#estimate(i));
    this.schedule();
  }

  rearrange() {
    this.#rearranged = true;
    this.schedule();
  }

  schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#render();
    });
  }

  follow(on) {
    this.following = on;
    this.schedule();
    this.#moved();
  }

  toTop() {
    this.#go({ seq: this.#lines.shown[0]?.seq ?? 0, offset: -this.#begin });
  }

  // Bring a line into the middle.
  show(seq) {
    this.#go({ seq, offset: -this.#scroller.clientHeight / 2 });
  }

  #go(anchor) {
    this.following = false;
    this.#anchor = anchor;
    this.rearrange();
    this.#moved();
  }

  // The number of the first line that is in sight.
  get top() {
    return this.#anchor.seq;
  }

  get atTop() {
    return this.#scroller.scrollTop <= this.#begin + 2 * this.#row;
  }

  // Where the rows begin: before them it is said how the log begins.
  get #begin() {
    return this.#rows.offsetTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    if (Math.abs(scrollTop - this.#setTo) < 1) return;
    this.#setTo = scrollTop;
    this.following = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (!this.#rearranged) this.#drop(scrollTop);
    this.#moved();
    this.schedule();
  }

  // Remember what is at the top edge.
  #drop(scrollTop) {
    const index = this.#heights.indexAt(scrollTop - this.#begin);
    this.#anchor = { seq: this.#lines.shown[index]?.seq ?? 0, offset: scrollTop - this.#begin - this.#heights.before(index) };
  }

  #estimate(index) {
    const { length } = this.#lines.shown[index].text;
    if (length > this.#longest) this.#longest = length;
    return this.#wrap ? this.#row * Math.max(1, Math.ceil(length / this.#columns)) : this.#row;
  }

  // What rows are like here: the height of one, and how many characters fit in it.
  #measure() {
    const probe = rowOf({ seq: -1, shown: 0, stream: "stdout", text: "0".repeat(100), severity: 0 }, this.#style);
    probe.classList.add("log-probe");
    this.#rows.append(probe);
    const text = probe.querySelector(".log-text");
    this.#row = probe.getBoundingClientRect().height || this.#row;
    const style = getComputedStyle(probe);
    const room = this.#scroller.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    this.#columns = Math.max(10, Math.floor(room / ((text.getBoundingClientRect().width || 700) / 100)));
    probe.remove();
  }

  #render() {
    if (!this.#scroller.clientHeight) return; // not in sight
    if (this.#rearranged) {
      this.#measure();
      this.#longest = 0;
      this.#heights.reset(this.#lines.shown.length, (i) => this.#estimate(i));
      this.#rearranged = false;
      this.#size();
      this.#place();
    } else {
      this.#size();
      if (this.following) this.#place();
    }
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      this.#fill();
      if (!this.#wrap || !this.#correct()) return;
      this.#size();
      this.#place();
    }
  }

  #size() {
    this.#sizer.style.height = `${this.#begin + this.#heights.total}px`;
    this.#sizer.style.setProperty("--longest", `${this.#wrap ? 0 : this.#longest}ch`);
  }

  // Scroll to the end, or to where the anchor is now.
  #place() {
    const index = Math.min(this.#lines.indexOf(this.#anchor.seq), Math.max(0, this.#lines.shown.length - 1));
    const { scrollHeight, clientHeight } = this.#scroller;
    const to = this.following ? scrollHeight - clientHeight : this.#begin + this.#heights.before(index) + this.#anchor.offset;
    if (Math.abs(this.#scroller.scrollTop - to) >= 1) this.#scroller.scrollTop = to;
    this.#setTo = this.#scroller.scrollTop;
    if (this.following) this.#drop(this.#setTo);
  }

  #fill() {
    const top = this.#scroller.scrollTop - this.#begin;
    const first = this.#heights.indexAt(top - BEYOND_PX);
    let at = this.#heights.before(first);
    this.#rows.style.transform = `translateY(${at}px)`;
    const wanted = [];
    const { shown } = this.#lines;
    for (let i = first; i < shown.length && at < top + this.#scroller.clientHeight + BEYOND_PX; i++) {
      wanted.push(shown[i]);
      at += this.#heights.get(i);
    }
    this.#put(wanted);
  }

  #put(wanted) {
    const keep = new Set(wanted.map((line) => line.seq));
    for (const [seq, row] of this.#shown) {
      if (keep.has(seq)) continue;
      row.remove();
      this.#shown.delete(seq);
    }
    let next = this.#rows.firstElementChild;
    for (const line of wanted) {
      let row = this.#shown.get(line.seq);
      if (row === next && row) {
        next = row.nextElementSibling;
        continue;
      }
      row ??= rowOf(line, { ...this.#style, current: line.seq === this.#style.current });
      this.#shown.set(line.seq, row);
      this.#rows.insertBefore(row, next);
    }
  }

  // Learn the real heights of the rows in the document; whether any was not as estimated.
  #correct() {
    const found = [...this.#shown].map(([seq, row]) => [this.#lines.indexOf(seq), row.getBoundingClientRect().height]);
    const wrong = found.filter(([index, height]) => Math.abs(this.#heights.get(index) - height) > 0.5);
    for (const [index, height] of wrong) this.#heights.set(index, height);
    return wrong.length > 0;
  }
}
