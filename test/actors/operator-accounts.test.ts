/** What an operator's stream says of its account, its LHC user and its registration. */
import { describe, expect, it } from 'vitest';
import type { OperatorFact } from '../../src/actors/operator.ts';
import {
  type OperatorCommand,
  operatorDecider,
  operatorState,
} from '../../src/actors/operator-decisions.ts';
import { scenario } from './scenario.ts';

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
  ...{ type: 'Register', lhcUserId: 7, departments: ['sales'], capacity: 2 },
  ...{ name: null, nameChanged: false, after },
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
      ...{ claimed: true, leaving: false, registered: false, lhcUserId: null },
    });
  });
});
