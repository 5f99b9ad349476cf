/* Slot finder: arrow keys among the times, and how long a hold still lasts. */
"use strict";
(() => {
  const times = () => [...document.querySelectorAll("[data-arrows] button:not([disabled])")];

  document.addEventListener("keydown", (event) => {
    const at = event.target.closest?.("[data-arrows] button");
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = times();
    const line = at.closest("[data-line]");
    let next = null;
    if (event.key === "ArrowRight") next = all[all.indexOf(at) + 1];
    else if (event.key === "ArrowLeft") next = all[all.indexOf(at) - 1];
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const lines = [...document.querySelectorAll("[data-arrows] [data-line]")];
      const other = lines[lines.indexOf(line) + (event.key === "ArrowDown" ? 1 : -1)];
      if (other) {
        const same = [...line.children].indexOf(at);
        next = other.children[Math.min(same, other.children.length - 1)];
      }
    } else return;
    event.preventDefault();
    next?.focus();
  });

  const held = document.querySelector("[data-countdown]");
  if (!held) return;
  const end = Date.parse(held.dataset.countdown);
  const tell = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0) {
      clearInterval(ticking);
      held.textContent = held.dataset.over;
      held.setAttribute("role", "alert");
      held.closest("section").querySelectorAll("button").forEach((button) => { button.disabled = true; });
      return;
    }
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    held.textContent = held.dataset.left.replace("{left}", clock);
    held.classList.toggle("is-soon", left <= 60);
  };
  const ticking = setInterval(tell, 1000);
  tell();
})();
