/* Order lists and the order form: rows are selected, lists are typed into. Both work without it. */
"use strict";
(() => {
  // --- select rows with x

  const boxes = () => [...document.querySelectorAll("[data-select]")];
  const chosen = () => boxes().filter((box) => box.checked);
  const tell = () => {
    document.querySelectorAll("[data-select-all]").forEach((box) => { box.hidden = false; });
    const count = document.querySelector("[data-selected]");
    if (!count) return;
    const some = chosen().length;
    count.textContent = String(some);
    count.closest("form").toggleAttribute("data-active", some > 0);
  };
  document.addEventListener("change", (event) => {
    const all = event.target.matches("[data-select-all]");
    if (all) event.target.closest("table").querySelectorAll("[data-select]").forEach((box) => { box.checked = event.target.checked; });
    if (all || event.target.matches("[data-select]")) tell();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "x" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.documentElement.dataset.keys === "off" || document.querySelector("dialog[open]")) return;
    const field = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
    const box = event.target.closest("[data-row]")?.querySelector("[data-select]");
    if (field || !box) return;
    event.preventDefault();
    box.checked = !box.checked;
    tell();
  });
  // What somebody selected is not taken from under their hands by a refresh.
  document.addEventListener("htmx:config:request", (event) => {
    const { sourceElement, request } = event.detail.ctx;
    if (request.headers["X-Ris-Poll"] && sourceElement.querySelector("[data-select]:checked")) event.preventDefault();
  });
  tell();

  // Enter in the search goes to what was found; it does not send an order that is not finished.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.id !== "who") return;
    event.preventDefault();
    document.querySelector("#matches a")?.focus();
  });

  // --- type-ahead over a select: every word typed is somewhere in an option's words

  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  let made = 0;

  const enhance = (select) => {
    if (select.dataset.enhanced) return;
    select.dataset.enhanced = "yes";
    made += 1;
    const all = [...select.options].filter((option) => option.value)
      .map((option) => ({ option, words: fold(`${option.textContent} ${option.dataset.words || ""}`) }));
    const wrap = document.createElement("div");
    wrap.className = "typeahead";
    const input = document.createElement("input");
    const list = document.createElement("ul");
    list.id = `typeahead-${made}`;
    list.hidden = true;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", select.dataset.typeahead || "");
    Object.assign(input, { type: "text", className: "form-control", autocomplete: "off", id: select.id });
    for (const [name, value] of Object.entries({ role: "combobox", "aria-expanded": "false", "aria-controls": list.id,
      "aria-autocomplete": "list", placeholder: select.dataset.placeholder || "" })) input.setAttribute(name, value);
    for (const name of ["aria-describedby", "aria-invalid"]) {
      if (select.hasAttribute(name)) input.setAttribute(name, select.getAttribute(name));
    }
    if (select.classList.contains("is-invalid")) input.classList.add("is-invalid");
    if (select.hasAttribute("data-focus")) input.setAttribute("data-focus", "");
    select.id += "-value";
    select.hidden = true;
    select.before(wrap);
    wrap.append(input, list, select);
    const shown = () => (select.value ? select.selectedOptions[0].textContent : "");
    input.value = shown();
    let at = -1;
    let found = [];

    const mark = (to) => {
      at = to;
      [...list.children].forEach((item, number) => {
        if (item.getAttribute("role") !== "option") return;
        item.setAttribute("aria-selected", String(number === at));
        if (number === at) { input.setAttribute("aria-activedescendant", item.id); item.scrollIntoView({ block: "nearest" }); }
      });
      if (at < 0) input.removeAttribute("aria-activedescendant");
    };
    const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); mark(-1); };
    const open = () => {
      const words = fold(input.value === shown() ? "" : input.value).split(/\s+/).filter(Boolean);
      found = all.filter((each) => words.every((word) => each.words.includes(word))).slice(0, 40);
      list.replaceChildren(...found.map(({ option }, number) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${number}`;
        item.setAttribute("role", "option");
        item.textContent = option.textContent;
        return item;
      }));
      if (found.length === 0) {
        const item = document.createElement("li");
        item.className = "none";
        item.setAttribute("role", "option");
        item.setAttribute("aria-disabled", "true");
        item.textContent = select.dataset.none || "";
        list.append(item);
      }
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      mark(found.length && words.length ? 0 : -1);
    };
    const take = (number) => {
      const option = found[number]?.option;
      if (!option) return;
      select.value = option.value;
      input.value = shown();
      close();
      select.dispatchEvent(new Event("change", { bubbles: true }));
    };
    input.addEventListener("input", open);
    input.addEventListener("focus", () => input.select());
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (list.hidden) open();
        else mark(Math.max(0, Math.min(found.length - 1, at + (event.key === "ArrowDown" ? 1 : -1))));
      } else if (event.key === "Enter" && !list.hidden) {
        event.preventDefault();
        if (at >= 0) take(at);
      } else if (event.key === "Escape" && !list.hidden) {
        event.preventDefault();
        event.stopPropagation();
        input.value = shown();
        close();
      }
    });
    input.addEventListener("blur", () => {
      if (!list.hidden && at >= 0 && input.value && input.value !== shown()) take(at);
      else if (!input.value && select.value) { select.value = ""; select.dispatchEvent(new Event("change", { bubbles: true })); }
      else input.value = shown();
      close();
    });
    // After Back the browser fills in what was chosen, without a word: it is shown, not only sent.
    window.addEventListener("pageshow", () => { if (document.activeElement !== input) input.value = shown(); });
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const item = event.target.closest("[role=option]");
      if (item) take([...list.children].indexOf(item));
    });
  };
  const enhanceAll = () => document.querySelectorAll("select[data-typeahead]").forEach(enhance);
  enhanceAll();
  document.addEventListener("htmx:after:swap", () => { enhanceAll(); tell(); });
  const marked = [...document.querySelectorAll("main .is-invalid")].find((each) => each.checkVisibility());
  (marked ?? document.querySelector("[data-focus]"))?.focus();
})();
