/* A screen on the wall asks for what changed, and says plainly when it gets no answer. */
"use strict";
(() => {
  const wall = document.getElementById("wall");
  const stale = document.getElementById("stale");
  if (!wall || !stale) return;
  const seconds = Number(wall.dataset.seconds) || 4;
  let last = new Date();
  let shown = "";

  const time = (at) => at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

  const ask = async () => {
    try {
      const answer = await fetch(window.location.href, {
        headers: { "X-Ris-Wall": "part" }, cache: "no-store", redirect: "manual",
        signal: AbortSignal.timeout(seconds * 1000),
      });
      // Logged out, taken back: the page itself says what to do.
      if (answer.type === "opaqueredirect" || answer.status === 404) { window.location.reload(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      if (text !== shown) { wall.innerHTML = text; shown = text; }
      last = new Date();
      document.body.classList.remove("is-stale");
      stale.hidden = true;
    } catch {
      // One lost answer is no news; silence is.
      if (Date.now() - last.getTime() > 2 * seconds * 1000) {
        stale.textContent = `${wall.dataset.stale} ${time(last)}`;
        stale.hidden = false;
        document.body.classList.add("is-stale");
      }
    } finally {
      setTimeout(ask, seconds * 1000);
    }
  };
  setTimeout(ask, seconds * 1000);
})();
