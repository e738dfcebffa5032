/**
 * Calls of ejabberd's mod_http_api: credentials, API version, deadline, size bound, and what each refusal means.
 * https://docs.ejabberd.im/developer/ejabberd-api/
 */
import type { z } from 'zod';
import { AppError, messageOf } from '../../errors.ts';

export interface ApiOptions {
  /** `http(s)://host:port/api` */
  readonly url: string;
  /** A full JID: a bare name is answered 401. */
  readonly user: string;
  readonly password: string;
  /** For each call; default 10,000. */
  readonly deadlineMs?: number;
  /** Of an answer; default 16 MiB (the accounts of a host with 500,000 of them). */
  readonly maxBytes?: number;
}

/** What a caller of our own API is told is away. */
const PART = 'ejabberd';

type Arguments = Readonly<Record<string, string>>;

/** What ejabberd answered with a status other than 200. */
interface Refusal {
  readonly status: number;
  /** ejabberd's own: 32 no rights, 40 no such command, 10001 failed, 10090 exists. */
  readonly code: number | undefined;
  readonly text: string;
}

export interface HttpApi {
  /** ejabberd's version, e.g. `23.01`, from the server each time. */
  version(): Promise<string>;
  /** The version that calls are made for: asked once, and again after ejabberd was away. */
  knownVersion(): Promise<string>;
  /**
   * Calls a command with the argument forms of API version 0.
   * @param on statuses that mean something here, each with its result; all others are errors
   * @throws {AppError} `unavailable`: not reachable, not allowed or not understood; `refused`: these arguments won't do
   */
  call<S extends z.ZodType, R = never>(
    command: string,
    args: Arguments,
    answer: S,
    on?: (refusal: Refusal) => R | undefined,
  ): Promise<z.infer<S> | R>;
}

/** Unversioned URLs mean the newest API from this version on, and `/v0` is known from it on. */
const firstVersioned = 24.02;

/** Reads at most so many bytes. */
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

function parseJson(text: string): unknown {
  if (text === '') return '';
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The texts that an error answer carries: a JSON string, or an object with code and message. */
function refusalOf(status: number, body: unknown): Refusal {
  const fields = typeof body === 'object' && body !== null ? body : {};
  const code = 'code' in fields && typeof fields.code === 'number' ? fields.code : undefined;
  const message = 'message' in fields ? String(fields.message) : undefined;
  return { status, code, text: message ?? (typeof body === 'string' ? body : '') };
}

/** A client of one ejabberd's API. Holds no connection open by itself. */
export function createHttpApi({
  url,
  user,
  password,
  deadlineMs = 10_000,
  maxBytes = 16 * 1024 * 1024,
}: ApiOptions): HttpApi {
  const base = url.replace(/\/+$/, '');
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  let known: Promise<string> | undefined;

  async function post(path: string, args: Arguments): Promise<{ status: number; body: unknown }> {
    // Not AbortSignal.timeout: its timer stays, and fires, also when the answer came long ago.
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new Error(`no answer within ${deadlineMs / 1000} s`)),
      deadlineMs,
    );
    try {
      const response = await fetch(`${base}/${path}`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        // An empty object too: a POST with no body is answered 400.
        body: JSON.stringify(args),
        redirect: 'error',
        signal: late.signal,
      });
      return { status: response.status, body: parseJson(await readBounded(response, maxBytes)) };
    } catch (error) {
      // It may come back as another release.
      known = undefined;
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

  function errorOf(command: string, args: Arguments, refusal: Refusal): AppError {
    const { status, code } = refusal;
    const secrets = [password, args.password, args.newpass].filter((secret) => secret);
    const text = secrets.reduce<string>(
      (said, secret) => said.replaceAll(secret ?? '', '***'),
      refusal.text.slice(0, 300),
    );
    const details = { part: PART, command, status, ...(code !== undefined && { code }) };
    if (status === 401) {
      return new AppError(
        'unavailable',
        `ejabberd does not accept the credentials of ${user}: check EJABBERD_API_USER (a full JID, such as api@example.org) and EJABBERD_API_PASSWORD.`,
        { ...details, reason: 'credentials' },
      );
    }
    if (status === 403) {
      return new AppError(
        'unavailable',
        `${user} may not call ${command}: add it to "what" of its api_permissions in ejabberd.yml.`,
        { ...details, reason: 'rights' },
      );
    }
    // 23.01 says it with 400 and a name.
    if ((status === 404 && code === 40) || refusal.text === 'unknown_command') {
      return new AppError(
        'unavailable',
        `ejabberd has no command ${command}: load mod_admin_extra, and mod_http_api on ${base}.`,
        { ...details, reason: 'command' },
      );
    }
    // A page of ejabberd's web server, or of another one: nothing that was asked is refused by it.
    if (status === 404 && code === undefined && /^\s*</.test(text)) {
      return new AppError(
        'unavailable',
        `${base} answers 404 with a page: is EJABBERD_API_URL right?`,
        { ...details, reason: 'answer' },
      );
    }
    if (status === 429 || status === 503 || (status >= 500 && code === undefined)) {
      return new AppError(
        'unavailable',
        `ejabberd failed at ${command}: ${status} ${text}`,
        details,
      );
    }
    return new AppError('refused', `ejabberd refused ${command}: ${status} ${text}`, details);
  }

  function parse<S extends z.ZodType>(command: string, schema: S, body: unknown): z.infer<S> {
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    throw new AppError(
      'unavailable',
      `ejabberd's answer to ${command} is not what its API documents: is ${base} really mod_http_api?`,
      { part: PART, command, reason: 'answer' },
    );
  }

  async function version(): Promise<string> {
    const { status, body } = await post('status', {});
    if (status !== 200) throw errorOf('status', {}, refusalOf(status, body));
    // "The node … is started. Status: startedejabberd 23.01-1 is running in that node"
    const found = /ejabberd (\d+\.\d+(?:\.\d+)?)/.exec(String(body))?.[1];
    if (found !== undefined) return found;
    throw new AppError(
      'unavailable',
      `${base} answers, but does not say which ejabberd it is: is EJABBERD_API_URL right?`,
      { part: PART, command: 'status', reason: 'answer' },
    );
  }

  function knownVersion(): Promise<string> {
    if (known === undefined) {
      const asked = version();
      known = asked;
      asked.catch(() => {
        if (known === asked) known = undefined;
      });
    }
    return known;
  }

  return {
    version,
    knownVersion,
    async call(command, args, answer, on) {
      const versioned = Number.parseFloat(await knownVersion()) >= firstVersioned;
      const { status, body } = await post(versioned ? `${command}/v0` : command, args);
      if (status === 200) return parse(command, answer, body);
      const refusal = refusalOf(status, body);
      const meant = on?.(refusal);
      if (meant !== undefined) return meant;
      throw errorOf(command, args, refusal);
    },
  };
}
