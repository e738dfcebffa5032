/** Claims of LHC users: one operator each, whatever comes between a look and a claim. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ClaimCommand, claimOf } from '../../../src/actors/tenant/claims.ts';
import { type TenantFact, tenantDecider } from '../../../src/actors/tenant/machine.ts';
import { username } from '../../support/names.ts';
import { scenario } from '../scenario.ts';
import { MemoryStream } from '../stream.ts';

const tenant = () => scenario(tenantDecider);
const claimed = (name = 'ada', lhcUserId = 7): TenantFact => ({
  type: 'LhcUserClaimed',
  data: { lhcUserId, username: username(name) },
});
const released = (name = 'ada', lhcUserId = 7): TenantFact => ({
  type: 'LhcUserReleased',
  data: { lhcUserId, username: username(name) },
});
const begun: TenantFact = { type: 'LhcUserClaimsBegun', data: {} };
const claim = (name: string, over: number | null, lhcUserId = 7): ClaimCommand => ({
  type: 'ClaimLhcUser',
  lhcUserId,
  username: username(name),
  over,
});
const release = (name: string, revision: number): ClaimCommand => ({
  type: 'ReleaseLhcUser',
  lhcUserId: 7,
  username: username(name),
  revision,
});

describe('an LHC user', () => {
  it('is claimed by one operator', () => {
    tenant().when(claim('ada', null)).then([claimed()]);
    tenant()
      .given([claimed()])
      .when(claim('grace', null))
      .refused(/belongs to operator ada/);
    tenant()
      .given([claimed()])
      .when(claim('grace', null, 8))
      .then([claimed('grace', 8)]);
  });

  it('is claimed over the claim that was seen, and no other', () => {
    const renewed = tenant().given([claimed(), claimed()]);
    renewed.when(claim('grace', 0)).refused(/belongs to operator ada/);
    renewed.when(claim('ada', 0)).refused(/belongs to operator ada/);
    renewed.when(claim('grace', 1)).then([claimed('grace')]);
    tenant()
      .given([claimed(), released()])
      .when(claim('grace', 0))
      .refused(/nobody/);
  });

  it('is free again when this very claim is given back', () => {
    const given = tenant().given([claimed(), claimed()]);
    given.when(release('ada', 0)).then([]);
    given.when(release('grace', 1)).then([]);
    given.when(release('ada', 1)).then([released()]);
    tenant()
      .given([claimed(), released()])
      .when(claim('grace', null))
      .then([claimed('grace')]);
  });

  it('keeps what else the stream says', () => {
    const { pausedEndpoint } = tenant()
      .given([{ type: 'CallbacksPaused', data: { endpoint: 'e1' } }, claimed()])
      .state().core.snapshot.context;
    expect(pausedEndpoint).toBe('e1');
  });
});

describe('operators that were registered before there were claims', () => {
  const registered = [
    { lhcUserId: 7, username: username('ada') },
    { lhcUserId: 8, username: username('grace') },
    { lhcUserId: 7, username: username('late') },
  ];
  it('have theirs, the first of two with the same', () => {
    tenant()
      .when({ type: 'BeginLhcUserClaims', registered, last: true })
      .then([claimed(), claimed('grace', 8), begun]);
    tenant()
      .given([claimed('other')])
      .when({ type: 'BeginLhcUserClaims', registered, last: false })
      .then([claimed('grace', 8)]);
  });

  it('are looked at once, by whichever process', () => {
    tenant().given([begun]).when({ type: 'BeginLhcUserClaims', registered, last: true }).then([]);
  });
});

it('a claim never changes hands but over the very claim that was seen', () => {
  const name = fc.constantFrom('ada', 'grace', 'olga');
  const revision = fc.integer({ min: 0, max: 12 });
  const command: fc.Arbitrary<ClaimCommand> = fc.oneof(
    fc.tuple(name, fc.option(revision)).map(([each, over]) => claim(each, over)),
    fc.tuple(name, revision).map(([each, of]) => release(each, of)),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
      const stream = new MemoryStream(tenantDecider);
      for (const each of commands) {
        const before = claimOf(stream.state.core.snapshot.context.lhcUsers, 7);
        try {
          stream.send(each, 0, 'auto:');
        } catch {
          continue; // refused
        }
        const after = claimOf(stream.state.core.snapshot.context.lhcUsers, 7);
        if (before && after?.username !== before.username) {
          const seen = each.type === 'ClaimLhcUser' ? each.over : null;
          const given = each.type === 'ReleaseLhcUser' ? each.revision : null;
          expect(seen ?? given).toBe(before.revision);
        }
      }
    }),
  );
});
