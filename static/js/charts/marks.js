// What happened, on the axis of time: a dashed line with a sign on its top, the same sign in the legend, and words for the table.
import { toneColour } from "./colours.js";

// The signs are those of chart.css; each kind differs by more than its colour.
export const KINDS = {
  out_of_memory: { sign: "▲", tone: "error", dash: [4, 3], one: "killed at the memory limit" },
  crash: { sign: "×", tone: "error", dash: [1, 3], one: "crash" },
  restart: { sign: "↻", tone: "warning", dash: [4, 3], one: "restart" },
  deployment: { sign: "◆", tone: "text-3", dash: [2, 4], one: "change" },
};
const NEAR_PX = 3;
const SIGN_PX = 9;

// A hook of uPlot's that draws the marks that `marks()` gives: [{at: seconds, kind}] in the order of time.
export function drawer(marks) {
  return (plot) => {
    const { ctx } = plot;
    const ratio = devicePixelRatio;
    const { left, top, width, height } = plot.bbox;
    const last = {};
    let sign = -1e9; // where the last one is: they stand side by side
    ctx.save();
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    ctx.font = `${SIGN_PX * ratio}px system-ui, sans-serif`;
    for (const { at, kind } of marks()) {
      const look = KINDS[kind];
      const x = Math.round(plot.valToPos(at, "x", true)) + 0.5;
      if (!look || x < left || x > left + width || x - (last[kind] ?? -1e9) < NEAR_PX * ratio) continue;
      last[kind] = x;
      ctx.strokeStyle = ctx.fillStyle = toneColour(look.tone);
      ctx.lineWidth = ratio;
      ctx.setLineDash(look.dash.map((length) => length * ratio));
      ctx.beginPath();
      ctx.moveTo(x, top + 10 * ratio);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      sign = Math.max(x, sign + SIGN_PX * ratio);
      ctx.fillText(look.sign, sign, top - ratio);
    }
    ctx.restore();
  };
}

// The legend says how often each kind happened in the window.
export function tellCounts(legend, marks) {
  if (!legend) return;
  for (const item of legend.querySelectorAll("[data-mark]")) {
    const times = marks.reduce((sum, mark) => sum + (mark.kind === item.dataset.mark ? mark.count : 0), 0);
    item.querySelector("strong").textContent = times;
    item.toggleAttribute("data-none", !times);
  }
}

// What happened from one moment on and before another (both in seconds), in words.
export function words(marks, from, until) {
  return marks.filter((mark) => mark.at >= from && mark.at < until).map((mark) => mark.text).join(" · ");
}
