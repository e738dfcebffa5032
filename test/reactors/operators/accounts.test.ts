/** Operators' accounts on a real log, in two processes, with an ejabberd whose calls can wait and fail. */
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { ACCOUNT_CLAIM_MS } from '../../../src/reactors/operators/account-claim.ts';
import { createOperatorAccounts } from '../../../src/reactors/operators/accounts.ts';
import { createLhcUsers } from '../../../src/reactors/operators/lhc-users.ts';
import { createOperatorRemoval } from '../../../src/reactors/operators/removal.ts';
import { createActors } from '../../../src/runtime/host/actors.ts';
import { soleOwner } from '../../../src/runtime/leases/ownership.ts';
import { fakeEjabberd } from '../../support/fake-ejabberd.ts';
import { username } from '../../support/names.ts';
import { ACME, HOST, newId, openRig, type Rig } from '../../support/rig.ts';

let rig: Rig;
let ejabberd: ReturnType<typeof fakeEjabberd>;
beforeEach(async () => {
  rig = await openRig();
  ejabberd = fakeEjabberd();
});
afterEach(() => rig.close());

type Wish = Parameters<ReturnType<typeof createOperatorAccounts>['put']>[2];

/** One process of the service on the log. */
function processOf() {
  const { store, vault, tenants, now } = rig;
  const { admin } = ejabberd;
  const actors = createActors(rig.makeHost({ shared: true }), newId);
  const removal = createOperatorRemoval({ actors, admin, ownership: soleOwner, now });
  const lhcUsers = createLhcUsers({ actors, now });
  const accounts = createOperatorAccounts({
    actors,
    store,
    vault,
    admin,
    tenants,
    lhcUsers,
    removal,
    now,
    sessions: {
      compare: async () => true,
      compareAll: () => {},
      compareSoon: () => {},
      restarted: async () => {},
      stop: () => {},
    },
    reserved: ['api'],
  });
  return {
    put: (name: string, wish: Wish, commandId = `auto:${newId()}`) =>
      accounts.put(ACME, username(name), wish, { commandId, admin: false }),
    remove: (name: string, commandId = `auto:${newId()}`) =>
      accounts.remove(ACME, username(name), { commandId }),
    adopt: (name: string) => accounts.adopt(ACME, username(name)),
    dismiss: (name: string) =>
      accounts.dismiss(ACME, username(name), { commandId: `auto:${newId()}` }),
  };
}

const of = (lhcUserId: number, more: Wish = {}): Wish => ({
  lhcUserId,
  password: 'pw',
  departments: ['sales'],
  ...more,
});
const jid = (name: string) => `${name}@${HOST}`;
const conflict = (detail: RegExp) =>
  expect.objectContaining({ code: 'conflict', message: expect.stringMatching(detail) });

/** The registered operator of each LHC user. It throws if two operators ever had the same LHC user at once. */
async function registered(): Promise<Record<number, string>> {
  const ids = new Map<string, number>();
  for (const { stream, type, data } of await rig.store.readAll({ limit: 10_000 })) {
    if (type === 'OperatorRegistered') ids.set(stream, Number(data.lhcUserId));
    if (type === 'OperatorRemoved') ids.delete(stream);
    if (new Set(ids.values()).size < ids.size)
      throw new Error(`an LHC user has two operators: ${[...ids].join(' ')}`);
  }
  return Object.fromEntries(
    [...ids].map(([stream, id]) => [id, stream.slice('operator-acme.'.length)]),
  );
}

/** Stops the first call of this name until `go`. */
function hold(name: string) {
  const reached = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let held = false;
  ejabberd.state.before = async (call) => {
    if (held || call !== name) return;
    held = true;
    reached.resolve();
    await go.promise;
  };
  return { reached: reached.promise, go: () => go.resolve() };
}

