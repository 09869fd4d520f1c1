// ClipboardPanel moves text between this computer, the panel and the guest.
export class ClipboardPanel {
  #$; #link; #announce; #in = true; #out = true; #most = Infinity;

  constructor($, link, announce) {
    this.#$ = $;
    this.#link = link;
    this.#announce = announce;
    $("clip-send").addEventListener("click", () => this.#send());
    $("clip-copy").addEventListener("click", () => this.#copy());
    // A paste while the screen has the focus goes to the guest's clipboard.
    addEventListener("paste", (e) => {
      if (document.activeElement === $("clip") || !this.#in) return;
      const text = e.clipboardData?.getData("text/plain");
      if (text && this.fits(text)) link.rfb?.clipboardPasteFrom(text);
    });
  }

  // allow follows what the gateway lets pass.
  allow({ copyIn, copyOut, input }) {
    this.#in = copyIn > 0;
    this.#most = copyIn;
    this.#out = copyOut > 0;
    this.#$("clip-send").hidden = !this.#in;
    this.#$("clip-type").hidden = !input || !this.#in;
    this.#$("clip-copy").hidden = !this.#out;
    if (!this.#in && !this.#out) this.#$("clip-hint").textContent = "The clipboard is not shared with this screen.";
  }

  received(text) {
    if (!this.#out) return;
    this.#$("clip").value = text;
    this.#announce("The guest copied a text. It is in the clipboard panel.");
  }

  // fits says so when a text is longer than may go into the guest at once.
  fits(text) {
    const n = [...text].length;
    if (n > this.#most) this.#announce(`At most ${this.#most} characters may go into this screen at once. The text has ${n}.`);
    return n <= this.#most;
  }

  #send() {
    if (!this.fits(this.#$("clip").value)) return;
    this.#link.rfb?.clipboardPasteFrom(this.#$("clip").value);
    this.#announce("The text is in the guest's clipboard.");
  }

  async #copy() {
    const box = this.#$("clip");
    try {
      await navigator.clipboard.writeText(box.value);
      this.#announce("The text is in this computer's clipboard.");
    } catch {
      box.focus();
      box.select();
      this.#announce("The browser does not allow it: press Ctrl+C to copy the selected text.");
    }
  }
}
