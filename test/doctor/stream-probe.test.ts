/** Probing servers that are not as they should be. test/service/doctor.test.ts has the real ejabberd. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { probeStream } from '../../src/doctor/stream-probe.ts';

const never = new AbortController().signal;

async function against<T>(
  serve: (socket: Socket) => void,
  ask: (service: string) => Promise<T>,
): Promise<T> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined); // the probe cuts the connection
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  try {
    return await ask(`xmpp://127.0.0.1:${port}`);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

const header = "<?xml version='1.0'?><stream:stream>";
const answering = (text: string) => (socket: Socket) =>
  socket.once('data', () => socket.write(text));
const probe = (service: string) => probeStream(service, 'xmpp.test', never);

it('reads the offer, also in pieces', async () => {
  const offer = await against((socket) => {
    socket.once('data', () => {
      socket.write(`${header}<stream:features><mechanisms><mechanism>SCRAM-SHA-1</mech`);
      setImmediate(() =>
        socket.write('anism><mechanism>PLAIN</mechanism></mechanisms></stream:features>'),
      );
    });
  }, probe);
  expect(offer).toEqual({ mechanisms: ['SCRAM-SHA-1', 'PLAIN'], tls: null });
});

it('reads why the stream is refused', async () => {
  const error =
    "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
  expect(await against(answering(header + error), probe)).toMatchObject({
    refused: 'host-unknown',
  });
});

it('gives up on a server that speaks no XMPP, closes the connection, or is silent', async () => {
  await expect(against(answering('x'.repeat(200_000)), probe)).rejects.toThrow('this is not XMPP');
  await expect(against((socket) => socket.destroy(), probe)).rejects.toThrow(/closed|reset/i);
  const soon = (service: string) => probeStream(service, 'xmpp.test', AbortSignal.timeout(100));
  await expect(against(() => undefined, soon)).rejects.toThrow('no answer in time');
  // STARTTLS is offered, and nothing follows.
  const features =
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";
  await expect(against(answering(header + features), soon)).rejects.toThrow('no answer in time');
});
