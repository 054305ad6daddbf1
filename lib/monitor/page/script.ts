/** The script of the page. It sets texts and attributes only, never HTML, so a name can be nothing but a name. */
export const SCRIPT = String.raw`
"use strict";
const $ = (id) => document.getElementById(id);
const SVG = ["svg", "path", "line", "title"];
/** Makes an element. Attributes that are undefined, null or false are left out; children may be texts and lists. */
function el(tag, attributes, ...children) {
  const made = SVG.includes(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(9).filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}
/** Changes only what differs, so that focus, selection and scrolling stay. */
function morph(old, next) {
  if (old.nodeName !== next.nodeName || old.nodeType !== next.nodeType) return old.replaceWith(next);
  if (old.nodeType === 3) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  fill(old, [...next.childNodes]);
}
function fill(parent, next) {
  const old = [...parent.childNodes];
  next.forEach((each, at) => old[at] ? morph(old[at], each) : parent.append(each));
  old.slice(next.length).forEach((each) => each.remove());
}
const plain = (text) => String(text).replace(/[\p{Cc}\p{Cf}]/gu, (letter) => "\\u" + letter.codePointAt(0).toString(16).padStart(4, "0"));
const count = (number) => number === null || number === undefined ? "–" : number.toLocaleString("en-US");
const clockText = (time) => new Date(time).toLocaleTimeString("en-GB");
const timeText = (time) => (new Date(time).toDateString() === new Date().toDateString() ? "" : new Date(time).toLocaleDateString("en-CA") + " ") + clockText(time);
function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  const unit = [[172800000, 86400000, "d"], [7200000, 3600000, "h"], [120000, 60000, "min"], [10000, 1000, "s"]].find(([from]) => ms >= from);
  return unit ? Math.round(ms / unit[1]) + " " + unit[2] : ms < 1000 ? Math.round(ms) + " ms" : (ms / 1000).toFixed(1) + " s";
}
const BAD = ["failed", "stopped", "no sign of life", "failed collections"];
const CALM = ["starting", "standby", "waiting", "paused"];
const tone = (state) => BAD.includes(state) ? "bad" : CALM.includes(state) ? "calm" : ["ok", "following", "snapshot", "catching up"].includes(state) ? "good" : "warn";
const label = (state) => el("span", { class: "state " + tone(state) }, state);

/** Draws one figure of the last hour. A gap in time, or an unknown value, is a gap in the line. */
function chart(title, points, at, text, now, last) {
  const known = points.map((each) => [each[0], each[at]]);
  const most = Math.max(1, ...known.map(([, value]) => value ?? 0));
  const from = Math.max(now - 3600000, Math.min(now - 300000, known[0]?.[0] ?? now));
  const x = (time) => (600 * Math.max(0, time - from) / (now - from)).toFixed(1);
  const y = (value) => (80 - 76 * value / most).toFixed(1);
  const runs = [];
  let before = -Infinity;
  for (const [time, value] of known) {
    if (value === null) before = -Infinity;
    else {
      if (time - before > 20000) runs.push([]);
      runs.at(-1).push([time, value]);
      before = time;
    }
  }
  const path = (run) => run.map(([time, value]) => x(time) + " " + y(value)).join("L");
  const highest = text(Math.max(0, last, ...known.map(([, value]) => value)));
  return el("figure", { class: "card" },
    el("figcaption", null, el("span", null, title), el("span", null, "highest " + highest)),
    el("p", { class: "now" }, text(last)),
    el("svg", { viewBox: "0 0 600 84", preserveAspectRatio: "none", role: "img", "aria-label": title + ": now " + text(last) + ", highest " + highest },
      el("line", { class: "rule", x1: 0, x2: 600, y1: 80, y2: 80 }),
      runs.map((run) => [
        el("path", { class: "area", d: "M" + x(run[0][0]) + " 80L" + path(run) + "L" + x(run.at(-1)[0]) + " 80Z" }),
        el("path", { class: "line", d: "M" + path(run) }),
      ])),
    el("p", { class: "axis" }, el("span", null, duration(now - from) + " ago"), el("span", null, "now")));
}

function snapshotCard(stream) {
  if (stream.snapshot_done === null) return null;
  const reads = stream.collections.filter(({ state }) => state === "snapshot");
  const bar = (name, done, total) => el("progress", { "aria-label": name, max: total === null ? null : Math.max(1, total), value: total === null ? null : Math.min(done, total) });
  return el("section", { class: "card" },
    el("div", { class: "between" }, el("h3", null, "Snapshot"), el("span", null, count(stream.snapshot_done) + " of about " + count(stream.snapshot_total) + " documents")),
    bar("Snapshot", stream.snapshot_done, stream.snapshot_total),
    el("ul", { class: "reads" }, reads.map((each) => el("li", null,
      el("div", { class: "between" }, el("span", { class: "name" }, plain(each.collection)),
        el("span", { class: "soft" }, [
          each.snapshot_total === null ? count(each.snapshot_done ?? 0) + " read" : count(each.snapshot_done ?? 0) + " of " + count(each.snapshot_total),
          each.snapshot_rate_per_s > 0 && count(each.snapshot_rate_per_s) + "/s",
          each.snapshot_left_ms === null ? null : "ends in " + duration(each.snapshot_left_ms),
        ].filter(Boolean).join(" · "))),
      bar(plain(each.collection), each.snapshot_done ?? 0, each.snapshot_total)))));
}

const tile = (name, value) => el("div", null, el("dt", null, name), el("dd", null, value));

function collectionsCard(stream) {
  const cell = (name, value, number) => el("td", { class: number && "number", "data-label": name }, value);
  const verified = (each) => each.verified_to ? "equal up to " + timeText(each.verified_to) : each.verified ?? "not yet";
  return el("section", { class: "card" }, el("h3", null, "Collections"),
    el("table", { class: "list" },
      el("thead", null, el("tr", null, el("th", { scope: "col" }, "Collection"), el("th", { scope: "col" }, "State"),
        ["Rows written", "Overflow", "Dead letters"].map((each) => el("th", { scope: "col", class: "number" }, each)), el("th", { scope: "col" }, "Verified"))),
      el("tbody", null, stream.collections.map((each) => el("tr", null,
        el("td", null, el("span", { class: "name" }, plain(each.collection))), cell("State", label(each.state)),
        cell("Rows written", count(each.rows), true), cell("Overflow", count(each.overflowed), true),
        cell("Dead letters", count(each.dead_letters), true), cell("Verified", verified(each)))))),
    stream.more_collections > 0 && el("p", { class: "soft" }, count(stream.more_collections) + " more are in /status"));
}

function proof({ equal, of, up_to }) {
  if (up_to === null) return el("p", { class: "proof soft" }, "Not verified yet: the command verify compares every document with its row");
  const which = equal === of ? of === 1 ? "its one collection" : "all " + of + " collections" : equal + " of " + of + " collections";
  return el("p", { class: "proof" }, el("b", null, "Equal to MongoDB up to " + timeText(up_to)), el("span", { class: "soft" }, " · " + which + ", every document compared"));
}

const samples = new Map();
function streamSection(stream, now, hasControl) {
  const name = plain(stream.name || stream.stream || "Stream");
  const points = samples.get(stream.name) ?? [];
  return el("section", { class: "stream", "aria-label": name },
    el("div", { class: "card top" },
      el("div", { class: "title" }, label(stream.state === "ok" ? stream.phase : stream.state), el("h2", { class: "name" }, name)),
      el("p", { class: "sentence" }, plain(stream.sentence)),
      proof(stream.proof),
      hasControl && stream.stream && el("div", { class: "buttons" },
        Object.entries(VERBS).filter(([verb]) => verb !== (stream.phase === "paused" ? "pause" : "resume")).map(([verb, { title }]) => el("button", { type: "button", "data-verb": verb, "data-stream": stream.name }, title)))),
    stream.warnings.length > 0 && el("ul", { class: "warnings", "aria-label": "What to do" }, stream.warnings.map(({ text, hint }) =>
      el("li", { class: tone(stream.state) === "bad" ? "bad" : "" }, el("strong", null, plain(text)), el("p", null, plain(hint))))),
    el("div", { class: "charts" }, chart("Lag behind MongoDB", points, 1, duration, now, stream.lag_ms), chart("Rows written a second", points, 2, count, now, stream.rate_per_s)),
    snapshotCard(stream),
    el("dl", { class: "card" },
      tile("Oplog headroom", stream.oplog_headroom_s === null ? "unknown" : duration(1000 * stream.oplog_headroom_s)),
      tile("Changes read", count(stream.events)), tile("Rows written", count(stream.rows)), tile("Overflow", count(stream.overflowed)),
      tile("Dead letters", count(stream.dead_letters)), tile("Position saved", stream.saved_at === null ? "–" : clockText(stream.saved_at))),
    collectionsCard(stream));
}

let seen = { streams: [] };
let since = 0;
let newestEvent;
async function readEvents(get, newest) {
  const events = await get("/events");
  newestEvent = newest;
  fill($("events"), events.length === 0 ? [el("li", { class: "soft" }, "Nothing has happened since this process started")] : events.map((each) =>
    el("li", null, el("div", { class: "between" }, el("span", { class: "state " + ({ error: "bad", warning: "warn" }[each.severity] ?? "calm") }, each.kind.replaceAll("_", " ")), el("time", { datetime: each.at }, timeText(each.at))), plain(each.message))));
}
async function read() {
  const get = async (path) => {
    const response = await fetch(path, { signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(await response.text());
    return await response.json();
  };
  const view = await get("/status?since=" + since);
  seen = view;
  for (const { name, history } of view.streams) {
    const all = [...samples.get(name) ?? [], ...history].slice(-720);
    samples.set(name, all);
    since = Math.max(since, all.at(-1)?.[0] ?? 0);
  }
  fill($("streams"), view.streams.map((each) => streamSection(each, view.now, view.hasControl)));
  if (view.newestEvent !== newestEvent) await readEvents(get, view.newestEvent);
  const worst = view.streams.map(({ state }) => state).find((state) => state !== "ok") ?? "ok";
  document.title = worst + " – cdc-relay";
  return view.now;
}
let readAt;
async function watch() {
  while (true) {
    if (!document.hidden) {
      try {
        readAt = await read();
        $("live").textContent = "Live, " + clockText(readAt);
        $("live").className = $("streams").className = "";
      } catch {
        $("live").textContent = "No answer from the relay" + (readAt ? " since " + clockText(readAt) + ": these figures are old" : "") + ". Check that cdc-relay runs.";
        $("live").className = "lost";
        $("streams").className = "old";
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

$("settings").addEventListener("toggle", async () => {
  if (!$("settings").open) return;
  const parts = await (await fetch("/settings")).json();
  fill($("values"), parts.map(({ title, effective }) => el("table", null, el("caption", { class: "soft" }, plain(title)),
    el("tbody", null, effective.map(({ name, text, origin }) => el("tr", null, el("td", null, name), el("td", null, plain(text)), el("td", { class: "soft" }, plain(origin))))))));
});

/** Title, what it does, and its arguments: name, label, type. */
const VERBS = {
  pause: { title: "Pause", text: "Keeps the position and stops reading. It resumes before MongoDB drops the changes.", fields: [["reason", "Reason", "text"], ["resumeAt", "Resume at", "datetime-local"]] },
  resume: { title: "Resume", text: "Goes on from the saved position.", fields: [] },
  snapshot: { title: "Snapshot", text: "Reads a collection again, beside the stream.", fields: [["collection", "Collection", "collection"], ["filter", "Only documents that match (JSON)", "json"], ["rate", "Documents a second, at most", "number"]] },
  verify: { title: "Verify", text: "Compares every document of a collection with its row.", fields: [["collection", "Collection", "collection"], ["repair", "Repair differences", "checkbox"]] },
  letters: { title: "Retry letters", text: "Writes the dead letters of a collection again, after their cause was corrected.", fields: [["collection", "Collection", "collection"]], fixed: { action: "retry" } },
  rebuild: { title: "Rebuild", text: "Copies the table of a collection to one with the columns of the settings.", fields: [["collection", "Collection", "collection"]] },
  rate: { title: "Rate", text: "Limits what is read a second; 0 for no limit.", fields: [["snapshot", "Snapshot", "number"], ["verify", "Verify", "number"]] },
  reload: { title: "Reload", text: "Reads the file of settings again.", fields: [] },
  stop: { title: "Stop", text: "Applies all changes up to a time, saves, and ends. Empty means now.", fields: [["at", "Time", "datetime-local"]] },
};
let token = "";
function ask(verb, name) {
  const { title, text, fields, fixed } = VERBS[verb];
  const stream = seen.streams.find((each) => each.name === name);
  const input = (field, type) => type === "collection"
    ? el("select", { name: field }, stream.collections.map(({ collection }) => el("option", { value: collection }, plain(collection))))
    : el("input", { name: field, type: type === "json" ? "text" : type, step: type === "datetime-local" && 1, min: type === "number" && 0, placeholder: type === "json" && '{"status": "open"}' });
  const said = el("p", { class: "said", role: "status" });
  const form = el("form", null, el("h2", { id: "dialog-title" }, title), el("p", { class: "soft" }, text),
    fields.map(([field, name, type]) => el("label", null, name, input(field, type))),
    token === "" && el("label", null, "Token", el("input", { name: "token", type: "password", autocomplete: "off", required: true })),
    said, el("div", { class: "buttons" }, el("button", { class: "main" }, title), el("button", { type: "button", "data-close": true }, "Close")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = { ...fixed };
    try {
      for (const [field, , type] of fields) {
        const { value, checked } = form.elements[field];
        if (type === "checkbox" ? checked : value !== "") given[field] = type === "json" ? JSON.parse(value) : type === "number" ? Number(value) : type === "checkbox" ? true : type === "datetime-local" ? new Date(value).toISOString() : value;
      }
    } catch {
      said.textContent = "The filter is not JSON, such as {\"status\": \"open\"}.";
      return;
    }
    const used = token || form.elements.token.value.trim();
    try {
      const response = await fetch("/control", { method: "POST", headers: { Authorization: "Bearer " + used, "Content-Type": "application/json" }, body: JSON.stringify({ verb, arguments: given, stream: stream.stream }) });
      if (response.status !== 401) token = used;
      else token = "";
      said.textContent = response.ok ? "Asked. The events show when it is done." : await response.text();
    } catch {
      said.textContent = "No answer from the relay: ctl list shows whether the request has arrived.";
    }
  });
  $("dialog").replaceChildren(form);
  $("dialog").showModal();
}
document.addEventListener("click", ({ target }) => {
  if (target.dataset?.verb) ask(target.dataset.verb, target.dataset.stream);
  if (target.dataset?.close !== undefined) $("dialog").close();
});
watch();
`;
