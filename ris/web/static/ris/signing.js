/* The question before a report is signed: what, as whom, to whom. Without this file the button of
   the editor signs, and what the site asks for is shown beside it. */
"use strict";
(() => {
  const form = document.getElementById("editor");
  const question = document.getElementById("sign-question");
  if (!form || !question) return;
  const signs = question.querySelector("[data-signs]");
  const shown = form.querySelector(".sign-bar .proof");
  if (shown) question.querySelector("[data-proof]").append(shown); // its place while there is a question
  const proof = shown?.querySelector("input");
  let back = form.querySelector("textarea[data-section]"); // where somebody wrote last
  form.addEventListener("focusin", (event) => { if (event.target.matches("textarea[data-section]")) back = event.target; });

  // Receivers stand in the part "Sent to", which the page fetches.
  const known = () => {
    const names = document.querySelector("[data-receivers]")?.textContent.trim();
    if (names) question.querySelector("[data-goes-to]").textContent = names;
  };
  document.addEventListener("htmx:after:swap", known);
  const ask = (button) => {
    if (question.open) return;
    question.querySelector("[data-says]").textContent = button.dataset.asks;
    for (const part of question.querySelectorAll("[data-as]")) part.hidden = part.dataset.as !== button.value;
    signs.value = button.value;
    signs.replaceChildren(...[...button.childNodes].map((node) => node.cloneNode(true)));
    known();
    question.showModal();
    (proof ?? signs).focus();
  };
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-asks]");
    if (!button) return;
    event.preventDefault();
    ask(button);
  });
  question.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the keys of the editor are for its text
    if (event.ctrlKey && event.key === "s") event.preventDefault();
    if (event.key !== "Enter" || event.isComposing) return;
    // A key that is still held down since it asked is no answer.
    if (event.repeat) { event.preventDefault(); return; }
    if (event.target.closest("[data-closes]")) return;
    event.preventDefault();
    signs.click();
  });
  question.addEventListener("close", () => {
    if (proof) proof.value = "";
    back.focus();
  });

  // What was shown was refused: it is asked for again, where it was.
  const again = question.dataset.again;
  if (again) form.querySelector(`button[data-asks][value="${CSS.escape(again)}"]`)?.click();
})();
