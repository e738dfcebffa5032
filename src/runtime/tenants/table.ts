/**
 * The tenants as the log has them: the newest configuration of each, with its sealed part as it is in the log. Two tenants
 * may want the same host and instance at the same time: the first in the log has them (docs/adr/0036), so a later
 * configuration is left out here, in every process.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { TenantId } from '../../actors/ids.ts';
import type { Configuration } from '../../actors/tenant/configuration.ts';
import { clashOf } from '../../actors/tenant/directory.ts';
import type { RecordedEvent, Sealed } from '../../eventstore/port.ts';
import { prepareLazily } from '../../sqlite/statements.ts';
import type { WorkTable } from '../pending-work.ts';

/** A tenant in the table. */
export interface TenantRow {
  readonly tenant: TenantId;
  readonly standing: 'active' | 'removing' | 'removed';
  readonly purge: boolean;
  /** null of a tenant that was removed. */
  readonly configuration: Configuration | null;
  /** Where the sealed part is: the last `TenantConfigured`. */
  readonly event: Pick<RecordedEvent, 'stream' | 'type' | 'id' | 'personal'>;
}

interface Stored {
  readonly tenant: TenantId;
  readonly standing: TenantRow['standing'];
  readonly purge: number;
  readonly event: string;
  readonly configuration: string | null;
  readonly personal: string | null;
}

const TABLE = 'tenants';

export const TENANTS_TABLE: WorkTable = {
  name: TABLE,
  version: 1,
  schema: `
    CREATE TABLE tenants (
      tenant TEXT PRIMARY KEY,
      standing TEXT NOT NULL,
      purge INTEGER NOT NULL,
      -- null of a tenant that was removed: nobody else's name clashes with it.
      host TEXT,
      instance TEXT,
      -- The id of the last TenantConfigured.
      event TEXT NOT NULL,
      configuration TEXT,
      personal TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tenants_of_host ON tenants (host);
  `,
  tables: [TABLE],
  apply: (file) => {
    const ofHost = file.prepare(
      'SELECT tenant AS id, host, instance FROM tenants WHERE host = ? AND tenant <> ?',
    );
    const configure = file.prepare(
      `INSERT OR REPLACE INTO tenants (tenant, standing, purge, host, instance, event, configuration, personal)
       VALUES (?, 'active', 0, ?, ?, ?, ?, ?)`,
    );
    const changeKeys = file.prepare(
      `UPDATE tenants SET configuration = json_set(configuration, '$.keys', json(?)) WHERE tenant = ?`,
    );
    // A purge has cut what came before, if this is the first fact. The removal has to end all the same.
    const begin = file.prepare(
      `INSERT INTO tenants (tenant, standing, purge, event) VALUES (?1, 'removing', ?2, '')
       ON CONFLICT (tenant) DO UPDATE SET standing = 'removing', purge = excluded.purge`,
    );
    const remove = file.prepare(
      `INSERT OR REPLACE INTO tenants (tenant, standing, purge, event) VALUES (?, 'removed', ?, '')`,
    );
    return ({ id, stream, type, data, personal }) => {
      if (!stream.startsWith(STREAMS)) return;
      const tenant = stream.slice(STREAMS.length);
      if (type === 'TenantConfigured') {
        const configuration = data as Configuration; // the actor's decision has made it
        const { host, instance } = configuration;
        const one = { id: tenant, host, instance: instance ?? undefined };
        const clashes = ofHost.all(host, tenant).some((row) => {
          const other = row as { id: string; host: string; instance: string | null }; // the columns above
          return clashOf(one, { ...other, instance: other.instance ?? undefined }) !== null;
        });
        if (clashes) return;
        const box = personal && JSON.stringify(personal);
        configure.run(tenant, host, instance, id, JSON.stringify(configuration), box);
      } else if (type === 'TenantKeysChanged') {
        changeKeys.run(JSON.stringify(data.keys), tenant);
      } else if (type === 'TenantRemovalBegun') {
        begin.run(tenant, data.purge === true ? 1 : 0);
      } else if (type === 'TenantRemoved') {
        remove.run(tenant, data.purged === true ? 1 : 0);
      }
    };
  },
  // The row stays, and says that the tenant was removed.
  forget: () => () => undefined,
};

const STREAMS = 'tenant-';

const rowOf = ({ tenant, standing, purge, event, configuration, personal }: Stored): TenantRow => ({
  tenant,
  standing,
  purge: purge === 1,
  configuration: configuration === null ? null : (JSON.parse(configuration) as Configuration), // as `apply` has stored it
  event: {
    stream: `${STREAMS}${tenant}`,
    type: 'TenantConfigured',
    id: event,
    personal: personal === null ? null : (JSON.parse(personal) as Sealed), // the same
  },
});

/** Reads the table. */
export function openTenantTable(db: DatabaseSync): {
  get(tenant: string): TenantRow | null;
  all(): TenantRow[];
} {
  const query = prepareLazily(db, {
    get: 'SELECT * FROM tenants WHERE tenant = ?',
    all: 'SELECT * FROM tenants',
  });
  // The casts: the columns of the table above, which only its `apply` writes.
  return {
    get(tenant) {
      const row = query('get').get(tenant);
      return row ? rowOf(row as unknown as Stored) : null; // the columns of that statement
    },
    all: () =>
      // The same columns.
      query('all')
        .all()
        .map((row) => rowOf(row as unknown as Stored)), // the columns of the statement
  };
}
