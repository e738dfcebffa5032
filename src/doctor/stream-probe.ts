/** What an XMPP server offers before a login (RFC 6120 §4.3, §5). */
import { on, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { AppError, messageOf } from '../errors.ts';

export interface Offer {
  /** The condition of a stream error, e.g. `host-unknown`. Then nothing else is known. */
  readonly refused?: string;
  readonly mechanisms: readonly string[];
  /** null without TLS. */
  readonly tls: null | {
    /** Why the service would not accept the certificate for this host; null if it would. */
    readonly fault: string | null;
    /** ms since 1970 */
    readonly validTo: number;
  };
}

const MOST_ANSWER_BYTES = 65_536;
const STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  'xmpp:': 5222,
  'xmpps:': 5223,
  'ws:': 80,
  'wss:': 443,
};

/** Where EJABBERD_XMPP leads. */
export function addressOf(service: string): { host: string; port: number } {
  const { protocol, hostname, port } = new URL(service);
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (DEFAULT_PORTS[protocol] ?? 0),
  };
}

/**
 * @param service `xmpp://HOST:PORT` or `xmpps://…`
 * @param host the domain to ask for
 * @throws {AppError} `unavailable` without an answer, or for one that is not XMPP
 */
export async function probeStream(
  service: string,
  host: string,
  signal: AbortSignal,
): Promise<Offer> {
  const socket = connect(addressOf(service));
  socket.on('error', () => undefined); // what waits for the socket gets the error too
  try {
    await once(socket, 'connect', { signal });
    if (service.startsWith('xmpps:')) return await offerOverTls(socket, host, signal);
    const features = await openXmppStream(socket, host, signal);
    const offer = offerOf(features);
    if (offer.refused || !features.includes('urn:ietf:params:xml:ns:xmpp-tls')) return offer;
    await exchange(socket, STARTTLS, /<proceed/, signal);
    return await offerOverTls(socket, host, signal);
  } catch (error) {
    const reason = signal.aborted ? 'no answer in time' : messageOf(error);
    // OpenSSL's words for an answer without TLS.
    const plain = /wrong version number/.test(reason);
    throw new AppError(
      'unavailable',
      `${service}: ${plain ? 'there is no TLS at that port: use xmpp://' : reason}`,
    );
  } finally {
    socket.destroy();
  }
}

async function offerOverTls(plain: Socket, host: string, signal: AbortSignal): Promise<Offer> {
  const socket = connectTls({ socket: plain, servername: host, rejectUnauthorized: false });
  socket.on('error', () => undefined); // as above
  try {
    await once(socket, 'secureConnect', { signal });
    const features = await openXmppStream(socket, host, signal);
    const validTo = Date.parse(socket.getPeerCertificate().valid_to);
    return { ...offerOf(features), tls: { fault: faultOf(socket), validTo } };
  } finally {
    socket.destroy();
  }
}

/** node:tls gives a code or an Error, whatever its types say. */
const faultOf = (socket: TLSSocket): string | null =>
  socket.authorized ? null : messageOf(socket.authorizationError);

function offerOf(features: string): Offer {
  const refused = /<stream:error>\s*<([a-z-]+)/.exec(features)?.[1];
  const mechanisms = [...features.matchAll(/<mechanism>([^<]+)<\/mechanism>/g)];
  return {
    ...(refused && { refused }),
    mechanisms: mechanisms.map(([, name = '']) => name),
    tls: null,
  };
}

const openXmppStream = (socket: Socket, host: string, signal: AbortSignal): Promise<string> =>
  exchange(
    socket,
    `<?xml version='1.0'?><stream:stream to='${host}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`,
    /<\/stream:features>|<stream:features\/>|<\/stream:error>|<\/stream:stream>/,
    signal,
  );

/** Writes, and reads until the answer has come. */
async function exchange(
  socket: Socket,
  text: string,
  answer: RegExp,
  signal: AbortSignal,
): Promise<string> {
  const chunks = on(socket, 'data', { signal, close: ['end', 'close'] });
  socket.write(text);
  let received = '';
  for await (const [chunk] of chunks) {
    received += String(chunk);
    if (answer.test(received)) return received;
    if (received.length > MOST_ANSWER_BYTES) throw new Error('this is not XMPP');
  }
  throw new Error('the connection was closed');
}
