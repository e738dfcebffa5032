/**
 * The adapter "accounts" of {@link VisitorTransport}: every visitor has an ejabberd account and logs in from here. The
 * only entry point of this folder for the service; the doctor opens single streams with `login-stream.ts`.
 *
 * A session costs about 20 kB of heap. Logins are limited in number, and a session that is lost logs in again.
 * `session.ts` is one visitor's session, `outgoing.ts` what it sends, `hand-overs.ts` the sessions that wait for
 * another process.
 */
import type { Logger } from 'pino';
import { AppError } from '../../errors.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';
import { createLimiter, type Limiter } from '../../kit/limiter.ts';
import { createLineBudget, type LineBudget } from '../../kit/line-budget.ts';
import { splitJid } from '../jid.ts';
import type { TransportListener, VisitorTransport } from '../port.ts';
import type { QueryHandler } from '../queries.ts';
import { noSessionNow } from './failure.ts';
import { createHandOvers, type HandOvers } from './hand-overs.ts';
import {
  LOGIN_DEADLINE_MS,
  openStream,
  type Stream,
  StreamFailure,
  type StreamHandlers,
} from './login-stream.ts';
import { PING_DEADLINE_MS, PING_INTERVAL_MS } from './outgoing.ts';
import { LOGIN_RETRY, Session } from './session.ts';

/** The default number of logins at the same time. 500 logins take 3–5 s, and ejabberd still serves operators. */
export const LOGIN_CONCURRENCY = 20;
/** The default resource. All processes use the same, so a login ends the session of another process. */
export const VISITOR_RESOURCE = 'xmpp-chat';
/** The time limit for ending one session. After it the connection is cut. */
export const LOGOUT_DEADLINE_MS = 5_000;
/** Sessions are checked for silence each quarter of the shorter ping time, but no more often than this. */
const SHORTEST_CHECK_MS = 50;

export interface AccountsOptions {
  /** `xmpp://`, `xmpps://` or `ws(s)://`. */
  readonly service: string;
  passwordOf(jid: string): Promise<string> | string;
  /**
   * Called once per login if ejabberd does not accept the password. Has to make the account exist with
   * `passwordOf(jid)`, the card with this nick, and the membership in its group. A missing account looks the same as a
   * wrong password, and Mnesia forgets accounts, cards and memberships of the last seconds before a kill -9 of ejabberd
   * (measured).
   */
  readonly resetPassword?: (jid: string, nick: string) => Promise<void>;
  /**
   * True if this process may act for this visitor now. Asked before each login and each stanza, so a process that slept
   * while another one took over does not fight for its sessions. Default: always true.
   */
  readonly owns?: (jid: string) => boolean;
  /**
   * Whose visitor it is, such as the tenant's id. The logins of all shares take turns, so no share waits for another
   * one's logins. Default: the JID's host.
   */
  readonly shareOf?: (jid: string) => string;
  /** Answers what a visitor's client does not know of itself, such as ad-hoc commands. */
  readonly answerQuery?: QueryHandler;
  readonly logger: Logger;
  /** In [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number;
  /** Logins at the same time. Default {@link LOGIN_CONCURRENCY}. */
  readonly concurrency?: number;
  /** Default {@link VISITOR_RESOURCE}. */
  readonly resource?: string;
  /** Default {@link LOGIN_DEADLINE_MS}. */
  readonly loginDeadlineMs?: number;
  /** A stream that is silent for this time is pinged. Default {@link PING_INTERVAL_MS}. */
  readonly pingIntervalMs?: number;
  /** Default {@link PING_DEADLINE_MS}. */
  readonly pingDeadlineMs?: number;
  /** Default {@link LOGIN_RETRY}. */
  readonly retry?: RetryPolicy;
  /** Sends passwords without TLS to another machine, for a private network of containers. Default false. */
  readonly allowPlaintext?: boolean;
}

type Settings = Required<Omit<AccountsOptions, 'resetPassword' | 'answerQuery'>> &
  Pick<AccountsOptions, 'resetPassword' | 'answerQuery'>;

