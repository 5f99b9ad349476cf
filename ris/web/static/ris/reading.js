/* Priors beside the editor. Without this file an earlier report opens as its own page. */
"use strict";
(() => {
  // <button data-compares="CT Chest, 3 May 2024">: stands in the section Comparison once, in place of
  // a field that a template left open ([Exam before]), else on a line of its own.
  const OPEN = /\[[^\]|]*\]/;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-compares]");
    if (!button) return;
    const section = document.getElementById("section-comparison");
    if (!section) return;
    const words = button.dataset.compares;
    if (!section.value.includes(words)) {
      if (OPEN.test(section.value)) section.value = section.value.replace(OPEN, () => words);
      else section.value = section.value.trim() ? `${section.value.trimEnd()}\n${words}` : words;
      section.dispatchEvent(new Event("input", { bubbles: true })); // saves by itself
    }
    section.focus();
  });

  document.addEventListener("htmx:after:swap", () => {
    const box = document.getElementById("prior-text");
    if (!box) return;
    const panel = box.closest(".priors");
    const prior = box.querySelector(".prior");
    if (prior && !panel.classList.contains("has-text")) {
      panel.classList.add("has-text");
      panel.scrollIntoView({ block: "nearest" });
    }
  });
})();
