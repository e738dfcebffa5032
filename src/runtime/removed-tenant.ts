/** What is left in tables when a tenant was removed, and how it goes. */
import type { DatabaseSync } from 'node:sqlite';
import { actorOf, type TenantId } from '../actors/ids.ts';
import type { RecordedEvent } from '../eventstore/port.ts';

/** Deletes the rows of a tenant. */
export type ForgetTenant = (tenant: TenantId) => void;

/** The tenant that this fact removed; null for all other facts. */
export function removedTenant({ stream, type }: Pick<RecordedEvent, 'stream' | 'type'>) {
  const actor = type === 'TenantRemoved' ? actorOf(stream) : null;
  return actor?.kind === 'tenant' ? actor.tenant : null;
}

/** For tables with a column `tenant`. */
export function forgetsByTenant(db: DatabaseSync, tables: readonly string[]): ForgetTenant {
  const statements = tables.map((table) => db.prepare(`DELETE FROM ${table} WHERE tenant = ?`));
  return (tenant) => {
    for (const statement of statements) statement.run(tenant);
  };
}

/** The names between which all streams of one kind and tenant are, without the ends: `/` follows `.`. */
export const rangeOfStreams = (kindAndTenant: string): readonly [from: string, to: string] => [
  `${kindAndTenant}.`,
  `${kindAndTenant}/`,
];

/** For a table with a column `stream` that names actors. */
export function forgetsByStream(db: DatabaseSync, table: string): ForgetTenant {
  const range = db.prepare(`DELETE FROM ${table} WHERE stream > ? AND stream < ?`);
  const one = db.prepare(`DELETE FROM ${table} WHERE stream = ?`);
  return (tenant) => {
    for (const kind of ['visitor', 'operator']) range.run(...rangeOfStreams(`${kind}-${tenant}`));
    one.run(`tenant-${tenant}`);
  };
}
