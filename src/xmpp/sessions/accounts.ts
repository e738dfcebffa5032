/**
 * The transport "accounts": each visitor is an account of its own and logs in from here. About 20 kB of heap a session;
 * logins are ramped, sessions come back by themselves.
 */
import type { Logger } from 'pino';
import { AppError } from '../../errors.ts';
import type { RetryPolicy } from '../../kit/backoff.ts';
import { createLimiter } from '../../kit/limiter.ts';
import { splitJid } from '../jid.ts';
import type { TransportListener, VisitorTransport } from '../port.ts';
import { Session } from './session.ts';
import { openStream, StreamFailure } from './stream.ts';

export interface AccountsOptions {
  /** `xmpp://`, `xmpps://` or `ws(s)://`. */
  readonly service: string;
  passwordOf(jid: string): Promise<string> | string;
  /**
   * Called when ejabberd does not accept the password, once for each login: makes the account be there with
   * `passwordOf(jid)`. An account that is missing looks the same, and Mnesia forgets those that were made in the last
   * seconds before a kill -9 of ejabberd (measured), their vCard and group membership too: so register, or change the
   * password if it exists, and set the card (`nick` is the name that is shown) and join the group again.
   */
  readonly resetPassword?: (jid: string, nick: string) => Promise<void>;
  /**
   * Whether this process may act for this visitor now; asked before each login and each stanza, so that a process
   * that slept while another took over does not fight for its sessions. Default: always.
   */
  readonly owns?: (jid: string) => boolean;
  readonly logger: Logger;
  /** In [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number;
  /** Logins at the same time. Default 20: 500 of them take 3–5 s, and ejabberd still serves operators. */
  readonly concurrency?: number;
  /** Default `xmpp-chat`. The same everywhere: who takes a visitor over ends the other's session. */
  readonly resource?: string;
  readonly loginDeadlineMs?: number;
  /** A silent session is pinged after so long; default 60,000. */
  readonly pingIntervalMs?: number;
  /** A ping has to be answered within so long; default 20,000. */
  readonly answerWithinMs?: number;
  /** Default {@link LOGIN_RETRY}. */
  readonly retry?: RetryPolicy;
  /** Send passwords without TLS to another machine (a private network of containers). Default false. */
  readonly allowPlaintext?: boolean;
}

interface Released {
  readonly session: Session;
  /** When it is ended, by `performance.now()`. */
  over: number;
  timer: NodeJS.Timeout;
  /** It was taken over, taken back, or its time is over. */
  readonly settled: PromiseWithResolvers<void>;
}

/** Waits between the logins of one visitor. */
export const LOGIN_RETRY: RetryPolicy = { firstMs: 500, mostMs: 30_000 };
/** How long ending one session may take; then its connection is cut. */
const endDeadlineMs = 5_000;