/** All sessions of this process. */
interface Pool {
  readonly settings: Settings;
  readonly limitLogins: Limiter;
  readonly sessions: Map<string, Session>;
  readonly handOvers: HandOvers;
  /** Sessions that are being ended. The next login of the same visitor waits for that end. */
  readonly endings: Map<string, Promise<void>>;
  /** Sessions that wait because ejabberd is unreachable. The first login that succeeds ends the wait of all. */
  readonly waitingForServer: Set<Session>;
  readonly listeners: TransportListener[];
  /** All sessions are lost at once when ejabberd goes away. */
  readonly linesOfLost: LineBudget;
}

export interface AccountsTransport extends VisitorTransport {
  /** ejabberd has started: whoever waits for it logs in now. */
  serverStarted(): void;
}

/** @see {@link VisitorTransport} for its promises */
export function createAccountsTransport(options: AccountsOptions): AccountsTransport {
  const pool = createPool(options);
  const { sessions, handOvers, endings, listeners, settings, waitingForServer } = pool;
  const stopChecks = checkSessions(pool);
  let closed = false;

  return {
    async online(jid, presence) {
      if (closed) throw new AppError('unavailable', 'The transport is closed.');
      if (!settings.owns(jid)) throw notOwned(jid);
      const kept = handOvers.remove(jid);
      const session = kept ?? sessions.get(jid) ?? createSession(pool, jid);
      sessions.set(jid, session);
      const done = session.online(presence);
      if (kept) reportStarted(pool, jid); // nobody sent what came meanwhile
      return done;
    },
    release: (jid, withinMs) => release(pool, jid, withinMs),
    async releaseAll(withinMs) {
      for (const jid of [...handOvers.jids(), ...sessions.keys()]) release(pool, jid, withinMs);
      await handOvers.settled();
    },
    handOverCount: () => handOvers.size,
    async offline(jid) {
      const session = handOvers.remove(jid) ?? sessions.get(jid);
      await (session ? endSession(pool, jid, session, LOGOUT_DEADLINE_MS) : endings.get(jid));
    },
    isOnline: (jid) => sessions.get(jid)?.isOnline ?? false,
    send: async (message) => sessionOf(pool, message.from).send(message),
    acknowledge: async (from, to, what, id) => sessionOf(pool, from).acknowledge(to, what, id),
    chatState(from, to, state) {
      if (settings.owns(from)) sessions.get(from)?.chatState(to, state);
    },
    preview(from, to, status) {
      if (settings.owns(from)) sessions.get(from)?.preview(to, status);
    },
    sessions: () => [...sessions.keys()],
    listen: (listener) => void listeners.push(listener),
    serverStarted() {
      for (const waiting of [...waitingForServer]) waiting.serverStarted();
    },
    async close(deadlineMs) {
      closed = true;
      for (const jid of handOvers.jids()) {
        const session = handOvers.remove(jid);
        if (session) sessions.set(jid, session);
      }
      await Promise.all([
        ...[...sessions].map(([jid, session]) => endSession(pool, jid, session, deadlineMs)),
        ...endings.values(),
      ]);
      stopChecks();
    },
  };
}

function createPool(options: AccountsOptions): Pool {
  const settings: Settings = {
    owns: () => true,
    shareOf: (jid) => splitJid(jid).host,
    random: Math.random,
    concurrency: LOGIN_CONCURRENCY,
    resource: VISITOR_RESOURCE,
    loginDeadlineMs: LOGIN_DEADLINE_MS,
    pingIntervalMs: PING_INTERVAL_MS,
    pingDeadlineMs: PING_DEADLINE_MS,
    retry: LOGIN_RETRY,
    allowPlaintext: false,
    ...options,
  };
  const pool: Pool = {
    settings,
    limitLogins: createLimiter(settings.concurrency),
    sessions: new Map(),
    handOvers: createHandOvers((jid, session) => {
      void endSession(pool, jid, session, LOGOUT_DEADLINE_MS);
    }),
    endings: new Map(),
    waitingForServer: new Set(),
    listeners: [],
    linesOfLost: createLineBudget(),
  };
  return pool;
}

/** Checks all sessions for silence from time to time. @returns stops that */
function checkSessions({ sessions, settings }: Pool): () => void {
  const shorterMs = Math.min(settings.pingIntervalMs, settings.pingDeadlineMs);
  const timer = setInterval(
    () => {
      const now = performance.now();
      for (const session of sessions.values()) session.check(now);
    },
    Math.max(SHORTEST_CHECK_MS, shorterMs / 4),
  );
  timer.unref();
  return () => clearInterval(timer);
}

