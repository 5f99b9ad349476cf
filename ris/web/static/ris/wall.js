/* A screen on the wall is told that something changed and asks what; without the stream it asks every
   few seconds. It says plainly when it gets no answer. */
"use strict";
(() => {
  const wall = document.getElementById("wall");
  const stale = document.getElementById("stale");
  if (!wall || !stale) return;
  const QUIET_MS = 15000; // told by the stream: the clock only moves the minutes on
  const SPACING_MS = 200; // several changes at once are one
  const often = (Number(wall.dataset.seconds) || 4) * 1000;
  let last = new Date();
  let shown = "";
  let timer = 0;
  let due = Infinity; // when it asks next
  let asking = false;
  let again = false; // something changed while it was asking
  let lost = 0;
  let stream = null;

  const time = (at) => at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const isTold = () => stream?.readyState === EventSource.OPEN;
  // Never later than it is due already: a stream that fails every two seconds, or says something
  // while the answer is on its way, puts nothing off.
  const within = (wait) => {
    if (Date.now() + wait >= due) return;
    clearTimeout(timer);
    due = Date.now() + wait;
    timer = setTimeout(ask, wait);
  };

  const ask = async () => {
    due = Infinity;
    if (asking) { again = true; return; }
    asking = true;
    again = false;
    try {
      const answer = await fetch(window.location.href, {
        headers: { "X-Ris-Wall": "part" }, cache: "no-store", redirect: "manual",
        signal: AbortSignal.timeout(often),
      });
      // Logged out, taken back: the page itself says what to do.
      if (answer.type === "opaqueredirect" || answer.status === 404) { window.location.reload(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      if (text !== shown) { wall.innerHTML = text; shown = text; }
      last = new Date();
      lost = 0;
      document.body.classList.remove("is-stale");
      stale.hidden = true;
    } catch {
      // One lost answer is no news; silence is.
      lost += 1;
      if (lost > 1) {
        stale.textContent = `${wall.dataset.stale} ${time(last)}`;
        stale.hidden = false;
        document.body.classList.add("is-stale");
      }
    } finally {
      asking = false;
      within(again ? SPACING_MS : isTold() && !lost ? QUIET_MS : often);
    }
  };

  const page = Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => part.toString(36)).join("");
  const listen = () => {
    stream = new EventSource(`${window.location.pathname}live/?page=${page}`);
    stream.addEventListener("open", () => within(0)); // what changed before it began
    stream.addEventListener("message", () => within(SPACING_MS));
    stream.addEventListener("error", () => {
      within(often);
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 60000); // refused, too many
    });
  };
  window.addEventListener("pagehide", () => stream?.close());
  within(often);
  listen();
})();
