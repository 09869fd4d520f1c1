// Files moves files between this computer and the transfer folder of the guest.
// A file goes up in pieces; after an interruption it goes on where it was.
const TRIES = 6;
const WAIT = [400, 1000, 2500, 5000, 8000]; // ms between tries

export class Files {
  #$; #page; #announce; #may = { upload: false, download: false }; #piece = 1 << 20; #queue = []; #running = false; #next = 0;

  constructor($, page, announce) {
    this.#$ = $;
    this.#page = page;
    this.#announce = announce;
    $("file-pick").addEventListener("click", () => $("file-input").click());
    $("file-input").addEventListener("change", () => {
      this.#take($("file-input").files);
      $("file-input").value = "";
    });
    $("file-refresh").addEventListener("click", () => this.refresh());
    this.#dropping();
  }

  // allow follows what the stack lets users do.
  allow({ upload, download }) {
    this.#may = { upload, download };
    this.#$("b-files").hidden = !upload && !download;
    this.#$("file-up").hidden = !upload;
    this.#$("file-hint").textContent = upload && download ? "Files in this folder of your session can be saved on this computer. What is left there when the session ends is gone."
      : upload ? "Your administrator lets files come into the session, and none out of it." : "Your administrator lets files out of the session, and none into it.";
  }

  #dropping() {
    const zone = this.#$("file-drop");
    const files = (e) => this.#may.upload && [...(e.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragover", (e) => {
      if (!files(e)) return;
      e.preventDefault();
      zone.hidden = false;
    });
    addEventListener("dragleave", (e) => { if (!e.relatedTarget) zone.hidden = true; });
    addEventListener("drop", (e) => {
      zone.hidden = true;
      if (!files(e)) return;
      e.preventDefault();
      this.dropped?.();
      this.#take(e.dataTransfer.files);
    });
  }

  // dropped is called when files were dropped on the page.
  dropped = null;

  #take(list) {
    for (const file of list) {
      const t = this.#row(file);
      this.#queue.push(t);
      this.#$("transfers").append(t.li);
    }
    this.#run();
  }

  // row is a file on its way up, as it is shown.
  #row(file) {
    const n = ++this.#next;
    const li = document.createElement("li");
    const name = document.createElement("b");
    name.id = `transfer-${n}`;
    name.textContent = file.name;
    const bar = document.createElement("progress");
    bar.max = Math.max(1, file.size);
    bar.value = 0;
    bar.setAttribute("aria-labelledby", name.id);
    const said = document.createElement("small");
    said.textContent = "Waiting";
    const stop = document.createElement("button");
    stop.type = "button";
    stop.textContent = "Cancel";
    stop.setAttribute("aria-label", `Cancel ${file.name}`);
    li.append(name, stop, bar, said);
    const t = { file, li, bar, said, stop, id: crypto.getRandomValues(new Uint32Array(4)).join("-"), abort: new AbortController() };
    stop.addEventListener("click", () => {
      if (t.over) {
        li.remove();
        this.#$("file-pick").focus();
      } else t.abort.abort();
    });
    return t;
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    for (let t; (t = this.#queue.shift());) {
      try {
        const name = await this.#send(t);
        this.#end(t, name === t.file.name ? "Arrived" : `Arrived as ${name}`, "good");
        this.#tell(`${name} is in your session.`);
      } catch (e) {
        const gone = t.abort.signal.aborted;
        this.#end(t, gone ? "Cancelled" : e.message, gone ? "" : "bad");
        if (!gone) this.#tell(`${t.file.name} was not sent: ${e.message}`);
        await fetch(this.#address(t), { method: "DELETE" }).catch(() => {}); // nobody goes on with it: the guest forgets it by itself too
      }
    }
    this.#running = false;
    this.refresh();
  }

  #end(t, text, kind) {
    t.over = true;
    t.bar.hidden = true;
    t.said.textContent = text;
    t.said.className = kind;
    t.stop.textContent = "Clear";
    t.stop.setAttribute("aria-label", `Clear ${t.file.name} from the list`);
  }

  #address(t, offset = 0) {
    return `${this.#page}files/put/${encodeURIComponent(t.file.name)}?${new URLSearchParams({ id: t.id, size: t.file.size, offset })}`;
  }

  // send sends a file, from where the guest has it, and returns what it is called
  // there.
  async #send(t) {
    let offset = 0, tries = 0, first = true;
    for (;;) {
      let r, out;
      try {
        // The first question brings nothing: it says whether the file may come.
        const body = first && t.file.size > 0 ? new Blob() : t.file.slice(offset, offset + this.#piece);
        r = await fetch(this.#address(t, offset), { method: "PUT", body, cache: "no-store", signal: t.abort.signal });
        out = await r.json();
      } catch (e) {
        if (t.abort.signal.aborted) throw e;
        r = { ok: false, status: 0 };
        out = { error: "The connection was lost." };
      }
      if (!r.ok) {
        // What is wrong with the file, or not allowed, stays so; the rest may pass.
        if ([400, 403, 404, 413, 429, 501].includes(r.status) || ++tries >= TRIES) throw new Error(out.error ?? "The server did not answer as it should.");
        t.said.textContent = `Interrupted, trying again: ${out.error}`;
        await pause(WAIT[tries - 1] ?? WAIT.at(-1), t.abort.signal);
        first = true;
        continue;
      }
      if (out.name) return out.name;
      tries = out.have > offset ? 0 : first ? tries : tries + 1;
      if (tries >= TRIES) throw new Error("The guest takes no more of it.");
      first = false;
      offset = out.have;
      t.bar.value = offset;
      t.said.textContent = `${bytes(offset)} of ${bytes(t.file.size)}`;
    }
  }

  // refresh lists what is in the folder.
  async refresh() {
    const list = this.#$("files");
    list.setAttribute("aria-busy", "true");
    try {
      const r = await fetch(`${this.#page}files`, { cache: "no-store" });
      const out = await r.json();
      if (!r.ok) throw new Error(out.error);
      this.#piece = out.piece;
      list.replaceChildren(...out.files.map(entry));
      if (out.files.length === 0) list.append(empty("The folder is empty."));
      this.#say("");
    } catch (e) {
      list.replaceChildren();
      this.#say(e.message || "The files cannot be listed now.");
    } finally {
      list.removeAttribute("aria-busy");
    }
  }

  // tell says what the panel shows: aloud when it is open, and on the page when not.
  #tell(text) {
    if (this.#$("p-files").hidden) this.#announce(text);
    else this.#$("file-live").textContent = text;
  }

  #say(text) { this.#$("file-said").textContent = text; }
}

// entry is a file of the folder; a link where it may be had.
function entry(f) {
  const li = document.createElement("li");
  const name = document.createElement(f.href ? "a" : "b");
  name.textContent = f.name;
  if (f.href) {
    name.href = f.href;
    name.setAttribute("download", f.name);
  }
  const about = document.createElement("small");
  about.textContent = `${bytes(f.size)} · ${new Date(f.modified).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`;
  li.append(name, about);
  return li;
}

function empty(text) {
  const li = document.createElement("li");
  li.className = "none";
  li.textContent = text;
  return li;
}

function bytes(n) {
  const units = ["B", "KB", "MB", "GB"];
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${i > 0 && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

function pause(ms, signal) {
  return new Promise((ok, fail) => {
    const t = setTimeout(ok, ms);
    signal.addEventListener("abort", () => { clearTimeout(t); fail(signal.reason); }, { once: true });
  });
}
