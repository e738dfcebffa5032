/**
 * A tenant's configuration, keys and removal, as facts of the tenant (docs/adr/0036). What is secret is sealed in the
 * facts, or a digest: the machine never sees it.
 */
import { AppError } from '../../errors.ts';
import type { JsonObject } from '../../kit/json.ts';
import { type EventOf, type FactOf, refuse } from '../machine/decider.ts';

/** Who declared a tenant: TENANTS_FILE, a request, or a call for an instance that a template makes. */
export type TenantSource = 'file' | 'http' | 'template';

/** A key of a tenant. */
export type TenantKey = {
  /** Of the key, as digestOf (src/kit/key-digest.ts) makes it. */
  readonly digest: string;
  /** When it ends, in ms since 1970; null for the newest key. */
  readonly until: number | null;
};

/** Keys of one tenant that are valid at the same time. */
export const MAX_TENANT_KEYS = 2;

/** What only the sealed part of {@link ConfigurationFacts} has. */
export type TenantSecrets = {
  callbackUrl?: string;
  callbackSecret?: string;
  /** The digest of `legacySecret`. */
  legacySecret?: string;
  /** Of the user of LHC's REST API. */
  restKey?: string;
  /** The digest of `webhookKey`. */
  webhookKey?: string;
};

/** What a tenant is. */
export type Configuration = {
  source: TenantSource;
  host: string;
  /** `*` for a template; null for a tenant that has its host alone. */
  instance: string | null;
  /** All other settings that are not secret. */
  settings: JsonObject;
  /** The newest first. A template has none. */
  keys: TenantKey[];
  /** A keyed fingerprint of the sealed part. */
  sealed: string;
};

export type ConfigurationFacts = {
  TenantConfigured: Configuration;
  TenantKeysChanged: { keys: TenantKey[] };
  /** Nobody may begin anything at this tenant any more. `purge`: its log and its data keys go too. */
  TenantRemovalBegun: { purge: boolean };
  /** Its chats, accounts and groups are gone. `purged`: its older facts and its data keys too. */
  TenantRemoved: { purged: boolean };
};
export type ConfigurationPersonal = { TenantConfigured: TenantSecrets };

/** What is in a tenant's context of it. */
export type Configured = {
  /** The last one, also after the removal; null before the first {@link ConfigurationFacts.TenantConfigured}. */
  configuration: (Configuration & { readonly revision: number }) | null;
  /** null if no removal has begun since. */
  removal: { readonly purge: boolean; readonly done: boolean } | null;
};

export const NOT_CONFIGURED: Configured = { configuration: null, removal: null };

const TYPES: ReadonlySet<string> = new Set<keyof ConfigurationFacts>([
  'TenantConfigured',
  'TenantKeysChanged',
  'TenantRemovalBegun',
  'TenantRemoved',
]);

/** Whether a fact of a tenant changes what {@link Configured} has. */
export const isOfConfiguration = <Event extends { readonly type: string }>(
  event: Event,
): event is Extract<Event, EventOf<ConfigurationFacts>> => TYPES.has(event.type);

/** The context after a fact. */
export function configuredAfter(
  before: Configured,
  event: EventOf<ConfigurationFacts>,
): Configured {
  const { configuration } = before;
  switch (event.type) {
    case 'TenantConfigured':
      return { configuration: { ...event.data, revision: event.revision }, removal: null };
    case 'TenantKeysChanged':
      return {
        ...before,
        configuration: configuration && { ...configuration, keys: event.data.keys },
      };
    case 'TenantRemovalBegun':
      return { ...before, removal: { purge: event.data.purge, done: false } };
    case 'TenantRemoved':
      return { ...before, removal: { purge: event.data.purged, done: true } };
  }
}

/** @property sealed as in {@link ConfigurationFacts} */
export type ConfigureTenant = Omit<Configuration, 'keys'> & {
  type: 'ConfigureTenant';
  /** The digest of the key that it wants; null to keep the keys that it has. */
  key: string | null;
  /** The digest of the key that it gets if it has none. */
  firstKey: string | null;
  secrets: TenantSecrets;
  /** True to write the fact again although it says nothing new: the last one did not count. */
  anew: boolean;
};

export type ConfigurationCommand =
  | ConfigureTenant
  /** @property overlapMs how long the keys of before are valid; 0 ends them at once */
  | { type: 'RotateTenantKey'; key: string; overlapMs: number }
  | { type: 'BeginTenantRemoval'; purge: boolean }
  | { type: 'ReportTenantRemoved' }
  /** Takes a configuration back that never counted. @property revision of its fact */
  | { type: 'WithdrawTenant'; revision: number };

type Facts = readonly FactOf<ConfigurationFacts, ConfigurationPersonal>[];

