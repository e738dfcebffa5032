/** A headless Chromium with one page, by the Chrome DevTools Protocol over Node's own WebSocket. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '../support/wait.ts';
import { type Program, startProgram } from './processes.ts';

const START_DEADLINE_MS = 90_000;
/** A page that works through a long roster answers late. */
const ANSWER_DEADLINE_MS = 300_000;

export interface Browser {
  /** @returns the value of the expression, after its promise @throws if it throws */
  evaluate(expression: string): Promise<unknown>;
  /** Puts a text where the focus is. */
  type(text: string): Promise<void>;
  key(name: keyof typeof KEYS): Promise<void>;
  /** Loads another page. */
  navigate(url: string): Promise<void>;
  /** Requests for these addresses fail from here on; `*` stands for anything. None: all are answered again. */
  block(addresses: readonly string[]): Promise<void>;
  /** What the page looks like from here on. Sizes in CSS pixels. */
  look(wish: {
    readonly width?: number;
    readonly height?: number;
    readonly scheme?: 'light' | 'dark';
  }): Promise<void>;
  /** What the browser complained about so far, but for answers that are errors: policies, exceptions, `console.error`. */
  complaints(): readonly string[];
  /** Addresses of everything that the pages asked for so far: files, pictures, WebSockets. */
  requests(): readonly string[];
  /** @returns a PNG file */
  screenshot(): Promise<Buffer>;
  /** What went over WebSockets so far. */
  frames(): { readonly sent: readonly string[]; readonly received: readonly string[] };
  kill(): Promise<void>;
}

const KEYS = {
  Enter: 13,
  Tab: 9,
  Escape: 27,
  PageDown: 34,
  PageUp: 33,
  End: 35,
  Home: 36,
  ArrowLeft: 37,
  ArrowUp: 38,
  ArrowRight: 39,
  ArrowDown: 40,
  '/': 191,
} as const;
/** Keys that write something. */
const TEXTS: Readonly<Partial<Record<keyof typeof KEYS, string>>> = { Enter: '\r', '/': '/' };

interface Reply {
  readonly id?: number;
  readonly method?: string;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of Chromium; a wrong shape fails where it is read
  readonly params?: any;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of Chromium; a wrong shape fails where it is read
  readonly result?: any;
  readonly error?: { readonly message: string };
}

/** @param folder the browser's profile, which a later start finds again */
export async function startBrowser(folder: string, url: string): Promise<Browser> {
  const portFile = join(folder, 'DevToolsActivePort');
  await rm(portFile, { force: true });
  const program = startProgram(
    'chromium',
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--no-first-run',
      '--disable-breakpad',
      '--disable-crash-reporter',
      '--remote-debugging-port=0',
      `--user-data-dir=${folder}`,
      '--window-size=900,640',
      'about:blank',
    ],
    { ...process.env, HOME: folder },
  );
  try {
    return await connect(program, portFile, url);
  } catch (error) {
    await program.kill();
    throw new Error(`Chromium: ${program.output().slice(-1000)}`, { cause: error });
  }
}

