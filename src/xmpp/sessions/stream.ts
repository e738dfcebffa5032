/** One XMPP client stream: connect, log in, bind, send, and an end that is always noticed. */
import type { Element } from '@xmpp/xml';
import { AppError, messageOf } from '../../errors.ts';
import { type ClientOptions, composeClient, destroySockets, guard } from './client.ts';

export interface StreamOptions extends ClientOptions {
  readonly loginDeadlineMs: number;
  /** Gives up a login that is under way. */
  readonly signal?: AbortSignal;
}

export interface StreamHandlers {
  /** Every stanza after the login, in order. */
  stanza(stanza: Element): void;
  /** Every other element, in order with the stanzas (stream management). */
  nonza?(element: Element): void;
  /** The stream ended and {@link Stream.close} was not called. Called once. */
  lost(reason: StreamFailure): void;
}

export interface Stream {
  /** The full JID that was bound. */
  readonly jid: string;
  /** Writes at once, in one piece. A stream that is broken says so by `lost`. */
  send(...stanzas: Element[]): void;
  /** Ends the stream and waits for the other side, bounded. */
  close(deadlineMs: number): Promise<void>;
  /** Cuts the connection; `lost` is called with this reason. */
  destroy(reason: string): void;
}

/** Why a stream ended. `condition` is that of the SASL or stream error, e.g. `not-authorized`, `conflict`. */
export class StreamFailure extends Error {
  override readonly name = 'StreamFailure';
  readonly condition: string | undefined;
  readonly during: 'connect' | 'login' | 'session';

  constructor(message: string, during: StreamFailure['during'], condition?: string) {
    super(message);
    this.condition = condition;
    this.during = during;
  }
}

/** The condition of an error of xmpp.js (SASLError, StreamError), which has no type. */
function conditionOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('condition' in error)) return undefined;
  return typeof error.condition === 'string' ? error.condition : undefined;
}

/** Waits for something, but not longer than this. */
async function within(done: Promise<unknown>, deadlineMs: number): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, deadlineMs);
  await Promise.race([done, over.promise]);
  clearTimeout(timer);
}

/**
 * Opens a stream and logs in.
 * @throws {StreamFailure} with the condition that the server gave; {@link AppError} `refused` where PLAIN is not safe
 */
export async function openStream(
  options: StreamOptions,
  handlers: StreamHandlers,
): Promise<Stream> {
  const client = composeClient(options);
  // xmpp.js emits several errors for one happening: the first is the cause, the others its consequences.
  const failed = (error: unknown) => {
    failure ??= error;
  };
  const sockets = guard(client, failed);
  let phase: 'connect' | 'login' | 'session' | 'closing' | 'ended' = 'connect';
  let failure: unknown;
  client.on('connect', () => {
    phase = 'login';
  });
  client.on('error', failed);

  const fail = (fallback: string): StreamFailure | AppError => {
    if (failure instanceof AppError || failure instanceof StreamFailure) return failure;
    const during = phase === 'connect' || phase === 'login' ? phase : 'session';
    return new StreamFailure(
      failure === undefined ? fallback : messageOf(failure) || fallback,
      during,
      conditionOf(failure),
    );
  };

  const login = Promise.withResolvers<void>();
  const giveUp = (why: string) => {
    failure ??= new StreamFailure(why, phase === 'connect' ? 'connect' : 'login');
    destroySockets(sockets);
    login.reject(fail(why));
  };
  const timer = setTimeout(
    () => giveUp(`no login within ${options.loginDeadlineMs} ms`),
    options.loginDeadlineMs,
  );
  const aborted = () => giveUp('given up');
  const disconnected = () => giveUp('the connection was closed during the login');
  options.signal?.addEventListener('abort', aborted, { once: true });
  client.once('disconnect', disconnected);
  if (options.signal?.aborted) aborted();
  else {
    client.start().then(
      () => login.resolve(),
      (error: unknown) => {
        failure ??= error;
        giveUp(messageOf(failure));
      },
    );
  }
  try {
    await login.promise;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', aborted);
    client.off('disconnect', disconnected);
  }

  phase = 'session';
  failure = undefined;
  const end = () => {
    if (phase !== 'session') return;
    const reason = fail('the connection was closed');
    phase = 'ended';
    handlers.lost(
      reason instanceof StreamFailure ? reason : new StreamFailure(reason.message, 'session'),
    );
  };
  client.on('stanza', (stanza: Element) => {
    // While it closes, answers to what was sent before still come.
    if (phase !== 'ended') handlers.stanza(stanza);
  });
  client.on('nonza', (element: Element) => {
    if (phase !== 'ended') handlers.nonza?.(element);
  });
  client.on('disconnect', end);

  return {
    jid: client.jid?.toString() ?? '',
    send(...stanzas) {
      if (phase !== 'session') return;
      client.sendMany(stanzas).catch((error: unknown) => {
        failure ??= error;
        destroySockets(sockets);
      });
    },
    async close(deadlineMs) {
      if (phase !== 'session') return;
      phase = 'closing';
      // Whatever goes wrong while closing: in the end the socket is gone.
      const closed = client.stop().catch(() => undefined);
      await within(closed, deadlineMs);
      phase = 'ended';
      destroySockets(sockets);
    },
    destroy(reason) {
      failure ??= new StreamFailure(reason, 'session');
      destroySockets(sockets);
      end();
    },
  };
}
