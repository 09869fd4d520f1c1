// Applications is the catalogue of a session: what can be started, with pictures.
// In APP view it is what a user sees first; in DESKTOP view a panel of the toolbar.
const HUES = 6; // of tiles without a picture, see style.css
const RETRY = 4000; // ms, until a catalogue that could not be had is asked for again
const SEARCH_FROM = 9; // applications

export class Applications {
  #$; #page; #link; #announce; #app; #wish; #list = null; #launched; #connected = false; #queued = null; #busy = null; #over = false; #key;

  // about: { view, wish, launched } of the page.
  constructor($, page, link, announce, about) {
    this.#$ = $;
    this.#page = page;
    this.#link = link;
    this.#announce = announce;
    this.#app = about.view === "APP";
    this.#launched = new Set(about.launched ? [about.launched] : []);
    this.#key = `wish ${page}`;
    this.#wish = about.wish && about.wish !== "Desktop" && !recall(this.#key) ? about.wish : "";
    $("catalogue").dataset.view = this.#app ? "app" : "desktop";
    $("b-apps").addEventListener("click", () => (this.open ? this.close() : this.show()));
    $("cat-close").addEventListener("click", () => this.close());
    $("cat-find").addEventListener("input", () => this.#filter());
    $("catalogue").addEventListener("keydown", (e) => {
      if (e.key === "Escape" && this.#mayClose()) this.close();
    });
  }

  get open() { return !this.#$("catalogue").hidden; }

  // covers tells whether the catalogue is there instead of the screen, so that
  // nothing has to be said about the screen.
  get covers() { return this.#app && this.open; }

  // begin loads the catalogue and shows it where it comes first.
  async begin() {
    if (this.#app && !this.#wish && this.#launched.size === 0) this.show();
    await this.#load();
    if (this.#wish) this.#start(this.#wish);
  }

  async #load() {
    if (this.#over) return;
    try {
      const r = await fetch(`${this.#page}applications`, { cache: "no-store" });
      const out = await r.json();
      if (!r.ok) throw new Error(out.error);
      this.#list = out.applications;
    } catch (e) {
      this.#say(e.message || "The applications cannot be listed now.", true);
      setTimeout(() => this.#load(), RETRY);
      return;
    }
    // An image without a catalogue has its screen only.
    this.#$("b-apps").hidden = this.#list.length === 0;
    if (this.#list.length === 0) {
      this.close();
      return;
    }
    this.#say("");
    this.#$("cat-search").hidden = this.#list.length < SEARCH_FROM;
    const had = this.#$("catalogue").contains(document.activeElement);
    this.#$("cat-list").replaceChildren(...this.#list.map((a) => this.#tile(a)));
    this.#mark();
    if (had || this.covers) this.#focus();
  }

  #tile(a) {
    const li = document.createElement("li");
    const b = document.createElement("button");
    b.type = "button";
    b.className = "tile";
    b.dataset.name = a.name;
    b.title = a.title; // which a tile may have no room for
    const title = document.createElement("span");
    title.className = "tile-title";
    title.textContent = a.title;
    const state = document.createElement("span");
    state.className = "tile-state";
    b.append(picture(a), title, state);
    b.addEventListener("click", () => this.#start(a.name));
    li.append(b);
    return li;
  }

  #filter() {
    const words = this.#$("cat-find").value.trim().toLowerCase();
    let n = 0;
    for (const li of this.#$("cat-list").children) {
      li.hidden = !li.textContent.toLowerCase().includes(words);
      if (!li.hidden) n++;
    }
    this.#say(words ? `${n} of ${this.#list.length} applications` : "");
  }

  #title(name) { return this.#list?.find((a) => a.name === name)?.title ?? name; }

  // start starts an application now, or as soon as the guest is there.
  async #start(name) {
    if (this.#busy) return;
    if (!this.#connected) {
      this.#queued = name;
      this.#say(`${this.#title(name)} opens as soon as your session is ready.`);
      this.#mark();
      return;
    }
    this.#queued = null;
    this.#busy = name;
    this.#mark();
    this.#say(`${this.#title(name)} is being started.`);
    try {
      const r = await fetch(`${this.#page}launch`, {
        method: "POST", cache: "no-store", headers: { "content-type": "application/json" }, body: JSON.stringify({ name }),
      });
      const out = await r.json();
      if (!r.ok) throw new Error(out.error);
      this.#launched.add(name);
      this.#busy = null;
      this.#say("");
      this.close();
      this.#announce(`${this.#title(name)} was started.`);
    } catch (e) {
      this.#busy = null;
      this.show();
      this.#say(e.message || "The application could not be started.", true);
    } finally {
      if (name === this.#wish) remember(this.#key);
      this.#wish = "";
      this.#mark();
    }
  }

  // mark shows on the tiles what becomes of them.
  #mark() {
    for (const b of this.#$("cat-list").querySelectorAll(".tile")) {
      const name = b.dataset.name;
      const state = name === this.#busy ? "Starting" : name === this.#queued ? "Waiting" : this.#launched.has(name) ? "Started" : "";
      b.dataset.state = state.toLowerCase();
      b.querySelector(".tile-state").textContent = state;
      b.setAttribute("aria-disabled", String(Boolean(this.#busy)));
    }
    this.#$("cat-close").hidden = !this.#mayClose();
  }

  // In APP view there is nothing behind the catalogue before something was started.
  #mayClose() { return !this.#app || this.#launched.size > 0; }

  #say(text, bad = false) {
    const at = this.#$("cat-said");
    if (at.textContent !== text) at.textContent = text;
    at.classList.toggle("bad", bad);
  }

  #focus() {
    (this.#$("cat-list").querySelector("li:not([hidden]) .tile") ?? this.#$("cat-title")).focus();
  }

  show() {
    if (this.#list?.length === 0) return;
    this.opening?.();
    this.#$("catalogue").hidden = false;
    this.#$("b-apps").setAttribute("aria-expanded", "true");
    this.#$("screen").inert = this.#app;
    this.#$("toast").hidden = true; // what it says is of before
    this.#mark();
    this.#focus();
    this.changed?.();
  }

  close() {
    if (!this.open) return;
    this.#$("catalogue").hidden = true;
    this.#$("b-apps").setAttribute("aria-expanded", "false");
    this.#$("screen").inert = false;
    this.#link.focus();
    this.changed?.();
  }

  // opening is called before the catalogue appears, changed after it did or went.
  opening = null;
  changed = null;

  // state follows the connection.
  state(state) {
    this.#connected = state === "connected";
    if (this.#connected && this.#queued) this.#start(this.#queued);
    const was = this.#over;
    this.#over = state === "ended";
    if (this.#over) this.close();
    else if (was) {
      if (this.#app && !this.#wish && this.#launched.size === 0) this.show();
      if (this.#list === null) this.#load();
    }
  }

  // waiting is what to say while the wished application has not been started.
  get waiting() { return this.#wish ? `${this.#title(this.#wish)} opens as soon as your session is ready.` : ""; }
}

// picture is an application's, or its first letter.
function picture(a) {
  const letter = document.createElement("span");
  letter.className = `tile-icon letter hue-${[...a.name].reduce((n, c) => n + c.codePointAt(0), 0) % HUES}`;
  letter.setAttribute("aria-hidden", "true");
  letter.textContent = [...a.title][0].toUpperCase();
  if (!a.icon) return letter;
  const img = document.createElement("img");
  img.className = "tile-icon";
  img.alt = "";
  img.width = img.height = 64;
  img.addEventListener("error", () => img.replaceWith(letter));
  img.src = a.icon;
  return img;
}

// What a page was opened for is done once, also when it is loaded again.
function remember(key) {
  try { sessionStorage.setItem(key, "done"); } catch { /* kept nowhere, then */ }
}

function recall(key) {
  try { return sessionStorage.getItem(key); } catch { return null; }
}
