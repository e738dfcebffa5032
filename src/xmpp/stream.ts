/**
 * One XMPP client stream: connect, log in with PLAIN, bind. Composed from @xmpp/client-core without stream management,
 * which @xmpp/client races on a quick login ("Client acknowledged more stanzas than sent by server"), and without its
 * reconnect (a fixed second, and on after a conflict). SCRAM would cost half a second of CPU a login; PLAIN is sent
 * over TLS or on loopback only.
 */
import { Client, type Socket } from '@xmpp/client-core';
import iqCallee from '@xmpp/iq/callee.js';
import iqCaller from '@xmpp/iq/caller.js';
import middleware from '@xmpp/middleware';
import resourceBinding from '@xmpp/resource-binding';
import sasl from '@xmpp/sasl';
import plain from '@xmpp/sasl-plain';
import starttls from '@xmpp/starttls';
import streamFeatures from '@xmpp/stream-features';
import tcp from '@xmpp/tcp';
import tls from '@xmpp/tls';
import websocket from '@xmpp/websocket';
import type { Element } from '@xmpp/xml';
import SASLFactory from 'saslmechanisms';
import { AppError, messageOf } from '../errors.ts';

export interface StreamOptions {
  /** `xmpp://`, `xmpps://` or `ws(s)://`. */
  readonly service: string;
  readonly domain: string;
  readonly username: string;
  readonly password: string;
  readonly resource: string;
  readonly loginDeadlineMs: number;
  /** Send the password without TLS to a service that is not on loopback. */
  readonly allowPlaintext: boolean;
  /** Answer queries: pings with a result, everything else with service-unavailable. Default true. */
  readonly answerQueries?: boolean;
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

const loopback = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;

/** The condition of an error of xmpp.js (SASLError, StreamError), which has no type. */
function conditionOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('condition' in error)) return undefined;
  return typeof error.condition === 'string' ? error.condition : undefined;
}

/** Cuts the connection for good, whatever xmpp.js thinks of it. */
function destroySockets(sockets: readonly Socket[]): void {
  for (const socket of sockets) {
    // A TLS or WebSocket one of xmpp.js is a wrapper: the real one is inside.
    const real: { destroy?(): void; close?(): void } = socket.socket ?? socket;
    if (real.destroy) real.destroy();
    else real.close?.();
  }
}

/** Closes the holes through which xmpp.js 0.14 lets a bad connection end the whole process. */
function guard(client: Client, failed: (error: unknown) => void): Socket[] {
  const sockets: Socket[] = [];
  const attach = client._attachSocket;
  client._attachSocket = (socket) => {
    // It stops listening to a socket that does not close in time: an error after that would be an uncaught one.
    socket.on('error', failed);
    sockets.push(socket);
    attach.call(client, socket);
  };
  const onData = client._onData;
  client._onData = (data) => {
    // Data behind the end of the stream finds no parser; XML that is none makes the parser throw.
    if (!client.parser) return;
    try {
      onData.call(client, data);
    } catch (error) {
      failed(error);
      destroySockets(sockets);
    }
  };
  return sockets;
}

/** Waits for something, but not longer than this. */
async function within(done: Promise<unknown>, deadlineMs: number): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, deadlineMs);
  await Promise.race([done, over.promise]);
  clearTimeout(timer);
}

/** PLAIN is UTF-8 (RFC 4616), but xmpp.js encodes with `btoa`, which takes each character for a byte. */
const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

function compose(options: StreamOptions): Client {
  const { service, domain, username, password, resource } = options;
  const client = new Client({ service, domain });
  websocket({ entity: client });
  tcp({ entity: client });
  tls({ entity: client });
  const chain = middleware({ entity: client });
  const features = streamFeatures({ middleware: chain });
  const caller = iqCaller({ middleware: chain, entity: client });
  const saslFactory = new SASLFactory();
  plain(saslFactory);
  starttls({ streamFeatures: features });
  sasl({ streamFeatures: features, saslFactory }, async (authenticate) => {
    const url = new URL(service);
    if (!options.allowPlaintext && !client.isSecure() && !loopback.test(url.hostname)) {
      throw new AppError(
        'refused',
        `${url.host} offers no TLS, and passwords are not sent in plain to another machine: give ejabberd a certificate, or use an xmpps:// or wss:// address.`,
      );
    }
    await authenticate({ username: utf8(username), password: utf8(password) }, 'PLAIN');
  });
  resourceBinding({ streamFeatures: features, iqCaller: caller }, resource);
  if (options.answerQueries ?? true) {
    iqCallee({ middleware: chain, entity: client }).get('urn:xmpp:ping', 'ping', () => ({}));
  }
  client.on('connect', () => {
    const socket = client.socket;
    // xmpp.js decodes each chunk on its own: a character that is cut by a chunk's end would be broken.
    socket?.setEncoding?.('utf8');
    // Nagle's algorithm holds a ping behind a message for the other side's delayed acknowledgement: 44 ms, measured.
    (socket?.socket ?? socket)?.setNoDelay?.(true);
  });
  return client;
}

/**
 * Opens a stream and logs in.
 * @throws {StreamFailure} with the condition that the server gave; {@link AppError} `refused` where PLAIN is not safe
 */
export async function openStream(
  options: StreamOptions,
  handlers: StreamHandlers,
): Promise<Stream> {
  const client = compose(options);
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

  await new Promise<void>((resolve, reject) => {
    const giveUp = (why: string) => {
      failure ??= new StreamFailure(why, phase === 'connect' ? 'connect' : 'login');
      destroySockets(sockets);
      reject(fail(why));
    };
    const timer = setTimeout(
      () => giveUp(`no login within ${options.loginDeadlineMs} ms`),
      options.loginDeadlineMs,
    );
    const aborted = () => giveUp('given up');
    options.signal?.addEventListener('abort', aborted, { once: true });
    if (options.signal?.aborted) return aborted();
    client.once('disconnect', () => giveUp('the connection was closed during the login'));
    client
      .start()
      .then(
        () => resolve(),
        (error: unknown) => {
          failure ??= error;
          giveUp(messageOf(failure));
        },
      )
      .finally(() => {
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', aborted);
      });
  });

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
