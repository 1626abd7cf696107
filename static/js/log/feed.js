// The WebSocket that brings the lines. It resumes after the last line that arrived, and says "got" to every frame of lines, without which the
// server sends no more than a few: so nothing piles up anywhere when this page is slow.
import { read } from "./line.js";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
const FIRST_LINES = 2000;
const OLDER_LINES = 5000;

export class Feed {
  #path;
  #on;
  #socket = null;
  #last = null;
  #retries = 0;
  #timer = 0;
  #older = null; // what of it has arrived, while it is asked for
  #wanted = true;
  #begun = false;
  #count = 0; // of the first lines

  // `on` has: lines(lines), older(lines, more, problem), state(live, problem, notice), begun(more) once the first lines are there.
  constructor(path, on) {
    this.#path = path;
    this.#on = on;
    addEventListener("pagehide", () => this.suspend());
    addEventListener("pageshow", (event) => event.persisted && this.resume());
  }

  // Stop taking lines; the toolbox keeps them.
  suspend() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#closed(1000);
  }

  resume() {
    this.#wanted = true;
    clearTimeout(this.#timer);
    if (!this.#socket) this.#connect();
  }

  get asking() {
    return this.#older !== null;
  }

  // Ask for lines before a moment of the toolbox's; false where that cannot be done now.
  askOlder(before) {
    if (this.#older || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#older = [];
    this.#say({ kind: "older", before, count: OLDER_LINES });
    return true;
  }

  #connect() {
    const where = this.#last === null ? `?tail=${FIRST_LINES}` : `?since=${this.#last}`;
    const socket = new WebSocket(new URL(this.#path + where, location.href.replace(/^http/, "ws")));
    this.#socket = socket;
    socket.addEventListener("message", (event) => socket === this.#socket && this.#take(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => socket === this.#socket && this.#closed(event.code));
  }

  #take(frame) {
    if (frame.kind === "state") {
      if (frame.live) this.#retries = 0;
      if (frame.live && !this.#begun) {
        this.#begun = true;
        this.#on.begun(this.#count >= FIRST_LINES);
      }
      this.#on.state(frame.live, frame.problem, frame.notice);
    } else if (frame.kind === "end_of_older") {
      const lines = this.#older ?? [];
      this.#older = null;
      this.#on.older(lines, frame.more, frame.problem);
    } else {
      const lines = read(frame.lines, frame.ahead);
      if (frame.kind === "older") this.#older?.push(...lines);
      else {
        this.#last = lines.at(-1).at;
        this.#count += lines.length;
        this.#on.lines(lines);
      }
      this.#say({ kind: "got" });
    }
  }

  #say(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #closed(code) {
    this.#socket = null;
    if (this.#older) {
      this.#older = null;
      this.#on.older([], true, "The connection was interrupted.");
    }
    if (!this.#wanted) return;
    if (code >= 4000) {
      this.#on.state(false, "This log no longer hears of new lines. Reload the page.", "");
      return; // signed out, not yours, deleted: asking again would change nothing
    }
    this.#on.state(false, "", "");
    const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#retries++);
    this.#timer = setTimeout(() => this.#connect(), wait * (0.5 + Math.random() / 2));
  }
}
