import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Username } from '../../src/actors/ids.ts';
import { createOperatorNames, type OperatorNames } from '../../src/reactors/operator-names.ts';
import { username } from '../support/names.ts';
import { ACME, openRig, type Rig } from '../support/rig.ts';

let rig: Rig;
let registered: Username[];
let names: OperatorNames;
let caughtUp: () => Promise<void>;
let reads = 0;
beforeEach(async () => {
  rig = await openRig();
  registered = [];
  reads = 0;
  const store: Pick<Rig['store'], 'readStream'> = {
    readStream: (...args) => {
      reads += 1;
      return rig.store.readStream(...args);
    },
  };
  names = createOperatorNames({ ...rig, store, operatorsOf: () => registered });
  caughtUp = await rig.follow([], [names]);
});
afterEach(() => rig.close());

async function call(operator: string, name: string): Promise<void> {
  const command = { lhcUserId: 7, departments: [], capacity: 2, name, nameChanged: true };
  await rig.toOperator(operator, { type: 'Register', ...command });
  if (!registered.includes(username(operator))) registered.push(username(operator));
  await caughtUp();
}
const nameOf = async (operator: string) => (await names.of(ACME)).of(username(operator));

it('the newest name of each operator counts, and is read once', async () => {
  await call('op1', 'Paula');
  await call('op2', 'Tom');
  expect([await nameOf('op1'), await nameOf('op2')]).toEqual(['Paula', 'Tom']);
  const before = reads;
  await call('op1', 'Paula Müller');
  expect([await nameOf('op1'), await nameOf('op2')]).toEqual(['Paula Müller', 'Tom']);
  expect(reads - before).toBe(1);
});

it('the name of an operator who was removed is forgotten', async () => {
  await call('op1', 'Paula');
  expect(await nameOf('op1')).toBe('Paula');
  registered = [];
  await rig.toOperator('op1', { type: 'Remove' });
  await caughtUp();
  expect(await nameOf('op1')).toBe('op1');
});

it('a name is there after a summary has replaced the facts', async () => {
  await call('op1', 'Paula');
  const state = await rig.operator('op1').latest();
  const seenRevision = state?.revision ?? -1;
  await rig.toOperator('op1', { type: 'Summarise', seenRevision, name: 'Paula', statuses: {} });
  await caughtUp();
  expect(await nameOf('op1')).toBe('Paula');
});
