import { afterEach, beforeEach, expect, it } from 'vitest';
import { createVisitorNames } from '../../../src/reactors/visitors/names.ts';
import { DELAYS } from '../../actors/facts.ts';
import { newId, openRig, type Rig } from '../../support/rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

it('names visitors and desks by either address, whoever shows them, and nobody else', async () => {
  const nameOf = createVisitorNames(rig);
  const profile = { page: '/', nick: 'Anna' };
  await rig.toVisitor('1', {
    type: 'ViewPage',
    digest: newId(),
    department: null,
    delays: DELAYS,
    profile,
  });
  for (const host of ['xmpp.test', 'visitors.xmpp.test']) {
    expect(await nameOf(`visitor.1@${host}`)).toBe('Anna');
    expect(await nameOf(`visitors@${host}/xmpp-chat`)).toBe('Front desk');
    expect(await nameOf(`visitor.2@${host}`)).toBeNull();
    expect(await nameOf(`visitorsx@${host}`)).toBeNull();
    expect(await nameOf(`op1@${host}`)).toBeNull();
  }
  expect(await nameOf('visitors@other.test')).toBeNull();
});
