/** Makes, changes and removes tenants (docs/adr/0036): from TENANTS_FILE, by requests, and by templates. */
import { createHmac, hash } from 'node:crypto';
import type { Logger } from 'pino';
import { Instance, TenantId } from '../../actors/ids.ts';
import {
  type ConfigureTenant,
  saysTheSame,
  type TenantSecrets,
  type TenantSource,
} from '../../actors/tenant/configuration.ts';
import { clashOf, mayClash, tenantsNotKnown } from '../../actors/tenant/directory.ts';
import { ANY_INSTANCE, inTemplate } from '../../actors/tenant/settings.ts';
import { KeptSettings, type Template, type Tenant } from '../../actors/tenant/tenant.ts';
import { AppError, hasCode, isRejected, messageOf } from '../../errors.ts';
import type { JsonObject } from '../../kit/json.ts';
import { digestOf } from '../../kit/key-digest.ts';
import type { PendingWork } from '../pending-work.ts';
import type { Actors, Dispatched, Origin } from '../ports.ts';
import type { Tenants, TenantWish } from '../tenant-ports.ts';
import type { Declared, LiveDirectory } from './live-directory.ts';

/** Tenants and templates of one service, at most. */
export const MAX_TENANTS = 10_000;
/** How long a change may take until this process has it, in ms. It has it in the log then. */
export const TENANT_COUNTS_MS = 4_000;
/** The id of a tenant that a template makes, at most. */
const MAX_ID_CHARACTERS = 31;
const ID_HASH_CHARACTERS = 8;

interface TenantsOptions {
  readonly actors: Pick<Actors, 'tenant'>;
  readonly directory: LiveDirectory;
  readonly work: Pick<PendingWork, 'waitFor'>;
  readonly declared: Declared;
  /** Keys the fingerprints of what is sealed. */
  readonly digestKey: Uint8Array;
  /** Refuses a wish that would share a secret with somebody else. @throws {AppError} `invalid` with the field */
  readonly check: (wish: TenantWish) => void;
  readonly now: () => number;
  readonly logger: Logger;
}

export interface ServiceTenants extends Tenants {
  /** Applies what the file declares. Refusals are logged. @throws {AppError} `unavailable` */
  applyDeclared(): Promise<void>;
}

/** A wish with digests for the secrets that callers prove themselves with. */
type Digested = Omit<ConfigureTenant, 'type' | 'anew'> & { readonly id: TenantId };

const invalid = (field: string, reason: string): AppError =>
  new AppError('invalid', reason, { field });

