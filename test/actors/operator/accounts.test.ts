/** What an operator's stream says of its account, its LHC user and its registration. */
import { describe, expect, it } from 'vitest';
import {
  type OperatorCommand,
  operatorDecider,
  operatorState,
} from '../../../src/actors/operator/decisions.ts';
import type { OperatorFact } from '../../../src/actors/operator/machine.ts';
import { scenario } from '../scenario.ts';

const operator = () => scenario(operatorDecider);
const claimed: OperatorFact = { type: 'OperatorAccountClaimed', data: { adopted: false } };
const registered: OperatorFact = {
  type: 'OperatorRegistered',
  data: { lhcUserId: 7, departments: ['sales'], capacity: 2 },
};
const removed: OperatorFact = { type: 'OperatorRemoved', data: {} };
const accountRemoved: OperatorFact = { type: 'OperatorAccountRemoved', data: {} };
const revoked: OperatorFact = { type: 'LhcUserRevoked', data: { lhcUserId: 7 } };
const register = (after: number): OperatorCommand => ({
  type: 'Register',
  lhcUserId: 7,
  departments: ['sales'],
  capacity: 2,
  name: null,
  nameChanged: false,
  after,
});

describe('a registration', () => {
  it('is decided by what was seen', () => {
    operator().given([claimed]).when(register(0)).then([registered]);
    operator()
      .given([claimed, revoked])
      .when(register(0))
      .refused(/changed at the same time/);
    operator().given([claimed, revoked]).when(register(1)).then([registered]);
    // Also one that would change nothing: what was seen may have been something else.
    operator()
      .given([claimed, registered, revoked])
      .when(register(1))
      .refused(/at the same time/);
  });
});

describe('LHC', () => {
  const change = { from: 'offline', to: 'available' } as const;
  const session = { session: 's1', resource: 'gajim' };
  const online: OperatorFact[] = [
    { type: 'PresenceChanged', data: { ...session, show: 'available', availability: change } },
  ];
  const other = { lhcUserId: 8, departments: ['sales'], capacity: 2 };
  const asOther: OperatorCommand = {
    type: 'Register',
    ...other,
    name: null,
    nameChanged: false,
  };
  it('hears that somebody left who was online and is removed, or is another LHC user', () => {
    const there = operator().given([claimed, registered, ...online]);
    there
      .when({ type: 'Remove' })
      .then([{ type: 'OperatorRemoved', data: { offlineLhcUserId: 7 } }]);
    there
      .when(asOther)
      .then([
        { type: 'OperatorRegistered', data: { ...other, online: true, offlineLhcUserId: 7 } },
      ]);
    there
      .when({ ...asOther, lhcUserId: 7, capacity: 3 })
      .then([
        { type: 'OperatorRegistered', data: { lhcUserId: 7, departments: ['sales'], capacity: 3 } },
      ]);
  });
  it('hears nothing of somebody who was not there', () => {
    const away = operator().given([claimed, registered]);
    away.when({ type: 'Remove' }).then([removed]);
    away.when(asOther).then([{ type: 'OperatorRegistered', data: other }]);
  });
});

describe('a claim of an LHC user that was never used', () => {
  const revoke: OperatorCommand = { type: 'RevokeLhcUser', lhcUserId: 7 };
  it('is revoked, also where there is no operator yet', () => {
    operator().when(revoke).then([revoked]);
    operator().given([claimed]).when(revoke).then([revoked]);
    operator().given([claimed, registered, removed]).when(revoke).then([revoked]);
  });
  it('is not when it is used', () => {
    operator()
      .given([claimed, registered])
      .when(revoke)
      .refused(/registered with this LHC user/);
    operator()
      .given([claimed, registered])
      .when({ ...revoke, lhcUserId: 8 })
      .then([{ type: 'LhcUserRevoked', data: { lhcUserId: 8 } }]);
  });
});

describe('the account of one that was removed', () => {
  const report: OperatorCommand = { type: 'ReportAccountRemoved' };
  it('is gone once', () => {
    operator().when(report).then([]);
    operator().given([claimed, registered]).when(report).then([]);
    operator().given([claimed, registered, removed]).when(report).then([accountRemoved]);
    operator().given([claimed, registered, removed, accountRemoved]).when(report).then([]);
  });
  it('is another one when the name is given again', () => {
    const again = operator().given([claimed, registered, removed, claimed]);
    again.when(report).then([]);
    expect(operatorState(again.state().core).context).toMatchObject({
      claimed: true,
      accountRemovalPending: false,
      registered: false,
      lhcUserId: null,
    });
  });
});
