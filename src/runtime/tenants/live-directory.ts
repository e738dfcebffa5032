/**
 * The tenants as this process knows them, from the table of pending work (table.ts), and kept as new as that is
 * (docs/adr/0036). {@link createLiveDirectory} is an entry of this folder; tenants.ts changes tenants.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from 'pino';
import { actorOf, type TenantId } from '../../actors/ids.ts';
import type { Configuration, TenantSecrets } from '../../actors/tenant/configuration.ts';
import { isOfConfiguration } from '../../actors/tenant/configuration.ts';
import { type TenantDirectory, TenantIndex } from '../../actors/tenant/directory.ts';
import { ANY_INSTANCE } from '../../actors/tenant/settings.ts';
import { KeptSettings, type Template, type Tenant } from '../../actors/tenant/tenant.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { FoldState } from '../../fold/fold.ts';
import { createLimiter } from '../../kit/limiter.ts';
import type { CommitListener } from '../pending-work.ts';
import type { Vault } from '../ports.ts';
import { openTenantTable, type TenantRow } from './table.ts';

/** Sealed parts that are opened at the same time, at a start. Each one reads a data key. */
export const OPENED_AT_ONCE = 32;

/** What is declared by TENANTS_FILE. */
export interface Declared {
  readonly tenants: readonly Tenant[];
  readonly templates: readonly Template[];
}

/** A tenant whose removal is under way. */
export interface Removal {
  readonly tenant: TenantId;
  /** Its log and its data keys go too. */
  readonly purge: boolean;
}

export interface LiveDirectory extends TenantDirectory, CommitListener {
  /** The template of a host; undefined if it has none. */
  templateOf(host: string): Template | undefined;
  /** A tenant or a template; undefined for any other. */
  find(id: TenantId): Tenant | Template | undefined;
  /** All tenants and templates. */
  everybody(): readonly (Tenant | Template)[];
  /** Those of a host. */
  named(host: string): readonly (Tenant | Template)[];
  /** What the log says of a tenant; null if it says nothing, or if another tenant had its name first. */
  row(id: TenantId): TenantRow | null;
  /** The removals that are under way. */
  removals(): readonly Removal[];
  /** Calls the listener with each tenant that was changed, made, is being removed or was removed, after it counts. */
  onChange(listener: (tenant: TenantId) => void): void;
  /** Opens what the table has. Call it before anybody asks. @throws {AppError} `unavailable` if the store is away */
  load(): Promise<void>;
  /** Opens what a batch brings, before it is committed. @throws {AppError} `unavailable` if the store is away */
  prepare(events: readonly RecordedEvent[]): Promise<void>;
  /** The rows were dropped, and are built again. */
  onDropped(): void;
  /** What the file declares counts as the log has it from now on: it was applied, or refused. */
  applied(): void;
  /** The table has everything up to the present end of the log. */
  caughtUp(): void;
}

interface State {
  readonly index: TenantIndex<Tenant | Template>;
  /** Rows without a tenant to show. */
  readonly others: Map<TenantId, TenantRow['standing']>;
  readonly removals: Map<TenantId, Removal>;
  /** Until it was applied. */
  declared: ReadonlyMap<string, Tenant | Template>;
  /** The opened parts by the id of their fact: those that count, and those of the batch that is being committed. */
  readonly opened: Map<string, TenantSecrets>;
  /** The fact that each tenant's opened part is of. */
  readonly eventOf: Map<TenantId, string>;
  readonly listeners: ((tenant: TenantId) => void)[];
  isComplete: boolean;
}

const isTemplate = (one: Tenant | Template): one is Template => one.instance === ANY_INSTANCE;

const isTenant = (one: Tenant | Template): one is Tenant => !isTemplate(one);

/**
 * @param declared counts until {@link LiveDirectory.applied}, whatever the log has: a table that is built again keeps nobody
 *   away
 * @param state of the fold of pending work
 */
