// Clock shows how long the screen may still be looked at, once that is not
// long, and warns once, five minutes before the end.
const SHOWN = 60, WARNED = 5; // minutes

export class Clock {
  #at; #text; #announce; #until = 0; #ahead = 0; #warned = false;

  constructor(at, text, announce) {
    this.#at = at;
    this.#text = text;
    this.#announce = announce;
    setInterval(() => this.#draw(), 1000);
  }

  // set takes the end and the server's time now: this computer's clock may be wrong.
  set(until, now) {
    this.#until = until.getTime();
    this.#ahead = now.getTime() - Date.now();
    this.#draw();
  }

  stop() {
    this.#until = 0;
    this.#draw();
  }

  #draw() {
    const left = Math.max(0, this.#until - Date.now() - this.#ahead) / 1000;
    const shown = this.#until > 0 && left < SHOWN * 60;
    this.#at.hidden = !shown;
    if (!shown) {
      this.#warned = false;
      return;
    }
    const soon = left < WARNED * 60;
    const text = soon ? `${Math.floor(left / 60)}:${String(Math.floor(left % 60)).padStart(2, "0")} left` : `${Math.ceil(left / 60)} min left`;
    if (this.#text.textContent !== text) this.#text.textContent = text;
    this.#at.classList.toggle("soon", soon);
    if (soon && !this.#warned) {
      this.#warned = true;
      this.#announce("This screen ends in five minutes. Save your work.");
    }
  }
}
