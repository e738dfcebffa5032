import { TenantSettings } from '../../src/actors/tenant/settings.ts';
import { type Tenant, tenantOf } from '../../src/actors/tenant/tenant.ts';

/** A tenant with these settings, as the service knows it. @param settings as in TENANTS_FILE */
export const tenantWith = (settings: object): Tenant =>
  tenantOf(TenantSettings.parse(settings), 'file');
