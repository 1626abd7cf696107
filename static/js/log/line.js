// One line of a log: its text without escapes, how severe it is, when it was printed.
export const PLAIN = 0, DEBUG = 1, INFO = 2, WARN = 3, ERROR = 4;
export const SEVERITIES = ["", "debug", "info", "warn", "error"];

const WORDS = {
  trace: DEBUG, verbose: DEBUG, debug: DEBUG, dbug: DEBUG, silly: DEBUG,
  info: INFO, information: INFO, notice: INFO, http: INFO, // the last is winston's
  warn: WARN, warning: WARN,
  error: ERROR, err: ERROR, fail: ERROR, fatal: ERROR, critical: ERROR, crit: ERROR, alert: ERROR, emerg: ERROR, panic: ERROR,
};
const PINO = { 10: DEBUG, 20: DEBUG, 30: INFO, 40: WARN, 50: ERROR, 60: ERROR }; // also bunyan
const LOOKED_AT = 400; // characters: who tells a severity tells it early

// In order: the first that matches tells.
const LEVEL_IN_JSON = /"(?:level|lvl|severity|levelname|log\.level)"\s*:\s*"?(\w+)/i;
const LOGFMT = /(?:^|\s)(?:level|lvl|severity)=["']?(\w+)/i;
const AT_THE_START = /^\W{0,3}(trace|verbose|debug|dbug|silly|info|information|notice|warn|warning|error|err|fail|fatal|critical|crit|panic)\b\s?[\]:>|)\-!]/i;
const GLOG = /^([DIWEF])\d{4} \d\d:\d\d/;
const IN_BRACKETS = /[[(<](trace|verbose|debug|info|notice|warn|warning|error|fatal|critical)[\])>]/i;
const IN_CAPITALS = /\b(TRACE|VERBOSE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR!|FATAL|CRITICAL|PANIC)(?:\b|(?<=!))/;
const EXCEPTION = /^(?:Uncaught\s+)?(?:[\w.$]*(?:Error|Exception)\b[:\s(]|[\w.$]*(?:Error|Exception)$|Traceback \(most recent call last\)|Unhandled)/;
const WARNED = /^\(node:\d+\)|\b\w*Warning:/;
const IN_WORDS = /(?<!\b(?:no|0|without|zero) )\b(error|fatal|panic|exception|failed)\b(?![-/.\w])/i;
const WARNED_IN_WORDS = /\b(?:warn|warning)\b/i;
const GLOG_LETTERS = { D: DEBUG, I: INFO, W: WARN, E: ERROR, F: ERROR };

export function severityOf(text) {
  const start = text.length > LOOKED_AT ? text.slice(0, LOOKED_AT) : text;
  if (start.charCodeAt(0) === 123) {
    const told = LEVEL_IN_JSON.exec(text); // a JSON logger may put it last
    if (told) return WORDS[told[1].toLowerCase()] ?? PINO[told[1]] ?? PLAIN;
  }
  const named = LOGFMT.exec(start) ?? AT_THE_START.exec(start) ?? IN_BRACKETS.exec(start) ?? IN_CAPITALS.exec(start);
  if (named) return WORDS[named[1].toLowerCase().replace("!", "")] ?? PLAIN;
  const letter = GLOG.exec(start);
  if (letter) return GLOG_LETTERS[letter[1]];
  if (EXCEPTION.test(start)) return ERROR;
  if (WARNED.test(start)) return WARN;
  if (IN_WORDS.test(start)) return ERROR;
  return WARNED_IN_WORDS.test(start) ? WARN : PLAIN;
}

const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
const ANY_CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

// What a terminal would show: no colours and other escapes, and of a line that was written over (progress bars) its last state.
export function plain(text) {
  if (!ANY_CONTROL.test(text)) return text;
  const states = text.replace(ESCAPES, "").split("\r").filter(Boolean);
  return (states.at(-1) ?? "").replace(CONTROLS, "");
}

const STARTED = /^(?:Starting the container|Container started) \(generation \d+\)/; // the latter from before version 4 of the protocol
const LOST = /^(?:\d+ lines dropped: |Lines missing here: |Older lines are gone: )/;

// `previous` is the line before: what is indented belongs to it, as the lines of a stack do.
function told(stream, text, previous) {
  if (stream === "dtma") return LOST.test(text) ? WARN : INFO;
  const own = severityOf(text);
  if (own !== PLAIN || !previous || previous.stream !== stream || !/^\s/.test(text)) return own;
  return previous.severity;
}

// Lines as the socket brings them, [microseconds by the toolbox's clock, stream, text], that clock being so far ahead of ours.
export function read(lines, ahead) {
  let previous = null;
  return lines.map(([at, stream, raw]) => {
    const text = plain(raw);
    const line = { seq: 0, at, shown: at - ahead, stream, text, severity: told(stream, text, previous) };
    previous = line;
    return line;
  });
}

export const startsContainer = (line) => line.stream === "dtma" && STARTED.test(line.text);
