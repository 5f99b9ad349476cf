/* Runs before the first paint: "auto" follows the system, a choice on the account page wins. */
"use strict";
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const more = window.matchMedia("(prefers-contrast: more)");
  const asked = root.dataset.contrast === "more";
  const apply = () => {
    const choice = root.dataset.themeChoice;
    root.dataset.bsTheme = choice === "auto" ? (dark.matches ? "dark" : "light") : choice;
    if (asked || more.matches) root.dataset.contrast = "more";
    else delete root.dataset.contrast;
  };
  apply();
  dark.addEventListener("change", apply);
  more.addEventListener("change", apply);
})();
