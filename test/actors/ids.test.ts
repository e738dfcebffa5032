import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ActorRef,
  actorOf,
  bareJid,
  ChatId,
  deskJid,
  deskOf,
  Instance,
  operatorJid,
  operatorRef,
  otherVisitorJid,
  personOf,
  rosterGroups,
  streamOf,
  TenantId,
  type TenantNaming,
  TRANSPORTS,
  tenantRef,
  Username,
  VisitorKey,
  visitorJid,
  visitorRef,
} from '../../src/actors/ids.ts';
import { decide } from '../../src/actors/machine/decider.ts';
import { Seen } from '../../src/actors/machine/idempotency.ts';
import { deserialize, serialize } from '../../src/actors/machine/state-json.ts';
import { operatorDecider, operatorState } from '../../src/actors/operator/decisions.ts';
import { visitorDecider, visitorState } from '../../src/actors/visitor/decisions.ts';
import {
  assignChat,
  changePresence,
  closeChat,
  closeSession,
  compare,
  openSession,
  register,
  release,
  reserve,
  sendMessage,
  startChat,
  take,
} from './facts.ts';
import { MemoryStream, throughJson } from './stream.ts';

const matching = <T>(
  schema: { safeParse(text: string): { success: boolean; data?: T } },
  pattern: RegExp,
) =>
  fc
    .stringMatching(pattern)
    .map((text) => schema.safeParse(text))
    .filter((parsed) => parsed.success)
    .map((parsed) => parsed.data as T); // there, or it would not be a success

const tenantId = matching(TenantId, /^[a-z][a-z0-9-]{0,30}$/);
const visitorKey = matching(VisitorKey, /^[a-z0-9_-]{1,64}(\.chat)?$/);
const username = matching(Username, /^[a-z0-9_][a-z0-9._-]{0,62}$/);
const instance = matching(Instance, /^[a-z][a-z0-9-]{0,62}$/);

const transport = fc.constantFrom(undefined, ...TRANSPORTS);

/** A host that the directory allows: one tenant without an instance, or several with one each. */
const host = fc.oneof(
  fc
    .tuple(tenantId, transport)
    .map(([id, by]): TenantNaming[] => [{ id, host: 'chat.test', transport: by }]),
  fc
    .uniqueArray(fc.tuple(instance, transport), {
      minLength: 1,
      maxLength: 4,
      selector: ([one]) => one,
    })
    .map((all) =>
      all.map(
        ([one, by], i): TenantNaming => ({
          id: TenantId.parse(`t${i}`),
          host: 'chat.test',
          instance: one,
          transport: by,
        }),
      ),
    ),
);

