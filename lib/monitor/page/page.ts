/** The page at `/`: one document, which loads nothing and shows what `/status` and `/events` answer. */
import { createHash } from "node:crypto";
import type { Answer } from "../http_server.ts";
import { SCRIPT } from "./script.ts";

/** The style of the page: light and dark, from 360 to 1,600 pixels. */
const STYLE = `
:root {
  color-scheme: light dark;
  --bg: light-dark(#f5f5f1, #131619); --card: light-dark(#fff, #1b1f23); --line: light-dark(#e2e2dc, #2d3339);
  --ink: light-dark(#1c2024, #e7e9eb); --soft: light-dark(#5c646c, #9aa3ab); --blue: light-dark(#2563c9, #78aaff);
  --good: light-dark(#15774a, #5fcb90); --warn: light-dark(#8f5500, #ecb755); --bad: light-dark(#b3261e, #ff9086);
  --warn-bg: light-dark(#fdf4e3, #2b2416); --bad-bg: light-dark(#fceeec, #2f1d1c);
  font: 15px/1.5 system-ui, sans-serif; background: var(--bg); color: var(--ink);
}
* { box-sizing: border-box; margin: 0; }
body { max-width: 1600px; margin: auto; padding: 0 clamp(12px, 2.5vw, 32px) 40px; }
h1, h2, h3 { font-size: 1em; font-weight: 600; }
header { display: flex; justify-content: space-between; align-items: baseline; gap: 16px; padding: 16px 0; }
header h1 { letter-spacing: .01em; }
#live, .soft, figcaption, dt, th, time { color: var(--soft); font-size: 13px; }
#live { text-align: right; }
#live.lost { color: var(--bad); font-weight: 600; }
.old { opacity: .5; }
#body, main, aside, .stream { display: grid; gap: 16px; grid-template-columns: minmax(0, 1fr); align-content: start; }
.stream + .stream { margin-top: 24px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px; min-width: 0; }
.name { overflow-wrap: anywhere; unicode-bidi: isolate; }
.state { font-size: 13px; font-weight: 600; white-space: nowrap; }
.state::before { content: ""; display: inline-block; width: 9px; height: 9px; margin-right: 7px; border-radius: 50%; background: currentColor; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); } .calm { color: var(--soft); }
.top { display: grid; gap: 4px; padding: 20px; }
.title { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: baseline; }
.title h2 { font-weight: 500; color: var(--soft); }
.sentence { font-size: clamp(20px, 1.2vw + 14px, 28px); line-height: 1.25; font-weight: 600; letter-spacing: -.01em; }
.proof { margin-top: 2px; }
.proof b { font-weight: 600; color: var(--good); }
.buttons { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 12px; }
button { font: inherit; font-size: 14px; padding: 5px 13px; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 7px; cursor: pointer; }
button:hover { border-color: var(--soft); }
button.main { background: var(--blue); border-color: var(--blue); color: light-dark(#fff, #0e1114); }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
.warnings { list-style: none; padding: 0; display: grid; gap: 8px; }
.warnings li { background: var(--warn-bg); border-left: 4px solid var(--warn); border-radius: 6px; padding: 10px 14px; overflow-wrap: anywhere; }
.warnings li.bad { color: inherit; background: var(--bad-bg); border-color: var(--bad); }
.charts { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 280px), 1fr)); }
figure .now { font-size: 24px; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
figcaption, .axis { display: flex; justify-content: space-between; gap: 8px; }
.axis { color: var(--soft); font-size: 12px; }
svg { display: block; width: 100%; height: 84px; margin: 6px 0 4px; overflow: visible; }
svg .line { fill: none; stroke: var(--blue); stroke-width: 1.75; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
svg .area { fill: var(--blue); opacity: .12; }
svg .rule { stroke: var(--line); vector-effect: non-scaling-stroke; }
dl { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(110px, 1fr)); }
dd { font-size: 18px; font-weight: 600; font-variant-numeric: tabular-nums; }
progress { appearance: none; width: 100%; height: 8px; border: 0; border-radius: 4px; background: var(--line); overflow: hidden; display: block; }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--blue); }
progress::-moz-progress-bar { background: var(--blue); }
.card > h3, .card > h2 { margin-bottom: 10px; }
.reads { list-style: none; padding: 0; display: grid; gap: 12px; margin-top: 14px; }
.between { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 16px; margin-bottom: 4px; font-variant-numeric: tabular-nums; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; padding: 0 12px 6px 0; }
td { padding: 7px 12px 7px 0; border-top: 1px solid var(--line); vertical-align: top; }
.number { text-align: right; }
th:last-child { padding: 0 0 6px 24px; } td:last-child { padding: 7px 0 7px 24px; }
#events { list-style: none; padding: 0; max-height: 420px; overflow: auto; overscroll-behavior: contain; }
#events li { padding: 8px 4px 8px 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
#events li:first-child { border-top: 0; padding-top: 0; }
#events .between { margin: 0; }
summary { cursor: pointer; } summary h2 { display: inline; }
#values td:last-child { padding-left: 0; } caption { text-align: left; font-weight: 600; padding-bottom: 4px; }
#values table { margin: 6px 0 18px; font-size: 13px; table-layout: fixed; overflow-wrap: anywhere; }
dialog { margin: auto; width: min(460px, calc(100vw - 24px)); color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px; }
dialog::backdrop { background: rgb(0 0 0 / .45); }
dialog form, dialog label { display: grid; gap: 4px; } dialog form { gap: 14px; } dialog h2 { font-size: 18px; }
input, select, textarea { font: inherit; color: inherit; width: 100%; padding: 6px 9px; background: var(--bg); border: 1px solid var(--line); border-radius: 6px; }
input[type=checkbox] { width: auto; justify-self: start; }
.said { overflow-wrap: anywhere; }
@media (max-width: 640px) {
  header { align-items: start; } .top { padding: 16px; } svg { height: 64px; }
  .list thead { position: absolute; clip-path: inset(50%); }
  .list tr { display: grid; grid-template-columns: 1fr 1fr; gap: 2px 12px; padding: 10px 0; border-top: 1px solid var(--line); }
  .list td, .list td:last-child { border: 0; padding: 0; text-align: left; } .list td:first-child { grid-column: 1 / -1; font-weight: 600; }
  .list td:not(:first-child)::before { content: attr(data-label) " "; color: var(--soft); font-size: 13px; }
}
@media (min-width: 1180px) {
  #body { grid-template-columns: minmax(0, 1fr) minmax(320px, 400px); }
  aside { position: sticky; top: 16px; max-height: calc(100vh - 32px); overflow: auto; }
  #events { max-height: 60vh; }
}
@media (prefers-reduced-motion: no-preference) { progress::-webkit-progress-value { transition: inline-size .6s; } }
`;

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='none' " +
  "stroke='%232563c9' stroke-width='2' stroke-linecap='round' d='M2 5h10l-3-3M14 11H4l3 3'/%3E%3C/svg%3E";

const DOCUMENT = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>cdc-relay</title>
<link rel="icon" href="${ICON}">
<style>${STYLE}</style>
<header>
  <h1>cdc-relay</h1>
  <p id="live" role="status">Connecting</p>
</header>
<div id="body">
  <main id="streams"></main>
  <aside>
    <section class="card" aria-labelledby="events-title">
      <h2 id="events-title">Events</h2>
      <ol id="events" tabindex="0" aria-label="Events, newest first"></ol>
    </section>
    <details class="card" id="settings">
      <summary><h2>Settings in effect</h2></summary>
      <div id="values"></div>
    </details>
  </aside>
</div>
<dialog id="dialog" aria-labelledby="dialog-title"></dialog>
<noscript>This page needs JavaScript. /status has the same figures as JSON.</noscript>
<script>${SCRIPT}</script>
</html>
`;

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const POLICY = [
  "default-src 'none'",
  `script-src ${hashOf(SCRIPT)}`,
  `style-src ${hashOf(STYLE)}`,
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export const PAGE: Answer = {
  status: 200,
  type: "text/html; charset=utf-8",
  body: DOCUMENT,
  headers: { "Content-Security-Policy": POLICY, "Cross-Origin-Opener-Policy": "same-origin" },
};
