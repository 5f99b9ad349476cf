/* The editor of reports: fields, macros, text from the exam, recovery, dictation.
   Every page works without this file; it only makes them quicker. */
"use strict";
(() => {
  const form = document.getElementById("editor");
  const KEPT = "ris-draft:";

  // What could not be saved is kept in this tab alone and only until it is: sessionStorage ends with
  // the tab. localStorage would leave a patient's findings on a shared workstation for whoever sits
  // down next. Logging out forgets it too (ris.js).
  const store = {
    get(key) { try { return JSON.parse(sessionStorage.getItem(key) ?? "null"); } catch { return null; } },
    set(key, value) { try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* full or forbidden: then there is no recovery */ } },
    remove(key) { try { sessionStorage.removeItem(key); } catch { /* forbidden */ } },
    keys() { try { return Object.keys(sessionStorage); } catch { return []; } },
  };
  if (!form) {
    // Signed, or somebody else's by now: what is left of it in this tab is of no use.
    const shown = document.querySelector("[data-report-shown]")?.dataset.reportShown;
    if (shown) for (const key of store.keys()) if (key.startsWith(KEPT) && key.endsWith(`:${shown}`)) store.remove(key);
    return;
  }
  const key = `${KEPT}${form.dataset.user}:${form.dataset.report}`;
  for (const other of store.keys()) {
    if (other.startsWith(KEPT) && !other.startsWith(`${KEPT}${form.dataset.user}:`)) store.remove(other);
  }

  const words = (name) => document.getElementById("editor-words")?.dataset[name] ?? "";
  const areas = [...form.querySelectorAll("textarea[data-section]")];
  const told = document.getElementById("editor-told");
  const tell = (text) => { if (told) told.textContent = text; };
  const TOKEN = /\[([^[\]\n]{1,300})\]/g;
  const waits = (name) => /[\p{L}_|]/u.test(name);
  const changed = (area) => area.dispatchEvent(new Event("input", { bubbles: true }));
  let last = areas.find((area) => area.name === "findings") ?? areas[0];
  form.addEventListener("focusin", (event) => { if (areas.includes(event.target)) last = event.target; });

  const insert = (area, text, from = area.selectionStart, to = area.selectionEnd) => {
    area.focus();
    area.setSelectionRange(from, to);
    // As if typed, so that the browser's own undo takes it back.
    if (!document.execCommand("insertText", false, text)) { area.setRangeText(text, from, to, "end"); changed(area); }
    const first = [...text.matchAll(TOKEN)].find((found) => waits(found[1]));
    if (first) area.setSelectionRange(from + first.index, from + first.index + first[0].length);
  };

  // --- fields: an answer goes into the text, where its bracket stands

  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const whole = (text) => new RegExp(`(?<![\\p{L}\\p{N}_])${escaped(text)}(?![\\p{L}\\p{N}_])`, "gu");
  const answer = (field) => {
    const picked = field.querySelectorAll("input[type=checkbox]");
    if (picked.length) return [...picked].filter((box) => box.checked).map((box) => box.value).join(", ");
    const control = field.querySelector("[data-answer]");
    const value = control.validity.valid ? control.value.trim() : "";
    return value && field.dataset.unit ? `${value} ${field.dataset.unit}` : value;
  };
  const put = (field) => {
    const area = areas.find((one) => one.name === field.dataset.of);
    const now = answer(field);
    const before = field.dataset.words ?? "";
    const bracket = `[${field.dataset.name}]`;
    const lead = field.dataset.lead ?? "";
    let text = area.value;
    if (now && text.includes(bracket)) text = text.split(bracket).join(now);
    else if (before && before !== now) {
      const near = lead ? `${lead} ${before}` : "";
      if (near && text.split(near).length === 2) text = text.replace(near, () => `${lead} ${now || bracket}`);
      else if ([...text.matchAll(whole(before))].length === 1) text = text.replace(whole(before), () => now || bracket);
      else tell(words("notFound").replace("%s", field.dataset.name));
    }
    field.dataset.words = now;
    if (text !== area.value) { area.value = text; changed(area); }
  };
  form.addEventListener("change", (event) => {
    const field = event.target.closest("[data-name]");
    if (field && form.contains(field)) put(field);
  });

  const stops = () => areas.flatMap((area) => [...area.value.matchAll(TOKEN)]
    .filter((found) => waits(found[1]))
    .map((found) => {
      const field = [...form.querySelectorAll("[data-name]")].find((one) => one.dataset.name === found[1].trim());
      return { area, from: found.index, to: found.index + found[0].length, name: found[1],
        control: field?.querySelector("[data-answer], input[type=checkbox]") };
    }));
  const here = () => {
    const active = document.activeElement;
    const area = areas.includes(active) ? active : areas.find((one) => one.closest("[data-part]").contains(active));
    return { at: area ? areas.indexOf(area) : -1, caret: active === area ? area?.selectionEnd ?? 0 : 0, active, area };
  };
  const go = (by) => {
    const all = stops();
    if (!all.length) { tell(words("noField")); return; }
    const now = here();
    const own = all.findIndex((stop) => stop.control && stop.control === now.active);
    let next;
    if (own >= 0) next = (own + by + all.length) % all.length;
    else {
      const after = all.findIndex((stop) => areas.indexOf(stop.area) > now.at
        || (stop.area === now.area && stop.from >= now.caret));
      next = by > 0 ? (after < 0 ? 0 : after) : ((after < 0 ? all.length : after) - 1 + all.length) % all.length;
      if (by < 0 && all[next].area === now.active && all[next].to === now.caret) next = (next - 1 + all.length) % all.length;
    }
    const stop = all[next];
    if (stop.control) stop.control.focus();
    else {
      stop.area.focus();
      stop.area.setSelectionRange(stop.from, stop.to);
    }
    const choices = stop.name.includes("|") ? stop.name.split("|").map((one) => one.trim()) : [];
    tell(choices.length ? choices.map((one, index) => `${index + 1} ${one}`).join("   ") : stop.name);
  };
  const jump = (by) => {
    const now = here().at;
    const next = areas[(now + by + areas.length) % areas.length];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };

  // After the session has ended the answer would be the login page: that is no text for a report.
  const ask = async (address) => {
    const answered = await fetch(address, { redirect: "error" }).catch(() => null);
    return answered?.ok ? answered : null;
  };

  // --- macros: .name and Tab or Space

  let macros = null;
  const load = async () => {
    if (macros) return macros;
    const answered = await ask(form.dataset.macros);
    if (!answered) return new Map();
    const list = (await answered.json()).macros;
    macros = new Map(list.map((one) => [one.name.toLowerCase(), one]));
    const options = document.getElementById("macro-names");
    options?.replaceChildren(...list.map((one) => Object.assign(document.createElement("option"), { value: one.name, label: one.text.slice(0, 60) })));
    return macros;
  };
  form.addEventListener("focusin", (event) => { if (event.target.id === "macro") load(); });
  form.addEventListener("input", (event) => { if (areas.includes(event.target) && event.data === ".") load(); });

  form.addEventListener("keydown", (event) => {
    if (event.isComposing || event.altKey || event.metaKey) return;
    if (event.ctrlKey) {
      if (event.key === "s") { event.preventDefault(); form.querySelector("[data-saves]")?.click(); }
      // As the first button does, with its question and with what the site asks for at signing.
      if (event.key === "Enter" && !event.repeat) { event.preventDefault(); form.querySelector("button[name=as]").click(); }
      return;
    }
    if (event.key === "F2") { event.preventDefault(); go(event.shiftKey ? -1 : 1); return; }
    if (event.key === "F8") { event.preventDefault(); jump(event.shiftKey ? -1 : 1); return; }
    if (event.key === "F9" && dictation) { event.preventDefault(); dictation.toggle(); return; }
    if (event.key === "Enter" && event.target.name === "proof") {
      event.preventDefault();
      form.querySelector("button[name=as]").click();
      return;
    }
    if (event.key === "Enter" && event.target.matches("#macro, [data-answer]")) {
      // Enter in a field answers it; it never signs.
      event.preventDefault();
      if (event.target.id === "macro") form.querySelector("[data-macro-insert]")?.click();
      else { const field = event.target.closest("[data-name]"); if (field) put(field); go(1); }
      return;
    }
    const area = event.target;
    if (!areas.includes(area)) return;
    const chosen = area.value.slice(area.selectionStart, area.selectionEnd);
    if (/^[1-9]$/.test(event.key) && /^\[[^[\]\n]*\|[^[\]\n]*\]$/.test(chosen)) {
      const choice = chosen.slice(1, -1).split("|")[Number(event.key) - 1];
      if (choice) { event.preventDefault(); insert(area, choice.trim()); }
      return;
    }
    if ((event.key === "Tab" && !event.shiftKey) || event.key === " ") {
      const found = /(?:^|\s)\.([\p{L}\p{N}_-]{1,30})$/u.exec(area.value.slice(0, area.selectionStart));
      const macro = found && macros?.get(found[1].toLowerCase());
      if (macro) {
        event.preventDefault();
        insert(area, macro.text, area.selectionStart - found[1].length - 1, area.selectionStart);
      }
    }
  });
  form.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (button?.matches("[data-macro-insert]")) {
      event.preventDefault();
      const box = document.getElementById("macro");
      const macro = (await load()).get(box.value.trim().replace(/^\./, "").toLowerCase());
      if (macro) { box.value = ""; insert(last, macro.text); } else tell(words("noMacro"));
    } else if (button?.matches("[data-inserts]")) {
      event.preventDefault();
      const answered = await ask(`${form.dataset.values}?of=${button.dataset.inserts}`);
      if (!answered) { changed(last); return; } // the save says what is wrong
      const text = answered.status === 200 ? await answered.text() : "";
      const area = form.querySelector("[name=technique]");
      if (!text) { tell(button.dataset.none); return; }
      const end = area.value.length;
      insert(area, `${end && !/\s$/.test(area.value) ? " " : ""}${text}.`, end, end);
    }
  });

  // --- kept until it is saved, offered back afterwards

  const typed = () => Object.fromEntries(areas.map((area) => [area.name, area.value]));
  const kept = store.get(key);
  if (kept) {
    const differ = areas.filter((area) => (kept.sections[area.name] ?? "").trim() !== area.value.trim());
    if (!differ.length) store.remove(key);
    else {
      const note = document.getElementById("editor-recovered");
      note.hidden = false;
      note.querySelector("dl").replaceChildren(...differ.flatMap((area) => {
        const name = document.createElement("dt");
        name.textContent = document.querySelector(`label[for="${area.id}"]`).textContent;
        const both = [["del", area.value], ["ins", kept.sections[area.name] ?? ""]].map(([tag, text]) => {
          const line = document.createElement("dd");
          const mark = document.createElement(tag);
          mark.textContent = text || "–";
          line.append(mark);
          return line;
        });
        return [name, ...both];
      }));
      note.addEventListener("click", (event) => {
        const choice = event.target.closest("[data-recover]")?.dataset.recover;
        if (!choice) return;
        if (choice === "take") for (const area of differ) area.value = kept.sections[area.name] ?? "";
        else store.remove(key);
        note.hidden = true;
        areas[0].focus();
        if (choice === "take") changed(differ[0]);
      });
    }
  }
  let unsaved = 0;
  form.addEventListener("input", (event) => {
    if (!areas.includes(event.target)) return;
    unsaved += 1;
    store.set(key, { sections: typed(), at: Date.now() });
  }, true); // before the save that this begins

  const isSave = (event) => event.detail.ctx?.sourceElement?.matches?.("[data-autosave]");
  let sent = 0;
  document.addEventListener("htmx:before:request", (event) => {
    if (!isSave(event)) return;
    sent = unsaved;
    // A save that waited for another one was put together before that one's answer.
    event.detail.ctx.request.body?.set?.("revision", document.getElementById("revision").value);
  });
  document.addEventListener("htmx:after:request", (event) => {
    if (isSave(event) && event.detail.ctx.response?.status === 200 && sent === unsaved) store.remove(key);
  });
  const again = () => { if (store.get(key)) changed(last); };
  document.addEventListener("htmx:error", (event) => { if (isSave(event) && !event.detail.ctx.response) setTimeout(again, 10000); });
  window.addEventListener("online", again);
  form.addEventListener("submit", () => store.remove(key));

  // --- the same report in another tab of this browser

  if ("BroadcastChannel" in window) {
    const channel = new BroadcastChannel(`ris-editor:${form.dataset.report}`);
    const twice = () => { document.getElementById("editor-twice").hidden = false; };
    channel.addEventListener("message", (event) => {
      twice();
      if (event.data === "opened") channel.postMessage("open as well");
    });
    channel.postMessage("opened");
  }

  // --- dictation by the browser, where the site allows it

  const Recognition = window.SpeechRecognition ?? window.webkitSpeechRecognition;
  const button = form.querySelector("[data-dictates]");
  let dictation = null;
  if (button && Recognition) {
    const listener = new Recognition();
    const heard = document.getElementById("editor-heard");
    let wanted = false; // until whoever dictates says otherwise; a browser ends at each longer silence
    let running = false;
    let since = 0;
    let got = false;
    listener.lang = document.documentElement.lang;
    listener.continuous = true;
    listener.interimResults = true;
    const show = () => {
      button.setAttribute("aria-pressed", String(wanted));
      if (!wanted) heard.textContent = "";
    };
    const begin = () => {
      running = true;
      since = Date.now();
      got = false;
      listener.start();
    };
    const write = (said) => {
      const [from, to] = [last.selectionStart, last.selectionEnd];
      const before = from && !/\s/.test(last.value[from - 1]) && !/^[,.;:!?)]/.test(said) ? " " : "";
      const after = /^[\p{L}\p{N}]/u.test(last.value.slice(to)) ? " " : "";
      const text = `${before}${said}${after}`;
      // Over a question the text cannot have the focus, and what has it is no place for what was said.
      if (!document.querySelector("dialog:modal")) insert(last, text, from, to);
      else { last.setRangeText(text, from, to, "end"); changed(last); }
    };
    listener.addEventListener("result", (event) => {
      got = true;
      let interim = "";
      for (const result of [...event.results].slice(event.resultIndex)) {
        const said = result[0].transcript.trim();
        if (!result.isFinal) interim += `${said} `;
        else if (said) write(said);
      }
      heard.textContent = wanted ? interim : "";
    });
    listener.addEventListener("end", () => {
      running = false;
      heard.textContent = "";
      // Not again and again if it ends as soon as it begins.
      if (!got && Date.now() - since < 500) wanted = false;
      if (wanted) begin();
      show();
    });
    listener.addEventListener("error", (event) => {
      if (event.error === "no-speech" || (event.error === "aborted" && !wanted)) return;
      wanted = false;
      const known = { "not-allowed": "notAllowed", "service-not-allowed": "notAllowed", "audio-capture": "noMicrophone", network: "noSpeech", "language-not-supported": "noLanguage" }[event.error];
      tell(known ? words(known) : `${words("notHeard")} (${event.error})`);
    });
    dictation = {
      toggle() {
        wanted = !wanted;
        if (wanted && !running) begin(); // else it begins again once it has ended
        if (!wanted && running) listener.stop();
        show();
      },
    };
    button.hidden = false;
    button.addEventListener("click", () => dictation.toggle());
  }
})();
