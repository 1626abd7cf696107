// The same figures as a table, for those who cannot read a line: so many rows that it stays readable, each the last of its span.
import { words } from "./marks.js";
import { say } from "./units.js";

const ROWS = 60;

export class Table {
  // <details> with a table whose head says the columns: <th data-column="field" data-unit="…">; the column "marks" says what happened.
  constructor(details, frame) {
    this.details = details;
    this.frame = frame;
    this.body = details.querySelector("tbody");
    this.columns = [...details.querySelectorAll("th[data-column]")].map((head) => ({ ...head.dataset }));
    this.points = [];
    this.seconds = 0;
    details.addEventListener("toggle", () => this.draw());
  }

  // Whoever reads it is not disturbed where nothing is new.
  show(points, seconds) {
    if (points === this.points && this.frame.marks === this.marks) return;
    [this.points, this.seconds, this.marks] = [points, seconds, this.frame.marks];
    this.draw();
  }

  draw() {
    if (!this.details.open) return;
    const step = Math.max(1, Math.ceil(this.points.length / ROWS));
    const shown = this.points.filter((point, i) => (this.points.length - 1 - i) % step === 0).reverse();
    this.body.replaceChildren(...shown.map((point, i) => this.#row(point, i ? point.at + this.seconds : Infinity, step)));
  }

  // What happened after the newest point is told with it.
  #row(point, until, step) {
    const row = document.createElement("tr");
    const time = document.createElement("th");
    time.scope = "row";
    time.textContent = this.frame.moment(new Date(point.at * 1000));
    row.append(time, ...this.columns.map((column) => this.#cell(column, point, until, step)));
    return row;
  }

  #cell({ column, unit, perMinute }, point, until, step) {
    const cell = document.createElement("td");
    if (column === "marks") {
      cell.textContent = words(this.frame.marks, point.at - (step - 1) * this.seconds, until);
      return cell;
    }
    const value = point[column];
    cell.dataset.align = "end";
    cell.textContent = say(unit, value == null || perMinute === undefined ? value : (value * 60) / this.seconds);
    return cell;
  }
}
