// Charts: <section class="charts"> with a choice of windows and one or more <div data-source="/api/…"> with their <figure data-chart>s, an
// empty state and a table of the same figures. All charts of a section share the axis of time, the pointer and the marks of what happened.
import { onTheme } from "./colours.js";
import { Figure } from "./figure.js";
import { Live } from "./live.js";
import { tellCounts } from "./marks.js";
import { Source } from "./source.js";
import { Table } from "./table.js";

const DAY = 86400;
const SECONDS = { hour: 3600, day: DAY, week: 7 * DAY, month: 30 * DAY };

class Part {
  constructor(element, section) {
    this.section = section;
    this.figures = [...element.querySelectorAll("[data-chart]")].map((figure) => new Figure(figure, section.frame));
    this.table = new Table(element.querySelector("details"), section.frame);
    this.empty = element.querySelector("[data-chart-empty]");
    this.counts = element.dataset.empty; // the field that must not be 0 all the time for there to be anything
    this.live = "live" in element.dataset ? new Live({ samples: () => section.draw(), changed: () => this.source.soon(), said: (text) => section.say("live", text) }) : null;
    this.answer = null;
    this.source = new Source(element, section.chosen, (answer) => this.take(answer), (problem) => section.say(element.dataset.source, problem));
  }

  take(answer) {
    this.answer = answer;
    this.section.say(this.source.element.dataset.source, "");
    this.section.draw();
  }

  get points() {
    if (!this.answer) return this.live?.points ?? [];
    return this.live ? this.live.after(this.answer.points, this.answer.resolution_seconds) : this.answer.points;
  }

  get end() {
    const stored = this.answer?.points.length ? this.answer.points.at(-1).at + this.answer.resolution_seconds : null;
    return this.live?.points.at(-1)?.at ?? stored;
  }

  draw() {
    if (!this.answer) return;
    const fields = this.figures.flatMap((figure) => figure.fields);
    const something = (point) => (this.counts ? point[this.counts] : fields.some((field) => point[field] != null));
    if (this.empty) this.empty.hidden = this.points.some(something);
    for (const figure of this.figures) figure.draw(this.points, this.answer);
    this.table.show(this.answer.points, this.answer.resolution_seconds);
  }
}

class Section {
  constructor(element) {
    this.element = element;
    this.chosen = () => element.querySelector("input[name=window]:checked").value;
    this.frame = { key: element.id, begin: 0, end: 1, marks: [], moment: (at) => this.#moment(at), short: (at) => this.#short(at) };
    this.said = {};
    this.parts = [...element.querySelectorAll("[data-source]")].map((part) => new Part(part, this));
    element.addEventListener("change", (event) => event.target.name === "window" && this.read());
    new ResizeObserver(() => this.#each((figure) => figure.resize())).observe(element);
    onTheme(() => this.#each((figure) => figure.repaint()));
    this.read();
  }

  read() {
    for (const part of this.parts) part.source.read();
  }

  // Charts end with the newest that any of them has.
  draw() {
    const ends = this.parts.flatMap((part) => part.end ?? []);
    if (!ends.length) return;
    this.frame.end = Math.max(...ends);
    this.frame.begin = this.frame.end - SECONDS[this.chosen()];
    this.#mark();
    for (const part of this.parts) part.draw();
  }

  #mark() {
    const stored = this.parts.flatMap((part) => part.answer?.marks ?? []);
    const marks = [...stored, ...this.parts.flatMap((part) => part.live?.unstored(stored) ?? [])];
    if (JSON.stringify(marks) === JSON.stringify(this.frame.marks)) return;
    this.frame.marks = marks;
    tellCounts(this.element.querySelector("[data-chart-marks]"), marks);
  }

  say(who, text) {
    this.said[who] = text;
    const shown = Object.values(this.said).filter(Boolean).join(" ");
    const place = this.element.querySelector("[data-chart-problem]");
    if (place.textContent !== shown) place.textContent = shown;
  }

  #each(act) {
    for (const part of this.parts) part.figures.forEach(act);
  }

  #moment(at) {
    return at.toLocaleString(undefined, this.chosen() === "hour" ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
  }

  #short(at) {
    return at.toLocaleString(undefined, ["hour", "day"].includes(this.chosen()) ? { hour: "numeric", minute: "2-digit" } : { day: "numeric", month: "short" });
  }
}

for (const element of document.querySelectorAll(".charts")) new Section(element);
