/**
 * A client of xmpp.js, composed from @xmpp/client-core. Three parts of @xmpp/client are left out:
 * - Stream management: its race on a quick login ends the stream ("Client acknowledged more stanzas than sent by
 *   server").
 * - Reconnect: it waits a fixed second and goes on after a conflict.
 * - SCRAM: it costs half a second of CPU per login. PLAIN is used instead, and only over TLS or on loopback.
 */
import { once } from 'node:events';
import { StringDecoder } from 'node:string_decoder';
import { Client, type Socket } from '@xmpp/client-core';
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
import SASLFactory from 'saslmechanisms';
import { AppError } from '../../errors.ts';

export interface ClientOptions {
  /** `xmpp://`, `xmpps://` or `ws(s)://`. */
  readonly service: string;
  readonly domain: string;
  readonly username: string;
  readonly password: string;
  readonly resource: string;
  /** Send the password without TLS to a service that is not on loopback. */
  readonly allowPlaintext: boolean;
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;

/** Cuts the connection at once, in any state of xmpp.js. */
export function destroySockets(sockets: readonly Socket[]): void {
  for (const socket of sockets) {
    // A TLS or WebSocket socket of xmpp.js wraps the real one.
    const real: { destroy?(): void; close?(): void } = socket.socket ?? socket;
    if (real.destroy) real.destroy();
    else real.close?.();
  }
}

/**
 * Patches xmpp.js 0.14, where a bad connection can end the whole process.
 * @returns the sockets of this client, filled as they are opened: for {@link destroySockets}
 */
export function guard(client: Client, failed: (error: unknown) => void): Socket[] {
  const sockets: Socket[] = [];
  // xmpp.js begins to wait for `online` before the stream is open, and looks at that promise only afterwards. An error
  // in between, such as a reset instead of a stream header, becomes an unhandled rejection.
  client.start = async () => {
    await client.connect(client.options.service);
    await Promise.all([once(client, 'online'), client.open(client.options)]);
  };
  // xmpp.js follows <see-other-host/> to any server and sends it the password. That may be safe for the configured
  // server only, so this is an error.
  client._onSeeOtherHost = failed;
  // xmpp.js decodes each chunk on its own, which breaks a character that two chunks share.
  const decoder = new StringDecoder('utf8');
  const attach = client._attachSocket;
  client._attachSocket = (socket) => {
    // xmpp.js stops listening to a socket that does not close in time. A later error would be uncaught.
    socket.on('error', failed);
    sockets.push(socket);
    attach.call(client, socket);
  };
  const onData = client._onData;
  client._onData = (data) => {
    // After the end of the stream there is no parser. Invalid XML makes the parser throw.
    if (!client.parser) return;
    try {
      onData.call(client, typeof data === 'string' ? data : decoder.write(data));
    } catch (error) {
      failed(error);
      destroySockets(sockets);
    }
  };
  return sockets;
}

/** PLAIN is UTF-8 (RFC 4616). xmpp.js encodes it with `btoa`, which takes each character for a byte. */
const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Composes a client. It connects when `start` is called. */
export function composeClient(options: ClientOptions): Client {
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
    if (!options.allowPlaintext && !client.isSecure() && !LOOPBACK.test(url.hostname)) {
      throw new AppError(
        'refused',
        `${url.host} offers no TLS, and passwords are not sent in plain to another machine: give ejabberd a certificate, or use an xmpps:// or wss:// address.`,
      );
    }
    await authenticate({ username: utf8(username), password: utf8(password) }, 'PLAIN');
  });
  resourceBinding({ streamFeatures: features, iqCaller: caller }, resource);
  client.on('connect', () => {
    const socket = client.socket;
    // Nagle's algorithm would hold a ping behind a message until ejabberd's delayed acknowledgement: 44 ms, measured.
    (socket?.socket ?? socket)?.setNoDelay?.(true);
  });
  return client;
}
