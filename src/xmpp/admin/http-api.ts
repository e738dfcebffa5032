/**
 * Calls of ejabberd's mod_http_api (https://docs.ejabberd.im/developer/ejabberd-api/): credentials, API version,
 * deadline and size bound. `refusal.ts` has the meaning of each refusal.
 */
import type { z } from 'zod';
import { AppError, messageOf } from '../../errors.ts';
import type { Observe } from '../../kit/outage.ts';
import { createNameList } from './name-list.ts';
import { PART, type Refusal, refusalError, refusalOf } from './refusal.ts';

/** The default time limit of one call. */
export const API_DEADLINE_MS = 10_000;
/** The default size limit of an answer, without lists of names. */
export const API_ANSWER_BYTES = 16 * 1024 * 1024;
/** The default time limit of a list of names. Its pieces have to come within {@link API_DEADLINE_MS} of each other. */
export const LIST_DEADLINE_MS = 120_000;
/** Names in a list at most. */
export const MAX_LISTED_NAMES = 5_000_000;

/** From this version on `/v0` is known, and a URL without a version means the newest API. */
const FIRST_VERSIONED = 24.02;
export interface ApiOptions {
  /** `http(s)://host:port/api` */
  readonly url: string;
  /** A full JID. ejabberd answers 401 to a bare name. */
  readonly user: string;
  readonly password: string;
  /** Time limit of each call. Default {@link API_DEADLINE_MS}. */
  readonly deadlineMs?: number;
  /** Size limit of an answer. Default {@link API_ANSWER_BYTES}. */
  readonly maxBytes?: number;
  /** Learns whether ejabberd can be reached. */
  readonly observe?: Observe;
}

/** The options, ready for use. */
interface Connection {
  /** The URL without a slash at its end. */
  readonly base: string;
  readonly user: string;
  readonly password: string;
  readonly deadlineMs: number;
  readonly maxBytes: number;
}

type Arguments = Readonly<Record<string, string>>;

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface HttpApi {
  /** ejabberd's version, e.g. `23.01`. Asks the server each time. */
  version(): Promise<string>;
  /** The version that calls are made for. Asked once, and again after ejabberd was unreachable. */
  knownVersion(): Promise<string>;
  /**
   * Calls a command with the argument forms of API version 0.
   * @param meaning the result that a refusal stands for; undefined makes it an error. It may throw a better error
   * @throws {AppError} `unavailable`: not reachable, not allowed or not understood. `refused`: these arguments are wrong
   */
  call<S extends z.ZodType, R = never>(
    command: string,
    args: Arguments,
    schema: S,
    meaning?: (refusal: Refusal) => R | undefined,
  ): Promise<z.infer<S> | R>;
  /**
   * Calls a command that answers a list of names, of any length. ejabberd has no pages for it, so the answer is read as
   * it comes.
   * @param take called with the names in order, some at a time. The event loop serves others in between
   * @throws {AppError} as {@link HttpApi.call}; then the list was not complete
   */
  names(command: string, args: Arguments, take: (names: readonly string[]) => void): Promise<void>;
}

