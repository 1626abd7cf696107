// The last minutes as they happen: messages over the page's WebSocket that are JSON and no fragments,
// {"kind": "samples", "points": […], "begin": bool, "problem": "…"} and {"kind": "changed"}.
const KEPT_SECONDS = 300;
const KILLED = "out_of_memory";
const GAP_SECONDS = 20; // without a sample: it did not run

export class Live {
  constructor({ samples, changed, said }) {
    this.points = [];
    document.addEventListener("htmx:wsBeforeMessage", (event) => {
      if (!event.detail.message.startsWith("{")) return;
      event.preventDefault();
      const message = JSON.parse(event.detail.message);
      if (message.kind === "changed") {
        changed();
        return;
      }
      said(message.problem);
      if (message.begin) this.points = [];
      this.#add(message.points);
      if (message.begin || message.points.length) samples();
    });
  }

  // Kills at the memory limit that are not stored yet: those seen here, less those that are stored of the same time.
  unstored(marks) {
    const kills = this.points.filter((point) => point.kills);
    if (!kills.length) return [];
    const begin = Math.floor(this.points[0].at / 60) * 60;
    let known = marks.reduce((sum, mark) => sum + (mark.kind === KILLED && mark.at >= begin ? mark.count : 0), 0);
    return kills.flatMap(({ at, kills: count }) => {
      const news = Math.max(0, count - known);
      known = Math.max(0, known - count);
      return news ? [{ at, kind: KILLED, count: news, text: "Killed at the memory limit" }] : [];
    });
  }

  // What is stored up to where the samples begin, then the samples.
  after(points, seconds) {
    if (!this.points.length) return points;
    const begin = this.points[0].at;
    return [...points.filter((point) => point.at + seconds <= begin), ...this.points];
  }

  #add(points) {
    for (const point of points) {
      point.at = Date.parse(point.at) / 1000;
      const last = this.points.at(-1);
      if (last && point.at <= last.at) continue;
      if (last && point.at - last.at > GAP_SECONDS) this.points.push({ at: last.at + 1 });
      this.points.push(point);
    }
    const newest = this.points.at(-1)?.at ?? 0;
    this.points = this.points.filter((point) => newest - point.at <= KEPT_SECONDS);
  }
}