export function createLiveDirectory(options: {
  readonly db: DatabaseSync;
  readonly vault: Pick<Vault, 'open'>;
  readonly declared: Declared;
  readonly state: () => Pick<FoldState, 'failure'>;
  readonly logger: Logger;
}): LiveDirectory {
  const { vault, declared, logger } = options;
  const table = openTenantTable(options.db);
  const state: State = {
    index: new TenantIndex(),
    others: new Map(),
    removals: new Map(),
    declared: new Map([...declared.tenants, ...declared.templates].map((one) => [one.id, one])),
    opened: new Map(),
    eventOf: new Map(),
    listeners: [],
    isComplete: false,
  };
  const { index, others, removals, opened, eventOf, listeners } = state;
  for (const one of state.declared.values()) index.set(one);

  const open = async (event: TenantRow['event']): Promise<void> => {
    const secrets = await vault.open(event);
    if (!secrets && event.personal) {
      logger.warn({ stream: event.stream }, 'the secrets of a tenant cannot be opened any more');
    }
    opened.set(event.id, (secrets ?? {}) as TenantSecrets); // what the tenant's fact was given
  };

  const refresh = (id: TenantId): void => show(state, id, table.get(id));

  return {
    get: (id) => {
      const one = index.get(id);
      return one && isTenant(one) ? one : undefined;
    },
    find: (id) => index.get(id),
    ofHost: (host) => tenantsOf(index.ofHost(host)),
    all: () => tenantsOf(index.all()),
    everybody: () => index.all(),
    named: (host) => index.ofHost(host),
    row: (id) => table.get(id),
    templateOf: (host) => index.ofHost(host).find(isTemplate),
    removals: () => [...removals.values()],
    isComplete: () => state.isComplete && options.state().failure === null,
    standing(id) {
      const one = index.get(id);
      if (one) return one.removing ? 'removing' : 'active';
      return others.get(id) ?? (state.isComplete ? 'unknown' : 'pending');
    },
    onChange: (listener) => void listeners.push(listener),
    async load() {
      const limited = createLimiter(OPENED_AT_ONCE);
      const rows = table.all();
      await Promise.all(rows.map(({ event }) => event.personal && limited(() => open(event))));
      for (const row of rows) show(state, row.tenant, row);
    },
    async prepare(events) {
      for (const event of events) {
        if (event.type === 'TenantConfigured') await open(event);
      }
    },
    onCommit(events) {
      const changed = new Set<TenantId>();
      for (const event of events) {
        const { type } = event;
        const actor = isOfConfiguration({ type }) ? actorOf(event.stream) : null;
        if (actor?.kind === 'tenant') changed.add(actor.tenant);
      }
      if (changed.size === 0) return;
      for (const id of changed) refresh(id);
      // What a later fact of the batch has replaced, and what does not count.
      const counting = new Set(eventOf.values());
      for (const { id } of events) if (!counting.has(id)) opened.delete(id);
      for (const id of changed) for (const listener of listeners) listener(id);
    },
    onDropped() {
      state.isComplete = false;
      for (const { id } of index.all()) show(state, id, null);
      others.clear();
    },
    applied() {
      const ids = [...state.declared.keys()] as TenantId[]; // of tenants
      state.declared = new Map();
      for (const id of ids) refresh(id);
      for (const id of ids) for (const listener of listeners) listener(id);
    },
    caughtUp() {
      state.isComplete = true;
    },
  };
}

/** Makes of a tenant what its row says. @param row null if there is none */
function show(state: State, id: TenantId, row: TenantRow | null): void {
  const { index, others, removals, declared, opened, eventOf } = state;
  const before = eventOf.get(id);
  if (before !== undefined && before !== row?.event.id) {
    opened.delete(before);
    eventOf.delete(id);
  }
  others.delete(id);
  removals.delete(id);
  if (row?.configuration) eventOf.set(id, row.event.id);
  if (row?.standing === 'removing') removals.set(id, { tenant: id, purge: row.purge });
  const wanted = row?.standing === 'removing' ? undefined : declared.get(id);
  const one = wanted ?? (row?.configuration && tenantOfRow(row, row.configuration, opened));
  if (one) index.set(one);
  else index.delete(id);
  if (row && !one) others.set(id, row.standing);
}

function tenantOfRow(
  { tenant, standing, event }: TenantRow,
  configuration: Configuration,
  opened: ReadonlyMap<string, TenantSecrets>,
): Tenant | Template {
  const { source, host, instance, settings, keys } = configuration;
  const { legacySecret, webhookKey, ...readable } = opened.get(event.id) ?? {};
  const secrets = {
    ...readable,
    ...(legacySecret !== undefined && { legacyDigest: legacySecret }),
    ...(webhookKey !== undefined && { webhookDigest: webhookKey }),
  };
  const kept = KeptSettings.parse(settings);
  const common = {
    ...kept,
    ...secrets,
    id: tenant,
    host,
    source,
    removing: standing === 'removing',
  };
  if (instance === ANY_INSTANCE) return { ...common, instance };
  // A decision of the actor has it from a parsed wish.
  return {
    ...common,
    ...(instance !== null && { instance: instance as Tenant['instance'] }),
    keys,
  };
}

/** Keeps what was derived from a list for as long as the list is the same. */
function derived<From extends object, To>(derive: (from: From) => To): (from: From) => To {
  const known = new WeakMap<From, To>();
  return (from) => {
    const before = known.get(from);
    if (before !== undefined) return before;
    const made = derive(from);
    known.set(from, made);
    return made;
  };
}

const tenantsOf = derived((all: readonly (Tenant | Template)[]): readonly Tenant[] =>
  all.filter(isTenant),
);
