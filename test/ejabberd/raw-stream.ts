/**
 * XMPP as text over a socket, for what a regular client never does: resume a stream step by step (XEP-0198), not read,
 * answer late. Also a component (XEP-0114). It answers nothing by itself.
 */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { waitFor } from '../support/wait.ts';

export interface RawStream {
  /** Everything received since the session began. */
  readonly text: string;
  send(text: string): void;
  /** Waits until this text was received. */
  sees(pattern: RegExp, deadlineMs?: number): Promise<RegExpExecArray>;
  /** How often the pattern occurs in the received text. */
  count(pattern: RegExp): number;
  /** Answers every ping of the server that has no answer yet. */
  pong(): void;
  /** Cuts the connection like a failing network. */
  drop(): void;
}

async function open(port: number): Promise<{ socket: Socket; stream: RawStream; reset(): void }> {
  const socket = connect({ port, host: '127.0.0.1' });
  let text = '';
  let answered = 0;
  socket.setEncoding('utf8').on('data', (data) => {
    text += data;
  });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  const stream: RawStream = {
    get text() {
      return text;
    },
    send: (data) => socket.write(data),
    sees: (pattern, deadlineMs = 5_000) =>
      waitFor(() => pattern.exec(text), { deadlineMs, what: () => `${pattern} in ${text}` }),
    count: (pattern) => [...text.matchAll(new RegExp(pattern, 'g'))].length,
    pong() {
      const pings = [...text.matchAll(/<iq[^>]*? id='(lhc-ping-\d+)'/g)];
      for (const [, id] of pings.slice(answered)) socket.write(`<iq type='result' id='${id}'/>`);
      answered = pings.length;
    },
    drop: () => socket.destroy(),
  };
  return {
    socket,
    stream,
    reset() {
      text = '';
    },
  };
}

export interface RawLogin {
  readonly port: number;
  readonly host: string;
  readonly user: string;
  readonly resource: string;
  /** The id of a stream to resume. */
  readonly resume?: string;
  /** How many stanzas of the stream to resume were read. Default: none. */
  readonly handled?: number;
}

/** Logs in with the password `pw`. A new session enables stream management and sends an available presence. */
export async function rawOperator(login: RawLogin): Promise<RawStream & { readonly id: string }> {
  const { stream, reset } = await open(login.port);
  const header = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='${login.host}' version='1.0'>`;
  stream.send(header);
  await stream.sees(/<\/stream:features>/);
  const plain = Buffer.from(`\0${login.user}\0pw`).toString('base64');
  stream.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${plain}</auth>`);
  await stream.sees(/<success/);
  reset();
  stream.send(header);
  await stream.sees(/<\/stream:features>/);
  if (login.resume !== undefined) {
    reset();
    stream.send(
      `<resume xmlns='urn:xmpp:sm:3' previd='${login.resume}' h='${login.handled ?? 0}'/>`,
    );
    await stream.sees(/<resumed/);
    return Object.assign(stream, { id: login.resume });
  }
  stream.send(
    `<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${login.resource}</resource></bind></iq>`,
  );
  await stream.sees(/<\/bind>/);
  reset();
  stream.send(`<enable xmlns='urn:xmpp:sm:3' resume='true'/>`);
  const id = (await stream.sees(/<enabled[^>]*? id='([^']+)'/))[1] ?? '';
  stream.send('<presence/>');
  await stream.sees(/<presence/);
  return Object.assign(stream, { id });
}

export async function rawComponent(port: number, name: string, secret: string): Promise<RawStream> {
  const { stream } = await open(port);
  stream.send(
    `<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='${name}'>`,
  );
  const [, id] = await stream.sees(/<stream:stream[^>]*? id=['"]([^'"]+)/);
  const hash = createHash('sha1').update(`${id}${secret}`).digest('hex');
  stream.send(`<handshake>${hash}</handshake>`);
  await stream.sees(/<handshake/);
  return stream;
}
