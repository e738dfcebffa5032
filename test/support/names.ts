/** Branded names of the domain from plain strings. */
import { TenantId, Username, VisitorKey } from '../../src/actors/ids.ts';

export const username = (name: string): Username => Username.parse(name);
export const tenantId = (id: string): TenantId => TenantId.parse(id);
export const visitorKey = (key: string): VisitorKey => VisitorKey.parse(key);
export const usernameOrNull = (name: string | null): Username | null =>
  name === null ? null : username(name);
