/** A tenant as the service knows it: without what callers prove themselves with, of which it has digests. */
import { digestOf, hasDigest } from '../../kit/key-digest.ts';
import { isValidKey, type TenantKey, type TenantSource } from './configuration.ts';
import type { TenantSettings } from './settings.ts';

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

const legacyDigestOf = (legacySecret: string | undefined): { legacyDigest?: string } =>
  legacySecret === undefined ? {} : { legacyDigest: digestOf(legacySecret) };

/** A tenant from what somebody wrote, with one key. */
export function tenantOf(
  { apiKey, legacySecret, ...settings }: TenantSettings,
  source: TenantSource,
): Tenant {
  const keys = [{ digest: digestOf(apiKey), until: null }];
  return { ...settings, ...legacyDigestOf(legacySecret), keys, source, removing: false };
}

/** @param now ms since 1970 */
export const isKeyOf = ({ keys }: Pick<Tenant, 'keys'>, key: string, now: number): boolean =>
  hasDigest(
    key,
    keys.filter((each) => isValidKey(each, now)).map(({ digest }) => digest),
  );
