/* The palette (Ctrl-K): what there is to go to or to begin, found by typing. */
"use strict";
(() => {
  const dialog = document.getElementById("palette");
  if (!dialog) return;
  const field = document.getElementById("palette-text");
  const list = document.getElementById("palette-list");
  const state = document.getElementById("palette-state");
  let asked = 0; // the newest question; late answers to older ones are thrown away
  let timer = 0;

  const options = () => [...list.querySelectorAll("[role=option]")];
  const choose = (option) => {
    for (const other of options()) other.removeAttribute("aria-selected");
    if (!option) { field.removeAttribute("aria-activedescendant"); return; }
    option.setAttribute("aria-selected", "true");
    field.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  };

  const ask = async () => {
    const question = ++asked;
    let text = "";
    try {
      const answer = await fetch(`/palette/?q=${encodeURIComponent(field.value)}`, { headers: { "HX-Request": "true" } });
      if (!answer.ok) throw new Error(String(answer.status));
      text = await answer.text();
    } catch {
      if (question === asked) state.textContent = dialog.dataset.away;
      return;
    }
    if (question !== asked) return;
    state.textContent = "";
    list.innerHTML = text;
    options().forEach((option, at) => { option.id = `palette-${at}`; });
    choose(options()[0]);
  };

  const open = () => {
    if (document.querySelector("dialog[open]") && !dialog.open) return;
    if (!dialog.open) dialog.showModal();
    field.value = "";
    field.focus();
    ask();
  };

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette]")) open();
    else if (event.target === dialog) dialog.close();
  });
  field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 150); });
  field.addEventListener("keydown", (event) => {
    const all = options();
    const at = all.findIndex((option) => option.getAttribute("aria-selected"));
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (all.length) choose(all[(at + (event.key === "ArrowDown" ? 1 : all.length - 1)) % all.length]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const option = all[at];
      if (option) { dialog.close(); option.click(); }
    }
  });
})();
