// One chart: <figure data-chart data-unit> with a caption that names its lines (data-line, data-tone, data-dash, data-draw) and says their
// values: those under the pointer, or else the newest that are known.
import { colour, toneColour } from "./colours.js";
import { drawer } from "./marks.js";
import { bytes, say, unitOf } from "./units.js";

const HEIGHT = 132;
const NARROWEST = 120;

// A moment with nothing on either side has no line; it is a dot.
function alone(plot, number) {
  const values = plot.data[number];
  return values.flatMap((value, i) => (value != null && values[i - 1] == null && values[i + 1] == null ? [i] : []));
}

function lineOf(element) {
  const { line, tone, dash, draw, perMinute } = element.dataset;
  return { field: line, tone, dash, draw, perMinute, value: element.querySelector(".chart-value") ?? element };
}

export class Figure {
  constructor(element, frame) {
    this.element = element;
    this.frame = frame; // of all charts of the section: {key, begin, end, marks, moment, short}
    this.unit = element.dataset.unit;
    this.lines = [...element.querySelectorAll("[data-line]")].map(lineOf);
    this.plot = null;
    this.ceiling = undefined;
  }

  get fields() {
    return this.lines.map((line) => line.field);
  }

  // `points` are objects with `at` in seconds; `answer` may have the ceiling that the markup names; per minute counts are of `seconds`.
  draw(points, answer) {
    const { limit, ceiling: fixed } = this.element.dataset;
    const ceiling = fixed ? Number(fixed) : (limit && answer[limit]) || undefined;
    const per = (line) => (line.perMinute === undefined ? 1 : 60 / answer.resolution_seconds);
    const values = (line) => points.map((point) => (point[line.field] == null ? null : point[line.field] * per(line)));
    const data = [points.map((point) => point.at), ...this.lines.map(values)];
    if (this.plot && this.ceiling === ceiling) this.plot.setData(data);
    else {
      this.plot?.destroy();
      this.ceiling = ceiling;
      this.limited = Boolean(limit);
      this.plot = new uPlot(this.#options(), data, this.element.querySelector(".chart-plot"));
      this.plot.root.setAttribute("aria-hidden", "true"); // the caption and the table say the same
    }
    this.tell();
  }

  tell() {
    const [at, ...series] = this.plot.data;
    const pointed = this.plot.cursor.idx;
    const limit = this.limited && this.ceiling ? ` of ${bytes(this.ceiling)}` : "";
    this.lines.forEach((line, number) => {
      const shown = pointed ?? series[number].findLastIndex((value) => value != null);
      const value = series[number][shown];
      line.value.textContent = say(this.unit, value) + (value == null ? "" : limit);
    });
    this.element.querySelector(".chart-at").textContent = pointed == null ? "" : this.frame.moment(new Date(at[pointed] * 1000));
  }

  resize() {
    this.plot?.setSize({ width: Math.max(NARROWEST, this.element.clientWidth), height: HEIGHT });
  }

  repaint() {
    this.plot?.redraw(false);
  }

  #options() {
    const { frame } = this;
    const unit = unitOf(this.unit);
    const axis = { stroke: () => colour("--text-3"), font: "11px system-ui, sans-serif", grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false } };
    const top = (high) => this.ceiling ?? Math.max(unit.least, (high ?? 0) * 1.15);
    return {
      width: Math.max(NARROWEST, this.element.clientWidth),
      height: HEIGHT,
      padding: [12, 20, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: frame.key }, drag: { x: false, y: false }, points: { size: 6 } },
      hooks: { setCursor: [() => this.plot && this.tell()], draw: [drawer(() => frame.marks)] },
      scales: { x: { range: () => [frame.begin, frame.end] }, y: { range: (plot, low, high) => [0, top(high)] } },
      axes: [
        { ...axis, size: 24, space: 72, values: (plot, ticks) => ticks.map((tick) => frame.short(new Date(tick * 1000))) },
        { ...axis, size: 60, space: 32, values: (plot, ticks) => ticks.map((tick) => unit.tick(tick)), ...(unit.steps && { incrs: unit.steps }) },
      ],
      series: [{}, ...this.lines.map((line) => this.#series(line))],
    };
  }

  #series(line) {
    const stroke = () => toneColour(line.tone);
    const look = { stroke, width: 1.5, spanGaps: false, points: { show: true, size: 4, fill: stroke, filter: alone } };
    if (line.dash !== undefined) return { ...look, width: 1, dash: [5, 4] };
    if (line.draw === "bars") return { ...look, width: 0, fill: stroke, points: { show: false }, paths: uPlot.paths.bars({ size: [0.8, 12, 1] }) };
    return look;
  }
}
