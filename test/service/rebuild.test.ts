/** Read models and pending work are caches: deleted, they are the same again, and nothing is performed. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { messageQueries } from '../../src/projections/messages.ts';
import { operatorQueries } from '../../src/projections/operator-queries.ts';
import { visitorQueries } from '../../src/projections/visitor-queries.ts';
import { testWorld } from '../support/test-world.ts';

const world = await testWorld({ tenants: [{ id: 'acme', host: 'xmpp.test' }] });
const { service } = world;
const acme = world.tenant('acme');

function hashes(): string[] {
  const db = new DatabaseSync(join(service.dataDir, 'projections.db'), { readOnly: true });
  try {
    return [visitorQueries(db), messageQueries(db), operatorQueries(db)].map((each) => each.hash());
  } finally {
    db.close();
  }
}

/** Tables of pending work, row by row. */
function pendingWork(): string {
  const db = new DatabaseSync(join(service.dataDir, 'work.db'), { readOnly: true });
  try {
    const tables = ['lane_work', 'deadlines', 'wanted', 'chats_of_visitors', 'chats_of_operators'];
    return JSON.stringify(tables.map((table) => db.prepare(`SELECT * FROM ${table}`).all()));
  } finally {
    db.close();
  }
}

const remove = async (...names: string[]): Promise<void> => {
  for (const name of names) {
    for (const suffix of ['', '-wal', '-shm']) {
      await rm(join(service.dataDir, name + suffix), { force: true });
    }
  }
};
const head = async () =>
  (await service.call('GET', '/debug/events?direction=backwards&limit=1')).body.items[0];
it('rows are equal by hash, and no callback, no message and no fact comes of it', async () => {
  await acme.register('olga', { name: 'Olga' });
  const olga = await acme.connect('olga');
  await acme.operatorIs('olga', 'available');
  for (const visitor of ['1', '2', '3']) {
    await acme.view(visitor, { page: `https://a.test/${visitor}`, nick: `V${visitor}` });
    await acme.ask('POST', `/visitors/${visitor}/chats`, {
      ...{ chatId: `c${visitor}`, department: 'sales' },
      message: { id: `m${visitor}`, body: `Hello from ${visitor}` },
    });
    await acme.callback('message.delivered', ({ messageId }) => messageId === `m${visitor}`);
    await olga.sendAndAck(acme.visitorJid(visitor), `Hello ${visitor}`);
    await acme.callback('chat.message', (data) => data.visitor === visitor);
  }
  await acme.ask('POST', '/visitors/1/chats/c1/close', { by: 'visitor' });
  await acme.ask('DELETE', '/visitors/2');
  await acme.ask('POST', '/visitors/4/chats', { chatId: 'c4', department: 'nobody' });
  await acme.callback('visitor.cleaned_up');
  await world.idle();
  await service.stop();
  const before = { hashes: hashes(), work: pendingWork() };
  expect(new Set(before.hashes).size).toBe(3);

  // A start with nothing deleted changes nothing either; it is what the second is compared with.
  await service.start();
  await world.idle();
  const known = {
    head: (await head()).position,
    callbacks: acme.lhc.requests.length,
    messages: olga.messages.length,
  };
  await service.stop();
  expect(hashes()).toEqual(before.hashes);

  await remove('projections.db', 'work.db', 'snapshots.db');
  await service.start();
  const { position } = await head();
  await acme.ask('GET', `/visitors?minPosition=${position}`);
  await world.idle();
  await olga.acknowledged();
  expect(position).toBe(known.head);
  expect((await head()).position).toBe(known.head);
  expect(acme.lhc.requests).toHaveLength(known.callbacks);
  expect(olga.messages).toHaveLength(known.messages);
  await service.stop();
  expect(hashes()).toEqual(before.hashes);
  expect(pendingWork()).toBe(before.work);

  // And it goes on from there.
  await service.start();
  await acme.ask('POST', '/visitors/3/messages', { id: 'later', body: 'Still there?' });
  await acme.callback('message.delivered', ({ messageId }) => messageId === 'later');
});
