/** The wait for an ejabberd that was away ends when it says that it has started. */
import { createServer, type Socket } from 'node:net';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { freePorts } from '../../../scripts/ejabberd/ports.ts';
import type { RetryPolicy } from '../../../src/kit/backoff.ts';
import { createAccountsTransport } from '../../../src/xmpp/sessions/accounts.ts';
import { waitFor } from '../../support/wait.ts';

const HOUR_MS = 3_600_000;
const SHOWN = { status: '', nick: 'Ann' };

/** A visitor who waits for an ejabberd that is away, and how often they have tried to log in. */
async function waitingVisitor(retry: RetryPolicy) {
  const { c2s: port } = await freePorts({});
  let tries = 0;
  const accounts = createAccountsTransport({
    service: `xmpp://127.0.0.1:${port}`,
    passwordOf: () => {
      tries += 1;
      return 'secret';
    },
    retry,
    random: () => 0,
    logger: pino({ level: 'silent' }),
  });
  onTestFinished(() => accounts.close(100));
  await expect(accounts.online('visitor.1@xmpp.test', SHOWN)).rejects.toThrow();
  return { accounts, port, tries: () => tries };
}

test('whoever waits logs in at once', async () => {
  const { accounts, port } = await waitingVisitor({ firstMs: HOUR_MS, mostMs: HOUR_MS });
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  accounts.serverStarted();
  await waitFor(() => sockets.length === 1, { what: 'a connection' });
});

test('if the port opens later, the waits begin with the first one again', async () => {
  const { accounts, tries } = await waitingVisitor({ firstMs: 20, mostMs: HOUR_MS });
  // Behind so many failures in a row a wait lasts longer than this test.
  for (let failures = 1; failures < 16; failures++) {
    accounts.serverStarted();
    await waitFor(() => tries() > failures, { what: 'the next try' });
  }
  const before = tries();
  await waitFor(() => tries() > before + 1, { what: 'two tries more' });
});
