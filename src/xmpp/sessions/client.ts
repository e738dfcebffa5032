/**
 * A client of xmpp.js, composed from @xmpp/client-core without stream management, which @xmpp/client races on a quick
 * login ("Client acknowledged more stanzas than sent by server"), and without its reconnect (a fixed second, and on
 * after a conflict). SCRAM would cost half a second of CPU a login; PLAIN is sent over TLS or on loopback only.
 */
import { once } from 'node:events';
import { StringDecoder } from 'node:string_decoder';
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
  /** Answer queries: pings with a result, everything else with service-unavailable. Default true. */
  readonly answerQueries?: boolean;
}

const loopback = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;

/** Cuts the connection for good, whatever xmpp.js thinks of it. */
export function destroySockets(sockets: readonly Socket[]): void {
  for (const socket of sockets) {
    // A TLS or WebSocket one of xmpp.js is a wrapper: the real one is inside.
    const real: { destroy?(): void; close?(): void } = socket.socket ?? socket;
    if (real.destroy) real.destroy();
    else real.close?.();
  }
}

/**
 * Closes the holes through which xmpp.js 0.14 lets a bad connection end the whole process.
 * @returns the sockets of this client, as they come: for {@link destroySockets}
 */
export function guard(client: Client, failed: (error: unknown) => void): Socket[] {
  const sockets: Socket[] = [];
  // Its own begins to wait for `online` before the stream is open, but listens only after: an error in between, such as
  // a reset instead of a stream header, rejects a promise that nobody has.
  client.start = async () => {
    await client.connect(client.options.service);
    await Promise.all([once(client, 'online'), client.open(client.options)]);
  };
  // It goes wherever <see-other-host/> sends it, by itself and with the password, which may have been safe to send to
  // the configured server only: the operator names another one if there is one.
  client._onSeeOtherHost = failed;
  // It decodes each chunk on its own, which breaks a character that is cut by a chunk's end.
  const decoder = new StringDecoder('utf8');
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
      onData.call(client, typeof data === 'string' ? data : decoder.write(data));
    } catch (error) {
      failed(error);
      destroySockets(sockets);
    }
  };
  return sockets;
}

/** PLAIN is UTF-8 (RFC 4616), but xmpp.js encodes with `btoa`, which takes each character for a byte. */
const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** A client that is not connected yet. */
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
    // Nagle's algorithm holds a ping behind a message for the other side's delayed acknowledgement: 44 ms, measured.
    (socket?.socket ?? socket)?.setNoDelay?.(true);
  });
  return client;
}
