/* One stream for each visible tab: it says which topics changed, and the page fetches its part again.
   Without it (refused, too many, server away) each region asks every few seconds, as it is written. */
"use strict";
(() => {
  const QUIET_MS = 60000; // with the stream, a region asks by itself only this rarely
  const SILENCE_MS = 40000; // no heartbeat for so long: the stream is dead
  const regions = () => [...document.querySelectorAll("[data-live]")];
  const loadedAt = performance.timeOrigin;
  const asked = new WeakMap(); // when a region last asked
  const pending = new Set(); // ids of regions that are to ask as soon as they may
  let controller = null;
  let connected = false;
  let since = loadedAt; // what happened after this is to be told when the stream begins
  let again = 0;
  let failures = 0;
  let watchdog = 0;
  // The page before this one in the tab is gone, but the server has not noticed yet: it is told.
  const page = Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => part.toString(36)).join("");
  let left = sessionStorage.getItem("ris-left") || "";

  const topics = () => [...new Set(regions().map((region) => region.dataset.live || "any"))];
  const concerns = (region, told) => {
    const days = told[region.dataset.live || "any"];
    const day = region.dataset.liveDays;
    return days && (days.length === 0 || !day || days.some((one) => day.split(" ").includes(one)));
  };

  // --- regions

  const flush = () => {
    for (const id of pending) {
      const region = document.getElementById(id);
      if (!region) pending.delete(id);
      else if (!document.hidden) htmx.trigger(region, "ris-live");
    }
    if (pending.size) setTimeout(flush, 400);
  };
  const tell = (told) => {
    const concerned = regions().filter((region) => concerns(region, told));
    const waiting = pending.size > 0;
    for (const region of concerned) {
      if (region.hasAttribute("hx-get")) pending.add(region.id);
      else region.dispatchEvent(new CustomEvent("ris-live", { detail: told }));
    }
    if (!waiting && pending.size) flush();
  };
  const tellAll = () => tell(Object.fromEntries(topics().map((topic) => [topic, []])));

  // Asking by the clock is for when there is no stream; ris.js may still refuse (somebody is typing).
  document.addEventListener("htmx:config:request", (event) => {
    const { sourceElement, sourceEvent, request } = event.detail.ctx;
    if (!request.headers["X-Ris-Poll"] || event.defaultPrevented) return;
    if (!sourceElement.hasAttribute("data-live")) return; // the stream would not tell it anything
    const rarely = connected && sourceEvent?.type !== "ris-live";
    if (rarely && Date.now() - (asked.get(sourceElement) ?? loadedAt) < QUIET_MS) event.preventDefault();
    else { asked.set(sourceElement, Date.now()); pending.delete(sourceElement.id); }
  });

  // --- the stream

  const alive = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => controller?.abort(), SILENCE_MS);
  };
  const read = async (body) => {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      since = Date.now();
      const messages = (text + value).split("\n\n");
      text = messages.pop();
      for (const message of messages) {
        if (message.startsWith("data: ")) tell(JSON.parse(message.slice(6)));
      }
    }
  };
  const connect = async () => {
    clearTimeout(again);
    if (controller || document.hidden || topics().length === 0) return;
    const mine = controller = new AbortController();
    let wait = 1000;
    try {
      const address = new URLSearchParams({ topics: topics().join(), page, left, age: Math.max(0, Math.round(Date.now() - since)) });
      left = "";
      const response = await fetch(`/live/?${address}`, { headers: { "X-Ris-Poll": "1" }, signal: mine.signal, redirect: "error" });
      if (response.status === 200 && response.body) {
        connected = true;
        failures = 0;
        alive();
        await read(response.body);
      } else if (response.status === 204) wait = 0;
      else wait = 60000;
    } catch { wait = Math.min(30000, 1000 * 2 ** failures++); }
    if (controller !== mine) return; // let go on purpose
    clearTimeout(watchdog);
    controller = null;
    connected = false;
    if (wait) again = setTimeout(connect, wait);
  };
  const letGo = () => {
    clearTimeout(again);
    clearTimeout(watchdog);
    const mine = controller;
    controller = null;
    connected = false;
    mine?.abort();
  };

  // A hidden tab holds no stream: a browser has six connections for each host and all its tabs.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { letGo(); return; }
    if (Date.now() - since > 60000) { since = Date.now(); tellAll(); }
    connect();
  });
  window.addEventListener("pagehide", () => { sessionStorage.setItem("ris-left", page); letGo(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) { tellAll(); connect(); } });
  connect();
})();
