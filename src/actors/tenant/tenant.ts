/** A tenant as the service knows it: without what callers prove themselves with, of which it has digests. */
import { z } from 'zod';
import { digestOf, hasDigest } from '../../kit/key-digest.ts';
import { rosterGroups } from '../ids.ts';
import { isValidKey, type TenantKey, type TenantSource } from './configuration.ts';
import { TenantSettings, type TenantTemplate } from './settings.ts';

/** What both a tenant and a template have beside their settings. */
interface Kept {
  readonly source: TenantSource;
  /** The digest of `legacySecret`: ask {@link isLegacySecret}. */
  readonly legacyDigest?: string | undefined;
  /** Its removal has begun: nothing may begin at it any more, and what there is comes to its end. */
  readonly removing: boolean;
}

export interface Tenant extends Omit<TenantSettings, 'apiKey' | 'legacySecret'>, Kept {
  /** The newest first: ask {@link isKeyOf}. */
  readonly keys: readonly TenantKey[];
}

/** A template as the service knows it. */
export interface Template extends Omit<TenantTemplate, 'legacySecret'>, Kept {}

/** What facts have of the settings, which a later release reads with its defaults for what was not there. */
export const KeptSettings = z.object(
  TenantSettings.omit({
    id: true,
    host: true,
    instance: true,
    apiKey: true,
    callbackUrl: true,
    callbackSecret: true,
    legacySecret: true,
  }).shape,
);

const legacyDigestOf = (legacySecret: string | undefined): { legacyDigest?: string } =>
  legacySecret === undefined ? {} : { legacyDigest: digestOf(legacySecret) };

/** A template from what somebody wrote. */
export const templateOf = (
  { legacySecret, ...settings }: TenantTemplate,
  source: TenantSource,
): Template => ({ ...settings, ...legacyDigestOf(legacySecret), source, removing: false });

/** A tenant from what somebody wrote, with one key. */
export function tenantOf(
  { apiKey, legacySecret, ...settings }: TenantSettings,
  source: TenantSource,
): Tenant {
  const keys = [{ digest: digestOf(apiKey), until: null }];
  return { ...settings, ...legacyDigestOf(legacySecret), keys, source, removing: false };
}

/** Its shared roster groups. LHC's hosting wants the operators of each instance that it makes to see each other. */
export const groupsOf = (tenant: Tenant) => ({
  ...rosterGroups(tenant),
  operatorsSeeEachOther: tenant.source === 'template',
});

/** @param now ms since 1970 */
export const isKeyOf = ({ keys }: Pick<Tenant, 'keys'>, key: string, now: number): boolean =>
  hasDigest(
    key,
    keys.filter((each) => isValidKey(each, now)).map(({ digest }) => digest),
  );

export const isLegacySecret = ({ legacyDigest }: Pick<Kept, 'legacyDigest'>, secret: string) =>
  hasDigest(secret, legacyDigest === undefined ? [] : [legacyDigest]);
