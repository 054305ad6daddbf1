/** The page at `/`: one document, which loads nothing and shows what `/status` and `/events` answer. */
import { createHash } from "node:crypto";
import type { Answer } from "../http_server.ts";
import { SCRIPT } from "./script.ts";
import { STYLE } from "./style.ts";

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
