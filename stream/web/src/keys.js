// Keys that a browser keeps for itself, and texts typed as keys.

const left = { Control: [0xffe3, "ControlLeft"], Alt: [0xffe9, "AltLeft"], Shift: [0xffe1, "ShiftLeft"], Super: [0xffeb, "MetaLeft"] };
const key = (name, ...keys) => ({ name, keys });

export const combos = [
  key("Ctrl+Alt+Del", left.Control, left.Alt, [0xffff, "Delete"]),
  key("Windows key", left.Super),
  key("Alt+Tab", left.Alt, [0xff09, "Tab"]),
  key("Alt+F4", left.Alt, [0xffc1, "F4"]),
  key("Ctrl+Esc", left.Control, [0xff1b, "Escape"]),
  key("Escape", [0xff1b, "Escape"]),
  key("Ctrl+Alt+F1", left.Control, left.Alt, [0xffbe, "F1"]),
  key("Ctrl+Alt+F2", left.Control, left.Alt, [0xffbf, "F2"]),
];

// send presses the keys of a combination in order and lets go in reverse.
export function send(link, { keys }) {
  for (const [sym, code] of keys) link.rfb?.sendKey(sym, code, true);
  for (const [sym, code] of [...keys].reverse()) link.rfb?.sendKey(sym, code, false);
}

// A US keyboard: which key, and whether with Shift, makes a character.
const us = new Map();
function row(codes, plain, shifted) {
  codes.forEach((code, i) => {
    us.set(plain[i], [code, false]);
    us.set(shifted[i], [code, true]);
  });
}
row(["Backquote", ..."1234567890".split("").map((d) => "Digit" + d), "Minus", "Equal"], "`1234567890-=", "~!@#$%^&*()_+");
row(["BracketLeft", "BracketRight", "Backslash", "Semicolon", "Quote", "Comma", "Period", "Slash"], "[]\\;',./", "{}|:\"<>?");
row([..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"].map((c) => "Key" + c), "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
us.set(" ", ["Space", false]);

// A keyboard's queue in a guest holds a few keys only.
const KEY_EVERY = 30; // ms

// type types a text and returns how many characters it left out.
export async function type(link, text) {
  let skipped = 0;
  const tap = (sym, code) => { link.rfb?.sendKey(sym, code, true); link.rfb?.sendKey(sym, code, false); };
  for (const c of text.replace(/\r\n?/g, "\n")) {
    if (!link.rfb) break;
    if (c === "\n") tap(0xff0d, "Enter");
    else if (c === "\t") tap(0xff09, "Tab");
    else if (us.has(c)) {
      const [code, shift] = us.get(c);
      if (shift) link.rfb.sendKey(...left.Shift, true);
      tap(c.codePointAt(0), code);
      if (shift) link.rfb.sendKey(...left.Shift, false);
    } else {
      skipped++;
      continue;
    }
    await new Promise((next) => setTimeout(next, KEY_EVERY));
  }
  return skipped;
}
