// Charts of how busy a toolbox was: <section class="charts" data-source="/api/…/metrics/"> with a <figure data-chart="figure of a point"> each.
// Reads the REST API, draws with uPlot, reads again as often as there is something new, and keeps a table of the same figures.
(() => {
  "use strict";
  const HEIGHT = 132;
  const TABLE_ROWS = 60;
  const RETRY_MS = 15000;
  const GIB = 2 ** 30;
  const COLOURS = { cpu_percent: "--accent-text", load: "--warning", memory_used_bytes: "--info", disk_used_bytes: "--success" };

  const BYTE_TICKS = [0.25, 0.5, 1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000, 2000, 5000].map((n) => n * GIB);

  // The same units as Django's filesizeformat.
  function bytes(value, digits = 1) {
    if (value >= GIB) return `${(value / GIB).toFixed(digits)} GB`;
    return `${(value / 2 ** 20).toFixed(0)} MB`;
  }

  const FORMATS = {
    percent: (value) => `${value.toFixed(0)} %`,
    number: (value) => value.toFixed(2),
    bytes,
  };
  const say = (unit, value) => (value == null ? "—" : FORMATS[unit](value));

  // What a token of the style sheet is in the present theme, as the canvas understands it.
  function colour(token) {
    const probe = document.createElement("span");
    probe.style.color = `var(${token})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function begin(section) {
    if (section.dataset.begun) return;
    section.dataset.begun = "1";
    const problem = section.querySelector("[data-chart-problem]");
    const nothing = section.querySelector("[data-chart-empty]");
    const figures = [...section.querySelectorAll("[data-chart]")].map((element) => ({ element, plot: null, ...element.dataset }));
    const details = section.querySelector("details");
    const body = section.querySelector("tbody");
    const chosen = () => section.querySelector("input[name=window]:checked").value;
    let latest = null;
    let timer = 0;
    let asked = 0;

    const moment = (at) => at.toLocaleString(undefined, chosen() === "hour" ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
    const short = (at) => at.toLocaleString(undefined, ["hour", "day"].includes(chosen()) ? { hour: "numeric", minute: "2-digit" } : { day: "numeric", month: "short" });

    // The legend: the value under the pointer, or else the newest that is known.
    function tell(figure) {
      const [at, values] = figure.plot.data;
      const pointed = figure.plot.cursor.idx;
      const shown = pointed ?? values.findLastIndex((value) => value != null);
      const limit = figure.drawnLimit ? ` of ${bytes(figure.drawnLimit)}` : "";
      figure.element.querySelector(".chart-value").textContent = say(figure.unit, values[shown]) + (values[shown] == null ? "" : limit);
      figure.element.querySelector(".chart-at").textContent = pointed == null ? "" : moment(new Date(at[pointed] * 1000));
    }

    function ticked(figure, tick) {
      if (figure.unit === "percent") return `${tick} %`;
      return figure.unit === "bytes" && tick ? bytes(tick, tick % GIB ? 1 : 0) : `${tick}`;
    }

    function options(figure, limit) {
      const axis = { stroke: () => colour("--text-3"), font: "11px system-ui, sans-serif", grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false } };
      const ceiling = figure.unit === "percent" ? 100 : limit;
      return {
        width: Math.max(120, figure.element.clientWidth),
        height: HEIGHT,
        padding: [8, 8, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: section.id }, drag: { x: false, y: false }, points: { size: 6 } },
        hooks: { setCursor: [() => figure.plot && tell(figure)] },
        scales: { y: { range: (plot, low, high) => [0, ceiling ?? Math.max(1, (high ?? 0) * 1.15)] } },
        axes: [
          { ...axis, size: 24, space: 72, values: (plot, ticks) => ticks.map((tick) => short(new Date(tick * 1000))) },
          { ...axis, size: 56, space: 32, values: (plot, ticks) => ticks.map((tick) => ticked(figure, tick)), ...(figure.unit === "bytes" && { incrs: BYTE_TICKS }) },
        ],
        series: [{}, { stroke: () => colour(COLOURS[figure.chart]), width: 1.5, spanGaps: false, points: { show: false } }],
      };
    }

    function draw() {
      const at = latest.points.map((point) => Date.parse(point.at) / 1000);
      for (const figure of figures) {
        const limit = (figure.limit && latest[figure.limit]) || undefined;
        const data = [at, latest.points.map((point) => point[figure.chart])];
        if (figure.plot && figure.drawnLimit === limit) figure.plot.setData(data);
        else {
          figure.plot?.destroy();
          figure.drawnLimit = limit;
          figure.plot = new uPlot(options(figure, limit), data, figure.element.querySelector(".chart-plot"));
          figure.plot.root.setAttribute("aria-hidden", "true"); // the caption and the table say the same
        }
        tell(figure);
      }
    }

    // A table can be read by those who cannot read a line; so many rows that it stays readable, each the last of its span.
    function tabulate() {
      if (!latest || !details.open) return;
      const step = Math.max(1, Math.ceil(latest.points.length / TABLE_ROWS));
      const rows = latest.points.filter((point, i) => (latest.points.length - 1 - i) % step === 0).reverse();
      body.replaceChildren(...rows.map((point) => {
        const row = document.createElement("tr");
        const texts = [moment(new Date(point.at)), say("percent", point.cpu_percent), say("number", point.load), say("bytes", point.memory_used_bytes), say("bytes", point.disk_used_bytes)];
        row.append(...texts.map((text, i) => {
          const cell = document.createElement(i ? "td" : "th");
          if (i) cell.dataset.align = "end";
          else cell.scope = "row";
          cell.textContent = text;
          return cell;
        }));
        return row;
      }));
    }

    async function read() {
      clearTimeout(timer);
      const mine = ++asked;
      let wait = RETRY_MS;
      try {
        const answer = await fetch(`${section.dataset.source}?window=${chosen()}`, { headers: { Accept: "application/json" } });
        const found = await answer.json();
        if (mine !== asked) return; // another window was chosen meanwhile
        if (!answer.ok) throw new Error(found.detail);
        latest = found;
        problem.textContent = "";
        nothing.hidden = found.points.some((point) => point.load != null);
        draw();
        tabulate();
        wait = found.resolution_seconds * 1000;
      } catch (error) {
        if (mine !== asked) return;
        problem.textContent = `The figures could not be read: ${error.message} Trying again.`;
      }
      if (document.contains(section)) timer = setTimeout(() => (document.hidden ? (timer = 0) : read()), wait);
    }

    section.addEventListener("change", (event) => event.target.name === "window" && read());
    details.addEventListener("toggle", tabulate);
    document.addEventListener("visibilitychange", () => !document.hidden && !timer && read());
    new ResizeObserver(() => {
      for (const { element, plot } of figures) plot?.setSize({ width: Math.max(120, element.clientWidth), height: HEIGHT });
    }).observe(section);
    const repaint = () => figures.forEach(({ plot }) => plot?.redraw(false));
    new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    read();
  }

  for (const section of document.querySelectorAll(".charts")) begin(section);
})();
