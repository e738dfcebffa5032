/** An operator's account, LHC user and registration. */
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
  seenRevision: after,
});

describe('the claim of an account', () => {
  const released: OperatorFact = { type: 'OperatorAccountClaimReleased', data: {} };
  const release = (revision: number) => ({ type: 'ReleaseAccountClaim', revision }) as const;

  it('is given back by the request that made it, and by no other', () => {
    operator().given([claimed]).when(release(0)).then([released]);
    operator().given([claimed, claimed]).when(release(0)).then([]);
    operator().given([claimed, claimed]).when(release(1)).then([released]);
    operator().given([claimed, released]).when(release(0)).then([]);
    operator().when(release(0)).then([]);
  });

  it('stays once an operator is registered', () => {
    operator().given([claimed, registered]).when(release(0)).then([]);
    const claim = { type: 'ClaimAccount', adopted: false } as const;
    operator().given([claimed, registered]).when(claim).then([]);
    operator().given([claimed, released]).when(claim).then([claimed]);
  });
});

describe('a registration', () => {
  it('is refused if the stream has newer facts than the caller has seen', () => {
    operator().given([claimed]).when(register(0)).then([registered]);
    operator()
      .given([claimed, revoked])
      .when(register(0))
      .refused(/changed at the same time/);
    operator().given([claimed, revoked]).when(register(1)).then([registered]);
    // Also a registration that would change nothing: the caller may have seen another one.
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
  it('learns that an LHC user is offline if the operator was online and is removed or becomes another LHC user', () => {
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
  it('learns nothing of an operator who was offline', () => {
    const away = operator().given([claimed, registered]);
    away.when({ type: 'Remove' }).then([removed]);
    away.when(asOther).then([{ type: 'OperatorRegistered', data: other }]);
  });
});

describe('a claim of an LHC user that was never used', () => {
  const revoke: OperatorCommand = { type: 'RevokeLhcUser', lhcUserId: 7 };
  it('is revoked, also for an operator without facts', () => {
    operator().when(revoke).then([revoked]);
    operator().given([claimed]).when(revoke).then([revoked]);
    operator().given([claimed, registered, removed]).when(revoke).then([revoked]);
  });
  it('is not revoked if it is used', () => {
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

describe('the account of a removed operator', () => {
  const report: OperatorCommand = { type: 'ReportAccountRemoved' };
  it('is reported as removed once', () => {
    operator().when(report).then([]);
    operator().given([claimed, registered]).when(report).then([]);
    operator().given([claimed, registered, removed]).when(report).then([accountRemoved]);
    operator().given([claimed, registered, removed, accountRemoved]).when(report).then([]);
  });
  it('is a new account when the username is used again', () => {
    const again = operator().given([claimed, registered, removed, claimed]);
    again.when(report).then([]);
    expect(operatorState(again.state().core).context).toMatchObject({
      claim: { revision: 3, registered: false },
      accountRemovalPending: false,
      registered: false,
      lhcUserId: null,
    });
  });
});
