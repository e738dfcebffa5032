/** A visitor is erased: their facts stay, and nothing personal in them opens again, in no process (docs/adr/0049). */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RecordedEvent } from '../../../src/eventstore/port.ts';
import { createSetAside } from '../../../src/inbox/set-aside.ts';
import { createErasures, ERASURES_TABLE } from '../../../src/reactors/visitors/erasure.ts';
import { createActors } from '../../../src/runtime/host/actors.ts';
import { type Ownership, partitionOf, soleOwner } from '../../../src/runtime/leases/ownership.ts';
import type { CommitListener } from '../../../src/runtime/pending-work.ts';
import { deriveSecrets } from '../../../src/runtime/vault/secrets.ts';
import { createVault } from '../../../src/runtime/vault/vault.ts';
import { DELAYS, startChat } from '../../actors/facts.ts';
import { startEventStoreDouble } from '../../support/eventstoredb/server.ts';
import { visitorKey } from '../../support/names.ts';
import { movableOwnership } from '../../support/ownership.ts';
import { ACME, newId, openRig, type Rig, silent } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';

const viewPage = (nick: string) => ({
  type: 'ViewPage' as const,
  digest: nick,
  department: null,
  delays: DELAYS,
  profile: { nick, page: `https://shop.test/${nick}` },
});
const nobody: Ownership = { ...soleOwner, owns: () => false };

/** A process of its own on the log of a rig. */
function processOn(rig: Rig, beforeAppend?: () => Promise<void>) {
  const { store, now } = rig;
  const wrapping = deriveSecrets(['wrapping']).wrapping;
  const vault = createVault({ store, wrapping, now, newId, shared: true });
  const host = rig.makeHost({ vault, shared: true, ...(beforeAppend && { beforeAppend }) });
  return { vault, host };
}

/** Makes what the service makes. @returns it with what waits until every fact is known */
async function erasing(rig: Rig, more: Partial<Parameters<typeof createErasures>[0]> = {}) {
  const listener: { now?: CommitListener } = {};
  const follow = await rig.follow(
    [ERASURES_TABLE],
    [{ onCommit: (events) => listener.now?.onCommit(events) }],
  );
  const erasures = createErasures({
    ...rig,
    db: rig.workFile,
    ownership: soleOwner,
    random: Math.random,
    logger: silent,
    tidy: () => {},
    retry: { firstMs: 5, mostMs: 20 },
    ...more,
  });
  listener.now = erasures;
  return { erasures, follow };
}

const opened = async (rig: Rig, facts: readonly RecordedEvent[], by = rig.vault) =>
  Promise.all(facts.filter(({ personal }) => personal).map((fact) => by.open(fact)));

