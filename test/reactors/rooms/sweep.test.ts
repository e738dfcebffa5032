/** Which rooms go, and when. With real ones: test/service/rooms-end.test.ts. */
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { visitorRoom } from '../../../src/actors/ids.ts';
import { createTenantDirectory } from '../../../src/actors/tenant/directory.ts';
import { AppError } from '../../../src/errors.ts';
import { createRoomSweep, ROOM_STAYS_MS } from '../../../src/reactors/rooms/sweep.ts';
import { createVisitorRooms } from '../../../src/reactors/rooms/visitor-rooms.ts';
import { partitionOf } from '../../../src/runtime/leases/ownership.ts';
import { fakeRooms } from '../../support/fake-rooms.ts';
import { tenantId, visitorKey } from '../../support/names.ts';
import { ALL_PARTITIONS, movableOwnership } from '../../support/ownership.ts';
import { tenantWith } from '../../support/tenant.ts';
import { waitFor } from '../../support/wait.ts';

const LOG_ID = 'our-log';
const HOSTING = 'hosting.test';
const apiKey = 'key-of-acme-0123456789';
const ACME = tenantWith({ id: tenantId('acme'), host: 'xmpp.test', apiKey: `${apiKey}1` });
const [SHOP, ZETA] = ['shop', 'zeta'].map((id, n) =>
  tenantWith({ id: tenantId(id), host: HOSTING, instance: id, apiKey: `${apiKey}${n + 2}` }),
) as [typeof ACME, typeof ACME];
const roomOf = (key: string, tenant = ACME): string => {
  const { name, service } = visitorRoom(tenant, visitorKey(key));
  return `${name}@${service}`;
};

function world() {
  const ejabberd = fakeRooms();
  const ownership = movableOwnership();
  /** Visitors whose chat has a room, as `{tenant}.{key}`. */
  const open = new Set<string>();
  const marks = new Map<string, string>();
  const lines: object[] = [];
  const state = {
    now: 0,
    /** Runs before a state is read. */
    reading: async (_visitor: string, _isLatest: boolean): Promise<void> => {},
  };
  const actors = {
    visitor: (tenant: string, key: string) => {
      const read = async (isLatest: boolean) => {
        await state.reading(`${tenant}.${key}`, isLatest);
        return { presence: 'online', isOpen: open.has(`${tenant}.${key}`) };
      };
      // Of a visitor's state only this is read.
      return { state: () => read(false), latest: () => read(true) } as never;
    },
  };
  const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) });
  const monotonic = () => state.now;
  const kept = createVisitorRooms({
    rooms: ejabberd.rooms,
    transport: { isOnline: () => true, listen: () => {}, send: async () => {} },
    admin: { sendMessage: async () => {} },
    actors,
    ownership,
    logger,
    monotonic,
  });
  const newSweep = () => {
    const sweep = createRoomSweep({
      kept,
      rooms: ejabberd.rooms,
      admin: {
        groupMark: async (host, group) => marks.get(`${group}@${host}`) ?? LOG_ID,
      },
      actors,
      tenants: createTenantDirectory([ACME, SHOP, ZETA]),
      ownership,
      logId: LOG_ID,
      // As above.
      hasRoom: (each) => (each as never as { isOpen: boolean }).isOpen,
      logger,
      monotonic,
      roomsLookEveryMs: 1,
    });
    onTestFinished(() => sweep.stop());
    return sweep;
  };
  /** Makes a room that this process knows. */
  async function make(key: string, tenant = ACME): Promise<void> {
    open.add(`${tenant.id}.${key}`);
    const sender = { tenant, key: visitorKey(key), mayAct: () => true };
    await kept.ensure(sender, { nick: 'Anna', members: [] });
  }
  /** A room of another process, or of an earlier start. */
  const foreign = async (jid: string): Promise<void> => {
    const [name = '', service = ''] = jid.split('@');
    await ejabberd.rooms.create({ name, service });
  };
  /** The sweep has looked at this visitor twice since now. */
  async function looked(visitor = 'acme.7'): Promise<void> {
    let times = 0;
    state.reading = async (which) => {
      if (which === visitor) times += 1;
    };
    await waitFor(() => times > 2, { every: 1 });
  }
  const lists = () => ejabberd.calls.filter((call) => call.startsWith('list'));
  return {
    ...ejabberd,
    ejabberd: ejabberd.rooms,
    before: ejabberd.state,
    control: state,
    ownership,
    open,
    marks,
    lines,
    newSweep,
    make,
    foreign,
    looked,
    lists,
    kept,
  };
}

