/** Rooms of operators with an ejabberd that is slow, away or unwilling. A real one is in test/ejabberd/private-chats.test.ts. */
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import { AppError } from '../../../src/errors.ts';
import {
  CALLS_OF_ROOM,
  createOperatorRooms,
  ROOM_TEXT_CHARACTERS,
} from '../../../src/reactors/operators/private-chats.ts';
import type { EjabberdRooms, Room } from '../../../src/xmpp/port.ts';
import { tenantId } from '../../support/names.ts';
import { tenantWith } from '../../support/tenant.ts';

const HOST = 'xmpp.test';
const ACME = tenantId('acme');
const tenants = createTenantDirectory([
  tenantWith({ id: ACME, host: HOST, apiKey: 'key-of-acme-0123456789' }),
]);

/** @param answer what ejabberd does with a call */
function roomsThat(answer: (what: string, room: string) => Promise<void>) {
  const log: string[] = [];
  const does =
    (what: string) =>
    async (room: Room | string, ...more: unknown[]): Promise<void> => {
      const name = typeof room === 'string' ? room : room.name;
      await answer(what, name);
      log.push([what, name, ...more.map(String)].join(' '));
    };
  const ejabberd: EjabberdRooms = {
    list: (service) => does('list')(service),
    create: does('create'),
    setOption: does('setOption'),
    addMember: does('addMember'),
    subscribe: does('subscribe'),
    unsubscribe: does('unsubscribe'),
    invite: does('invite'),
    say: (room, from, _id, body) => does('say')(room, from, body),
    destroy: does('destroy'),
  };
  const lines: object[] = [];
  const rooms = createOperatorRooms({
    tenants,
    rooms: ejabberd,
    newId: () => 'id',
    logger: pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) }),
    waitMs: 20,
    actors: {
      // Of an operator's state only this is read.
      operator: (_tenant, name) =>
        ({
          // Of an operator's state only this is read.
          state: async () => ({ context: { registered: name === 'olga' } }),
          latest: async () => null,
        }) as never,
    },
  });
  return { rooms, log, lines };
}

it('calls do not wait for a slow ejabberd, and are carried out in their order once it answers', async () => {
  const { promise: answering, resolve: answer } = Promise.withResolvers<void>();
  const { rooms, log, lines } = roomsThat(() => answering);
  await rooms.create(ACME, 'a');
  await rooms.allowSubscription(ACME, 'a', true);
  const said = rooms.say(ACME, 'a', `Ada Maria.Admin.operator@${HOST}`, 'psst');
  await said;
  expect(log).toEqual([]);
  expect(await rooms.list(ACME)).toEqual([]);
  answer();
  await rooms.destroy(ACME, 'a');
  expect(log.filter((entry) => !entry.startsWith('list'))).toEqual([
    'create a',
    'setOption a allow_subscription true',
    `say a ada.maria.admin.operator@${HOST} psst`,
    'destroy a',
  ]);
  expect(JSON.stringify(lines)).not.toContain('psst');
});

it.each(['unavailable', 'refused'] as const)('%s: logged, and not an error', async (code) => {
  const { rooms, lines } = roomsThat(async () => {
    throw new AppError(code, 'ejabberd says no');
  });
  await rooms.create(ACME, 'a');
  expect(await rooms.list(ACME)).toEqual([]);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatchObject({ tenant: 'acme', what: 'new room', reason: 'ejabberd says no' });
});

it('who is no operator of the tenant, and a name that no room can have, are refused', async () => {
  const { rooms, log } = roomsThat(async () => {});
  const refused = expect.objectContaining({ code: 'refused' });
  const invalid = expect.objectContaining({ code: 'invalid' });
  for (const jid of [`paul@${HOST}`, `visitor.7@${HOST}`, `ada.operator@other.test`, 'x', '@']) {
    await expect(rooms.invite(ACME, 'a', [jid], ''), jid).rejects.toEqual(refused);
    const subscriber = { jid, nick: 'n', nodes: '' };
    await expect(rooms.subscribe(ACME, 'a', subscriber), jid).rejects.toEqual(refused);
    await expect(rooms.say(ACME, 'a', jid, 'x'), jid).rejects.toEqual(refused);
  }
  for (const name of ['', 'x'.repeat(ROOM_TEXT_CHARACTERS + 1), 'a\u0000b', 'a\nb']) {
    await expect(rooms.create(ACME, name)).rejects.toEqual(invalid);
  }
  expect(log).toEqual([]);
});

it('names are escaped for ejabberd', async () => {
  const { rooms, log } = roomsThat(async () => {});
  await rooms.create(ACME, 'sales @ "us"\\20');
  expect(log).toEqual(['create sales\\20\\40\\20\\22us\\22\\5c20']);
});

it('rooms of visitors are none of theirs, however the name is written', async () => {
  const { rooms, log } = roomsThat(async () => {});
  // As ejabberd prepares a local part (RFC 3491): case, widths, and what it leaves out.
  for (const name of [
    'visitor.7',
    'VISITOR.7',
    'ｖisitor．7',
    'v\u00adisi\u200btor.7',
    'vi\u1806sitor.',
  ]) {
    const refusal = expect.objectContaining({
      code: 'invalid',
      message: expect.stringMatching(/^the name of the room begins with "visitor\."/),
    });
    await expect(rooms.create(ACME, name), name).rejects.toEqual(refusal);
    await expect(rooms.destroy(ACME, name), name).rejects.toEqual(refusal);
    await expect(rooms.invite(ACME, name, [], ''), name).rejects.toEqual(refusal);
  }
  expect(log).toEqual([]);
  await rooms.create(ACME, 'visitors');
  expect(log).toEqual(['create visitors']);
});

it('more calls of one room than may wait are dropped', async () => {
  const { rooms, lines } = roomsThat(() => new Promise(() => {}));
  await Promise.all(Array.from({ length: CALLS_OF_ROOM + 1 }, () => rooms.create(ACME, 'a')));
  expect(JSON.stringify(lines)).toContain(`${CALLS_OF_ROOM} commands wait`);
});
