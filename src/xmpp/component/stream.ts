/**
 * One stream of an XEP-0114 component: connect, handshake, send. The end of a stream is always reported.
 *
 * It is made of a socket and the parser of xmpp.js. `@xmpp/component` has no release beside the other packages: 0.13
 * brings its own copies of all of them, and it shows neither how much waits to be sent nor when that is gone.
 */
import { createHash } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { connect as connectTls } from 'node:tls';
import xml, { type Element, Parser } from '@xmpp/xml';
import { AppError, messageOf } from '../../errors.ts';

/** The default time limit from the connection to the answered handshake. */
export const HANDSHAKE_DEADLINE_MS = 15_000;

const COMPONENT = 'jabber:component:accept'; // XEP-0114
const STREAMS = 'http://etherx.jabber.org/streams'; // RFC 6120 §4.8
const STREAM_ERRORS = 'urn:ietf:params:xml:ns:xmpp-streams'; // RFC 6120 §4.9.3
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|::1)$/;

/** ejabberd's listener for components (`ejabberd_service`). */
export interface ComponentListener {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte, with a certificate for `host`. Default false. */
  readonly tls?: boolean;
  readonly secret: string;
}

export interface ComponentStreamOptions {
  readonly listener: ComponentListener;
  /** The component's domain. */
  readonly domain: string;
  /** Connect to another machine without TLS. The secret is not sent, but everything else can be read and changed. */
  readonly allowPlaintext: boolean;
  /** Default {@link HANDSHAKE_DEADLINE_MS}. */
  readonly deadlineMs?: number | undefined;
  readonly signal: AbortSignal;
}

export interface ComponentStreamHandlers {
  stanza(stanza: Element): void;
  /** The stream ended without a call of {@link ComponentStream.close}. Called once. */
  lost(reason: ComponentFailure): void;
}

export interface ComponentStream {
  /** Writes stanzas in one piece. */
  send(text: string): void;
  /** Bytes that wait in this process because ejabberd does not read them. */
  readonly buffered: number;
  /** Closes the stream and waits for the server, at most `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
  /** Cuts the connection and calls `lost` with this reason. */
  destroy(reason: string): void;
}

/** Why a stream ended, or did not begin. `condition` is that of the stream error, e.g. `not-authorized`. */
export class ComponentFailure extends Error {
  override readonly name = 'ComponentFailure';
  readonly condition: string | undefined;

  constructor(message: string, condition?: string) {
    super(message);
    this.condition = condition;
  }
}

/**
 * Opens a stream.
 * @throws {ComponentFailure} {@link AppError} `refused` if it would be without TLS to another machine
 */
export async function openComponentStream(
  options: ComponentStreamOptions,
  handlers: ComponentStreamHandlers,
): Promise<ComponentStream> {
  const { listener, allowPlaintext, deadlineMs = HANDSHAKE_DEADLINE_MS, signal } = options;
  if (!listener.tls && !allowPlaintext && !LOOPBACK.test(listener.host)) {
    throw new AppError(
      'refused',
      `the component would connect to ${listener.host} without TLS: give the listener TLS, or allow it for a private network`,
    );
  }
  const stream = new Stream(options, handlers);
  const giveUp = (): void => stream.destroy('the connection was given up');
  const timer = setTimeout(() => stream.destroy(`no stream within ${deadlineMs} ms`), deadlineMs);
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    await stream.opened;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
  return stream;
}

class Stream implements ComponentStream {
  readonly #socket: Socket;
  readonly #parser = new Parser();
  readonly #handlers: ComponentStreamHandlers;
  readonly #secret: string;
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #phase: 'opening' | 'open' | 'closing' | 'ended' = 'opening';
  /** One incident can have several errors. The first one is the cause. */
  #failure: ComponentFailure | undefined;

  constructor({ listener, domain }: ComponentStreamOptions, handlers: ComponentStreamHandlers) {
    this.#handlers = handlers;
    this.#secret = listener.secret;
    this.#opened.promise.catch(() => undefined); // whoever opens it looks at it later
    const { host, port, tls } = listener;
    this.#socket = tls ? connectTls({ host, port }) : connectTcp({ host, port });
    // Nagle's algorithm would hold a ping behind a message until ejabberd's delayed acknowledgement.
    this.#socket.setNoDelay(true);
    this.#socket.on(tls ? 'secureConnect' : 'connect', () => {
      this.#socket.write(
        `<?xml version='1.0'?><stream:stream xmlns='${COMPONENT}' xmlns:stream='${STREAMS}' to='${domain}'>`,
      );
    });
    this.#socket.on('error', (error) => this.#note(new ComponentFailure(messageOf(error))));
    this.#socket.on('close', () => this.#ended());
    this.#parse();
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  get buffered(): number {
    return this.#socket.writableLength;
  }

  send(text: string): void {
    if (this.#phase === 'open') this.#socket.write(text);
  }

  async close(deadlineMs: number): Promise<void> {
    if (this.#phase !== 'open') return;
    this.#phase = 'closing';
    this.#socket.end('</stream:stream>');
    const timer = setTimeout(() => this.#socket.destroy(), deadlineMs);
    await this.#closed.promise;
    clearTimeout(timer);
  }

  destroy(reason: string): void {
    this.#note(new ComponentFailure(reason));
    this.#socket.destroy();
  }

  #parse(): void {
    // A character may come in two chunks.
    const decoder = new StringDecoder('utf8');
    const fail = (error: unknown): void => this.destroy(`no XMPP: ${messageOf(error)}`);
    this.#parser.on('start', (root: Element) => this.#handshake(root.attrs.id));
    this.#parser.on('element', (element: Element) => this.#element(element));
    this.#parser.on('end', () => this.destroy('ejabberd closed the stream'));
    this.#parser.on('error', fail);
    this.#socket.on('data', (data) => {
      try {
        this.#parser.write(decoder.write(data));
      } catch (error) {
        fail(error); // the parser throws at invalid XML
      }
      // White space between stanzas would stay for ever.
      if (this.#parser.root) this.#parser.root.children = [];
    });
  }

  /** XEP-0114 §3 */
  #handshake(id: string | undefined): void {
    const digest = createHash('sha1')
      .update(`${id ?? ''}${this.#secret}`)
      .digest('hex');
    this.#socket.write(xml('handshake', {}, digest).toString());
  }

  #element(element: Element): void {
    if (element.is('error', STREAMS)) {
      const condition = element
        .getChildElements()
        .find((child) => child.getNS() === STREAM_ERRORS && child.name !== 'text')?.name;
      this.#note(new ComponentFailure(`ejabberd ended the stream: ${condition}`, condition));
      this.#socket.destroy();
    } else if (element.name === 'handshake' && this.#phase === 'opening') {
      this.#phase = 'open';
      this.#opened.resolve();
    } else if (this.#phase === 'open' || this.#phase === 'closing') {
      this.#handlers.stanza(element);
    }
  }

  #note(failure: ComponentFailure): void {
    this.#failure ??= failure;
  }

  #ended(): void {
    const phase = this.#phase;
    this.#phase = 'ended';
    const reason = this.#failure ?? new ComponentFailure('the connection was closed');
    this.#opened.reject(reason);
    this.#closed.resolve();
    if (phase === 'open') this.#handlers.lost(reason);
  }
}
