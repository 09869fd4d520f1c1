// The page: puts the connection (link.js), the keys (keys.js) and the panels
// together. It keeps nothing: the page's token is in a cookie it cannot read.
import { Link } from "./link.js";
import { combos, send, type } from "./keys.js";
import { ClipboardPanel } from "./clipboard.js";
import { Assistant } from "./assistant.js";
import { Applications } from "./applications.js";
import { Files } from "./files.js";
import { Clock } from "./clock.js";
import { panels } from "./panels.js";

const $ = (id) => document.getElementById(id);
const page = document.querySelector("meta[name=slipway-page]").content;

// The address must not stay in the bar, nor in the history.
if (location.pathname !== page) history.replaceState(null, "", page);

const session = document.querySelector("meta[name=slipway-session]");
const link = new Link($("screen"), page, !session);
const assistant = $("p-assist") ? new Assistant($, page) : null;
link.reason = () => assistant?.progress();
const clock = new Clock($("left"), $("left-text"), announce);
const clip = new ClipboardPanel($, link, announce);
const told = (name) => document.querySelector(`meta[name=slipway-${name}]`)?.content ?? "";
const apps = $("catalogue") ? new Applications($, page, link, announce, { view: told("view"), wish: told("wish"), launched: told("launched") }) : null;
const files = $("p-files") ? new Files($, page, announce) : null;
const more = [...(assistant ? [["b-assist", "p-assist"]] : []), ...(files ? [["b-files", "p-files"]] : []), ...(session ? [["b-end", "p-end"]] : [])];
const open = panels([["b-keys", "p-keys"], ["b-clip", "p-clip"], ...more], $, () => { if (!apps?.covers) link.focus(); });
$("b-assist")?.addEventListener("click", () => assistant.refresh());
$("b-files")?.addEventListener("click", () => { if (!$("p-files").hidden) files.refresh(); });
if (files) files.dropped = () => { if ($("p-files").hidden) $("b-files").click(); };
if (apps) {
  apps.opening = () => open.close();
  apps.changed = () => veil();
}

let toastTimer = 0;
function announce(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").hidden = true; }, 6000);
}

// after is where a user goes when the session has ended.
let after = {};

const words = { connecting: "Connecting", connected: "Connected", waiting: "Waiting", ended: "Disconnected" };

// veil covers the screen while there is nothing to see; where applications are
// chosen first they are there instead.
let now = "connecting";
function veil() {
  $("veil").hidden = now === "connected" || now !== "ended" && Boolean(apps?.covers);
}

// show puts a state of the link on the page. Only what changed is written: each
// writing is read out by screen readers.
function show({ state, title, text, again, over }) {
  const pill = $("state");
  if (pill.dataset.state !== state) {
    pill.dataset.state = state;
    $("state-text").textContent = words[state];
  }
  const connected = state === "connected";
  now = state;
  apps?.state(state);
  veil();
  for (const b of document.querySelectorAll("#b-keys, #b-clip, #b-assist, #b-files")) b.disabled = !connected;
  if ($("b-apps")) $("b-apps").disabled = state === "ended";
  if (connected) return;
  open.close();
  $("quality").hidden = true;
  $("veil-spin").hidden = state === "ended";
  $("veil-title").textContent = title;
  const more = state === "ended" ? "" : apps?.waiting;
  $("veil-text").textContent = more || text;
  if (over) clock.stop();
  const had = !$("veil-again").hidden;
  $("veil-again").hidden = !again;
  for (const [id, address] of [["veil-on", after.redirect], ["veil-feedback", after.feedback]]) {
    $(id).hidden = !over || !address;
    if (address) $(id).href = address;
  }
  if (again && !had && state === "ended") $("veil-again").focus();
}

link.addEventListener("state", (e) => {
  show(e.detail);
  if (e.detail.state === "connected" && !apps?.open) link.focus();
  $("b-end").disabled = e.detail.state === "ended";
});
link.addEventListener("hello", (e) => {
  $("title").textContent = e.detail.title;
  clock.set(new Date(e.detail.until), new Date(e.detail.now));
  clip.allow(e.detail);
  files?.allow(e.detail);
  after = e.detail;
});
link.addEventListener("quality", (e) => {
  const ms = e.detail;
  $("quality").hidden = false;
  $("quality").dataset.level = ms < 80 ? "good" : ms < 250 ? "fair" : "poor";
  $("rtt").textContent = `${Math.max(1, Math.round(ms))} ms`;
  $("quality").title = `Round trip ${ms.toFixed(1)} ms`;
});
link.addEventListener("clipboard", (e) => clip.received(e.detail));
link.addEventListener("idle", (e) => {
  if (e.detail.soon) announce("You did nothing for a while: move the pointer or press a key, or you are disconnected within a minute.");
});
link.addEventListener("release", () => (document.querySelector("#b-apps:not([hidden])") ?? $("b-keys")).focus());

for (const c of combos) {
  const b = document.createElement("button");
  b.type = "button";
  b.textContent = c.name;
  b.addEventListener("click", () => { send(link, c); open.close(); link.focus(); });
  $("combos").append(b);
}
$("clip-type").addEventListener("click", async () => {
  if (!clip.fits($("clip").value)) return;
  open.close();
  link.focus();
  const skipped = await type(link, $("clip").value);
  if (skipped > 0) announce(`${skipped} characters are not on a US keyboard and were left out.`);
});

let fit = true;
$("b-fit").addEventListener("click", () => {
  fit = !fit;
  link.fit(fit);
  $("b-fit").setAttribute("aria-pressed", String(fit));
  $("b-fit").querySelector("use").setAttribute("href", fit ? "#i-fit" : "#i-one");
  $("b-fit").querySelector("span").textContent = fit ? "Fit" : "1:1";
});
$("b-full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen({ navigationUI: "hide" }).then(() => navigator.keyboard?.lock?.(), () => announce("The browser does not allow full screen here."));
});
document.addEventListener("fullscreenchange", () => $("b-full").setAttribute("aria-pressed", String(Boolean(document.fullscreenElement))));
if (session) {
  $("end-leave").addEventListener("click", () => { open.close(); link.leave(); });
  $("end-session").addEventListener("click", () => { open.close(); link.end(); });
} else $("b-end").addEventListener("click", () => link.leave());
$("veil-again").addEventListener("click", () => link.now());

apps?.begin();
link.now();
