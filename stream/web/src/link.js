// Link is the connection to the screen: noVNC over a websocket that also
// carries notes (text messages) beside the screen, connected again when lost.
import RFB from "@novnc/novnc";

// Close codes of the gateway (stream/gateway.go).
const SCREEN_ENDED = 4000, TICKET_ENDED = 4001, NOT_SPOKEN = 4002, TAKEN_OVER = 4005, DID_NOTHING = 4006;

const PING_EVERY = 2500; // ms
const PING_LOST = 12000;
const BACK_OFF = [300, 700, 1500, 3000, 6000, 10000];
const ASK_EVERY = 4000; // while there is no screen
const WAIT_EVERY = 1000; // while there will be one soon
const HERE_EVERY = 10000; // at most: what the user does beside the screen

export class Link extends EventTarget {
  #target; #page; #rfb = null; #socket = null;
  #tries = 0; #timer = 0; #pings = 0; #pongAt = 0; #sent = new Map();
  #here = 0; #fit = true; #down = new Set(); #left = false; #run = 0; #prepared;

  // prepared: there is a screen, as far as is known.
  constructor(target, page, prepared) {
    super();
    this.#prepared = prepared;
    this.#target = target;
    this.#page = page;
    // Before noVNC, which keeps every key for the guest.
    addEventListener("keydown", (e) => this.#chord(e), true);
    addEventListener("keyup", (e) => this.#down.delete(e.key), true);
    addEventListener("blur", () => this.#down.clear());
    // Who chooses an application or writes in a panel is not idle; what the screen
    // gets, the gateway sees itself.
    for (const what of ["keydown", "pointerdown", "pointermove"]) addEventListener(what, (e) => { if (!target.contains(e.target)) this.#stir(); }, true);
    addEventListener("online", () => { if (this.#timer) this.now(); });
  }

  // reason may say more about why there is no screen: an async function that
  // gives { title, text } or nothing.
  reason = null;

  get rfb() { return this.#rfb; }
  focus() { this.#rfb?.focus(); }

  // Ctrl+Alt+Shift leaves the screen for the toolbar.
  #chord(e) {
    this.#down.add(e.key);
    if (e.ctrlKey && e.altKey && e.shiftKey && ["Control", "Alt", "Shift"].includes(e.key) && this.#target.contains(document.activeElement)) {
      this.#rfb?.blur();
      for (const [sym, code] of [[0xffe3, "ControlLeft"], [0xffe9, "AltLeft"], [0xffe1, "ShiftLeft"]]) this.#rfb?.sendKey(sym, code, false);
      this.#emit("release");
    }
  }

  #stir() {
    const now = performance.now();
    if (now - this.#here < HERE_EVERY || this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#here = now;
    this.#socket.send(JSON.stringify({ here: true }));
  }

  fit(on) {
    this.#fit = on;
    if (this.#rfb) this.#rfb.scaleViewport = on;
  }

  leave() {
    this.#left = true;
    this.#stop();
    this.#state("ended", "Disconnected", "The machine goes on without you.", true);
  }

  // now connects at once, whatever was waited for.
  now() {
    this.#left = false;
    this.#stop();
    this.#state("connecting", "Connecting", "The screen appears in a moment.", false);
    if (this.#prepared) this.#connect();
    else this.#lost({}); // asks whether there is a screen yet
  }

  // end ends the session for good.
  async end() {
    this.#left = true;
    this.#stop();
    this.#state("connecting", "Ending the session", "", false);
    try {
      const r = await fetch(this.#page + "end", { method: "POST", cache: "no-store" });
      const s = await r.json();
      if (!r.ok && !s.final) throw new Error(s.error);
      this.#state("ended", "The session has ended", "Thank you.", false, true);
    } catch (e) {
      this.#state("ended", "The session could not be ended", e.message, true);
    }
  }

  #stop() {
    clearTimeout(this.#timer);
    clearInterval(this.#pings);
    this.#timer = 0;
    this.#run++;
    this.#rfb?.disconnect();
    this.#socket?.close(1000);
    this.#rfb = this.#socket = null;
  }

  #connect() {
    const run = this.#run;
    const url = new URL(this.#page + "socket", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.#socket = socket;
    const channel = carrier(socket, (n) => { if (run === this.#run) this.#note(n); });
    const rfb = new RFB(this.#target, channel, { shared: true });
    this.#rfb = rfb;
    rfb.scaleViewport = this.#fit;
    rfb.resizeSession = true;
    rfb.showDotCursor = true;
    rfb.background = "transparent";
    rfb.addEventListener("connect", () => {
      if (run !== this.#run) return;
      this.#tries = 0;
      this.#pongAt = performance.now();
      this.#ping(run);
      this.#pings = setInterval(() => this.#ping(run), PING_EVERY);
      this.#state("connected");
    });
    rfb.addEventListener("clipboard", (e) => this.#emit("clipboard", e.detail.text));
    rfb.addEventListener("disconnect", () => {
      if (run !== this.#run) return;
      this.#rfb = null;
      // The close frame tells why; the event may come a moment before it.
      const closed = socket.readyState === WebSocket.CLOSED ? Promise.resolve(channel.closed ?? {}) : new Promise((ok) => {
        socket.addEventListener("close", ok, { once: true });
        setTimeout(() => ok({}), 2000);
      });
      closed.then((e) => { if (run === this.#run) this.#lost(e); });
    });
  }

  #ping(run) {
    if (run !== this.#run || this.#socket?.readyState !== WebSocket.OPEN) return;
    if (performance.now() - this.#pongAt > PING_LOST) {
      this.#stop();
      this.#lost({});
      return;
    }
    const n = Math.floor(performance.now()) + 1;
    this.#sent.set(n, performance.now());
    this.#socket.send(JSON.stringify({ ping: n }));
  }

  #note(n) {
    if (n.pong) {
      const at = this.#sent.get(n.pong);
      this.#sent.clear();
      this.#pongAt = performance.now();
      if (at) this.#emit("quality", this.#pongAt - at);
    }
    if (n.hello) this.#emit("hello", n.hello);
    if (n.idle) this.#emit("idle", n.idle);
  }

  // lost decides what a lost connection means: the gateway's close code, or the
  // page's status where there was none, tells.
  async #lost({ code, reason }) {
    this.#stop();
    if (this.#left) return;
    const last = {
      [TICKET_ENDED]: ["This page has ended", false], [NOT_SPOKEN]: ["The connection was ended", true],
      [TAKEN_OVER]: ["The session is elsewhere", true], [DID_NOTHING]: ["You were disconnected", true],
    }[code];
    if (last) {
      this.#state("ended", last[0], reason, last[1], code === TICKET_ENDED);
      return;
    }
    const run = this.#run;
    let why = code === SCREEN_ENDED ? reason : "";
    try {
      const r = await fetch(this.#page + "status", { cache: "no-store" });
      const s = await r.json();
      if (run !== this.#run) return;
      if (s.final) {
        this.#state("ended", "This page has ended", s.error, false, true);
        return;
      }
      if (s.waiting) {
        this.#state("connecting", "Your session is being prepared", "Its machine is starting. This takes a moment.", false);
        this.#again(WAIT_EVERY);
        return;
      }
      why = s.error || "";
      if (r.ok && !this.#prepared) {
        this.#prepared = true;
        this.#connect();
        return;
      }
      if (r.status === 409) { // no screen now: ask again, calmly
        const more = await this.reason?.();
        if (run !== this.#run) return;
        this.#state("waiting", more?.title ?? "There is no screen now", more?.text ?? why, !more);
        this.#again(ASK_EVERY);
        return;
      }
    } catch { /* the server cannot be reached: wait for it */ }
    if (run !== this.#run) return;
    const wait = BACK_OFF[Math.min(this.#tries++, BACK_OFF.length - 1)];
    this.#state("waiting", "Reconnecting", why || reason || "The connection was lost. It is tried again by itself.", true);
    this.#again(wait * (0.8 + 0.4 * Math.random()));
  }

  #again(wait) {
    this.#timer = setTimeout(() => { this.#timer = 0; this.#connect(); }, wait);
  }

  // again: a person may try; over: there is nothing to come back to.
  #state(state, title = "", text = "", again = false, over = false) { this.#emit("state", { state, title, text, again, over }); }
  #emit(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}

// carrier is what noVNC takes for a websocket: binary messages are the screen's,
// text messages are ours.
function carrier(socket, note) {
  socket.binaryType = "arraybuffer";
  const c = {
    binaryType: "arraybuffer", protocol: "", onopen: null, onmessage: null, onclose: null, onerror: null, closed: null,
    get readyState() { return socket.readyState; },
    send: (data) => socket.send(data),
    close: () => socket.close(1000),
  };
  socket.onopen = (e) => c.onopen?.(e);
  socket.onerror = (e) => c.onerror?.(e);
  socket.onclose = (e) => { c.closed = e; c.onclose?.(e); };
  socket.onmessage = (e) => {
    if (typeof e.data !== "string") c.onmessage?.(e);
    else try { note(JSON.parse(e.data)); } catch { /* not from our server */ }
  };
  return c;
}