describe('JIDs', () => {
  it('of visitors and operators can be read back, on both kinds of hosts', () => {
    fc.assert(
      fc.property(
        host,
        fc.nat(),
        visitorKey,
        username,
        fc.boolean(),
        (tenants, pick, key, name, full) => {
          const tenant = tenants[pick % tenants.length];
          if (!tenant) return;
          const ofHost = (wanted: string) => (wanted === 'chat.test' ? tenants : []);
          const resource = full ? '/gajim.X@1/2' : '';
          expect(personOf(visitorJid(tenant, key) + resource, ofHost)).toEqual(
            visitorRef(tenant.id, key),
          );
          expect(personOf(operatorJid(tenant, name) + resource, ofHost)).toEqual(
            operatorRef(tenant.id, name),
          );
          expect(personOf(visitorJid(tenant, key).toUpperCase(), ofHost)).toEqual(
            visitorRef(tenant.id, key),
          );
          expect(personOf(otherVisitorJid(tenant, key) + resource, ofHost)).toEqual(
            visitorRef(tenant.id, key),
          );
          const desk = deskJid(tenant) + resource;
          expect(deskOf(desk, ofHost)).toBe(tenant.id);
          expect(personOf(desk, ofHost)).toBeNull();
          expect(deskOf(visitorJid(tenant, key), ofHost)).toBeNull();
          expect(deskOf(operatorJid(tenant, name), ofHost)).toBeNull();
        },
      ),
    );
  });

  it('of two people are never the same', () => {
    fc.assert(
      fc.property(
        host,
        fc.array(fc.tuple(fc.nat(), visitorKey, username), { maxLength: 8 }),
        (tenants, people) => {
          const jids = new Map<string, string>();
          for (const [pick, key, name] of people) {
            const tenant = tenants[pick % tenants.length];
            if (!tenant) return;
            for (const [jid, who] of [
              [visitorJid(tenant, key), streamOf(visitorRef(tenant.id, key))],
              [otherVisitorJid(tenant, key), streamOf(visitorRef(tenant.id, key))],
              [deskJid(tenant), `desk of ${tenant.id}`],
              [operatorJid(tenant, name), streamOf(operatorRef(tenant.id, name))],
            ] as const) {
              expect(jids.get(jid) ?? who).toBe(who);
              jids.set(jid, who);
            }
          }
        },
      ),
    );
  });

  const hosting: TenantNaming = {
    id: TenantId.parse('acme'),
    host: 'h.test',
    instance: Instance.parse('shop'),
  };
  const standalone: TenantNaming = { id: TenantId.parse('main'), host: 's.test' };
  const tenantsOf = (wanted: string) =>
    [hosting, standalone].filter((tenant) => tenant.host === wanted);

  it.each([
    'visitor.1@nowhere.test',
    's.test',
    '@s.test',
    'op1@',
    'admin@s.test',
    'visitor@s.test',
    'visitor.@s.test',
    'visitors@s.test',
    'visitor.1.shop@s.test',
    'visitor.1.2@s.test',
    'visitor.1@h.test',
    'visitor.1.other@h.test',
    'visitor.shop@h.test',
    'op1@h.test',
    'op1.other@h.test',
    '.shop@h.test',
    'admin.shop@h.test',
    'visitor.ü@s.test',
    `visitor.${'x'.repeat(65)}@s.test`,
    'a@b@s.test',
    '',
  ])('%j is nobody', (jid) => {
    expect(personOf(jid, tenantsOf)).toBeNull();
  });

  it('a visitor is at the domain of the component, or at the host', () => {
    const key = VisitorKey.parse('7');
    const byComponent = { ...hosting, transport: 'component' } as const;
    expect(visitorJid(hosting, key)).toBe('visitor.7.shop@h.test');
    expect(visitorJid(byComponent, key)).toBe('visitor.7.shop@visitors.h.test');
    expect(otherVisitorJid(byComponent, key)).toBe('visitor.7.shop@h.test');
    expect(deskJid(standalone)).toBe('visitors@s.test');
    expect(deskJid(byComponent)).toBe('visitors.shop@visitors.h.test');
    expect(operatorJid(byComponent, Username.parse('anna'))).toBe('anna.shop@h.test');
  });

  it.each(['anna@visitors.s.test', 'visitor.7@visitors.visitors.s.test', 'visitor.7@1a.s.test'])(
    '%s is nobody: only visitors are at the domain of the component',
    (jid) => {
      expect(personOf(jid, tenantsOf)).toBeNull();
      expect(personOf(jid, () => [hosting, standalone])).toBeNull();
    },
  );

  it.each([
    'visitors@h.test',
    'visitors.other@h.test',
    'visitors@nowhere.test',
    'visitors.x@s.test',
  ])('%s is no desk', (jid) => {
    expect(deskOf(jid, tenantsOf)).toBeNull();
  });

  it('are read without the resource', () => {
    expect(bareJid('Op1@S.test/Gajim@x/y')).toEqual({ local: 'op1', host: 's.test' });
  });

  it('an instance names its roster groups', () => {
    expect(rosterGroups(hosting)).toEqual({
      visitors: 'visitors.shop',
      operators: 'operators.shop',
    });
    expect(rosterGroups(standalone)).toEqual({ visitors: 'visitors', operators: 'operators' });
  });
});

