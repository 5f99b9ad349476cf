/* A page outlives its login: after another one in another tab its token is old. What somebody typed
   is sent all the same, with a new token, as long as it is the same person who is logged in. */
"use strict";
(() => {
  const words = (name) => document.getElementById("words")?.dataset[name] ?? "";
  const TOKEN = "csrfmiddlewaretoken";
  const FRESH_MS = 10000; // for so long after an answer the server is taken to be there
  let heard = Date.now(); // when it answered last: with this page
  let doubtful = false; // the login may have changed while nobody looked at this page

  // Where one looks, whatever was clicked: a request of a person that came to nothing is not silent.
  let forgetting = 0;
  const warn = (text) => {
    let note = document.getElementById("no-answer");
    if (!note) {
      note = document.createElement("div");
      note.id = "no-answer";
      note.className = "toast-note note tone-bad";
      note.setAttribute("role", "alert");
    }
    note.textContent = text;
    (document.querySelector("dialog:modal") ?? document.body).append(note);
    clearTimeout(forgetting);
    forgetting = setTimeout(() => note.remove(), 15000);
  };

  // Null if all is well, else the words for what is not.
  const renew = async () => {
    let answer;
    try {
      answer = await fetch("/session/", { headers: { "HX-Request": "true" }, cache: "no-store", redirect: "error" });
    } catch { return words("unsent"); }
    if (answer.status === 401) return words("ended");
    if (!answer.ok) return words("unsent");
    const { user, token } = await answer.json();
    if (user !== words("user")) return words("other");
    for (const field of document.getElementsByName(TOKEN)) field.value = token;
    doubtful = false;
    heard = Date.now();
    return null;
  };
  const tokenNow = () => document.getElementsByName(TOKEN)[0]?.value ?? "";

  // fetch, and once more if only the token was old. For board.js as well.
  const send = async (address, request) => {
    const answer = await fetch(address, request);
    if (answer.status === 401) doubtful = true;
    if (answer.status !== 403 || answer.headers.get("X-Ris-Form") !== "stale") return answer;
    if (!request.body?.set || (await renew()) !== null) return answer;
    request.body.set(TOKEN, tokenNow());
    return fetch(address, request);
  };
  window.ris = { send };

  // What asks by itself, and what says so in its own place, is not warned of.
  const isAsked = ({ sourceElement, request }) => sourceElement && !request.headers["X-Ris-Poll"]
    && !sourceElement.matches("[data-autosave], [hx-trigger=load]");
  document.addEventListener("htmx:error", (event) => {
    const { ctx, error } = event.detail;
    if (ctx && error instanceof TypeError && isAsked(ctx)) warn(words("unanswered"));
  });
  document.addEventListener("htmx:response:error", (event) => {
    const { ctx } = event.detail;
    if (ctx.response.status >= 500 && isAsked(ctx)) warn(words("unanswered"));
  });
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.request.method?.toUpperCase() === "POST") ctx.fetch = send;
  });

  // A whole form: asked before it is sent, because the answer to it is another page, and without
  // a network it would be the browser's own.
  const tell = (form, text) => {
    let note = form.querySelector("[data-session]");
    if (!note) {
      note = document.createElement("p");
      note.className = "note tone-bad";
      note.dataset.session = "";
      note.setAttribute("role", "alert");
      (form.querySelector("dialog:modal") ?? form).prepend(note);
    }
    note.textContent = text;
    note.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("submit", async (event) => {
    const { target: form, submitter } = event;
    const fresh = !doubtful && navigator.onLine && Date.now() - heard < FRESH_MS;
    if (fresh || form.method !== "post" || form.hasAttribute("hx-post")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const wrong = await renew();
    form.querySelector("[data-session]")?.remove();
    if (wrong === null) form.requestSubmit(submitter);
    else if (wrong === words("unsent")) warn(wrong);
    else tell(form, wrong);
  }, true);
  const doubt = () => { doubtful = true; };
  window.addEventListener("focus", doubt);
  document.addEventListener("visibilitychange", doubt);
  window.addEventListener("pageshow", (event) => { if (event.persisted) doubt(); });
})();