describe.each(['SQLite', 'EventStoreDB'])('on %s', (kind) => {
  let double: Awaited<ReturnType<typeof startEventStoreDouble>> | undefined;
  beforeAll(async () => {
    if (kind === 'EventStoreDB') double = await startEventStoreDouble();
  });
  afterAll(() => double?.close());

  let rig: Rig;
  let n = 0;
  let key: string;
  const rigOn = async () => {
    n += 1;
    key = `v${n}`;
    rig = await openRig(double ? { eventStore: double.url } : {});
    return rig;
  };
  afterEach(() => rig.close());
  const stream = () => `visitor-acme.${key}`;
  const keysOf = async (generation = '') =>
    (await rig.facts(`key-acme.${key}${generation}`)).map(({ type }) => type);

  it('nothing personal opens any more, and the key is destroyed for good', async () => {
    const { erasures, follow } = await erasing(await rigOn());
    await rig.toVisitor(key, viewPage('Ann'));
    await rig.toVisitor(key, startChat('c1', 'm1'));
    const before = await rig.facts(stream());
    expect(await opened(rig, before)).toContainEqual(expect.objectContaining({ nick: 'Ann' }));

    const done = await erasures.erase(ACME, visitorKey(key));
    expect(done).toMatchObject({ keysDestroyed: true, state: { presence: 'cleanedUp' } });
    expect((await rig.types(stream())).slice(-4)).toEqual([
      'ChatClosed',
      'CleanedUp',
      'PersonalDataErased',
      'DataKeyDestroyed',
    ]);
    expect(await keysOf()).toEqual(['DataKeyDestroyed']);
    expect((await opened(rig, before)).every((each) => each === null)).toBe(true);
    expect((await opened(rig, before, processOn(rig).vault)).every((each) => each === null)).toBe(
      true,
    );
    await follow();
    expect(erasures.pending()).toBe(0);

    const again = await erasures.erase(ACME, visitorKey(key));
    expect(again).toMatchObject({ facts: 0, keysDestroyed: true });
    await expect(erasures.erase(ACME, visitorKey('nobody'))).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  it('a visitor who comes back gets another key, and may be erased again', async () => {
    const { erasures } = await erasing(await rigOn());
    await rig.toVisitor(key, viewPage('Ann'));
    await erasures.erase(ACME, visitorKey(key));
    await rig.toVisitor(key, viewPage('Bob'));
    const [first, later] = (await rig.facts(stream())).filter(({ personal }) => personal);
    expect([first?.personal?.key, later?.personal?.key]).toEqual([`acme.${key}`, `acme.${key}~1`]);
    const { vault } = processOn(rig);
    expect(await Promise.all([first, later].map((each) => each && vault.open(each)))).toEqual([
      null,
      expect.objectContaining({ nick: 'Bob' }),
    ]);
    await erasures.erase(ACME, visitorKey(key));
    expect(await keysOf('~1')).toEqual(['DataKeyDestroyed']);
    expect(later && (await vault.open(later))).not.toBeNull(); // it has not seen the fact
    vault.forget(`acme.${key}`, 2);
    expect(later && (await vault.open(later))).toBeNull();
  });

  it('what was set aside after an erasure is erased by the next one', async () => {
    const { erasures } = await erasing(await rigOn());
    await rig.toVisitor(key, viewPage('Ann'));
    await erasures.erase(ACME, visitorKey(key));
    const setAside = createSetAside({ ...rig, newId });
    const event = { tenant: 'acme', operator: 'olga', reason: 'odd', content: { body: 'hello' } };
    const queueId = `queue-${key}`;
    await setAside.keep({ ...event, queueId, seq: 1, sealingKey: `acme.${key}~1` });
    const kept = await rig.facts(`inbox-${queueId}`);
    expect(await opened(rig, kept)).toEqual([{ content: event.content }]);
    const done = await erasures.erase(ACME, visitorKey(key));
    expect(done).toMatchObject({ generation: 2, keysDestroyed: true });
    expect(await opened(rig, kept)).toEqual([null]);
    expect(await keysOf('~1')).toEqual(['DataKeyDestroyed']);
    expect(await erasures.erase(ACME, visitorKey(key))).toMatchObject({ facts: 0, generation: 2 });
  });

  it('so is it by a process that has not seen the first erasure', async () => {
    const { host, vault } = processOn(await rigOn());
    const { erasures } = await erasing(rig, { actors: createActors(host, newId), vault });
    await rig.toVisitor(key, viewPage('Ann'), undefined, host);
    await rig.toVisitor(key, { type: 'ErasePersonalData' });
    const event = { tenant: 'acme', operator: 'olga', reason: 'odd', content: { body: 'hello' } };
    const kept = { ...event, queueId: `other-${key}`, seq: 1, sealingKey: `acme.${key}~1` };
    await createSetAside({ ...rig, newId }).keep(kept);
    expect(await erasures.erase(ACME, visitorKey(key))).toMatchObject({ generation: 2 });
    const facts = await rig.facts(`inbox-other-${key}`);
    expect(await opened(rig, facts, processOn(rig).vault)).toEqual([null]);
  });

  it('a process that has not seen the erasure seals nothing with the old key', async () => {
    const { erasures } = await erasing(await rigOn());
    const other = processOn(rig);
    await rig.toVisitor(key, viewPage('Ann'), undefined, other.host);
    await erasures.erase(ACME, visitorKey(key));
    // It has the key in memory, and the visitor as it was.
    await rig.toVisitor(key, viewPage('Bob'), undefined, other.host);
    expect((await rig.types(stream())).at(-1)).toBe('VisitorArrived');
    // Another one has neither, and reads both.
    await rig.toVisitor(key, sendsNothing(), undefined, processOn(rig).host);
    const facts = await rig.facts(stream());
    const erasedAt = facts.findIndex(({ type }) => type === 'PersonalDataErased');
    const later = facts.slice(erasedAt).filter(({ personal }) => personal);
    expect(later.map(({ personal }) => personal?.key)).toEqual([`acme.${key}~1`]);
    expect(await opened(rig, later)).toEqual([expect.objectContaining({ nick: 'Bob' })]);
  });

  it('a process that has the visitor as they were, and no key, reads again', async () => {
    const { erasures } = await erasing(await rigOn());
    const other = processOn(rig);
    await rig.toVisitor(key, viewPage('Ann'));
    await rig.toVisitor(key, sendsNothing(), undefined, other.host);
    await erasures.erase(ACME, visitorKey(key));
    await rig.toVisitor(key, viewPage('Bob'), undefined, other.host);
    expect((await rig.facts(stream())).at(-1)?.personal?.key).toBe(`acme.${key}~1`);
  });

  it('a process that follows the log forgets at the fact, and makes its files free of it', async () => {
    await rigOn();
    const other = processOn(rig);
    let tidied = 0;
    const tidy = () => {
      tidied += 1;
    };
    const { erasures, follow } = await erasing(rig, { ...other, ownership: nobody, tidy });
    erasures.start();
    expect(tidied).toBe(1); // what an earlier process may have left
    await rig.toVisitor(key, viewPage('Ann'));
    const [fact] = await rig.facts(stream());
    expect(fact && (await other.vault.open(fact))).not.toBeNull();
    await follow();
    expect(tidied).toBe(1);
    await rig.toVisitor(key, { type: 'ErasePersonalData' });
    await follow();
    expect(tidied).toBe(2);
    // The key is there still: nobody has destroyed it, and this process does not own the visitor.
    await erasures.idle();
    expect(await keysOf()).toEqual(['DataKeyCreated']);
    expect(fact && (await other.vault.open(fact))).toBeNull();
    await rig.toVisitor(key, { type: 'ReportDataKeyDestroyed', generation: 1 }); // the tests share a log
  });

  it('an erasure between sealing and appending wins', async () => {
    const { erasures } = await erasing(await rigOn());
    await rig.toVisitor(key, viewPage('Ann'));
    let races = 3;
    const racing = processOn(rig, async () => {
      if (races-- > 0) await erasures.erase(ACME, visitorKey(key));
    });
    await rig.toVisitor(key, viewPage('Bob'), undefined, racing.host);
    await Promise.all([
      rig.toVisitor(key, startChat('c1', 'm1')),
      erasures.erase(ACME, visitorKey(key)),
      rig.toVisitor(key, viewPage('Eve'), undefined, racing.host),
    ]);
    const facts = await rig.facts(stream());
    let generation = 0;
    for (const { type, data, personal } of facts) {
      if (type === 'PersonalDataErased') generation = Number(data.generation);
      const name = generation === 0 ? `acme.${key}` : `acme.${key}~${generation}`;
      if (personal) expect(personal.key).toBe(name);
    }
    // What stands behind the last erasure opens.
    const last = facts.findLastIndex(({ type }) => type === 'PersonalDataErased');
    const { vault } = processOn(rig);
    expect(await opened(rig, facts.slice(last), vault)).not.toContain(null);
    expect((await opened(rig, facts.slice(0, last), vault)).every((each) => each === null)).toBe(
      true,
    );
  });

  it('keys that could not be destroyed are destroyed later, after a restart too', async () => {
    await rigOn();
    const { erasures, follow } = await erasing(rig, {
      vault: {
        ...rig.vault,
        forget: () => {},
        destroy: () => Promise.reject(new Error('the process ended')),
      },
      ownership: nobody,
    });
    await rig.toVisitor(key, viewPage('Ann'));
    const [fact] = await rig.facts(stream());
    expect(await erasures.erase(ACME, visitorKey(key))).toMatchObject({ keysDestroyed: false });
    await follow();
    expect(erasures.pending()).toBe(1);
    expect(await keysOf()).toEqual(['DataKeyCreated']);

    rig = await rig.restart({ withoutWork: true });
    const later = await erasing(rig);
    expect(fact && (await rig.vault.open(fact))).not.toBeNull();
    later.erasures.start();
    expect(fact && (await rig.vault.open(fact))).toBeNull(); // at once, because the fact says so
    await waitFor(async () => (await keysOf()).join() === 'DataKeyDestroyed');
    await waitFor(async () => (await rig.types(stream())).at(-1) === 'DataKeyDestroyed');
    await later.follow();
    expect(later.erasures.pending()).toBe(0);
  });

  it('the owner of the visitor tries again until it is done', async () => {
    await rigOn();
    const { vault } = rig;
    let failures = 3;
    const ownership = movableOwnership([]);
    const { erasures, follow } = await erasing(rig, {
      vault: {
        ...vault,
        destroy: async (name) => {
          if (failures-- > 0) throw new Error('the event store is away');
          await vault.destroy(name);
        },
      },
      ownership,
    });
    erasures.start();
    await rig.toVisitor(key, viewPage('Ann'));
    expect(await erasures.erase(ACME, visitorKey(key))).toMatchObject({ keysDestroyed: false });
    await follow();
    ownership.gain(partitionOf(`acme.${key}`));
    await waitFor(async () => (await rig.types(stream())).at(-1) === 'DataKeyDestroyed');
    expect(failures).toBeLessThan(0);
    erasures.stop();
    await erasures.idle();
  });
});

describe('erasures whose keys are not destroyed yet', () => {
  let rig: Rig;
  afterEach(() => rig.close());

  /** @param fails the data keys that cannot be destroyed */
  async function world(fails: readonly string[] = []) {
    rig = await openRig();
    const destroyed: string[] = [];
    const destroy = async (name: string) => {
      if (fails.includes(name)) throw new Error('the event store is away');
      destroyed.push(name);
    };
    const vault = { ...rig.vault, destroy };
    const { erasures, follow } = await erasing(rig, { vault });
    const isErased = async (key: string) => {
      await rig.toVisitor(key, viewPage('Ann'));
      await rig.toVisitor(key, { type: 'ErasePersonalData' });
      await follow();
    };
    return { erasures, follow, destroyed, isErased };
  }

  it('are worked off from the first key on that is left', async () => {
    const { erasures, follow, destroyed, isErased } = await world();
    for (let n = 0; n < 3; n++) await isErased('a');
    // It was known of the first one alone.
    await rig.toVisitor('a', { type: 'ReportDataKeyDestroyed', generation: 1 });
    await follow();
    expect(erasures.pending()).toBe(1);
    erasures.start();
    await erasures.idle();
    await follow();
    expect(destroyed).toEqual(['acme.a~1', 'acme.a~2']);
    expect(erasures.pending()).toBe(0);
  });

  it('do not keep each other', async () => {
    const { erasures, follow, destroyed, isErased } = await world(['acme.a']);
    await isErased('a');
    await isErased('b');
    erasures.start();
    await waitFor(() => destroyed.includes('acme.b'));
    erasures.stop();
    await erasures.idle();
    await follow();
    expect(erasures.pending()).toBe(1);
  });

  it('are all looked at, and those without a history are dropped', async () => {
    const { erasures } = await world();
    const insert = rig.workFile.prepare(`INSERT INTO erasures VALUES ('acme', ?, 0, 1)`);
    for (let n = 0; n < 101; n++) insert.run(`v${n}`);
    erasures.start();
    await erasures.idle();
    expect(erasures.pending()).toBe(0);
  });
});

/** A command that seals nothing. */
const sendsNothing = () => ({ type: 'ReportLoggedIn' as const });