describe('stream names', () => {
  const actor: fc.Arbitrary<ActorRef> = fc.oneof(
    fc.tuple(tenantId, visitorKey).map(([tenant, key]) => visitorRef(tenant, key)),
    fc.tuple(tenantId, username).map(([tenant, name]) => operatorRef(tenant, name)),
    tenantId.map(tenantRef),
  );

  it('read back as the same actor', () => {
    fc.assert(
      fc.property(actor, (ref) => {
        expect(actorOf(streamOf(ref))).toEqual(ref);
      }),
    );
  });

  it('are different for different actors', () => {
    fc.assert(
      fc.property(actor, actor, (a, b) => {
        expect(streamOf(a) === streamOf(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });

  it.each([
    '',
    'tenant',
    'tenantx',
    'visitor',
    'visitor-a',
    'key-a.1',
    'lane-visitor-a.1.xmpp',
    'lease-3',
    'inbox-q',
  ])('%j is no actor', (stream) => {
    expect(actorOf(stream)).toBeNull();
  });
});

describe('ids', () => {
  it.each([
    [TenantId, ['chat', 'A', '1a', 'a.b', '', `a${'b'.repeat(31)}`, 'a_b', 'a\n']],
    [ChatId, ['', 'A', 'a.b', 'x'.repeat(65), 'a\n', 'a/b']],
    [VisitorKey, ['', 'A', '1.chat.chat', '.chat', '1.2', 'x'.repeat(65), '1.chat\n']],
    [
      Username,
      ['admin', 'visitor', 'visitor.1', 'visitors', '.a', '-a', 'A', 'a@b', 'x'.repeat(64), 'a\n'],
    ],
    [Instance, ['chat', 'a.b', '1', 'A', 'x'.repeat(64)]],
  ])('are strict (%#)', (schema, wrong) => {
    for (const text of wrong) expect(schema.safeParse(text).success, text).toBe(false);
  });
});

/** Ids become keys of objects. Objects have properties with these names already. */
describe.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', '0'])(
  'the id %j',
  (id) => {
    it('works as the id of a chat', () => {
      const visitor = new MemoryStream(visitorDecider);
      visitor.send(startChat(id), 0);
      visitor.send(sendMessage(id, id), 0, id);
      visitor.send(assignChat('op1', id, id), 0);
      expect(visitorState(visitor.state.core).context).toMatchObject({
        chat: { id, operator: 'op1' },
        chatMessages: 1,
        openMessages: [{ id, chatId: id }],
      });
      visitor.send({ type: 'ReportMessageDelivered', messageIds: [id], by: 'ping' }, 0);
      visitor.send(closeChat(id), 0);
      expect(visitor.send(closeChat(id), 0)).toEqual([]);
      expect(serialize(visitor.refold())).toEqual(serialize(visitor.state));
    });

    it('works as an operator’s session, resource and chat', () => {
      const operator = new MemoryStream(operatorDecider);
      const same = () => {
        const restored = deserialize(operatorDecider, throughJson(serialize(operator.state)));
        expect(JSON.stringify(serialize(restored))).toBe(JSON.stringify(serialize(operator.state)));
        expect(JSON.stringify(serialize(operator.refold()))).toBe(
          JSON.stringify(serialize(operator.state)),
        );
        operator.state = restored;
      };
      const sessions = () => operatorState(operator.state.core).context.sessions;
      operator.send(register(), 0);
      expect(operator.send(closeSession(id), 0)).toEqual([]);
      expect(operator.send(release('r1', id), 0)).toEqual([]);
      operator.send(openSession(id, id), 0);
      operator.send(changePresence('available', id, id), 0);
      expect(Object.entries(sessions())).toEqual([
        [id, { resource: id, show: 'available', responsive: true }],
      ]);
      same();
      operator.send(reserve('r1', id), 0);
      expect(operator.send(reserve('r1', id), 0)).toEqual([]);
      operator.send(take('r1', id), 0);
      same();
      expect(() => decide(operatorDecider, operator.state, reserve('r2', id), 0)).toThrow(
        /already has this chat/,
      );
      operator.send({ type: 'ReportPing', resource: id, answered: false }, 0);
      same();
      operator.send(release('r1', id), 0);
      operator.send(compare([{ resource: id, show: 'dnd', status: '' }], [id]), 0);
      expect(Object.keys(sessions())).toEqual([`resource:${id}`]);
      same();
      operator.send(compare([]), 0);
      expect(operatorState(operator.state.core).context).toMatchObject({ sessions: {}, chats: {} });
    });

    it('works as the id of a command and of a queue', () => {
      const seen = new Seen();
      expect(seen.hasCommand(id)).toBe(false);
      expect(seen.hasHook({ queueId: id, seq: 0 })).toBe(false);
      seen.remember(id, 1);
      seen.remember('auto:', 1, { hook: { queueId: id, seq: 3 } });
      const restored = new Seen();
      restored.merge(throughJson(seen.summary()));
      expect(restored.hasCommand(id)).toBe(true);
      expect(restored.hasHook({ queueId: id, seq: 3 })).toBe(true);
      expect(restored.hasHook({ queueId: id, seq: 4 })).toBe(false);
    });
  },
);