async function connect(program: Program, portFile: string, url: string): Promise<Browser> {
  const port = await waitFor(
    async () => Number((await readFile(portFile, 'utf8')).split('\n')[0]),
    {
      deadlineMs: START_DEADLINE_MS,
      every: 50,
      what: 'Chromium',
    },
  );
  const targets = await waitFor(
    async () =>
      (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
        type: string;
        webSocketDebuggerUrl: string;
      }[], // as the protocol says
    { deadlineMs: START_DEADLINE_MS, every: 50, what: 'the page of Chromium' },
  );
  const address = targets.find(({ type }) => type === 'page')?.webSocketDebuggerUrl ?? '';
  const socket = new WebSocket(address);
  const answers = new Map<number, (reply: Reply) => void>();
  const sent: string[] = [];
  const received: string[] = [];
  const complaints: string[] = [];
  const requests: string[] = [];
  const size = { width: 900, height: 640 };
  let lastId = 0;
  socket.onmessage = ({ data }) => {
    const reply = JSON.parse(String(data)) as Reply;
    if (reply.id !== undefined) {
      answers.get(reply.id)?.(reply);
      answers.delete(reply.id);
    } else if (reply.method === 'Network.webSocketFrameSent') {
      sent.push(reply.params.response.payloadData);
    } else if (reply.method === 'Network.webSocketFrameReceived') {
      received.push(reply.params.response.payloadData);
    } else if (reply.method === 'Network.requestWillBeSent') {
      requests.push(reply.params.request.url);
    } else if (reply.method === 'Network.webSocketCreated') {
      requests.push(reply.params.url);
    } else {
      const complaint = complaintOf(reply);
      if (complaint !== null) complaints.push(complaint);
    }
  };
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  async function call(method: string, params: Readonly<Record<string, unknown>> = {}) {
    lastId += 1;
    const id = lastId;
    const reply = new Promise<Reply>((resolve, reject) => {
      answers.set(id, resolve);
      const late = () => reject(new Error(`Chromium did not answer ${method}`));
      setTimeout(late, ANSWER_DEADLINE_MS).unref();
    });
    socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await reply;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }
  await call('Network.enable');
  await call('Page.enable');
  await call('Runtime.enable');
  await call('Log.enable');
  await call('Page.navigate', { url });
  return {
    async evaluate(expression) {
      const { result, exceptionDetails } = await call('Runtime.evaluate', {
        expression: `(async () => { const value = await (${expression}); return typeof value === 'object' && value !== null ? true : value; })()`,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails) {
        throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      }
      return result.value;
    },
    type: (text) => call('Input.insertText', { text }),
    async key(name) {
      const key = { key: name, code: name, windowsVirtualKeyCode: KEYS[name] };
      const text = name in TEXTS ? { text: TEXTS[name] } : {};
      await call('Input.dispatchKeyEvent', { type: 'keyDown', ...key, ...text });
      await call('Input.dispatchKeyEvent', { type: 'keyUp', ...key });
    },
    navigate: (to) => call('Page.navigate', { url: to }),
    block: (urls) => call('Network.setBlockedURLs', { urls }),
    async look({ scheme, ...wish }) {
      Object.assign(size, wish);
      await call('Emulation.setDeviceMetricsOverride', {
        ...size,
        deviceScaleFactor: 1,
        mobile: false,
      });
      if (scheme === undefined) return;
      const features = [
        { name: 'prefers-color-scheme', value: scheme },
        // Colours change at once.
        { name: 'prefers-reduced-motion', value: 'reduce' },
      ];
      await call('Emulation.setEmulatedMedia', { features });
    },
    complaints: () => complaints,
    requests: () => requests,
    async screenshot() {
      const { data } = await call('Page.captureScreenshot', { format: 'png' });
      return Buffer.from(data, 'base64');
    },
    frames: () => ({ sent, received }),
    async kill() {
      socket.close();
      await program.kill();
    },
  };
}

/** What Chromium says that is a fault of the page; null if it is none. */
function complaintOf({ method, params }: Reply): string | null {
  if (method === 'Log.entryAdded') {
    const { level, source, text, url } = params.entry;
    return source === 'network' || level === 'info' || level === 'verbose'
      ? null
      : `${source}: ${text} ${url ?? ''}`;
  }
  if (method === 'Runtime.exceptionThrown') {
    const { text, exception } = params.exceptionDetails;
    return `exception: ${exception?.description ?? text}`;
  }
  if (method === 'Runtime.consoleAPICalled' && /^(error|warning|assert)$/.test(params.type)) {
    return `console: ${params.args.map((each: { value?: unknown; description?: string }) => each.value ?? each.description).join(' ')}`;
  }
  return null;
}