function createSession(pool: Pool, jid: string): Session {
  const { settings, listeners, waitingForServer, sessions, handOvers, linesOfLost } = pool;
  const { logger, resetPassword, pingIntervalMs, pingDeadlineMs, random, retry } = settings;
  const session = new Session({
    jid,
    domain: splitJid(jid).host,
    resetPassword: resetPassword && ((nick) => resetPassword(jid, nick)),
    retry,
    random,
    pingIntervalMs,
    pingDeadlineMs,
    owns: () => settings.owns(jid),
    open: (handlers, signal) => logIn(pool, jid, handlers, signal),
    onStarted() {
      logger.debug({ jid }, 'visitor session started');
      reportStarted(pool, jid);
      for (const waiting of [...waitingForServer]) waiting.hurry();
    },
    onLost(error) {
      const line = linesOfLost(settings.shareOf(jid));
      const about = { jid, reason: error.message, ...line };
      logger[line ? 'info' : 'debug'](about, 'visitor session lost, logging in again');
      for (const listener of listeners) listener.sessionLost(jid, error.message, false);
    },
    onStopped(error) {
      sessions.delete(jid);
      const level = error.code === 'refused' ? 'warn' : 'info';
      logger[level]({ jid, reason: error.message }, 'visitor session stopped');
      for (const listener of listeners) listener.sessionLost(jid, error.message, true);
    },
    onTakenOver() {
      logger.debug({ jid }, 'visitor session taken over');
      if (handOvers.get(jid) === session) handOvers.remove(jid);
    },
    onReturned({ id, to }, error) {
      logger.info({ jid, id, to, reason: error.message }, 'message returned after it was taken');
      for (const listener of listeners) listener.messageReturned?.(jid, { id, to }, error);
    },
    onOutage(waiting) {
      if (waiting) waitingForServer.add(session);
      else waitingForServer.delete(session);
    },
  });
  return session;
}

async function logIn(
  { settings, endings, limitLogins }: Pool,
  jid: string,
  handlers: StreamHandlers,
  signal: AbortSignal,
): Promise<Stream> {
  const { service, resource, loginDeadlineMs, allowPlaintext, answerQuery } = settings;
  // The old session's unavailable presence must not follow the new one's available presence.
  await endings.get(jid);
  const login = async (): Promise<Stream> => {
    const password = await settings.passwordOf(jid);
    if (signal.aborted || !settings.owns(jid))
      throw new StreamFailure('the login was aborted', 'connect');
    const { user: username, host: domain } = splitJid(jid);
    return openStream(
      {
        service,
        resource,
        domain,
        username,
        password,
        signal,
        loginDeadlineMs,
        allowPlaintext,
        answerQuery,
      },
      handlers,
    );
  };
  return limitLogins(login, settings.shareOf(jid));
}

function endSession(pool: Pool, jid: string, session: Session, deadlineMs: number): Promise<void> {
  const { sessions, endings } = pool;
  sessions.delete(jid);
  const end = Promise.all([endings.get(jid), session.end(deadlineMs)]).then(() => {
    if (endings.get(jid) === end) endings.delete(jid);
  });
  endings.set(jid, end);
  return end;
}

function release({ sessions, handOvers }: Pool, jid: string, withinMs: number): void {
  if (handOvers.shorten(jid, withinMs)) return;
  const session = sessions.get(jid);
  if (!session) return;
  sessions.delete(jid);
  if (session.release()) handOvers.add(jid, session, withinMs);
}

function reportStarted({ listeners }: Pool, jid: string): void {
  for (const listener of listeners) listener.sessionStarted(jid);
}

function notOwned(jid: string): AppError {
  return new AppError('unavailable', `another process owns ${jid} now`);
}

/** @throws {AppError} `unavailable` if the visitor has no session, or another process owns it */
function sessionOf({ settings, sessions }: Pool, from: string): Session {
  const { user, host } = splitJid(from);
  const jid = `${user}@${host}`;
  if (!settings.owns(jid)) throw notOwned(jid);
  const session = sessions.get(jid);
  if (session) return session;
  throw noSessionNow(from);
}