/** Whether a key is valid at a time. @param now ms since 1970 */
export const isValidKey = ({ until }: TenantKey, now: number): boolean =>
  until === null || now < until;

const isRemoving = ({ removal }: Configured): boolean => removal !== null && !removal.done;

/** The configuration that counts; null for a tenant that was removed. */
const presentOf = ({ configuration, removal }: Configured): Configured['configuration'] =>
  removal?.done ? null : configuration;

/** What a command says that comes while a tenant is being removed. */
export const BEING_REMOVED = 'this tenant is being removed';

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );

type Wish = Omit<ConfigureTenant, 'type' | 'secrets' | 'anew'>;

/** What a fact about this wish says. @param known the present configuration; null if there is none */
function dataOf(
  known: Configuration | null,
  { key, firstKey, ...wish }: Wish,
  now: number,
): Configuration {
  const valid = (known?.keys ?? []).filter((each) => isValidKey(each, now));
  const given = key ?? (valid.length === 0 ? firstKey : null);
  const keeps = given === null || valid.some(({ digest }) => digest === given);
  return { ...wish, keys: keeps ? valid : [{ digest: given, until: null }] };
}

/** True if a wish says nothing new. @param now ms since 1970 */
export function saysTheSame(known: Configuration, wish: Wish, now: number): boolean {
  const { source, host, instance, settings, sealed, keys } = known;
  const before = { source, host, instance, settings, sealed };
  const after = dataOf(known, wish, now);
  const valid = keys.filter((each) => isValidKey(each, now));
  return canonical({ ...before, keys: valid }) === canonical(after);
}

function configure(configured: Configured, command: ConfigureTenant, now: number): Facts {
  const { type: _, secrets, anew, ...wish } = command;
  if (isRemoving(configured)) return refuse(BEING_REMOVED);
  const known = presentOf(configured);
  // Its people's addresses have them. A file is the administrator's own, and they know what they do.
  for (const field of wish.source === 'file' ? [] : (['host', 'instance'] as const)) {
    if (known && known[field] !== wish[field]) {
      return refuse('cannot change: remove the tenant, and make it anew', { field });
    }
  }
  if (known && !anew && saysTheSame(known, wish, now)) return [];
  return [{ type: 'TenantConfigured', data: dataOf(known, wish, now), personal: secrets }];
}

function rotate(configured: Configured, key: string, overlapMs: number, now: number): Facts {
  if (isRemoving(configured)) return refuse(BEING_REMOVED);
  const configuration = presentOf(configured);
  if (!configuration) return notFound();
  const valid = configuration.keys.filter((each) => isValidKey(each, now));
  if (valid[0]?.digest === key) return [];
  const until = now + overlapMs;
  const older = overlapMs === 0 ? [] : valid.filter(({ digest }) => digest !== key);
  if (older.length >= MAX_TENANT_KEYS) {
    const ends = new Date(Math.min(...older.map((each) => each.until ?? until))).toISOString();
    return refuse(
      `${MAX_TENANT_KEYS} keys are valid now, the most; one ends at ${ends}. An overlap of 0 ends them at once`,
      { field: 'overlap' },
    );
  }
  const ending = older.map(({ digest, until: ends }) => ({
    digest,
    until: Math.min(ends ?? until, until),
  }));
  return [{ type: 'TenantKeysChanged', data: { keys: [{ digest: key, until: null }, ...ending] } }];
}

const removed = (purged: boolean): FactOf<ConfigurationFacts> => ({
  type: 'TenantRemoved',
  data: { purged },
});

const notFound = (): never => {
  throw new AppError('not-found', 'there is no such tenant');
};

/**
 * @param now ms since 1970
 * @throws {AppError} `refused` with a reason; `not-found` for a tenant that was never configured
 */
export function decideConfiguration(
  configured: Configured,
  command: ConfigurationCommand,
  now: number,
): Facts {
  const { removal } = configured;
  switch (command.type) {
    case 'ConfigureTenant':
      return configure(configured, command, now);
    case 'RotateTenantKey':
      return rotate(configured, command.key, command.overlapMs, now);
    case 'BeginTenantRemoval': {
      if (!configured.configuration && !removal) return notFound();
      const purge = command.purge || (removal?.purge ?? false);
      // A tenant that was removed can still be purged.
      if (removal && removal.purge === purge) return [];
      return [{ type: 'TenantRemovalBegun', data: { purge } }];
    }
    case 'ReportTenantRemoved':
      return isRemoving(configured) ? [removed(removal?.purge ?? false)] : [];
    case 'WithdrawTenant':
      return !removal && configured.configuration?.revision === command.revision
        ? [removed(false)]
        : [];
  }
}
