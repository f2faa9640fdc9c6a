/**
 * Takes pictures of pages with Chromium, over the DevTools protocol.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The time that Chromium has to start, and to answer a command. In milliseconds. */
const ANSWER_MS_MAX = 60_000;
/** The height of the window. A picture shows the whole page, whatever its height. In pixels. */
const WINDOW_HEIGHT = 800;

/** How much of a picture is kept: from 0 to 100. Text begins to blur below. */
const QUALITY = 60;

/** What a picture shows. */
export interface Picture {
  /** The page's address. */
  readonly url: string;
  /** The width of the window. In pixels of the page. */
  readonly width: number;
  readonly scheme: "light" | "dark";
  /** Pixels of the picture for one of the page. */
  readonly scale: number;
}

type Fields = Readonly<Record<string, unknown>>;

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly result?: Fields;
  readonly error?: { readonly message: string };
}

/** A browser with one page. */
export class Browser {
  private readonly child: ChildProcess;
  private readonly profile: string;
  private readonly socket: WebSocket;
  private session: string | undefined;
  private sent = 0;
  private readonly waiting = new Map<number | string, (message: Message) => void>();

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.child = child;
    this.profile = profile;
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      const message: Message = JSON.parse(data);
      const key = message.id ?? message.method!;
      this.waiting.get(key)?.(message);
      this.waiting.delete(key);
    };
  }

  /**
   * Starts a browser.
   *
   * @param binary The program.
   * @returns The browser. The caller must close it.
   * @throws {Error} If it does not start.
   */
  static async start(binary: string): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), "wallog-browser-"));
    const child = spawn(binary, [
      ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
      ...["--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"],
    ], { stdio: ["ignore", "ignore", "pipe"] });
    const socket = new WebSocket(await withLimit("start", addressOf(child)));
    await withLimit("accept a connection", new Promise((done) => socket.onopen = done));
    const browser = new Browser(child, profile, socket);
    const { targetId } = await browser.call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await browser.call("Target.attachToTarget", { targetId, flatten: true });
    browser.session = String(sessionId);
    await browser.call("Page.enable");
    return browser;
  }

  /**
   * Takes a picture of a whole page.
   *
   * @param picture What it shows.
   * @returns A file in the format WebP.
   */
  async take({ url, width, scheme, scale }: Picture): Promise<Uint8Array> {
    await this.call("Emulation.setDeviceMetricsOverride", {
      ...{ width, height: WINDOW_HEIGHT, deviceScaleFactor: scale, mobile: width < 500 },
    });
    await this.call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    const loaded = this.next("Page.loadEventFired");
    await this.call("Page.navigate", { url });
    await loaded;
    const { cssContentSize } = await this.call("Page.getLayoutMetrics") as { cssContentSize: Fields };
    const { data } = await this.call("Page.captureScreenshot", {
      ...{ format: "webp", quality: QUALITY, captureBeyondViewport: true },
      clip: { x: 0, y: 0, width, height: cssContentSize.height, scale: 1 },
    });
    return Uint8Array.from(atob(String(data)), (character) => character.charCodeAt(0));
  }

  /**
   * Calls a method of the protocol.
   *
   * @param method The method.
   * @param params Its parameters.
   * @returns Its result.
   * @throws {Error} If it fails.
   */
  async call(method: string, params: Fields = {}): Promise<Fields> {
    const id = ++this.sent;
    const answer = this.next(id);
    this.socket.send(JSON.stringify({ id, method, params, ...this.session && { sessionId: this.session } }));
    const { result, error } = await answer;
    if (error !== undefined) throw new Error(`Chromium failed at ${method}: ${error.message}`);
    return result!;
  }

  /** Ends the browser and removes its files. */
  async close(): Promise<void> {
    const closed = new Promise((done) => this.child.once("close", done));
    this.socket.close();
    this.child.kill();
    await closed;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Waits for the answer to a call, or for an event. */
  private next(key: number | string): Promise<Message> {
    return withLimit(`answer ${key}`, new Promise((done) => this.waiting.set(key, done)));
  }
}

/** The address at which a browser listens. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.once("error", reject);
    child.once("close", () => reject(new Error(`Chromium ended: ${text.slice(-1000)}`)));
    child.stderr!.on("data", (part: Uint8Array) => {
      text += new TextDecoder().decode(part);
      const address = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
      if (address !== undefined) resolve(address);
    });
  });
}

async function withLimit<Result>(what: string, work: Promise<Result>): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Chromium did not ${what} in time`)), ANSWER_MS_MAX);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
