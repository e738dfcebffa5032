/**
 * Asks a virus scanner about a file (FILE_SCANNER): ClamAV's clamd by its INSTREAM command (clamd(8)), or a program that takes
 * the bytes by HTTP. Nothing but a clear answer is one: the file is `clean`, or it is not, and else the question is open.
 */
import { connect, type Socket } from 'node:net';

/** Of one file, connection included. */
export const SCAN_DEADLINE_MS = 30_000;
/** Of one chunk; clamd takes chunks of any size below its StreamMaxLength. */
const CHUNK_BYTES = 65_536;
/** An answer is read as far as this. */
const ANSWER_MAX_BYTES = 1_024;
const REASON_MAX_CHARACTERS = 200;

/** `away`: nobody has looked at the file. */
export type Scanned =
  | { readonly outcome: 'clean' }
  | { readonly outcome: 'found'; readonly reason: string }
  | { readonly outcome: 'away'; readonly reason: string };

/** Never rejects. */
export type Scanner = (bytes: Buffer, signal: AbortSignal) => Promise<Scanned>;

/** For the operator, who need not know what a scanner's names mean. */
const FOUND = 'the virus scanner does not let it through';

const away = (reason: string): Scanned => ({ outcome: 'away', reason });

/** What a person can read of a scanner's words, on one line. */
const legible = (text: string): string =>
  text
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
    .slice(0, REASON_MAX_CHARACTERS);

const found = (why: string): Scanned => {
  const words = legible(why);
  return { outcome: 'found', reason: words === '' ? FOUND : `${FOUND}: ${words}` };
};

/** clamd's answer to INSTREAM: `stream: OK`, `stream: Eicar-Signature FOUND`, or an error. */
function clamdSaid(answer: string): Scanned {
  if (answer === 'stream: OK') return { outcome: 'clean' };
  const name = /^stream: (.*) FOUND$/.exec(answer)?.[1];
  if (name !== undefined) return found(name);
  // clamd then has not seen the end of the file, and never will.
  if (answer.startsWith('INSTREAM size limit exceeded')) return found('it is too large for it');
  return away('the virus scanner has no answer');
}

async function write(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.write(bytes)) return;
  await new Promise<void>((resolve, reject) => {
    socket.once('drain', resolve).once('close', () => reject(new Error('closed')));
  });
}

async function stream(socket: Socket, bytes: Buffer): Promise<void> {
  await write(socket, Buffer.from('zINSTREAM\0'));
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const chunk = bytes.subarray(at, at + CHUNK_BYTES);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(chunk.length);
    await write(socket, length);
    await write(socket, chunk);
  }
  await write(socket, Buffer.alloc(4));
}

const clamd =
  (target: { host: string; port: number } | { path: string }): Scanner =>
  async (bytes, signal) => {
    const socket = connect({ ...target });
    const stop = () => socket.destroy();
    const limit = AbortSignal.any([signal, AbortSignal.timeout(SCAN_DEADLINE_MS)]);
    limit.addEventListener('abort', stop);
    try {
      if (limit.aborted) stop();
      return await new Promise<Scanned>((resolve) => {
        let answer = '';
        socket.on('data', (part) => {
          answer += part.toString('latin1');
          if (answer.includes('\0')) resolve(clamdSaid(answer.split('\0', 1)[0] ?? ''));
          else if (answer.length > ANSWER_MAX_BYTES) stop();
        });
        socket.on('error', () => undefined); // 'close' follows
        socket.on('close', () => resolve(away('the virus scanner does not answer')));
        // It may answer, and hang up, before it has all: then the answer counts.
        stream(socket, bytes).catch(() => undefined);
      });
    } finally {
      limit.removeEventListener('abort', stop);
      stop();
    }
  };

/** The beginning of an answer's body. */
async function beginning(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const part of response.body ?? []) {
    text += decoder.decode(part, { stream: true });
    if (text.length > ANSWER_MAX_BYTES) break;
  }
  return text;
}

const http =
  (url: string): Scanner =>
  async (bytes, signal) => {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: new Uint8Array(bytes),
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(SCAN_DEADLINE_MS)]),
      });
      const { ok, status } = response;
      const words = await beginning(response);
      if (ok) return { outcome: 'clean' };
      const isAnswer = status >= 400 && status < 500 && ![401, 403, 404, 408, 429].includes(status);
      return isAnswer ? found(words) : away(`the virus scanner answered ${status}`);
    } catch {
      return away('the virus scanner does not answer');
    }
  };

/**
 * @param address `clamd://HOST:PORT`, `clamd:///PATH` of a socket, `http://…` or `https://…`. There a status of 2xx means
 * clean, and one of 4xx that the file is refused, with the reason as the body; 401, 403, 404, 408 and 429 are no answers
 */
export function createScanner(address: string): Scanner {
  const { protocol, hostname, port, pathname, href } = new URL(address);
  if (protocol !== 'clamd:') return http(href);
  return clamd(
    hostname === ''
      ? { path: decodeURIComponent(pathname) }
      : { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || CLAMD_PORT) },
  );
}

const CLAMD_PORT = 3310;