describe('an LHC user', () => {
  it('belongs to one operator, and a refusal names that operator', async () => {
    const { put } = processOf();
    await put('ada', of(7));
    await expect(put('grace', of(7))).rejects.toEqual(
      conflict(/^LHC user 7 belongs to operator ada$/),
    );
    await expect(put('grace', of(7))).rejects.toHaveProperty('details.field', 'lhcUserId');
    expect(ejabberd.accounts.has(jid('grace'))).toBe(false);
    await put('grace', of(8));
    await expect(put('grace', { lhcUserId: 7 })).rejects.toEqual(conflict(/operator ada/));
    expect(await registered()).toEqual({ 7: 'ada', 8: 'grace' });
  });

  it('is free after its operator gets another LHC user or is removed', async () => {
    const [one, two] = [processOf(), processOf()];
    await one.put('ada', of(7));
    await one.put('ada', { lhcUserId: 8 });
    await two.put('grace', of(7));
    await two.remove('ada');
    await one.put('olga', of(8));
    expect(await registered()).toEqual({ 7: 'grace', 8: 'olga' });
  });

  it('is free after a registration that failed', async () => {
    const { put } = processOf();
    ejabberd.accounts.set(jid('foreign'), 'theirs');
    await expect(put('foreign', of(7))).rejects.toEqual(conflict(/did not make/));
    ejabberd.state.before = async (call) => {
      if (call.startsWith('joinGroup')) throw new AppError('unavailable', 'ejabberd is away');
    };
    await expect(put('ada', of(7))).rejects.toHaveProperty('code', 'unavailable');
    ejabberd.state.before = async () => {};
    await put('grace', of(7));
    expect(await registered()).toEqual({ 7: 'grace' });
  });

  it('is free after the removal, which ends a session that ejabberd left open', async () => {
    const { put, remove } = processOf();
    await put('ada', of(7));
    ejabberd.sessions.set(jid('ada'), [
      { resource: 'gajim', show: 'available', status: '', priority: 0 },
    ]);
    await remove('ada');
    const [unregistered, kicked, left] = ['unregister', 'kick', 'leaveGroup'].map((call) =>
      ejabberd.calls.indexOf(`${call} ${jid('ada')}`),
    );
    expect(unregistered).toBeGreaterThan(0);
    expect(kicked).toBeGreaterThan(unregistered ?? 0);
    expect(left).toBeGreaterThan(kicked ?? 0);
  });

  it('goes to one of two requests at once', async () => {
    const [one, two] = [processOf(), processOf()];
    const both = await Promise.allSettled([one.put('ada', of(7)), two.put('grace', of(7))]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(Object.keys(await registered())).toEqual(['7']);
  });

  it('is not locked by a crashed process, and not taken by a process that wakes up late', async () => {
    const [sleeping, awake] = [processOf(), processOf()];
    const held = hold(`register ${jid('ada')}`);
    const late = sleeping.put('ada', of(7));
    await held.reached;
    await expect(awake.put('grace', of(7))).rejects.toEqual(
      conflict(/is being given to operator ada/),
    );
    rig.clock.passes(61_000);
    await awake.put('grace', of(7));
    held.go();
    await expect(late).rejects.toEqual(conflict(/belongs to operator grace/));
    expect(await registered()).toEqual({ 7: 'grace' });
  });

  it('is not taken over after its operator renewed the claim', async () => {
    const [died, awake] = [processOf(), processOf()];
    const held = hold(`register ${jid('ada')}`);
    const never = died.put('ada', of(7)).catch((error: unknown) => error);
    await held.reached;
    rig.clock.passes(61_000);
    await awake.put('ada', of(7));
    rig.clock.passes(61_000);
    await expect(awake.put('grace', of(7))).rejects.toEqual(conflict(/belongs to operator ada/));
    held.go();
    await never; // it succeeds now: it is for the same operator
    expect(await registered()).toEqual({ 7: 'ada' });
  });

  it('stays with its operator when another request for that operator fails', async () => {
    const [here, there] = [processOf(), processOf()];
    await here.put('grace', of(5));
    // One request has read the stream of grace and waits for ejabberd. The other request changes grace meanwhile.
    const reached = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    let first = true;
    ejabberd.state.before = async (call) => {
      if (!call.startsWith('accountExists') || !first) return;
      first = false;
      reached.resolve();
      await goOn.promise;
    };
    const late = here.put('grace', of(7));
    await reached.promise;
    await there.put('grace', of(7));
    ejabberd.state.before = async (call) => {
      if (call.startsWith('joinGroup')) throw new AppError('unavailable', 'ejabberd is away');
    };
    goOn.resolve();
    await expect(late).rejects.toThrow('away');
    ejabberd.state.before = async () => {};
    await expect(here.put('ada', of(7))).rejects.toThrow(/belongs to operator grace/);
    expect(await registered()).toEqual({ 7: 'grace' });
  });

  it('never belongs to two operators, for any order of requests in two processes', async () => {
    const name = fc.constantFrom('ada', 'grace', 'olga');
    const step = fc.record({
      by: fc.constantFrom(0, 1),
      name,
      lhcUserId: fc.option(fc.integer({ min: 1, max: 3 })),
      turns: fc.nat(12),
      passes: fc.constantFrom(0, 0, 0, 30_000, 61_000),
      fails: fc.option(fc.constantFrom('register', 'joinGroup', 'unregister'), { freq: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
        await rig.close();
        rig = await openRig();
        ejabberd = fakeEjabberd();
        const processes = [processOf(), processOf()];
        let seed = steps.length;
        const failing = new Set<string>();
        ejabberd.state.before = async (call) => {
          seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
          for (let wait = seed % 7; wait > 0; wait--) await turn();
          const [what = ''] = call.split(' ');
          if (failing.delete(what)) throw new AppError('unavailable', 'ejabberd is away');
        };
        const all: Promise<unknown>[] = [];
        for (const each of steps) {
          const process = processes[each.by];
          if (each.fails) failing.add(each.fails);
          const work =
            each.lhcUserId === null
              ? process?.remove(each.name)
              : process?.put(each.name, of(each.lhcUserId));
          all.push(
            Promise.resolve(work).catch((error: unknown) => {
              if (!(error instanceof AppError)) throw error;
              const expected = ['conflict', 'unavailable', 'not-found', 'overloaded', 'refused'];
              if (!expected.includes(error.code)) throw error;
            }),
          );
          for (let wait = each.turns; wait > 0; wait--) await turn();
          rig.clock.passes(each.passes);
        }
        await Promise.all(all);
        const owners = await registered();
        // No LHC user stays locked: a minute later every free one can be registered.
        rig.clock.passes(61_000);
        failing.clear();
        for (const id of [1, 2, 3]) {
          if (!owners[id]) await processes[0]?.put(`new${id}`, of(id));
        }
        expect(Object.keys(await registered())).toEqual(['1', '2', '3']);
      }),
      { numRuns: 40 },
    );
  }, 120_000);
});

describe('a change', () => {
  const known = async (name: string) => {
    const facts = await rig.facts(`operator-acme.${name}`);
    return facts.filter(({ type }) => type === 'OperatorRegistered').map(({ data }) => data);
  };

  it('changes the given fields and keeps the others', async () => {
    const { put } = processOf();
    await put('ada', of(7, { name: 'Ada', capacity: 3 }));
    const before = await known('ada');
    await put('ada', { password: 'other' });
    expect(ejabberd.accounts.get(jid('ada'))).toBe('other');
    expect(await known('ada')).toEqual(before);
    await put('ada', { departments: ['help'] });
    await put('ada', { name: 'Ada L.' });
    await put('ada', {});
    expect((await known('ada')).slice(1)).toEqual([
      { lhcUserId: 7, departments: ['help'], capacity: 3 },
      { lhcUserId: 7, departments: ['help'], capacity: 3 },
    ]);
    await put('ada', { capacity: null });
    expect((await known('ada')).at(-1)).toMatchObject({ capacity: 5 });
    expect(ejabberd.nicknames.get(jid('ada'))).toBe('Ada L.');
  });

  it('of an unregistered operator names the missing field and does nothing', async () => {
    const { put } = processOf();
    await expect(put('ada', { password: 'pw' })).rejects.toMatchObject({
      code: 'invalid',
      details: { field: 'lhcUserId' },
    });
    await expect(put('ada', { lhcUserId: 7 })).rejects.toMatchObject({
      code: 'invalid',
      details: { field: 'password' },
    });
    expect(ejabberd.accounts.size).toBe(0);
    expect(await rig.types('operator-acme.ada')).toEqual([]);
  });

  it('keeps the fields that another request changes at the same time', async () => {
    const [one, two] = [processOf(), processOf()];
    await one.put('ada', of(7));
    const held = hold(`joinGroup ${jid('ada')}`);
    const renamed = one.put('ada', { capacity: 9 });
    await held.reached;
    await two.put('ada', { departments: ['help'] });
    held.go();
    await renamed;
    expect((await known('ada')).at(-1)).toEqual({
      lhcUserId: 7,
      departments: ['help'],
      capacity: 9,
    });
  });

  it('with the same Idempotency-Key is carried out once', async () => {
    const { put } = processOf();
    await put('ada', of(7), 'key:1');
    await put('ada', of(7, { password: 'changed since' }));
    const again = await put('ada', of(7), 'key:1');
    expect(again.facts).toBe(0);
    expect(ejabberd.accounts.get(jid('ada'))).toBe('changed since');
  });

  it('without ejabberd changes nothing', async () => {
    const { put } = processOf();
    ejabberd.state.down = true;
    await expect(put('ada', of(7))).rejects.toHaveProperty('code', 'unavailable');
    expect(await rig.types('operator-acme.ada')).toEqual([]);
    expect(await rig.types('tenant-acme')).toEqual([]);
  });
});

describe('an account', () => {
  const refused = (code: 'refused' | 'invalid' | 'unavailable', call: string) => {
    ejabberd.state.before = async (each) => {
      if (each.startsWith(call)) throw new AppError(code, `no ${call}`);
    };
  };
  const allowed = () => {
    ejabberd.state.before = async () => {};
  };
  /** Somebody else makes the account, by registration in the client, say. */
  const theirs = (name: string) => void ejabberd.accounts.set(jid(name), 'theirs');
  const types = (name: string) => rig.types(`operator-acme.${name}`);

  it.each(['refused', 'invalid'] as const)(
    'that ejabberd refuses (%s) stays with whoever makes it later',
    async (code) => {
      const { put } = processOf();
      refused(code, 'register');
      await expect(put('ada', of(7))).rejects.toHaveProperty('code', code);
      expect(await types('ada')).toEqual([
        'OperatorAccountClaimed',
        'LhcUserRevoked',
        'OperatorAccountClaimReleased',
      ]);
      allowed();
      theirs('ada');
      await expect(put('ada', of(7))).rejects.toEqual(conflict(/did not make/));
      await expect(put('ada', { lhcUserId: 7, password: 'mine' })).rejects.toEqual(
        conflict(/did not make/),
      );
      expect(ejabberd.accounts.get(jid('ada'))).toBe('theirs');
      expect(await registered()).toEqual({});
    },
  );

  it('that somebody makes between the look and the registration is theirs', async () => {
    const { put } = processOf();
    ejabberd.state.before = async (call) => {
      if (call === `register ${jid('ada')}`) theirs('ada');
    };
    await expect(put('ada', of(7))).rejects.toEqual(conflict(/did not make/));
    expect(ejabberd.accounts.get(jid('ada'))).toBe('theirs');
    expect((await types('ada')).at(-1)).toBe('OperatorAccountClaimReleased');
    await put('grace', of(7)); // and the LHC user is free
  });

  it('is claimed for minutes if nobody knows what became of it, also after a restart', async () => {
    refused('unavailable', 'register');
    await expect(processOf().put('ada', of(7))).rejects.toHaveProperty('code', 'unavailable');
    await expect(processOf().put('grace', of(8))).rejects.toHaveProperty('code', 'unavailable');
    allowed();
    // The answer was lost, and the account is there.
    ejabberd.accounts.set(jid('ada'), 'pw');
    rig.clock.passes(ACCOUNT_CLAIM_MS);
    await processOf().put('ada', of(7, { password: 'again' }));
    expect(ejabberd.accounts.get(jid('ada'))).toBe('again');

    theirs('grace');
    rig.clock.passes(1);
    await expect(processOf().put('grace', of(8))).rejects.toEqual(conflict(/did not make/));
    expect(ejabberd.accounts.get(jid('grace'))).toBe('theirs');
    expect(await registered()).toEqual({ 7: 'ada' });
  });

  it('is ours for good once an operator is registered with it', async () => {
    const { put } = processOf();
    await put('ada', of(7));
    rig.clock.passes(100 * ACCOUNT_CLAIM_MS);
    await processOf().put('ada', { password: 'changed' });
    expect(ejabberd.accounts.get(jid('ada'))).toBe('changed');
    refused('invalid', 'changePassword');
    await expect(put('ada', { password: 'bad' })).rejects.toHaveProperty('code', 'invalid');
    allowed();
    await put('ada', { password: 'good' });
    expect(ejabberd.accounts.get(jid('ada'))).toBe('good');
  });

  it('that another request has registered meanwhile stays after a refusal', async () => {
    const [one, two] = [processOf(), processOf()];
    let isFirst = true;
    ejabberd.state.before = async (call) => {
      if (!isFirst || call !== `setNickname ${jid('ada')}`) return;
      isFirst = false;
      await two.put('ada', of(7, { password: 'second' }));
      throw new AppError('refused', 'no nickname');
    };
    await expect(one.put('ada', of(7))).rejects.toHaveProperty('code', 'refused');
    expect(ejabberd.accounts.get(jid('ada'))).toBe('second');
    expect(await registered()).toEqual({ 7: 'ada' });
  });

  it('that a refused registration has made is removed again', async () => {
    const { put } = processOf();
    refused('refused', 'setNickname');
    await expect(put('ada', of(7))).rejects.toHaveProperty('code', 'refused');
    expect(ejabberd.accounts.has(jid('ada'))).toBe(false);
    allowed();
    await put('ada', of(7));
    expect(await registered()).toEqual({ 7: 'ada' });
  });

  it('of two processes that make it at once belongs to both', async () => {
    const [slow, fast] = [processOf(), processOf()];
    const held = hold(`register ${jid('ada')}`);
    const late = slow.put('ada', of(7));
    await held.reached;
    await fast.put('ada', of(7, { password: 'fast' }));
    held.go();
    await late;
    expect(ejabberd.accounts.get(jid('ada'))).toBe('pw');
    expect(await registered()).toEqual({ 7: 'ada' });
  });

  it('that somebody else made is never changed, for any order of requests, refusals and outages', async () => {
    const step = fc.record({
      by: fc.constantFrom(0, 1),
      wish: fc.constantFrom('put', 'remove', 'foreign', 'expire'),
      fails: fc.option(
        fc.tuple(
          fc.constantFrom('register', 'setNickname', 'joinGroup', 'changePassword'),
          fc.constantFrom('refused', 'unavailable' as const),
        ),
        { freq: 3 },
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
        await rig.close();
        rig = await openRig();
        ejabberd = fakeEjabberd();
        const processes = [processOf(), processOf()];
        let isForeign = false;
        let lapsed = false;
        for (const { by, wish, fails } of steps) {
          const process = processes[by];
          allowed();
          if (fails) refused(fails[1] as 'refused' | 'unavailable', fails[0]);
          const [fact = ''] = (await types('ada')).slice(-1);
          // While an answer is outstanding, an account that appears may be ours.
          const isOpen =
            !lapsed && (fact === 'OperatorAccountClaimed' || fact === 'LhcUserRevoked');
          if (wish === 'expire') rig.clock.passes(ACCOUNT_CLAIM_MS + 1);
          lapsed = wish === 'expire' || (lapsed && wish !== 'put');
          if (wish === 'foreign' && !isOpen && !ejabberd.accounts.has(jid('ada'))) {
            theirs('ada');
            isForeign = true;
          } else if (wish === 'put') await process?.put('ada', of(7)).catch(() => undefined);
          else if (wish === 'remove') await process?.remove('ada').catch(() => undefined);
          if (isForeign) expect(ejabberd.accounts.get(jid('ada'))).toBe('theirs');
        }
      }),
      { numRuns: 25 },
    );
  }, 120_000);
});

describe('a removed operator', () => {
  it('has no account in ejabberd, and the name is free at once', async () => {
    const { put, remove } = processOf();
    await put('ada', of(7, { name: 'Ada' }));
    await remove('ada');
    expect(ejabberd.accounts.has(jid('ada'))).toBe(false);
    expect(await ejabberd.admin.groupMembers(HOST, 'operators')).toEqual([]);
    expect((await rig.types('operator-acme.ada')).slice(-2)).toEqual([
      'OperatorRemoved',
      'OperatorAccountRemoved',
    ]);
    await expect(put('ada', { password: 'pw' })).rejects.toHaveProperty('code', 'invalid');
    await put('ada', of(7, { password: 'new' }));
    expect(ejabberd.accounts.get(jid('ada'))).toBe('new');
    expect(ejabberd.nicknames.get(jid('ada'))).toBe('ada');
  });

  it('who is registered again keeps the new account when the removal is resumed', async () => {
    const [died, awake] = [processOf(), processOf()];
    await died.put('ada', of(7));
    ejabberd.state.before = async (call) => {
      if (call.startsWith('unregister')) throw new AppError('unavailable', 'killed here');
    };
    await expect(died.remove('ada')).rejects.toHaveProperty('code', 'unavailable');
    ejabberd.state.before = async () => {};
    await awake.put('ada', of(7, { password: 'new' }));
    expect(ejabberd.accounts.get(jid('ada'))).toBe('new');
    const removal = createOperatorRemoval({
      actors: createActors(rig.makeHost({ shared: true }), newId),
      now: rig.now,
      admin: ejabberd.admin,
      ownership: soleOwner,
    });
    const tenant = rig.tenants.get(ACME);
    if (!tenant) throw new Error('it is configured');
    const finish = () => removal.finish(tenant, username('ada'));
    await removal.exclusively(tenant, username('ada'), finish); // as the lane does later
    expect(ejabberd.accounts.get(jid('ada'))).toBe('new');
  });

  it('from long ago is not removed from ejabberd: an account of that name may be anybody’s', async () => {
    await rig.toOperator('ada', { type: 'ClaimAccount', adopted: false });
    await rig.toOperator('ada', {
      type: 'Register',
      lhcUserId: 7,
      departments: [],
      capacity: 5,
      name: null,
      nameChanged: false,
    });
    await rig.toOperator('ada', { type: 'Remove' }); // the removal is never reported as complete
    ejabberd.accounts.set(jid('ada'), 'theirs');
    rig.clock.passes(26 * 3_600_000);
    await expect(processOf().put('ada', of(7))).rejects.toEqual(conflict(/did not make/));
    expect(ejabberd.accounts.get(jid('ada'))).toBe('theirs');
  });

  it('is unknown to a second removal', async () => {
    const { put, remove } = processOf();
    await put('ada', of(7));
    await remove('ada', 'key:1');
    await remove('ada', 'key:1'); // the same request again
    await expect(remove('ada')).rejects.toHaveProperty('code', 'not-found');
  });
});

describe('an operator of an LHC that knows them by their username', () => {
  /** The facts of one operator, in order. */
  const factsOf = async (name: string) =>
    (await rig.store.readStream(`operator-acme.${name}`)).map(({ type }) => type);

  it('needs no LHC user, and keeps the one they have', async () => {
    const { put } = processOf();
    await put('olga', { password: 'pw', withoutLhcUser: true });
    const [, registered] = await rig.store.readStream('operator-acme.olga');
    expect(registered).toMatchObject({ type: 'OperatorRegistered', data: { lhcUserId: null } });
    await put('olga', { capacity: 2 });
    await put('ada', of(7));
    await put('ada', { capacity: 2, withoutLhcUser: true });
    const last = (await rig.store.readStream('operator-acme.ada')).at(-1);
    expect(last).toMatchObject({ data: { lhcUserId: 7, capacity: 2 } });
    await expect(put('eve', { password: 'pw' })).rejects.toHaveProperty(
      'details.field',
      'lhcUserId',
    );
  });

  it('is adopted by facts alone, once', async () => {
    const { adopt } = processOf();
    ejabberd.state.down = true;
    await Promise.all([adopt('olga'), processOf().adopt('olga')]);
    await adopt('olga');
    const facts = await factsOf('olga');
    expect(facts.filter((type) => type === 'OperatorRegistered')).toHaveLength(1);
    await expect(adopt('api')).rejects.toHaveProperty('code', 'invalid');
    expect(await factsOf('api')).toEqual([]);
  });

  it('is dismissed by facts alone, once, also without having been registered', async () => {
    const { dismiss, adopt, put } = processOf();
    ejabberd.state.down = true;
    await dismiss('olga');
    await dismiss('olga');
    expect(await factsOf('olga')).toEqual([
      'OperatorAccountClaimed',
      'OperatorRegistered',
      'OperatorRemoved',
    ]);
    await expect(adopt('olga')).rejects.toHaveProperty('code', 'refused');
    await expect(dismiss('api')).rejects.toHaveProperty('code', 'invalid');
    ejabberd.state.down = false;
    await put('olga', { password: 'pw', withoutLhcUser: true });
    expect(ejabberd.accounts.get(jid('olga'))).toBe('pw');
  });
});
