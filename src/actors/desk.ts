/** The desk: the contact of a tenant's service, for what concerns no single visitor. */
import { bareJid, type TenantId, type TenantNaming } from './ids.ts';

const suffix = (tenant: TenantNaming): string => (tenant.instance ? `.${tenant.instance}` : '');

/** The desk's bare JID. No operator can have this name: theirs do not begin with `visitor`. */
export const deskJid = (tenant: TenantNaming): string => `visitors${suffix(tenant)}@${tenant.host}`;

/** The tenant whose desk has this JID, bare or full; null if it is no desk's. */
export function deskOf(
  jid: string,
  tenantsOf: (host: string) => readonly TenantNaming[],
): TenantId | null {
  const parts = bareJid(jid);
  if (!parts) return null;
  const tenant = tenantsOf(parts.host).find((each) => parts.local === `visitors${suffix(each)}`);
  return tenant?.id ?? null;
}
