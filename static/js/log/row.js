// A line as an element.
import { SEVERITIES, startsContainer } from "./line.js";
import { clock, full } from "./times.js";

const STREAMS = { stdout: "out", stderr: "err" };

function piece(name, className, text) {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}

// The text, with what matches a global pattern in <mark>.
function text(line, pattern) {
  const element = piece("span", "log-text", "");
  let done = 0;
  for (const found of pattern ? line.text.matchAll(pattern) : []) {
    element.append(line.text.slice(done, found.index), piece("mark", "", found[0]));
    done = found.index + found[0].length;
  }
  element.append(line.text.slice(done));
  return element;
}

export function rowOf(line, { zone, pattern, current }) {
  const row = document.createElement("div");
  row.className = "log-line";
  row.dataset.stream = line.stream;
  row.dataset.seq = line.seq;
  if (line.severity) row.dataset.severity = SEVERITIES[line.severity];
  if (startsContainer(line)) row.dataset.start = "";
  if (current) row.setAttribute("aria-current", "true");
  if (zone !== "off") {
    const time = piece("time", "", clock(line.shown, zone));
    time.dateTime = full(line.shown, "utc");
    time.title = full(line.shown, zone);
    row.append(time, " ");
  }
  row.append(piece("span", "log-stream", STREAMS[line.stream] ?? line.stream), " ", text(line, pattern));
  return row;
}

// The same for the clipboard.
export function textOf(line, zone) {
  return `${zone === "off" ? "" : `${full(line.shown, zone)} `}${STREAMS[line.stream] ?? line.stream} ${line.text}\n`;
}
