/** `xmpp-chat dead-letters` over HTTP, with letters on SQLite; and with another program at LISTEN. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { serve } from '../../src/http/serve.ts';
import { createSetAside } from '../../src/inbox/set-aside.ts';
import { DEAD_LETTERS_TABLE } from '../../src/runtime/lanes/dead-letter-table.ts';
import { createDeadLetters } from '../../src/runtime/lanes/dead-letters.ts';
import { ADMIN, fakeApp } from '../http/fakes.ts';
import { newId, openRig, silent } from '../support/rig.ts';
import { newFolder, run } from './backups.ts';

it('lists all pages, of one tenant too, shows one and discards it', async () => {
  const rig = await openRig();
  const { store, vault, now, workFile: db } = rig;
  const deadLetters = createDeadLetters({
    db,
    store,
    vault,
    destinations: [],
    now,
    newId,
    logger: silent,
    again: async () => {},
  });
  const caughtUp = await rig.follow([DEAD_LETTERS_TABLE], [deadLetters]);
  const setAside = createSetAside({ store, vault, now, newId });
  const queueId = newId();
  for (let seq = 1; seq <= 205; seq++) {
    const tenant = seq === 3 ? 'beta' : 'acme';
    const content = { type: 'message', seq };
    await setAside.keep({
      queueId,
      seq,
      tenant,
      operator: 'olga',
      sealingKey: tenant,
      reason: `reason ${seq}.`,
      content,
    });
  }
  await caughtUp();
  const { app } = fakeApp({ deadLetters });
  const server = await serve(app, { host: '127.0.0.1', port: 0, variable: 'LISTEN' });
  try {
    const settings = { LISTEN: new URL(server.url).host, ADMIN_TOKEN: ADMIN };
    const cli = (...args: string[]) => run(newFolder(), ['dead-letters', ...args], settings);
    const lines = (output: string) => output.split('\n').filter((line) => line.includes('reason'));
    const all = lines((await cli('list')).output);
    expect(all).toHaveLength(205);
    expect(all[0]).toContain('reason 205.');
    expect(all[204]).toContain('reason 1.');
    expect(all[204]).toMatch(/ {2}webhook message {2}olga {2}inbox-/);
    const ofBeta = lines((await cli('list', '--tenant', 'beta')).output);
    expect(ofBeta).toEqual([expect.stringContaining('reason 3.')]);
    const [id = ''] = ofBeta[0]?.split(' ') ?? [];
    expect((await cli('show', id)).output).toContain('"seq": 3');
    expect(await cli('discard', id)).toEqual({ code: 0, output: `${id} was discarded\n` });
    expect(await cli('discard', id)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^404 there is no dead letter .* \(request [0-9a-f-]{36}\)$/m),
    });
    expect((await cli('list', '--tenant', 'beta')).output).toBe('no dead letters\n');
    expect(await rig.types(`letter-${id}`)).toEqual(['DeadLetterDiscarded']);
  } finally {
    await server.close(0);
    await rig.close();
  }
});

it.each(['[]', '<html>', '{"items":[{}]}'])(
  'says that the program at LISTEN is not the service: %s',
  async (body) => {
    const server = createServer((_request, response) => response.end(body));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    try {
      const { port } = server.address() as AddressInfo; // it listens on a port
      const settings = { LISTEN: `127.0.0.1:${port}`, ADMIN_TOKEN: 'a-token-of-the-tests' };
      const { code, output } = await run(newFolder(), ['dead-letters'], settings);
      expect(code).toBe(1);
      expect(output).toMatch(/is not this service \(it answered 200\): set LISTEN/);
      expect(output).not.toMatch(/\n {4}at /);
    } finally {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    }
  },
);