it('a room goes a minute after its chat has none any more, and no other one', async () => {
  const { all, control, open, newSweep, make, looked } = world();
  await make('7');
  await make('8');
  newSweep().start();
  await looked();
  control.now = 10 * ROOM_STAYS_MS;
  await looked();
  open.delete('acme.7');
  await looked();
  control.now += ROOM_STAYS_MS - 1;
  await looked();
  expect([...all.keys()]).toEqual([roomOf('7'), roomOf('8')]);
  control.now += 1;
  await waitFor(() => !all.has(roomOf('7')));
  await looked('acme.8');
  expect([...all.keys()]).toEqual([roomOf('8')]);
});

it('a new chat with a room within the minute keeps it, also one that begins in the last moment', async () => {
  const { all, control, open, newSweep, make, looked } = world();
  await make('7');
  newSweep().start();
  open.delete('acme.7');
  await looked();
  control.now = ROOM_STAYS_MS - 1;
  open.add('acme.7');
  await looked();
  open.delete('acme.7');
  await looked();
  control.now += ROOM_STAYS_MS - 1;
  await looked();
  // As the log is in the moment before it would be destroyed.
  let isAsked = false;
  control.reading = async (_, isLatest) => {
    if (!isLatest) return;
    open.add('acme.7');
    isAsked = true;
  };
  control.now += 1;
  await waitFor(() => isAsked);
  await looked();
  expect([...all.keys()]).toEqual([roomOf('7')]);
});

it('what a killed process left goes after a start; rooms of others, and of other names, stay', async () => {
  const { all, control, marks, open, newSweep, foreign, looked, lists } = world();
  const others = [
    'oo,aa@conference.xmpp.test',
    'visitors@conference.xmpp.test',
    'visitor.@conference.xmpp.test',
    'visitor.7@conference.hosting.test',
    roomOf('7', ZETA),
    roomOf('8'),
  ];
  for (const jid of [roomOf('7'), roomOf('7.chat'), roomOf('7', SHOP), ...others]) {
    await foreign(jid);
  }
  marks.set('visitors.zeta@hosting.test', 'another-log');
  open.add('acme.8');
  newSweep().start();
  await looked('acme.8');
  expect(all.size).toBe(9);
  control.now = ROOM_STAYS_MS;
  await looked('acme.8');
  expect([...all.keys()]).toEqual(others);
  expect(lists(), 'ejabberd is not asked all the time').toHaveLength(2);
  // A chat that was going on at the start ends.
  open.delete('acme.8');
  await looked('acme.8');
  control.now += ROOM_STAYS_MS;
  await waitFor(() => !all.has(roomOf('8')));
});

it('only the owner of the visitor destroys the room; whoever gains the partition finds it', async () => {
  const { all, control, ownership, open, newSweep, foreign, make, looked, lists } = world();
  ownership.lose(partitionOf('acme.7'));
  await make('9');
  await foreign(roomOf('7'));
  newSweep().start();
  await looked('acme.9');
  control.now = ROOM_STAYS_MS;
  await looked('acme.9');
  expect(all.has(roomOf('7'))).toBe(true);
  ownership.gain(partitionOf('acme.7'));
  await looked();
  control.now += ROOM_STAYS_MS;
  await waitFor(() => !all.has(roomOf('7')));
  expect(lists()).toHaveLength(4);
  // And who loses it lets it be, also in the last moment.
  await foreign(roomOf('7'));
  ownership.gain(partitionOf('acme.7'));
  await looked();
  let isAsked = false;
  control.reading = async (_, isLatest) => {
    if (!isLatest) return;
    ownership.lose(partitionOf('acme.7'));
    isAsked = true;
  };
  control.now += ROOM_STAYS_MS;
  await waitFor(() => isAsked);
  await looked('acme.9');
  expect(all.has(roomOf('7'))).toBe(true);
  open.delete('acme.9');
  await looked('acme.9');
  ownership.lose(...ALL_PARTITIONS);
  control.now += ROOM_STAYS_MS;
  const before = lists().length;
  ownership.gain(partitionOf('acme.1'));
  await waitFor(() => lists().length > before);
  expect(all.has(roomOf('9'))).toBe(true);
});

