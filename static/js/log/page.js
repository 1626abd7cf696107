// The log page: lines come from the feed, are held by Lines, shown by View; the rest is what one can do with them.
import { Feed } from "./feed.js";
import { Finder } from "./finder.js";
import { Lines } from "./lines.js";
import { Older } from "./older.js";
import { textOf } from "./row.js";
import { tools } from "./tools.js";
import { View } from "./view.js";

const section = document.querySelector("[data-log-viewer]");
const find = (selector) => section.querySelector(selector);
const scroller = find(".log-scroll");
const followButton = find("[data-log-follow]");
const number = (value) => value.toLocaleString("en");

let paused = 0; // lines that had come when following ended
let came = 0;
let waits = false; // whether new lines wait at the toolbox
let problem = "";
let notice = "";
let scheduled = false;

function say(text) {
  find("[data-log-said]").textContent = text;
}

const changes = {
  appended() {
    if (view.following) lines.trim();
    else if (lines.full && !waits) {
      waits = true;
      feed.suspend();
    }
    view.appended();
    finder.appended();
    tell();
  },
  rearranged() {
    view.rearrange();
    finder.rearranged();
    tell();
  },
  filtered() {
    view.rearrange();
    finder.rearranged();
    tell();
  },
};

const lines = new Lines((what) => changes[what]());
const view = new View(scroller, lines, () => {
  if (view.following !== followed) followingChanged();
  if (view.atTop && older.unasked) older.load();
});
let followed = view.following;

const feed = new Feed(section.dataset.lines, {
  lines(fresh) {
    came += fresh.length;
    lines.append(fresh);
  },
  older: (found, more, trouble) => older.take(found, more, trouble),
  begun(more) {
    older.more = more;
    tell();
  },
  state(live, trouble, said) {
    section.toggleAttribute("data-live", live);
    if (trouble || live) problem = trouble;
    notice = said;
    tell();
  },
});
const older = new Older(find(".log-begin"), feed, lines);
const finder = new Finder(find(".log-search"), { view, lines, older, say });

function followingChanged() {
  followed = view.following;
  if (followed) {
    lines.trim();
    if (waits) feed.resume();
    waits = false;
  } else paused = came;
  say(followed ? "Following the end." : "Paused.");
  tell();
}

// What is said below the log, once for all that happens within a frame.
function tell() {
  if (scheduled) return;
  scheduled = true;
  setTimeout(() => {
    scheduled = false;
    const all = number(lines.all.length);
    find("[data-log-count]").textContent = lines.filtered ? `${number(lines.shown.length)} of ${all} lines` : `${all} lines`;
    find("[data-log-problem]").textContent = problem || (waits ? "New lines wait at the toolbox until you follow again." : notice);
    find("[data-log-new]").textContent = followed || came === paused ? "" : `${number(came - paused)} new`;
    followButton.querySelector(".button-text").textContent = followed ? "Pause" : "Follow";
    followButton.toggleAttribute("data-paused", !followed);
    older.tell();
  }, 50);
}

async function copy() {
  const zone = chosen.zone();
  try {
    await navigator.clipboard.writeText(lines.shown.map((line) => textOf(line, zone)).join(""));
  } catch {
    document.dispatchEvent(new CustomEvent("toast", { detail: { tone: "info", text: "This browser does not let the page copy. Download the log instead." } }));
    return;
  }
  const text = `Copied ${number(lines.shown.length)} lines.`;
  say(text);
  document.dispatchEvent(new CustomEvent("toast", { detail: { tone: "success", text } }));
}

const chosen = tools(find(".log-bar"), {
  filter: (streams, severity) => lines.filter(streams, severity),
  style(style, wrap) {
    section.toggleAttribute("data-wrap", wrap);
    section.dataset.zone = style.zone;
    view.restyle(style, wrap);
  },
  copy,
});

function toTop() {
  view.toTop();
  if (older.unasked) older.load();
}

followButton.addEventListener("click", () => view.follow(!view.following));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && event.target === finder.input) {
    finder.clear();
    scroller.focus();
  } else if (!event.target.closest("input, select, textarea, [contenteditable]")) {
    const act = { "/": () => finder.input.focus(), End: () => view.follow(true), Home: toTop }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
});

tell();
feed.resume();