export function createTenants(options: TenantsOptions): ServiceTenants {
  const { actors, directory, work, declared, digestKey, check, now, logger } = options;
  const declaredIds: ReadonlySet<string> = new Set(
    [...declared.tenants, ...declared.templates].map(({ id }) => id),
  );

  function digested(
    { id, host, instance, ...kept }: Pick<TenantWish, 'id' | 'host' | 'instance'> & object,
    source: TenantSource,
    secrets: TenantSecrets,
    keys: Pick<Digested, 'key' | 'firstKey'>,
  ): Digested {
    const { callbackUrl = null, callbackSecret = null, legacySecret = null } = secrets;
    const { restKey, webhookKey } = secrets;
    // Release 0.1.0 had the first three.
    const ofRest = restKey === undefined && webhookKey === undefined ? [] : [restKey, webhookKey];
    const sealed = createHmac('sha256', digestKey)
      .update(JSON.stringify([id, callbackUrl, callbackSecret, legacySecret, ...ofRest]))
      .digest('base64url');
    // As the log will have it.
    const settings = JSON.parse(JSON.stringify(KeptSettings.parse(kept))) as JsonObject;
    return { ...keys, id, host, instance: instance ?? null, source, settings, sealed, secrets };
  }

  /** Why it cannot be beside another tenant; null if it can. */
  function clashWithOthers({ id, host, instance }: Digested): string | null {
    for (const other of mayClash({ host }, directory.named)) {
      if (other.id === id) continue;
      const reason = clashOf({ id, host, instance: instance ?? undefined }, other);
      if (reason !== null) return reason;
    }
    return null;
  }

  function checkKey(id: TenantId, digest: string | null): void {
    if (digest === null) return;
    const others = directory.all().filter((other) => other.id !== id);
    if (others.some(({ keys }) => keys.some((key) => key.digest === digest))) {
      throw invalid('apiKey', 'another tenant has the same');
    }
  }

  /** Waits until this process has it. */
  async function counts({ position }: Dispatched): Promise<void> {
    if (position !== null) await work.waitFor(position, TENANT_COUNTS_MS);
  }

  const isAsWished = ({ id, host, instance }: Digested): boolean => {
    const configuration = directory.row(id)?.configuration;
    return configuration?.host === host && configuration.instance === instance;
  };

  const clash = (reason: string): AppError => new AppError('conflict', reason, { field: 'host' });

  /** @throws {AppError} `conflict` for a name that another tenant has; `refused` */
  async function configure(wish: Digested, origin?: Partial<Origin>): Promise<Dispatched> {
    if (!directory.isComplete()) throw tenantsNotKnown();
    const reason = clashWithOthers(wish);
    if (reason !== null) throw clash(reason);
    const { id, ...rest } = wish;
    if (!directory.find(id) && directory.everybody().length >= MAX_TENANTS) {
      throw new AppError('refused', `there are ${MAX_TENANTS} tenants, the most`);
    }
    // The actor knows its last wish, and the table whether that counts.
    const command = { ...rest, type: 'ConfigureTenant', anew: !isAsWished(wish) } as const;
    const done = await actors.tenant(id).send(command, origin);
    await counts(done);
    if (done.facts === 0 || isAsWished(wish)) return done;
    // Another process was first.
    if (directory.row(id)?.configuration == null) {
      await actors.tenant(id).send({ type: 'WithdrawTenant', revision: done.revision });
    }
    throw clash(clashWithOthers(wish) ?? 'another tenant has the same host and instance');
  }

  function refuseDeclared(id: TenantId): void {
    if (declaredIds.has(id)) {
      throw new AppError('conflict', 'TENANTS_FILE declares this tenant: change it there');
    }
  }

  const digestedWish = (
    wish: TenantWish,
    source: TenantSource,
    firstKey: string | null,
  ): Digested => {
    const { apiKey, legacySecret, webhookKey } = wish;
    const secrets = {
      ...readableOf(wish),
      ...(legacySecret !== undefined && { legacySecret: digestOf(legacySecret) }),
      ...(webhookKey !== undefined && { webhookKey: digestOf(webhookKey) }),
    };
    const key = apiKey === undefined ? null : digestOf(apiKey);
    return digested(wish, source, secrets, {
      key,
      firstKey: firstKey === null ? null : digestOf(firstKey),
    });
  };

  const ofDeclared = (one: Tenant | Template): Digested => {
    const { legacyDigest, webhookDigest } = one;
    const secrets = {
      ...readableOf(one),
      ...(legacyDigest !== undefined && { legacySecret: legacyDigest }),
      ...(webhookDigest !== undefined && { webhookKey: webhookDigest }),
    };
    const key = 'keys' in one ? (one.keys[0]?.digest ?? null) : null;
    return digested(one, 'file', secrets, { key, firstKey: null });
  };

  const isValidNow = (id: TenantId, key: string): boolean => {
    const digest = digestOf(key);
    const one = directory.find(id);
    return one !== undefined && 'keys' in one && one.keys.some((each) => each.digest === digest);
  };

  return {
    find: directory.find,
    list: () => directory.everybody(),
    isComplete: directory.isComplete,
    isDeclared: (id) => declaredIds.has(id),
    async configure(wish, madeKey, origin) {
      refuseDeclared(wish.id);
      check(wish);
      const isTemplate = wish.instance === ANY_INSTANCE;
      const digestedOne = digestedWish(wish, 'http', isTemplate ? null : madeKey);
      checkKey(wish.id, digestedOne.key);
      const done = await configure(digestedOne, origin);
      const shows = wish.apiKey === undefined && isValidNow(wish.id, madeKey);
      return { done, key: shows ? madeKey : null };
    },
    async rotateKey(id, { key, overlapMs }, madeKey, origin) {
      refuseDeclared(id);
      const digest = digestOf(key ?? madeKey);
      checkKey(id, digest);
      const command = { type: 'RotateTenantKey', key: digest, overlapMs } as const;
      const done = await actors.tenant(id).send(command, origin);
      await counts(done);
      return { done, key: key === undefined && isValidNow(id, madeKey) ? madeKey : null };
    },
    async beginRemoval(id, purge, origin) {
      refuseDeclared(id);
      const done = await actors.tenant(id).send({ type: 'BeginTenantRemoval', purge }, origin);
      await counts(done);
      return done;
    },
    async ofInstance(host, name, again) {
      const known = directory.ofHost(host).find(({ instance }) => instance === name);
      if (known) return known;
      const template = directory.templateOf(host);
      const parsed = Instance.safeParse(name);
      if (!template || template.removing || !parsed.success) return null;
      const { callbackUrl, callbackSecret, legacyDigest, ...rest } = template;
      const secrets = {
        ...(callbackUrl !== undefined && { callbackUrl: inTemplate(callbackUrl, name) }),
        ...(callbackSecret !== undefined && { callbackSecret }),
        ...(legacyDigest !== undefined && { legacySecret: legacyDigest }),
      };
      const id = idOfInstance(template.id, name);
      if (!again && directory.standing(id) === 'removed') return null;
      const wish = { ...rest, id, instance: parsed.data };
      await configure(digested(wish, 'template', secrets, { key: null, firstKey: null }));
      return directory.get(id) ?? null;
    },
    async applyDeclared() {
      for (const one of [...declared.tenants, ...declared.templates]) {
        const wish = ofDeclared(one);
        const row = directory.row(one.id);
        const known = row?.standing === 'active' ? row.configuration : null;
        const { id: tenant, secrets: _, ...rest } = wish;
        if (known && saysTheSame(known, rest, now())) continue;
        try {
          await configure(wish);
          logger.info({ tenant }, 'TENANTS_FILE was applied');
        } catch (error) {
          if (!isRejected(error) && !hasCode(error, 'conflict')) throw error;
          logger.error(
            { tenant, reason: messageOf(error) },
            'what TENANTS_FILE declares of a tenant was not applied',
          );
        }
      }
      directory.applied();
      const left = directory
        .everybody()
        .filter(
          ({ id, source, removing }) => source === 'file' && !removing && !declaredIds.has(id),
        )
        .map(({ id }) => id);
      if (left.length > 0) {
        logger.warn(
          { tenants: left.slice(0, TENANTS_NAMED), count: left.length },
          'TENANTS_FILE does not declare these tenants any more: they stay as they were, and can be changed over HTTP',
        );
      }
    },
  };
}

/** The secrets that the service uses itself. */
const readableOf = ({
  callbackUrl,
  callbackSecret,
  restKey,
}: Pick<Tenant, 'callbackUrl' | 'callbackSecret' | 'restKey'>): TenantSecrets => ({
  ...(callbackUrl !== undefined && { callbackUrl }),
  ...(callbackSecret !== undefined && { callbackSecret }),
  ...(restKey !== undefined && { restKey }),
});

/** Tenants that a line of the log names at most. */
const TENANTS_NAMED = 20;

/** The same for the same instance, and another for another one. */
function idOfInstance(template: TenantId, instance: string): TenantId {
  const whole = `${template}-${instance}`;
  const short = hash('sha256', whole, 'hex').slice(0, ID_HASH_CHARACTERS);
  const start = whole.slice(0, MAX_ID_CHARACTERS - ID_HASH_CHARACTERS - 1);
  return TenantId.parse(whole.length <= MAX_ID_CHARACTERS ? whole : `${start}-${short}`);
}