it('ejabberd is away, or refuses one: it is tried again, and the others go', async () => {
  const { all, control, before, newSweep, foreign, looked, lines, open, make, lists } = world();
  before.before = async () => {
    throw new AppError('unavailable', 'ejabberd is away');
  };
  newSweep().start();
  await waitFor(() => lists().length === 2);
  before.before = async () => {};
  await foreign(roomOf('7'));
  await make('8');
  await looked('acme.8');
  expect(lists(), 'not at once').toHaveLength(2);
  control.now = 60_000;
  await looked();
  open.delete('acme.8');
  await looked('acme.8');
  let tries = 0;
  before.before = async (call) => {
    if (call !== `destroy ${roomOf('7')}`) return;
    tries += 1;
    throw new AppError('refused', 'ejabberd refused destroy_room');
  };
  control.now += ROOM_STAYS_MS;
  await waitFor(() => !all.has(roomOf('8')) && tries > 2);
  before.before = async () => {};
  await waitFor(() => all.size === 0);
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.length).toBeLessThan(30);
});

it.each([
  ['crashes', new AppError('unavailable', 'ejabberd failed', { reason: 'crash' })],
  ['refuses', new AppError('refused', "ejabberd refused it: 400 Invalid 'service'")],
])(
  'a host without rooms %s: it is not asked again for long, and nothing is logged',
  async (_, no) => {
    const { before, control, newSweep, make, looked, lines, lists, all } = world();
    await make('7');
    before.before = async (call) => {
      if (call === `list conference.${HOSTING}`) throw no;
    };
    const sweep = newSweep();
    sweep.start();
    await looked();
    sweep.compare();
    await waitFor(() => lists().filter((call) => call.endsWith('xmpp.test')).length === 2);
    await looked();
    expect(lists().filter((call) => call.endsWith(HOSTING))).toHaveLength(1);
    await sweep.removeAll(SHOP, () => true);
    expect(lines).toEqual([]);
    control.now = 3_600_000;
    sweep.compare();
    await waitFor(() => lists().filter((call) => call.endsWith(HOSTING)).length === 3);
    expect(all.size).toBe(1);
  },
);

it('a room that could not be made is forgotten with the chat', async () => {
  const { before, control, newSweep, make, looked, lines, open, kept } = world();
  before.before = async () => {
    throw new AppError('refused', "ejabberd refused it: 400 Invalid 'service'");
  };
  await expect(make('7')).rejects.toMatchObject({ code: 'refused' });
  open.delete('acme.7');
  newSweep().start();
  await looked();
  expect(kept.known()).toHaveLength(1);
  const before7 = lines.length;
  control.now = ROOM_STAYS_MS;
  await waitFor(() => kept.known().length === 0);
  expect(lines).toHaveLength(before7);
});

it('all rooms of a tenant that is removed go at once, and no others', async () => {
  const { all, open, newSweep, foreign, make } = world();
  await make('7', SHOP);
  await foreign(roomOf('8', SHOP));
  const others = [roomOf('7', ZETA), roomOf('7'), 'oo,aa.shop@conference.hosting.test'];
  for (const jid of others) await foreign(jid);
  open.add('shop.8');
  const sweep = newSweep();
  await sweep.removeAll(SHOP, () => false);
  expect(all.size).toBe(5);
  await sweep.removeAll(SHOP, () => true);
  expect([...all.keys()].toSorted()).toEqual(others.toSorted());
});
