import { afterEach, expect, it } from 'vitest';
import { createSetAside } from '../../../src/inbox/set-aside.ts';
import { createDeadLetters, DEAD_LETTERS_TABLE } from '../../../src/runtime/lanes/dead-letters.ts';
import { newId, openRig, type Rig } from '../../support/rig.ts';
import { waitFor } from '../../support/wait.ts';
import { done, lanesOn, place, retry, speak } from './rig.ts';

const rigs: Rig[] = [];
const stopping: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
  for (const rig of rigs.splice(0)) await rig.close();
});

async function withDeadEffect() {
  const rig = await openRig();
  rigs.push(rig);
  const lhc = place('lhc');
  lhc.state.answer = async ({ n, again }) =>
    n === 1 && !again ? { kind: 'dead', reason: 'never' } : done;
  const all = await lanesOn(rig, [lhc.destination]);
  stopping.push(all.lanes.stop);
  all.lanes.start();
  await speak(rig, 'a', [1, 2]);
  await waitFor(async () => {
    await all.caughtUp();
    return all.letters.count() === 1;
  });
  const [letter] = await all.letters.list();
  if (!letter) throw new Error('there is no letter');
  return { rig, lhc, letter, ...all };
}

it('an effect that was given up is listed and shown, for its tenant only', async () => {
  const { letters, letter } = await withDeadEffect();
  expect(letter).toMatchObject({ kind: 'effect', tenant: 'acme', reason: 'never' });
  expect(await letters.list('acme')).toEqual([letter]);
  expect(await letters.list('beta')).toEqual([]);
  expect(await letters.show(letter.id)).toEqual({
    ...letter,
    content: { type: 'Said', data: { n: 1 }, personal: null },
  });
  expect(await letters.show('none')).toBeNull();
});

it('a letter is sent again out of order with its id; then it is gone, after a rebuild too', async () => {
  const { rig, letters, lhc, letter, lanes } = await withDeadEffect();
  await letters.sendAgain(letter.id);
  expect(lhc.made.map(({ n, again }) => [n, again])).toEqual([
    [2, false],
    [1, true],
  ]);
  await expect(letters.sendAgain(letter.id)).rejects.toMatchObject({ code: 'not-found' });
  expect(await letters.list()).toEqual([]);
  await lanes.stop();
  const anew = await rig.restart({ withoutWork: true });
  rigs.push(anew);
  expect(await (await lanesOn(anew, [lhc.destination])).letters.list()).toEqual([]);
});

it('a letter that fails again stays, and the error says why', async () => {
  const { letters, lhc, letter } = await withDeadEffect();
  lhc.state.answer = async () => retry;
  await expect(letters.sendAgain(letter.id)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('away'),
  });
  expect(await letters.list()).toEqual([letter]);
});

it('a letter of a deleted event says so', async () => {
  const { rig, letters, letter } = await withDeadEffect();
  await rig.store.deleteStream('visitor-acme.a');
  await expect(letters.sendAgain(letter.id)).rejects.toMatchObject({ code: 'not-found' });
  await expect(letters.show(letter.id)).rejects.toMatchObject({ code: 'not-found' });
});

it('a webhook event is shown opened, and sent again once, with an id of its own', async () => {
  const rig = await openRig();
  rigs.push(rig);
  const { store, vault, now, workFile: db } = rig;
  const again: { content: unknown; commandId: string }[] = [];
  let refused = true;
  const letters = createDeadLetters({
    db,
    store,
    vault,
    destinations: [],
    now,
    newId,
    again: async (content, commandId) => {
      if (refused) throw new Error('still unusable');
      again.push({ content, commandId });
    },
  });
  const caughtUp = await rig.follow([DEAD_LETTERS_TABLE]);
  const setAside = createSetAside({ store, vault, now, newId });
  const content = { type: 'message', body: { '': 'Hello' } };
  const event = { queueId: newId(), seq: 3, tenant: 'acme', reason: 'nobody', content };
  await setAside.keep(event);
  await setAside.keep(event);
  await caughtUp();
  const [letter, ...others] = await letters.list('acme');
  expect(others).toEqual([]);
  if (!letter) throw new Error('there is no letter');
  expect(letter).toMatchObject({ kind: 'webhook', destination: 'service', reason: 'nobody' });
  expect((await letters.show(letter.id))?.content).toMatchObject({ personal: { content } });
  await expect(letters.sendAgain(letter.id)).rejects.toThrow('still unusable');
  expect(await letters.list()).toHaveLength(1);
  refused = false;
  await letters.sendAgain(letter.id);
  expect(again).toEqual([{ content, commandId: `again:${letter.id}` }]);
  await expect(letters.sendAgain(letter.id)).rejects.toMatchObject({ code: 'not-found' });
});
