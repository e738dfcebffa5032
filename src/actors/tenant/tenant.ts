/** A tenant as the service knows it: without what callers prove themselves with, of which it has digests. */
import { z } from 'zod';
import { digestOf, hasDigest } from '../../kit/key-digest.ts';
import { rosterGroups } from '../ids.ts';
import { isValidKey, type TenantKey, type TenantSource } from './configuration.ts';
import { TenantSettings, type TenantTemplate } from './settings.ts';

/** Secrets beside the keys that callers prove themselves with. */
type HashedSecret = 'legacySecret' | 'webhookKey';

/** What both a tenant and a template have beside their settings. */
interface Kept {
  readonly source: TenantSource;
  /** The digest of `legacySecret`: ask {@link isLegacySecret}. */
  readonly legacyDigest?: string | undefined;
  /** The digest of `webhookKey`: ask {@link isWebhookKey}. */
  readonly webhookDigest?: string | undefined;
  /** Its removal has begun: nothing may begin at it any more, and what there is comes to its end. */
  readonly removing: boolean;
}

export interface Tenant extends Omit<TenantSettings, 'apiKey' | HashedSecret>, Kept {
  /** The newest first: ask {@link isKeyOf}. */
  readonly keys: readonly TenantKey[];
}

/** A template as the service knows it. */
export interface Template extends Omit<TenantTemplate, HashedSecret>, Kept {}

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
    restKey: true,
    webhookKey: true,
  }).shape,
);

const digestsOf = ({
  legacySecret,
  webhookKey,
}: Pick<TenantSettings, HashedSecret>): Pick<Kept, 'legacyDigest' | 'webhookDigest'> => ({
  ...(legacySecret !== undefined && { legacyDigest: digestOf(legacySecret) }),
  ...(webhookKey !== undefined && { webhookDigest: digestOf(webhookKey) }),
});

/** A template from what somebody wrote. */
export const templateOf = (
  { legacySecret, webhookKey, ...settings }: TenantTemplate,
  source: TenantSource,
): Template => ({
  ...settings,
  ...digestsOf({ legacySecret, webhookKey }),
  source,
  removing: false,
});

/** A tenant from what somebody wrote, with one key. */
export function tenantOf(
  { apiKey, legacySecret, webhookKey, ...settings }: TenantSettings,
  source: TenantSource,
): Tenant {
  const keys = [{ digest: digestOf(apiKey), until: null }];
  const digests = digestsOf({ legacySecret, webhookKey });
  return { ...settings, ...digests, keys, source, removing: false };
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

export const isWebhookKey = ({ webhookDigest }: Pick<Kept, 'webhookDigest'>, key: string) =>
  hasDigest(key, webhookDigest === undefined ? [] : [webhookDigest]);

export const isLegacySecret = ({ legacyDigest }: Pick<Kept, 'legacyDigest'>, secret: string) =>
  hasDigest(secret, legacyDigest === undefined ? [] : [legacyDigest]);
