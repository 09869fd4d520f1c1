// panels makes buttons that open panels, one at a time; Escape closes them.
export function panels(pairs, $, left) {
  const close = (back) => {
    for (const [b, p] of pairs) {
      if ($(p).hidden) continue;
      $(p).hidden = true;
      $(b).setAttribute("aria-expanded", "false");
      if (back) $(b).focus();
    }
  };
  for (const [b, p] of pairs) {
    $(b).addEventListener("click", () => {
      const opens = $(p).hidden;
      close(false);
      if (!opens) {
        left();
        return;
      }
      $(p).hidden = false;
      $(b).setAttribute("aria-expanded", "true");
      $(p).querySelector("textarea, input, button")?.focus();
    });
    $(p).addEventListener("keydown", (e) => {
      if (e.key === "Escape") close(true);
    });
  }
  return { close: () => close(false) };
}
