/** Claims of LHC users: one operator each, whatever comes between a look and a claim. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ClaimCommand, claimOf } from '../../../src/actors/tenant/lhc-user-claims.ts';
import { type TenantFact, tenantDecider } from '../../../src/actors/tenant/machine.ts';
import { username } from '../../support/names.ts';
import { scenario } from '../scenario.ts';
import { MemoryStream } from '../stream.ts';

const tenant = () => scenario(tenantDecider);
const claimed = (name = 'ada', lhcUserId = 7, after = 3): TenantFact => ({
  type: 'LhcUserClaimed',
  data: { lhcUserId, username: username(name), operatorRevision: after },
});
const claim = (name: string, over: number | null, lhcUserId = 7, after = 3): ClaimCommand => ({
  type: 'ClaimLhcUser',
  lhcUserId,
  username: username(name),
  operatorRevision: after,
  over,
});

describe('an LHC user', () => {
  it('is claimed by one operator', () => {
    tenant().when(claim('ada', null)).then([claimed()]);
    tenant()
      .given([claimed()])
      .when(claim('grace', null))
      .refused(/operator ada has claimed/);
    tenant()
      .given([claimed()])
      .when(claim('grace', null, 8))
      .then([claimed('grace', 8)]);
  });

  it('is claimed over the claim that the caller has seen, and over no other', () => {
    const renewed = tenant().given([claimed(), claimed()]);
    renewed.when(claim('grace', 0)).refused(/operator ada has claimed/);
    renewed.when(claim('ada', 0)).refused(/operator ada has claimed/);
    renewed.when(claim('grace', 1)).then([claimed('grace')]);
    tenant()
      .when(claim('grace', 0))
      .refused(/nobody/);
  });

  it('keeps the latest look of its operator, and takes the look of another operator as it is', () => {
    const ada = tenant().given([claimed('ada', 7, 5)]);
    ada.when(claim('ada', 0, 7, 4)).then([claimed('ada', 7, 5)]);
    ada.when(claim('ada', 0, 7, 6)).then([claimed('ada', 7, 6)]);
    ada.when(claim('grace', 0, 7, 4)).then([claimed('grace', 7, 4)]);
  });

  it('leaves what else the stream says', () => {
    const { pausedEndpoint } = tenant()
      .given([{ type: 'CallbacksPaused', data: { endpoint: 'e1' } }, claimed()])
      .state().core.snapshot.context;
    expect(pausedEndpoint).toBe('e1');
  });
});

it('a claim never changes hands but over the very claim that the caller has seen', () => {
  const name = fc.constantFrom('ada', 'grace', 'olga');
  const over = fc.option(fc.integer({ min: 0, max: 12 }));
  const lhcUserId = fc.constantFrom(6, 7, 8);
  const command = fc.tuple(name, over, lhcUserId).map(([each, seen, id]) => claim(each, seen, id));
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
      const stream = new MemoryStream(tenantDecider);
      const claimNow = () => claimOf(stream.state.core.snapshot.context.claims, 7);
      for (const each of commands) {
        const before = claimNow();
        try {
          stream.send(each, 0, 'auto:');
        } catch {
          continue; // refused
        }
        const after = claimNow();
        if (after?.username === before?.username) continue;
        expect([each.lhcUserId, each.over]).toEqual([7, before?.revision ?? null]);
      }
    }),
  );
});
