/* The board: rooms as columns, exams dragged or moved by key. Everything it does is asked of the
   server, which may refuse; what it shows is fetched again whenever something changed. */
"use strict";
(() => {
  const host = document.getElementById("calendar");
  if (!host || !window.EventCalendar) return;
  const data = JSON.parse(document.getElementById("board-data").textContent);
  const words = data.words;
  const rooms = new Map(data.rooms.map((room) => [room.id, room]));
  const asked = new URLSearchParams(window.location.search);
  const narrow = window.matchMedia("(max-width: 767.98px)").matches;
  const view = !data.chosen && narrow ? "list" : data.view;
  if (view !== data.view) {
    for (const link of document.querySelectorAll(".views a")) {
      if (new URL(link.href).searchParams.get("view") === view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }
  const language = document.documentElement.lang || "en";
  const views = { day: "resourceTimeGridDay", week: "resourceTimeGridWeek", list: "listDay" };
  const token = document.querySelector("input[name=csrfmiddlewaretoken]");
  const icons = document.getElementById("board-icons").content;
  const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  // Of a target at least 24 px high (WCAG 2.5.8): ten minutes of 36 px a quarter. What is shorter is drawn as long as
  // that, so that nothing lies on top of it, and says where it really ends.
  const LEAST_MINUTES = 10;
  let last = null; // the id of the exam that had the focus last
  let quiet = false; // the next fetch was asked for by no person

  // --- time: the site's clock, whatever the browser's is

  const pad = (number) => String(number).padStart(2, "0");
  // EventCalendar hands out what its clock shows as a time of the browser's own zone: no instant, and nothing to
  // reckon with where the browser's clock is changed. As a time of UTC it is.
  const wall = (date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate(), date.getHours(), date.getMinutes());
  const stampOf = (at) => new Date(at).toISOString().slice(0, 16);
  const stamp = (date) => stampOf(wall(date));
  const clock = (date) => stamp(date).slice(11);
  const drawnMinutes = (event) => Math.round((wall(event.end) - wall(event.start)) / 60000);
  const minutesOf = (event) => event.extendedProps.minutes ?? drawnMinutes(event);
  // In the night when the clock is changed the server says what the clock shows.
  const from = (event) => event.extendedProps.hours?.[0] ?? clock(event.start);
  const until = (event) => event.extendedProps.hours?.[1] ?? stampOf(wall(event.start) + minutesOf(event) * 60000).slice(11);
  const zone = data.offset ? `${data.offset < 0 ? "-" : "+"}${pad(Math.floor(Math.abs(data.offset) / 60))}:${pad(Math.abs(data.offset) % 60)}` : "UTC";

  // --- what stands in an exam

  const element = (name, css, text) => {
    const made = document.createElement(name);
    if (css) made.className = css;
    if (text) made.textContent = text;
    return made;
  };
  const mark = ([icon]) => {
    const made = element("span", "exam-mark");
    made.append(icons.querySelector(`[data-icon="${icon}"]`)?.firstElementChild.cloneNode(true) ?? "");
    return made;
  };
  const content = ({ event, view: shown }) => {
    if (event.display === "background") return { domNodes: event.title ? [element("span", "shut-words", event.title)] : [] };
    const more = event.extendedProps;
    const line = element("strong", "exam-name");
    const drawn = drawnMinutes(event);
    const isShort = more.minutes < drawn;
    line.append(...more.marks.map(mark), `${from(event)}${isShort ? `–${until(event)}` : ""} ${event.title}`);
    const button = element("div", "exam");
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.dataset.id = event.id;
    if (isShort) {
      button.classList.add("is-short");
      button.style.setProperty("--ends", `${(100 * more.minutes) / drawn}%`);
    }
    button.append(line, element("span", "exam-words", more.words));
    const inList = shown.type.startsWith("list");
    if (inList || more.marks.length) {
      button.append(element("span", "exam-where", [inList ? more.room : "", ...more.marks.map(([, text]) => text)].filter(Boolean).join(", ")));
    }
    // What the place of the box and its color say, in words.
    button.append(element("span", "visually-hidden", `${inList ? "" : more.room} ${more.status}`));
    return { domNodes: [button] };
  };

  // --- talking to the server

  const stale = (on) => host.closest(".board-main").toggleAttribute("data-stale", on);
  const range = (from, to) => {
    const address = new URLSearchParams({ from, to });
    for (const name of ["site", "group", "modality", "room"]) if (asked.get(name)) address.set(name, asked.get(name));
    return `/board/events/?${address}`;
  };
  const longEnough = (event) => {
    if (event.extendedProps?.minutes === undefined) return event;
    const [start, end] = [Date.parse(`${event.start}Z`), Date.parse(`${event.end}Z`)];
    const midnight = end - (end % 86400000);
    // An exam of the night is drawn on two days: what is left of it after midnight has to be hit too.
    const shown = end - Math.max(start, midnight);
    const least = LEAST_MINUTES * 60000;
    if (!(shown < least) || !shown) return event;
    return { ...event, end: new Date(end + least - shown).toISOString().slice(0, 16) };
  };
  // Before opening or after closing the grid grows to the event; an unseen one makes it grow to the full hour.
  const HOUR = 3600000;
  const toFullHours = (event) => {
    if (event.extendedProps?.minutes === undefined) return [];
    const [from, to] = [event.start.slice(11, 16), event.end.slice(11, 16)];
    if (from >= data.opens && from < to && to <= data.closes) return [];
    const [start, end] = [Date.parse(`${event.start}Z`), Date.parse(`${event.end}Z`)];
    const at = (time) => new Date(time).toISOString().slice(0, 16);
    return [{
      display: "background",
      start: at(Math.floor(start / HOUR) * HOUR),
      end: at(Math.ceil(end / HOUR) * HOUR),
      extendedProps: { isFrame: true },
    }];
  };
  const fetchEvents = async (info) => {
    const headers = quiet ? { "X-Ris-Poll": "1" } : {};
    quiet = false;
    try {
      const response = await fetch(range(info.startStr.slice(0, 10), info.endStr.slice(0, 10)), { headers, redirect: "error" });
      if (!response.ok) throw new Error(String(response.status));
      const found = await response.json();
      stale(false);
      unplaced(found.unplaced);
      wanted = kept ?? document.activeElement?.closest?.(".exam[data-id]")?.dataset.id ?? wanted;
      kept = null;
      const drawn = found.events.map(longEnough);
      return [...drawn, ...drawn.flatMap(toFullHours)];
    } catch (error) {
      stale(true);
      throw error;
    }
  };
  const unplaced = (lines) => {
    const note = document.getElementById("unplaced");
    note.hidden = lines.length === 0;
    note.querySelector("ul").replaceChildren(...lines.map((one) => {
      const item = element("li");
      const link = element("a", "", one.title);
      link.href = `/orders/${one.order}/`;
      item.append(link, ` ${one.start.slice(11)}, ${one.station}`);
      return item;
    }));
  };
  const send = async (address, values) => {
    const body = new URLSearchParams({ csrfmiddlewaretoken: token.value, site: asked.get("site") ?? "", ...values });
    let response;
    try {
      response = await window.ris.send(address, { method: "POST", body, redirect: "error" });
    } catch { return { error: words.away }; }
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    if (response.status === 401) return { error: document.getElementById("words").dataset.ended };
    return isJson ? response.json() : { error: words.away };
  };

  // --- telling what was done, with the way back

  const toast = document.getElementById("toast");
  let toastEnds = 0;
  const tell = (text, tone, undo) => {
    clearTimeout(toastEnds);
    toast.className = `toast-note note tone-${tone}`;
    toast.replaceChildren(element("p", "", text));
    if (undo) {
      const button = element("button", "btn btn-plain btn-sm", words.undo);
      button.type = "button";
      button.dataset.key = "u";
      button.addEventListener("click", async () => { toast.hidden = true; await undo(); });
      toast.append(button);
    }
    toast.hidden = false;
    toastEnds = setTimeout(() => { toast.hidden = true; }, undo || tone !== "bad" ? 10000 : 20000);
  };
  const choose = (text, turns, then) => {
    tell(text, "warn");
    clearTimeout(toastEnds);
    const answers = [...turns.map((turn) => [turn.words, () => then(turn.start)]), [words.close, () => {}]];
    toast.append(...answers.map(([label, act]) => {
      const button = element("button", "btn btn-plain btn-sm", label);
      button.type = "button";
      button.addEventListener("click", () => { toast.hidden = true; act(); });
      return button;
    }));
    toast.querySelector("button").focus();
  };
  const refresh = () => { quiet = true; calendar.refetchEvents(); };

  const drop = async (id, values, before, revert) => {
    const answer = await send(`/board/drop/${id}/`, values);
    if (answer.error) {
      revert?.();
      if (answer.turns) { choose(answer.error, answer.turns, (start) => drop(id, { ...values, start }, before, null)); return; }
      tell(`${words.refused}: ${answer.error}`, "bad");
      refresh();
      return;
    }
    const room = rooms.get(values.device)?.title ?? "";
    const back = before && (() => drop(id, { ...before, version: answer.version }, null, null));
    const told = before ? say(words.moved, { time: values.start.slice(11, 16), room }) : words.undone;
    tell(`${told} ${answer.note ?? ""}`.trim(), "ok", back);
    keepFocus(id);
    refresh();
  };
  // An exam that stays at its time stays at that instant, whatever the wall shows twice.
  const placeOf = (event, was) => ({
    start: stamp(event.start) === stamp(was.start) ? was.extendedProps.at : stamp(event.start),
    device: event.resourceIds[0],
  });

  // --- dragging: only to rooms that do the exam

  const fits = (modality, resource) => !resource || rooms.get(resource.id)?.extendedProps.modality === modality;
  const ban = (on, resource) => {
    host.classList.toggle("is-banned", on);
    if (on) hint.textContent = say(words.otherModality, { room: resource.title, modality: rooms.get(resource.id).extendedProps.modality });
  };
  const hint = element("div", "drag-hint");
  hint.hidden = true;
  document.body.append(hint);
  document.addEventListener("pointermove", (event) => {
    if (hint.hidden) return;
    hint.style.insetInlineStart = `${event.clientX + 14}px`;
    hint.style.top = `${event.clientY + 10}px`;
  });
  let wasBanned = false; // where it was let go, it could not be
  const dragging = (on) => {
    hint.hidden = !on;
    wasBanned = host.classList.contains("is-banned") && hint.textContent;
    hint.textContent = "";
    ban(false);
  };

  // --- focus and keys

  const elementOf = (id) => host.querySelector(`.exam[data-id="${CSS.escape(id)}"]`);
  let wanted = data.focus; // gets the focus once it is drawn
  let kept = null; // the same, but only once the next answer is drawn
  const keepFocus = (id) => { kept = id; };
  const neighbor = (from, key) => {
    const all = [...host.querySelectorAll(".exam[data-id]")];
    const box = (one) => one.getBoundingClientRect();
    const at = box(from);
    const upright = key === "ArrowUp" || key === "ArrowDown";
    const sign = key === "ArrowUp" || key === "ArrowLeft" ? -1 : 1;
    const along = (one) => sign * (upright ? box(one).top - at.top : box(one).left - at.left);
    const across = (one) => Math.abs(upright ? box(one).left - at.left : box(one).top - at.top);
    const there = all.filter((one) => one !== from && along(one) > (upright ? 0 : 8) && (!upright || across(one) < at.width));
    return there.sort((a, b) => (upright ? along(a) - along(b) : along(a) + across(a) / 4 - along(b) - across(b) / 4))[0];
  };
  host.addEventListener("keydown", (event) => {
    const from = event.target.closest?.(".exam[data-id]");
    if (from && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      event.stopPropagation();
      openExam(calendar.getEventById(from.dataset.id));
    }
    if (!from || !event.key.startsWith("Arrow")) return;
    const next = neighbor(from, event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, true);
  host.addEventListener("focusin", (event) => {
    const found = event.target.closest?.(".exam[data-id]");
    if (found) last = found.dataset.id;
  });
  const here = () => `${window.location.pathname}?${(() => { const now = new URLSearchParams(asked); if (last) now.set("focus", last); return now; })()}`;
  const openMove = (id) => {
    const event = calendar.getEventById(id);
    if (!event?.extendedProps.movable) return;
    document.getElementById("exam").close();
    htmx.ajax("GET", `/board/move/${id}/?next=${encodeURIComponent(here())}`, { target: "#move-body", swap: "innerHTML" });
  };
  document.getElementById("board-move")?.addEventListener("click", () => {
    if (last && calendar.getEventById(last)?.extendedProps.movable) openMove(last);
    else tell(words.choose, "bad");
  });
  document.getElementById("move").addEventListener("close", () => { if (last) elementOf(last)?.focus(); });

  const exam = document.getElementById("exam");
  const openExam = (event) => {
    const more = event.extendedProps;
    last = event.id;
    document.getElementById("exam-title").textContent = `${event.title} ${more.number}`;
    document.getElementById("exam-words").textContent = more.words;
    document.getElementById("exam-when").textContent = `${stamp(event.start).slice(0, 10)} ${from(event)} – ${until(event)}, ${more.room}, ${more.status}`;
    document.getElementById("exam-marks").replaceChildren(...more.marks.map(([icon, text]) => {
      const item = element("li", "badge-state tone-neutral");
      item.append(mark([icon]), text);
      return item;
    }));
    const link = (text, href) => { const made = element("a", "btn btn-plain", text); made.href = href; return made; };
    const actions = [link(words.openOrder, `/orders/${more.order}/`)];
    if (more.movable) {
      const button = element("button", "btn btn-primary", words.move);
      button.type = "button";
      button.addEventListener("click", () => openMove(event.id));
      actions.unshift(button);
      if (data.later && more.booked) actions.push(link(words.later, `/board/later/${event.id}/?next=${encodeURIComponent(here())}`));
    }
    if (data.orders) actions.push(link(words.again, `/orders/new/?patient=${more.patient}&copy=${more.order}`));
    document.getElementById("exam-actions").replaceChildren(...actions);
    if (!exam.open) exam.showModal();
  };
  exam.addEventListener("close", () => { if (last && !document.querySelector("dialog[open]")) elementOf(last)?.focus(); });

  // --- for those who do not see it: EventCalendar calls itself a table but is none

  const ROLES = "[role=table], [role=grid], [role=row], [role=rowgroup], [role=columnheader], [role=rowheader], [role=cell], [role=gridcell], [role=list], [role=listitem]";
  const tidy = () => {
    const main = host.querySelector(".ec-main, .ec-body") ?? host;
    for (const part of host.querySelectorAll(ROLES)) part.removeAttribute("role");
    for (const name of ["aria-colindex", "aria-colspan", "aria-rowindex", "aria-rowspan", "aria-colcount", "aria-rowcount"]) {
      for (const part of host.querySelectorAll(`[${name}]`)) part.removeAttribute(name);
    }
    for (const part of host.querySelectorAll("[aria-label]:not(button, a, .ec-main)")) part.removeAttribute("aria-label");
    for (const head of host.querySelectorAll("h4")) { head.setAttribute("role", "heading"); head.setAttribute("aria-level", "2"); }
    main.setAttribute("role", "group");
    main.setAttribute("aria-label", words.board);
    main.tabIndex = 0;
    for (const part of host.querySelectorAll(".ec-bg-event")) { part.removeAttribute("tabindex"); part.removeAttribute("role"); }
    if (wanted) {
      const found = elementOf(wanted);
      if (found) { wanted = null; found.focus({ preventScroll: true }); found.scrollIntoView({ block: "nearest", inline: "nearest" }); }
    }
  };

  // It draws again before it says so: what is new is set right in the same moment.
  const raw = `${ROLES}, h4:not([role])`;
  const isRaw = (node) => node.nodeType === 1 && (node.matches(raw) || node.querySelector(raw) !== null);
  new MutationObserver((changes) => {
    if (changes.some((change) => (change.type === "attributes" ? isRaw(change.target) : [...change.addedNodes].some(isRaw)))) tidy();
  }).observe(host, { childList: true, subtree: true, attributes: true, attributeFilter: ["role"] });

  // It scrolls before it knows how far the grid grows; once the exams are there it scrolls again.
  let hasScrolled = false;
  const showTheHour = () => {
    if (hasScrolled || !calendar?.getEvents().length) return;
    hasScrolled = true;
    calendar.setOption("scrollTime", data.scroll);
  };

  let calendar = null;
  calendar = EventCalendar.create(host, {
    view: views[view] ?? views.day,
    date: data.first,
    timeZone: zone,
    firstDay: 1,
    locale: language === "en" ? "en-GB" : language, // the month after the day, as on the other pages
    dayHeaderFormat: { weekday: "short", day: "numeric", month: "short" },
    headerToolbar: { start: "", center: "", end: "" },
    allDaySlot: false,
    height: "100%",
    slotDuration: "00:15",
    slotLabelInterval: "00:30",
    snapDuration: "00:05",
    slotHeight: 36,
    slotMinTime: data.opens,
    slotMaxTime: data.closes,
    flexibleSlotTimeLimits: { eventFilter: (event) => event.display !== "background" || event.extendedProps.isFrame === true },
    slotEventOverlap: false,
    slotLabelFormat: { hour: "2-digit", minute: "2-digit", hour12: false },
    nowIndicator: true,
    scrollTime: data.scroll,
    columnWidth: view === "week" ? "minmax(7rem, 1fr)" : data.rooms.length > 7 ? "minmax(9rem, 1fr)" : undefined,
    datesAboveResources: true,
    resources: data.rooms,
    resourceLabelContent: ({ resource }) => {
      const link = element("a", "room-link", resource.title);
      link.href = `/room/${encodeURIComponent(resource.extendedProps.aeTitle)}/`;
      return { domNodes: [link, element("span", "muted", ` ${resource.extendedProps.modality}`)] };
    },
    noEventsContent: words.nothing,
    lazyFetching: false,
    eventSources: [{ events: fetchEvents }],
    eventContent: content,
    eventDidMount: ({ el, event }) => {
      if (event.display === "background") return;
      el.removeAttribute("tabindex"); // the button inside is what is reached by key
      el.setAttribute("role", "none");
    },
    eventAllUpdated: () => { tidy(); showTheHour(); },
    viewDidMount: tidy,
    eventClick: ({ event }) => { if (event.display !== "background") openExam(event); },
    dateClick: ({ date, resource }) => {
      const close = document.querySelector("[data-board-close]");
      if (!close) return;
      close.href = `/board/close/?${new URLSearchParams({ at: stamp(date), room: resource ? rooms.get(resource.id).extendedProps.aeTitle : "", next: here() })}`;
    },
    editable: data.movable,
    eventLongPressDelay: 400,
    dragScroll: true,
    eventDragStart: () => dragging(true),
    eventDragStop: () => dragging(false),
    dragConstraint: ({ event, newResource }) => {
      const allowed = fits(event.extendedProps.modality, newResource);
      ban(!allowed, newResource);
      if (allowed) hint.textContent = clock(event.start);
      return allowed;
    },
    eventResizeStart: () => dragging(true),
    eventResizeStop: () => dragging(false),
    resizeConstraint: ({ event }) => { hint.textContent = `${clock(event.start)} – ${clock(event.end)}`; return true; },
    eventDrop: ({ event, oldEvent, revert }) => {
      if (wasBanned) { revert(); tell(`${words.refused}: ${wasBanned}.`, "bad"); return; }
      const version = event.extendedProps.version;
      drop(event.id, { ...placeOf(event, oldEvent), version }, { ...placeOf(oldEvent, oldEvent), minutes: minutesOf(oldEvent) }, revert);
    },
    eventResize: ({ event, oldEvent, revert }) => {
      const version = event.extendedProps.version;
      drop(event.id, { ...placeOf(event, oldEvent), minutes: drawnMinutes(event), version }, { ...placeOf(oldEvent, oldEvent), minutes: minutesOf(oldEvent) }, revert);
    },
  });

  // --- an exam that waits is dragged onto a room

  let carried = null;
  const strip = () => document.getElementById("board-live");
  document.addEventListener("dragstart", (event) => {
    const item = event.target.closest?.(".waiting[draggable]");
    if (!item) return;
    carried = item.dataset;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", carried.title);
    hint.hidden = false;
  });
  document.addEventListener("dragend", () => { carried = null; dragging(false); });
  host.addEventListener("dragover", (event) => {
    if (!carried) return;
    const point = calendar.dateFromPoint(event.clientX, event.clientY);
    const allowed = point?.resource && fits(carried.modality, point.resource);
    hint.style.insetInlineStart = `${event.clientX + 14}px`;
    hint.style.top = `${event.clientY + 10}px`;
    if (point?.resource) ban(!allowed, point.resource);
    if (!allowed) return;
    event.preventDefault();
    hint.textContent = `${clock(point.date)} ${carried.title}`;
  });
  host.addEventListener("drop", (event) => {
    if (!carried) return;
    event.preventDefault();
    const { step, version } = carried;
    const point = calendar.dateFromPoint(event.clientX, event.clientY);
    carried = null;
    dragging(false);
    if (!point?.resource) return;
    place(step, version, stamp(point.date), point.resource);
  });
  const place = async (step, version, start, resource) => {
    const answer = await send(`/board/place/${step}/`, { start, device: resource.id, version });
    if (answer.turns) { choose(answer.error, answer.turns, (turn) => place(step, version, turn, resource)); return; }
    if (answer.error) { tell(`${words.refused}: ${answer.error}`, "bad"); return; }
    tell(`${say(words.booked, { time: start.slice(11, 16), room: resource.title })} ${answer.note ?? ""}`.trim(), "ok");
    keepFocus(answer.appointment);
    refresh();
    if (strip()) htmx.trigger(strip(), "ris-live");
  };

  // --- live: told by the stream, else by the clock

  host.dataset.liveDays = data.days.join(" ");
  const busy = () => document.hidden || !hint.hidden || host.querySelector(".ec-dragging, .ec-ghost, .ec-preview");
  let due = false;
  const whenFree = () => {
    if (busy()) { setTimeout(whenFree, 300); return; }
    due = false;
    refresh();
  };
  const soon = () => { if (!due) { due = true; whenFree(); } };
  host.addEventListener("ris-live", soon);
  setInterval(soon, 20000);
})();
