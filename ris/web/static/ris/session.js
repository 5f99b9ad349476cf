/* A page outlives its login: after another one in another tab its token is old. What somebody typed
   is sent all the same, with a new token, as long as it is the same person who is logged in. */
"use strict";
(() => {
  const words = (name) => document.getElementById("words")?.dataset[name] ?? "";
  const TOKEN = "csrfmiddlewaretoken";
  let doubtful = false; // the login may have changed while nobody looked at this page

  // Empty if all is well, else the words for what is not.
  const renew = async () => {
    let answer;
    try {
      answer = await fetch("/session/", { headers: { "HX-Request": "true" }, cache: "no-store", redirect: "error" });
    } catch { return words("unsaved"); }
    if (answer.status === 401) return words("ended");
    if (!answer.ok) return words("unsaved");
    const { user, token } = await answer.json();
    if (user !== words("user")) return words("other");
    for (const field of document.getElementsByName(TOKEN)) field.value = token;
    doubtful = false;
    return "";
  };
  const tokenNow = () => document.getElementsByName(TOKEN)[0]?.value ?? "";

  // fetch, and once more if only the token was old. For board.js as well.
  const send = async (address, request) => {
    const answer = await fetch(address, request);
    if (answer.status === 401) doubtful = true;
    if (answer.status !== 403 || answer.headers.get("X-Ris-Form") !== "stale") return answer;
    if (!request.body?.set || (await renew())) return answer;
    request.body.set(TOKEN, tokenNow());
    return fetch(address, request);
  };
  window.ris = { send };
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.request.method?.toUpperCase() === "POST") ctx.fetch = send;
  });

  // A whole form: asked before it is sent, because the answer to it is another page.
  const tell = (form, text) => {
    let note = form.querySelector("[data-session]");
    if (!note) {
      note = document.createElement("p");
      note.className = "note tone-bad";
      note.dataset.session = "";
      note.setAttribute("role", "alert");
      form.prepend(note);
    }
    note.textContent = text;
    note.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("submit", async (event) => {
    const { target: form, submitter } = event;
    if (!doubtful || form.method !== "post" || form.hasAttribute("hx-post")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const wrong = await renew();
    form.querySelector("[data-session]")?.remove();
    if (wrong) tell(form, wrong);
    else form.requestSubmit(submitter);
  }, true);
  const doubt = () => { doubtful = true; };
  window.addEventListener("focus", doubt);
  document.addEventListener("visibilitychange", doubt);
  window.addEventListener("pageshow", (event) => { if (event.persisted) doubt(); });
})();
