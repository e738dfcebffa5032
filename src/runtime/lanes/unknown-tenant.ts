/** What becomes of the effects of a tenant that this process does not have. */
import type { TenantStanding } from '../../actors/tenant/directory.ts';
import type { Outcome } from './destination.ts';

/** How often a lane looks whether its tenant is known, in ms. */
export const TENANT_LOOK_MS = 1_000;

/** @param standing of a tenant that the directory has not */
export function withoutTenant(standing: TenantStanding): Outcome {
  // Nobody is left whom it could reach.
  if (standing === 'removed') return { kind: 'done', idle: true };
  if (standing === 'pending') {
    return { kind: 'parked', reason: 'its tenant is not known here yet', lookMs: TENANT_LOOK_MS };
  }
  // Only a file names it: that of another process, or of this one after its next start.
  return { kind: 'retry', reason: 'its tenant is not configured here' };
}
