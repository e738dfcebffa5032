/** What an XMPP server offers before anybody logs in (RFC 6120 §4.3, §5). */
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { AppError, messageOf } from '../errors.ts';

export interface Offer {
  /** The condition of a stream error, e.g. `host-unknown`; then nothing else is known. */
  readonly refused?: string;
  readonly mechanisms: readonly string[];
  /** null: neither offered nor there from the beginning. */
  readonly tls: null | {
    /** Why the certificate is not good for this host, by the same rules as the service's; null: it is. */
    readonly fault: string | null;
    /** ms since 1970 */
    readonly validTo: number;
  };
}

const MAX_BYTES = 65_536;
const STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

/**
 * @param service `xmpp://HOST:PORT` or `xmpps://…`
 * @param host the domain that is asked for
 * @throws {AppError} `unavailable` when there is no answer, or none that is XMPP
 */
export async function probeStream(
  service: string,
  host: string,
  signal: AbortSignal,
): Promise<Offer> {
  const { protocol, hostname, port } = new URL(service);
  const secure = protocol === 'xmpps:';
  const address = {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (secure ? 5223 : 5222),
  };
  const plain = connect(address);
  const sockets: Socket[] = [plain];
  const abort = (): void => void plain.destroy(new Error('no answer in time'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    await happens(plain, 'connect');
    const features = secure ? '' : await opened(plain, host);
    const refused = refusal(features);
    if (refused) return { refused, mechanisms: [], tls: null };
    if (!secure && !features.includes('urn:ietf:params:xml:ns:xmpp-tls')) {
      return { mechanisms: mechanismsOf(features), tls: null };
    }
    if (!secure) await asked(plain, STARTTLS, /<proceed/);
    const secured = connectTls({ socket: plain, servername: host, rejectUnauthorized: false });
    sockets.push(secured);
    await happens(secured, 'secureConnect');
    const inside = await opened(secured, host);
    const late = refusal(inside);
    return {
      ...(late && { refused: late }),
      mechanisms: mechanismsOf(inside),
      tls: {
        fault: faultOf(secured),
        validTo: Date.parse(secured.getPeerCertificate().valid_to),
      },
    };
  } catch (error) {
    const said = messageOf(error) || 'the connection ended';
    // OpenSSL's words for an answer in plain.
    const plainly = /wrong version number/.test(said) ? 'no TLS at that port: use xmpp://' : said;
    throw new AppError('unavailable', `${service}: ${plainly}`);
  } finally {
    signal.removeEventListener('abort', abort);
    for (const socket of sockets) socket.destroy();
  }
}

/** node:tls gives a code or an Error, whatever its types say. */
function faultOf(socket: TLSSocket): string | null {
  if (socket.authorized) return null;
  return messageOf(socket.authorizationError);
}

const opened = (socket: Socket, host: string): Promise<string> =>
  asked(
    socket,
    `<?xml version='1.0'?><stream:stream to='${host}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`,
    /<\/stream:features>|<stream:features\/>|<\/stream:error>|<\/stream:stream>/,
  );

const refusal = (text: string): string | undefined => /<stream:error>\s*<([a-z-]+)/.exec(text)?.[1];

const mechanismsOf = (text: string): string[] =>
  [...text.matchAll(/<mechanism>([^<]+)<\/mechanism>/g)].map(([, name]) => name ?? '');

function happens(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve());
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
  });
}

/** Writes, and reads until the answer has come. */
function asked(socket: Socket, text: string, until: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    const end = (act: () => void): void => {
      socket.off('data', take);
      act();
    };
    const take = (chunk: Buffer): void => {
      got += chunk.toString('latin1');
      if (until.test(got)) end(() => resolve(got));
      else if (got.length > MAX_BYTES) end(() => reject(new Error('this is not XMPP')));
    };
    socket.on('data', take);
    socket.once('error', (error) => end(() => reject(error)));
    socket.once('close', () => end(() => reject(new Error('the connection was closed'))));
    socket.write(text);
  });
}
