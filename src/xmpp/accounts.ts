/**
 * The transport "accounts": each visitor is an account of its own and logs in from here. About 20 kB of heap a session;
 * logins are ramped, sessions come back by themselves.
 */
import type { Logger } from 'pino';
import { AppError } from '../errors.ts';
import { parts } from './jid.ts';
import { createLimiter } from './limiter.ts';
import type { TransportListener, VisitorTransport } from './port.ts';
import { Session } from './session.ts';
import { openStream, StreamFailure } from './stream.ts';

export interface AccountsOptions {
  /** `xmpp://`, `xmpps://` or `ws(s)://`. */
  readonly service: string;
  passwordOf(jid: string): Promise<string> | string;
  /**
   * Called when ejabberd does not accept the password, once for each login: makes the account be there with
   * `passwordOf(jid)`. An account that is missing looks the same, and Mnesia forgets those that were made in the last
   * seconds before a kill -9 of ejabberd (measured), their group membership too: so register, or change the password
   * if it exists, and join the group again.
   */
  readonly resetPassword?: (jid: string) => Promise<void>;
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
  /** Waits between logins of one visitor: first bound 500 ms, highest 30 s. */
  readonly backoff?: { readonly baseMs: number; readonly capMs: number };
  /** Send passwords without TLS to another machine (a private network of containers). Default false. */
  readonly allowPlaintext?: boolean;
}

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
  const sessions = new Map<string, Session>();
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
    const { user, host } = parts(jid);
    const session = new Session({
      jid,
      domain: host,
      resetPassword: resetPassword && (() => resetPassword(jid)),
      backoff: options.backoff ?? { baseMs: 500, capMs: 30_000 },
      ...{ pingIntervalMs, answerWithinMs, random },
      async open(handlers, signal) {
        // An unavailable presence of the old session must not follow the available one of the new.
        await ending.get(jid);
        return limited(async () => {
          if (signal.aborted) throw new StreamFailure('given up', 'connect');
          return openStream(
            {
              ...{ service, resource, signal, domain: host, username: user },
              password: await passwordOf(jid),
              loginDeadlineMs: options.loginDeadlineMs ?? 15_000,
              allowPlaintext: options.allowPlaintext ?? false,
            },
            handlers,
          );
        });
      },
      started() {
        logger.debug({ jid }, 'visitor session started');
        for (const listener of listeners) listener.sessionStarted(jid);
        for (const waiting of [...waitingForServer]) waiting.hurry();
      },
      lost(error) {
        logger.info({ jid, reason: error.message }, 'visitor session lost, coming back');
        for (const listener of listeners) listener.sessionLost(jid, error.message, false);
      },
      stopped(error) {
        sessions.delete(jid);
        logger.warn({ jid, reason: error.message }, 'visitor session stopped');
        for (const listener of listeners) listener.sessionLost(jid, error.message, true);
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

  return {
    async online(jid, presence) {
      if (closed) throw new AppError('unavailable', 'The transport is closed.');
      const session = sessions.get(jid) ?? makeSession(jid);
      sessions.set(jid, session);
      await session.online(presence);
    },
    async offline(jid) {
      const session = sessions.get(jid);
      await (session ? end(jid, session, endDeadlineMs) : ending.get(jid));
    },
    isOnline: (jid) => sessions.get(jid)?.isOnline ?? false,
    async send(message) {
      const { user, host } = parts(message.from);
      const session = sessions.get(`${user}@${host}`);
      if (!session) {
        throw new AppError('unavailable', `${message.from} has no session now: send again later`);
      }
      await session.send(message);
    },
    chatState: (from, to, state) => sessions.get(from)?.chatState(to, state),
    sessions: () => [...sessions.keys()],
    listen: (listener) => void listeners.push(listener),
    async close(deadlineMs) {
      closed = true;
      await Promise.all([
        ...[...sessions].map(([jid, session]) => end(jid, session, deadlineMs)),
        ...ending.values(),
      ]);
      clearInterval(sweep);
    },
  };
}