/** @see {@link VisitorTransport} for what it promises */
export function createAccountsTransport(options: AccountsOptions): VisitorTransport {
  const { service, logger, passwordOf, resetPassword } = options;
  const random = options.random ?? Math.random;
  const resource = options.resource ?? 'xmpp-chat';
  const pingIntervalMs = options.pingIntervalMs ?? 60_000;
  const answerWithinMs = options.answerWithinMs ?? 20_000;
  const limited = createLimiter(options.concurrency ?? 20);
  const owns = options.owns ?? (() => true);
  const sessions = new Map<string, Session>();
  /** Sessions that wait to be taken over by another process. */
  const released = new Map<string, Released>();
  /** Sessions that are on their way out: the next login of the same visitor waits for it. */
  const ending = new Map<string, Promise<void>>();
  /** Those who wait because ejabberd was away: the first who gets in calls the others. */
  const waitingForServer = new Set<Session>();
  const listeners: TransportListener[] = [];
  let closed = false;

  const sweep = setInterval(
    () => {
      const now = performance.now();
      for (const session of sessions.values()) session.check(now);
    },
    Math.max(50, Math.min(pingIntervalMs, answerWithinMs) / 4),
  );
  sweep.unref();

  function makeSession(jid: string): Session {
    const { user, host } = splitJid(jid);
    const session = new Session({
      jid,
      domain: host,
      resetPassword: resetPassword && ((nick) => resetPassword(jid, nick)),
      retry: options.retry ?? LOGIN_RETRY,
      pingIntervalMs,
      answerWithinMs,
      random,
      owns: () => owns(jid),
      async open(handlers, signal) {
        // An unavailable presence of the old session must not follow the available one of the new.
        await ending.get(jid);
        return limited(async () => {
          const password = await passwordOf(jid);
          if (signal.aborted || !owns(jid)) throw new StreamFailure('given up', 'connect');
          return openStream(
            {
              service,
              resource,
              signal,
              domain: host,
              username: user,
              password,
              loginDeadlineMs: options.loginDeadlineMs ?? 15_000,
              allowPlaintext: options.allowPlaintext ?? false,
            },
            handlers,
          );
        });
      },
      started() {
        logger.debug({ jid }, 'visitor session started');
        tellStarted(jid);
        for (const waiting of [...waitingForServer]) waiting.hurry();
      },
      lost(error) {
        logger.info({ jid, reason: error.message }, 'visitor session lost, coming back');
        for (const listener of listeners) listener.sessionLost(jid, error.message, false);
      },
      stopped(error) {
        sessions.delete(jid);
        const level = error.code === 'refused' ? 'warn' : 'info';
        logger[level]({ jid, reason: error.message }, 'visitor session stopped');
        for (const listener of listeners) listener.sessionLost(jid, error.message, true);
      },
      takenOver() {
        logger.debug({ jid }, 'visitor session taken over');
        if (released.get(jid)?.session === session) forgetReleased(jid);
      },
      returned(id, error) {
        logger.info({ jid, id, reason: error.message }, 'message returned after it was taken');
        for (const listener of listeners) listener.messageReturned?.(jid, id, error);
      },
      outage(waits) {
        if (waits) waitingForServer.add(session);
        else waitingForServer.delete(session);
      },
    });
    return session;
  }

  function end(jid: string, session: Session, deadlineMs: number): Promise<void> {
    sessions.delete(jid);
    const before = ending.get(jid);
    const done = Promise.all([before, session.end(deadlineMs)]).then(() => {
      if (ending.get(jid) === done) ending.delete(jid);
    });
    ending.set(jid, done);
    return done;
  }

  function tellStarted(jid: string): void {
    for (const listener of listeners) listener.sessionStarted(jid);
  }

  const notOurs = (jid: string): AppError =>
    new AppError('unavailable', `${jid} is another process's now`);

  /** @throws {AppError} `unavailable` when the visitor has none, or it is another process's */
  function sessionOf(from: string): Session {
    const { user, host } = splitJid(from);
    const jid = `${user}@${host}`;
    if (!owns(jid)) throw notOurs(jid);
    const session = sessions.get(jid);
    if (session) return session;
    throw new AppError('unavailable', `${from} has no session now: send again later`);
  }

  /** @returns its session, connected still, if it had one */
  function forgetReleased(jid: string): Session | undefined {
    const known = released.get(jid);
    if (!known) return undefined;
    released.delete(jid);
    clearTimeout(known.timer);
    known.settled.resolve();
    return known.session;
  }

  function release(jid: string, withinMs: number): void {
    const over = performance.now() + withinMs;
    const timer = () =>
      setTimeout(() => {
        const session = forgetReleased(jid);
        if (session) void end(jid, session, endDeadlineMs);
      }, withinMs).unref();
    const known = released.get(jid);
    if (known) {
      if (known.over <= over) return;
      clearTimeout(known.timer);
      Object.assign(known, { over, timer: timer() });
      return;
    }
    const session = sessions.get(jid);
    if (!session) return;
    sessions.delete(jid);
    if (!session.release()) return;
    released.set(jid, { session, over, timer: timer(), settled: Promise.withResolvers() });
  }

  return {
    async online(jid, presence) {
      if (closed) throw new AppError('unavailable', 'The transport is closed.');
      if (!owns(jid)) throw notOurs(jid);
      const kept = forgetReleased(jid);
      const session = kept ?? sessions.get(jid) ?? makeSession(jid);
      sessions.set(jid, session);
      const taken = session.online(presence);
      if (kept) tellStarted(jid); // what came meanwhile was nobody's to send
      await taken;
    },
    release,
    async releaseAll(withinMs) {
      for (const jid of [...released.keys(), ...sessions.keys()]) release(jid, withinMs);
      await Promise.all([...released.values()].map(({ settled }) => settled.promise));
    },
    handOverCount: () => released.size,
    async offline(jid) {
      const session = forgetReleased(jid) ?? sessions.get(jid);
      await (session ? end(jid, session, endDeadlineMs) : ending.get(jid));
    },
    isOnline: (jid) => sessions.get(jid)?.isOnline ?? false,
    send: async (message) => sessionOf(message.from).send(message),
    acknowledge: async (from, to, what, id) => sessionOf(from).acknowledge(to, what, id),
    chatState(from, to, state) {
      if (owns(from)) sessions.get(from)?.chatState(to, state);
    },
    sessions: () => [...sessions.keys()],
    listen: (listener) => void listeners.push(listener),
    async close(deadlineMs) {
      closed = true;
      for (const jid of [...released.keys()]) {
        const session = forgetReleased(jid);
        if (session) sessions.set(jid, session);
      }
      await Promise.all([
        ...[...sessions].map(([jid, session]) => end(jid, session, deadlineMs)),
        ...ending.values(),
      ]);
      clearInterval(sweep);
    },
  };
}
