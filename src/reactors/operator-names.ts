/** Reads operators' names. Facts have usernames alone, because a name is personal data: whoever writes a line asks here. */
import { actorOf, operatorRef, streamOf, type TenantId, type Username } from '../actors/ids.ts';
import type { EventStore } from '../eventstore/port.ts';
import { eventAt } from '../eventstore/reading.ts';
import type { CommitListener } from '../runtime/pending-work.ts';
import type { Actors } from '../runtime/ports.ts';
import type { PersonalData } from './personal-data.ts';
import { type Names, namesOf } from './texts/names.ts';

export interface OperatorNames extends CommitListener {
  /** The names as far as this process has read the log. @throws {AppError} `unavailable` if the log cannot be read */
  of(tenant: TenantId): Promise<Names>;
}

interface NamesOptions {
  readonly actors: Pick<Actors, 'operator'>;
  readonly store: Pick<EventStore, 'readStream'>;
  readonly personal: Pick<PersonalData, 'of'>;
  /** Registered operators of a tenant. */
  readonly operatorsOf: (tenant: TenantId) => readonly Username[];
}

/** Facts that can change a name. */
const CHANGES = new Set(['OperatorRegistered', 'OperatorRemoved', 'OperatorSummarised']);

export function createOperatorNames(options: NamesOptions): OperatorNames {
  const { actors, store, personal, operatorsOf } = options;
  /** As many as there are operators. */
  const names = new Map<string, Promise<string | null>>();
  const tenants = new Map<TenantId, Promise<Names>>();

  async function read(tenant: TenantId, username: Username): Promise<string | null> {
    const state = await actors.operator(tenant, username).state();
    const revision = state?.context.nameRevision ?? -1;
    const fact = await eventAt(store, streamOf(operatorRef(tenant, username)), revision);
    const name = fact && (await personal.of(fact))?.name;
    return typeof name === 'string' && name !== '' ? name : null;
  }

  /** Keeps a result until a fact changes it. A failure is not kept. */
  function kept<K, V>(map: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
    const known = map.get(key);
    if (known) return known;
    const made = make();
    map.set(key, made);
    made.catch(() => {
      if (map.get(key) === made) map.delete(key);
    });
    return made;
  }

  async function readAll(tenant: TenantId): Promise<Names> {
    const known = new Map<Username, string | null>();
    for (const username of operatorsOf(tenant)) {
      const stream = streamOf(operatorRef(tenant, username));
      known.set(username, await kept(names, stream, () => read(tenant, username)));
    }
    return namesOf(known);
  }

  return {
    of: (tenant) => kept(tenants, tenant, () => readAll(tenant)),
    onCommit(events) {
      for (const { stream, type } of events) {
        if (!CHANGES.has(type)) continue;
        const actor = actorOf(stream);
        if (!actor) continue;
        names.delete(stream);
        tenants.delete(actor.tenant);
      }
    },
  };
}
