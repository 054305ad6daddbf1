/** Registers tests in a real browser: ignored with a message if none is installed. */
import { existsSync } from "node:fs";
import type { Page } from "npm:puppeteer-core@25.16.0";
import { STDERR } from "../../lib/util/standard_streams.ts";
import { loadBrowser } from "../deps.ts";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const browserPath = Deno.env.get("CHROMIUM") ?? PATHS.find((path) => existsSync(path));

export const hasBrowser = browserPath !== undefined;
if (!hasBrowser) {
  STDERR.write(
    `Tests of the page are ignored: no browser. Install chromium, or set CHROMIUM to the path of one.\n`,
  );
}

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors that the page has reported, also violations of its policy. */
  readonly errors: readonly string[];
  /** Addresses that were asked for. */
  readonly asked: readonly string[];
  /** The text of what a selector finds; empty for nothing. */
  text(selector: string): Promise<string>;
}

/** Opens a page of this width. */
export async function openPage(url: string, { width = 1_200, scheme = "light" } = {}): Promise<OpenPage> {
  const { launch } = await loadBrowser();
  const browser = await launch({
    executablePath: browserPath ?? "",
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  const page = await browser.newPage();
  const errors: string[] = [];
  const asked: string[] = [];
  page.on("console", (message) => void (message.type() === "error" && errors.push(message.text())));
  page.on("pageerror", (error) => void errors.push(String(error)));
  page.on("request", (request) => void asked.push(request.url()));
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url);
  return {
    page,
    errors,
    asked,
    text: async (selector) =>
      String(await page.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ""`)),
    [Symbol.asyncDispose]: () => browser.close(),
  };
}
