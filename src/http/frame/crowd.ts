/** Whether another visitor of a tenant may come now. */
import type { VisitorKey } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { CrowdBound } from '../../runtime/ports.ts';
import type { EndpointDeps } from './deps.ts';

/**
 * @param withChat the visitor comes with a chat
 * @returns the bound that stands against it; null for a visitor who is here already
 */
export async function boundOf(
  { crowd, actors }: Pick<EndpointDeps, 'crowd' | 'actors'>,
  tenant: Tenant,
  key: VisitorKey,
  withChat: boolean,
): Promise<CrowdBound | null> {
  const bound = crowd.full(tenant, withChat);
  if (!bound) return null;
  const state = await actors.visitor(tenant.id, key).state();
  return state?.presence === 'online' ? null : bound;
}
