/** A visitor is erased: their facts stay, and nothing personal in them opens again, in no process (docs/adr/0049). */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RecordedEvent } from '../../../src/eventstore/port.ts';
import { createErasures, ERASURES_TABLE } from '../../../src/reactors/visitors/erasure.ts';
import { type Ownership, partitionOf, soleOwner } from '../../../src/runtime/leases/ownership.ts';
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
  const follow = await rig.follow([ERASURES_TABLE]);
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

  it('a process that has not seen the erasure seals nothing with the old key', async () => {
    const { erasures } = await erasing(await rigOn());
    const other = processOn(rig);
    await rig.toVisitor(key, viewPage('Ann'), undefined, other.host);
    await erasures.erase(ACME, visitorKey(key));
    // It has the key in memory, and the visitor as it was.
    await rig.toVisitor(key, viewPage('Bob'), undefined, other.host);
    // Another one has neither, and reads both.
    await rig.toVisitor(key, sendsNothing(), undefined, processOn(rig).host);
    const facts = await rig.facts(stream());
    const erasedAt = facts.findIndex(({ type }) => type === 'PersonalDataErased');
    const later = facts.slice(erasedAt).filter(({ personal }) => personal);
    expect(later.map(({ personal }) => personal?.key)).toEqual([`acme.${key}~1`]);
    expect(await opened(rig, later)).toEqual([expect.objectContaining({ nick: 'Bob' })]);
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
    const { erasures, follow } = await erasing(await rigOn(), {
      vault: { forget: () => {}, destroy: () => Promise.reject(new Error('the process ended')) },
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
        forget: vault.forget,
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

/** A command that seals nothing. */
const sendsNothing = () => ({ type: 'ReportLoggedIn' as const });
