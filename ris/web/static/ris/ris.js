/* Keys, dialogs and guards. Every page works without this file; it only makes them quicker. */
"use strict";
(() => {
  const root = document.documentElement;
  const keysOn = root.dataset.keys !== "off";
  let going = 0; // until when a letter after "g" is a place

  // Whoever wants another letter for a shortcut has it: ours -> theirs, set on the account page.
  const theirs = JSON.parse(root.dataset.keymap || "{}");
  const ours = Object.fromEntries(Object.entries(theirs).map(([key, pressed]) => [pressed, key]));
  const meant = (pressed) => ours[pressed] ?? (pressed in theirs ? "" : pressed);
  const words = (name) => document.getElementById("words")?.dataset[name] ?? "";

  const typing = (element) => element.closest("input, textarea, select, [contenteditable]") !== null;
  const shown = (element) => element.checkVisibility ? element.checkVisibility() : true;
  const rows = () => [...document.querySelectorAll("main .row-link")].filter(shown);

  const step = (by) => {
    const links = rows();
    if (links.length === 0) return;
    const row = document.activeElement && document.activeElement.closest("[data-row]");
    const at = links.findIndex((link) => row && row.contains(link));
    const next = links[Math.min(links.length - 1, Math.max(0, at + by))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };

  // <button data-key="s">: in the row that has the focus, else the page's own.
  const press = (key) => {
    const own = `[data-key="${CSS.escape(key)}"]`;
    const row = document.activeElement && document.activeElement.closest("[data-row]");
    const inRow = row && row.querySelector(own);
    const target = inRow || [...document.querySelectorAll(own)].find((item) => !item.closest("[data-row]"));
    if (!target || target.disabled || !shown(target)) return false;
    if (target.matches("summary, a, button, input[type=submit]")) target.click();
    target.focus();
    return true;
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") {
      const menu = document.activeElement.closest("details.menu[open]");
      if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
      else if (typing(document.activeElement) && !document.activeElement.closest("dialog")) document.activeElement.blur();
      return;
    }
    if (!keysOn || typing(event.target) || document.querySelector("dialog[open]")) return;
    if (going > Date.now()) {
      going = 0;
      const place = document.querySelector(`.side a[data-go="${CSS.escape(event.key)}"]`);
      if (place) {
        event.preventDefault();
        window.location.assign(place.href);
      }
      return;
    }
    const key = meant(event.key);
    if (key === "g") { going = Date.now() + 1500; return; }
    if (key === "/") {
      event.preventDefault();
      const search = document.getElementById("search");
      if (search) { search.focus(); search.select(); }
    } else if (key === "?") {
      event.preventDefault();
      document.getElementById("help")?.showModal();
    } else if (key === "j") step(1);
    else if (key === "k") step(-1);
    else if (/^[a-z[\]]$/.test(key) && press(key)) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens)?.showModal();
    const closer = event.target.closest("[data-closes]");
    if (closer) closer.closest("dialog")?.close();
    const copier = event.target.closest("[data-copies]");
    if (copier) {
      const text = document.getElementById(copier.dataset.copies)?.textContent ?? "";
      navigator.clipboard?.writeText(text).then(() => { copier.querySelector("span").textContent = words("copied"); });
    }
    // One menu at a time.
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  // What was opened stays on the screen and beside the menu of the page, wherever its button stands.
  const intoView = (body) => {
    body.style.translate = "none";
    const { left, right } = body.getBoundingClientRect();
    const page = (body.closest("main") ?? root).getBoundingClientRect();
    const from = Math.max(0, page.left) + 8;
    const to = Math.min(root.clientWidth, page.right) - 8;
    const by = left < from ? from - left : Math.max(Math.min(0, to - right), from - left);
    body.style.translate = `${by}px`;
  };

  // A small form that was opened is there to be filled in.
  document.addEventListener("toggle", (event) => {
    if (!event.target.matches("details.menu[open]")) return;
    const body = event.target.querySelector(".menu-body");
    if (body) intoView(body);
    body?.querySelector(":is(input:not([type=hidden]), select)")?.focus();
  }, true);

  // A form that has changes is not left by accident; submitting it is not by accident.
  let dirty = false;
  document.addEventListener("input", (event) => {
    if (event.target.closest("form[data-guard]")) dirty = true;
  });
  window.addEventListener("beforeunload", (event) => {
    if (dirty) event.preventDefault();
  });

  // Autosave and signing carry the same revision: signing waits for a save that is under way, and no
  // save begins once the form is being signed.
  let saving = false;
  let waiting = null;
  const isSave = (event) => event.detail.ctx?.sourceElement?.matches?.("[data-autosave]");
  document.addEventListener("htmx:before:request", (event) => { if (isSave(event)) saving = true; });
  document.addEventListener("htmx:finally:request", (event) => {
    if (!isSave(event)) return;
    saving = false;
    const submitter = waiting;
    waiting = null;
    if (submitter) submitter.form.requestSubmit(submitter);
  });
  document.addEventListener("htmx:config:request", (event) => {
    if (!isSave(event)) return;
    // What is shown at signing (a password, a code) is not sent along with every save.
    event.detail.ctx.request?.body?.delete?.("proof");
    if (event.detail.ctx.sourceElement.closest("form").dataset.sent) event.preventDefault();
  });

  // What a tab keeps of unsaved texts is nobody's once whoever wrote it has logged out.
  document.addEventListener("submit", (event) => {
    if (event.target.matches('form[action="/logout/"]')) sessionStorage.clear();
  });

  // A form that asks first: the button of the question says what the pressed one says, and stands for it.
  const asking = document.getElementById("asking");
  let asked = null;
  const ask = (question, form, pressed) => {
    const submitter = pressed ?? form.querySelector("button:not([type=button])");
    asked = { question, form, submitter };
    asking.querySelector("[data-says]").textContent = question;
    const agrees = asking.querySelector("[data-agrees]");
    agrees.replaceChildren(...[...submitter.childNodes].map((node) => node.cloneNode(true)));
    asking.showModal();
    agrees.focus();
  };
  // A key that is still held down since it asked is no answer.
  asking?.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.repeat) event.preventDefault(); });
  asking?.querySelector("[data-agrees]").addEventListener("click", () => {
    const { question, form, submitter } = asked;
    asking.close();
    form.dataset.agreed = question;
    form.requestSubmit(submitter);
  });
  asking?.addEventListener("close", () => asked.submitter?.focus());

  // A double click sends once. The button keeps its name and value: it is only told off afterwards.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
    if (saving && form.querySelector("[data-autosave]")) {
      event.preventDefault();
      waiting = event.submitter;
      return;
    }
    if (question && question !== form.dataset.agreed) { event.preventDefault(); ask(question, form, event.submitter); return; }
    delete form.dataset.agreed;
    if (form.hasAttribute("data-guard")) dirty = false;
    if (form.method === "dialog" || form.matches("[hx-post], [hx-get], [method=get]")) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 5000);
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field.matches("[data-submits]")) field.form.requestSubmit();
  });

  // A page does not refresh under the hands of somebody who is filling in one of its forms.
  document.addEventListener("htmx:config:request", (event) => {
    const { sourceElement, request } = event.detail.ctx;
    if (!request.headers["X-Ris-Poll"]) return;
    const busy = sourceElement.contains(document.activeElement) && typing(document.activeElement);
    const open = sourceElement.querySelector("details.menu[open], [data-keeps][open]");
    if (document.hidden || busy || open || document.querySelector("dialog[open]")) event.preventDefault();
  });
  // After the session it would ask for the login in place of the page: not while a text is unsaved.
  document.addEventListener("htmx:before:response", (event) => {
    if (!dirty || event.detail.ctx.response.headers.get("HX-Refresh") !== "true") return;
    event.preventDefault();
    const state = document.getElementById("save-state");
    if (state) state.textContent = words("ended");
  });
  const stale = (event, on) => {
    const region = event.detail.ctx?.sourceElement?.closest?.("[data-live]");
    if (region) region.toggleAttribute("data-stale", on);
  };
  document.addEventListener("htmx:error", (event) => stale(event, true));
  document.addEventListener("htmx:after:swap", (event) => stale(event, false));

  // Autosave: the answer carries the new revision; a refusal is shown where the state stands.
  document.addEventListener("htmx:after:request", (event) => {
    const { sourceElement, response } = event.detail.ctx;
    if (sourceElement.matches("[data-autosave]") && response.status === 200) dirty = false;
  });
  document.addEventListener("htmx:error", (event) => {
    const state = event.detail.ctx?.sourceElement?.matches?.("[data-autosave]")
      && document.getElementById("save-state");
    if (state) state.textContent = words("unsaved");
  });

  // A dialog whose content came from the server opens once it is there.
  document.addEventListener("htmx:after:swap", (event) => {
    const dialog = document.querySelector("dialog[data-filled]");
    if (dialog && !dialog.open && event.detail.ctx.target && dialog.contains(event.detail.ctx.target)) dialog.showModal();
  });

  // What a page shows as today is yesterday after midnight: it is asked for anew once the server
  // answers, and while nobody is in the middle of something.
  const day = document.querySelector("[data-day-left]");
  const over = day ? Date.now() + Number(day.dataset.dayLeft) * 1000 : Infinity;
  const renew = async () => {
    if (document.hidden || Date.now() < over) return;
    const answer = await fetch("/healthz", { cache: "no-store" }).catch(() => null);
    const open = document.querySelector("dialog[open], details.menu[open]");
    const typed = [...document.querySelectorAll("main input, main textarea")].some((field) => field.value !== field.defaultValue);
    if (answer?.ok && !dirty && !open && !typed) window.location.reload();
  };
  if (day) {
    setInterval(renew, 30000);
    document.addEventListener("visibilitychange", renew);
  }

  // The board begins at the present half hour.
  const now = document.querySelector(".board th.now");
  const wrap = now?.closest(".board-wrap");
  if (wrap) wrap.scrollTop += now.getBoundingClientRect().top - wrap.getBoundingClientRect().top - 2 * now.offsetHeight;

  // What has to be corrected is where to go on.
  const marked = [...document.querySelectorAll("main .is-invalid")].find((each) => each.checkVisibility());
  (marked ?? document.querySelector("[data-focus]"))?.focus();
})();