/** A client of one ejabberd's API. It keeps no connection of its own. */
export function createHttpApi(options: ApiOptions): HttpApi {
  const {
    url,
    user,
    password,
    deadlineMs = API_DEADLINE_MS,
    maxBytes = API_ANSWER_BYTES,
    observe = (call) => call(),
  } = options;
  const connection = { base: url.replace(/\/+$/, ''), user, password, deadlineMs, maxBytes };
  let known: Promise<string> | undefined;

  const request = (
    path: string,
    args: Arguments,
    takeNames?: (names: readonly string[]) => void,
  ): Promise<Answer> =>
    observe(() => post(connection, path, args, takeNames), messageOf).catch((error: unknown) => {
      // ejabberd may come back as another release.
      known = undefined;
      throw error;
    });

  async function pathOf(command: string): Promise<string> {
    const versioned = Number.parseFloat(await knownVersion()) >= FIRST_VERSIONED;
    return versioned ? `${command}/v0` : command;
  }

  async function version(): Promise<string> {
    const { status, body } = await request('status', {});
    if (status !== 200) throw refusalError(connection, 'status', {}, refusalOf(status, body));
    return versionIn(connection, body);
  }

  function knownVersion(): Promise<string> {
    if (known === undefined) {
      const latest = version();
      known = latest;
      latest.catch(() => {
        if (known === latest) known = undefined;
      });
    }
    return known;
  }

  return {
    version,
    knownVersion,
    async call(command, args, schema, meaning) {
      const { status, body } = await request(await pathOf(command), args);
      if (status === 200) return parse(connection, command, schema, body);
      const refusal = refusalOf(status, body);
      const result = meaning?.(refusal);
      if (result !== undefined) return result;
      throw refusalError(connection, command, args, refusal);
    },
    async names(command, args, take) {
      const { status, body } = await request(await pathOf(command), args, take);
      if (status !== 200) throw refusalError(connection, command, args, refusalOf(status, body));
    },
  };
}

/** @param takeNames the answer is a list of names, and goes there */
async function post(
  connection: Connection,
  path: string,
  args: Arguments,
  takeNames?: (names: readonly string[]) => void,
): Promise<Answer> {
  const { base, user, password, deadlineMs, maxBytes } = connection;
  // AbortSignal.timeout would keep its timer, and fire it, after the answer has come.
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new Error(`no answer within ${deadlineMs / 1000} s`)),
    deadlineMs,
  );
  try {
    const response = await fetch(`${base}/${path}`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
        'content-type': 'application/json',
      },
      // An empty object too: ejabberd answers 400 to a POST without a body.
      body: JSON.stringify(args),
      redirect: 'error',
      signal: late.signal,
    });
    const { status } = response;
    if (takeNames && status === 200) {
      await readNames(response, takeNames, () => timer.refresh());
      return { status, body: '' };
    }
    return { status, body: parseJson(await readBounded(response, maxBytes)) };
  } catch (error) {
    const cause = error instanceof Error && error.cause ? messageOf(error.cause) : '';
    throw new AppError(
      'unavailable',
      `ejabberd's API at ${base} cannot be reached (${messageOf(error)}${cause && `: ${cause}`}). Is ejabberd running, and is EJABBERD_API_URL right?`,
      { part: PART, command: path, reason: 'unreachable' },
    );
  } finally {
    clearTimeout(timer);
  }
}

async function readBounded(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** @param alive called with each piece */
async function readNames(
  response: Response,
  take: (names: readonly string[]) => void,
  alive: () => void,
): Promise<void> {
  const endsAt = performance.now() + LIST_DEADLINE_MS;
  let count = 0;
  const list = createNameList((names) => {
    count += names.length;
    take(names);
  });
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    alive();
    list.push(decoder.decode(chunk, { stream: true }));
    if (count > MAX_LISTED_NAMES) throw new Error(`it lists more than ${MAX_LISTED_NAMES} names`);
    if (performance.now() > endsAt) throw new Error(`no end within ${LIST_DEADLINE_MS / 1000} s`);
  }
  list.end();
}

function parseJson(text: string): unknown {
  if (text === '') return '';
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parse<S extends z.ZodType>(
  { base }: Connection,
  command: string,
  schema: S,
  body: unknown,
): z.infer<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new AppError(
    'unavailable',
    `ejabberd's answer to ${command} is not what its API documents: is ${base} really mod_http_api?`,
    { part: PART, command, reason: 'answer' },
  );
}

function versionIn({ base }: Connection, body: unknown): string {
  // "The node … is started. Status: startedejabberd 23.01-1 is running in that node"
  const version = /ejabberd (\d+\.\d+(?:\.\d+)?)/.exec(String(body))?.[1];
  if (version !== undefined) return version;
  throw new AppError(
    'unavailable',
    `${base} answers, but does not say which ejabberd it is: is EJABBERD_API_URL right?`,
    { part: PART, command: 'status', reason: 'answer' },
  );
}
