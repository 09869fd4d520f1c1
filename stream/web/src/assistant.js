// Assistant is the Image Assistant as buttons: the catalogue of applications,
// and an image from this builder, with its progress.
const steps = { AVAILABLE: "is ready", FAILED: "could not be made" };

export class Assistant {
  #$; #at; #image = null;

  constructor($, page) {
    this.#$ = $;
    this.#at = page + "assistant/";
    $("app-form").addEventListener("submit", (e) => this.#submit(e, async (form) => {
      await this.#ask("applications", "POST", fields(form));
      form.reset();
      await this.refresh();
      this.#say("The application was added.", "good");
    }));
    $("image-form").addEventListener("submit", (e) => this.#submit(e, async (form) => {
      const dryRun = e.submitter?.value === "check";
      const img = await this.#ask("image", "POST", { ...fields(form), latestAgent: form.latestAgent.checked, dryRun });
      if (!dryRun) this.#image = img.name;
      this.#say(dryRun ? `An image ${img.name} can be made.` : `The image ${img.name} is being made.`, "good");
    }));
  }

  async #submit(e, f) {
    e.preventDefault();
    const form = e.target;
    for (const b of form.querySelectorAll("button")) b.disabled = true;
    try {
      await f(form);
    } catch (err) {
      this.#say(err.message, "bad");
    } finally {
      for (const b of form.querySelectorAll("button")) b.disabled = false;
    }
  }

  async #ask(what, method = "GET", body) {
    const r = await fetch(this.#at + what, {
      method, cache: "no-store", ...(body ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {}),
    });
    const out = await r.json();
    if (!r.ok) throw new Error(out.error ?? "The server did not answer as it should.");
    return out;
  }

  #say(text, kind = "") {
    this.#$("assist-said").textContent = text;
    this.#$("assist-said").className = `said ${kind}`;
  }

  // refresh reads the catalogue: the command line in the guest changes it too.
  async refresh() {
    let list;
    try {
      list = await this.#ask("applications");
    } catch (err) {
      this.#say(err.message, "bad");
      return;
    }
    this.#say("");
    this.#$("apps").replaceChildren(...list.map((app) => this.#row(app)));
    if (list.length === 0) {
      const li = document.createElement("li");
      li.className = "none";
      li.textContent = "No applications yet.";
      this.#$("apps").append(li);
    }
  }

  #row(app) {
    const li = document.createElement("li");
    const name = document.createElement("b");
    name.textContent = app.displayName || app.name;
    const path = document.createElement("small");
    path.textContent = [app.path, app.parameters].filter(Boolean).join(" ");
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "Remove";
    remove.setAttribute("aria-label", `Remove ${app.displayName || app.name}`);
    remove.addEventListener("click", async () => {
      remove.disabled = true;
      try {
        await this.#ask(`applications/${encodeURIComponent(app.name)}`, "DELETE");
        await this.refresh();
        this.#$("p-assist").querySelector("input").focus();
        this.#say(`${app.displayName || app.name} was removed.`, "good");
      } catch (err) {
        this.#say(err.message, "bad");
        remove.disabled = false;
      }
    });
    li.append(name, path, remove);
    return li;
  }

  // progress says how far the image is, while there is no screen because of it.
  async progress() {
    if (!this.#image) return null;
    try {
      const img = await this.#ask(`image/${encodeURIComponent(this.#image)}`);
      const word = steps[img.state];
      if (word) return { title: `The image ${img.name} ${word}`, text: img.reason || "The image builder is stopped. Its screen comes back when it is started." };
      const part = img.part ? `, ${Math.round(img.part * 100)} %` : "";
      return { title: `Making the image ${img.name}`, text: `${img.step ? `Step: ${img.step}` : "It begins in a moment"}${part}` };
    } catch {
      return null;
    }
  }
}

// fields are the texts of a form that were filled in.
function fields(form) {
  return Object.fromEntries([...new FormData(form)].filter(([, v]) => typeof v === "string" && v !== "" && v !== "on").map(([k, v]) => [k, v.trim()]));
}
