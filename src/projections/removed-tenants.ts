/**
 * The rows of tenants that were removed. The fact removes none: a tenant with a million messages would hold up the read
 * models for half a minute. Nobody can ask for rows of such a tenant, and they go in the background, some at a time
 * (build.ts). If the tenant comes back before that, the rest goes at once.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Model } from './model.ts';

/** Rows that a step looks at: some 5 ms. */
export const REMOVED_ROWS_AT_ONCE = 200;

/** The tenants that were removed, and how far the removal of their rows is. */
interface RemovedTenants {
  /** A tenant was removed. Its facts count no more, until it is back. */
  remove(tenant: string): void;
  isRemoved(tenant: string): boolean;
  /** Its rows are gone, and it has facts again. */
  comeBack(tenant: string): void;
}

export const REMOVED_TENANTS: Model<RemovedTenants> = {
  version: 1,
  // `streams`: rows of streams up to this number go (streams.ts). `looked`: up to this one they have gone.
  schema: `
    CREATE TABLE removed_tenants (
      tenant TEXT PRIMARY KEY,
      streams INTEGER NOT NULL,
      looked INTEGER NOT NULL DEFAULT 0,
      swept INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX removed_tenants_left ON removed_tenants (tenant) WHERE swept = 0;
  `,
  tables: ['removed_tenants'],
  forget: () => () => 0,
  apply: (db) => {
    const remove = db.prepare(
      'INSERT OR REPLACE INTO removed_tenants (tenant, streams) SELECT ?, last FROM fact_seq',
    );
    const isRemoved = db.prepare('SELECT 1 FROM removed_tenants WHERE tenant = ?');
    const comeBack = db.prepare('DELETE FROM removed_tenants WHERE tenant = ?');
    return {
      remove: (tenant) => void remove.run(tenant),
      isRemoved: (tenant) => isRemoved.get(tenant) !== undefined,
      comeBack: (tenant) => void comeBack.run(tenant),
    };
  },
};

/** Removes rows of a removed tenant. @returns how many it has looked at: fewer than `most` at the end */
export type ForgetRows = (tenant: string, most: number) => number;

/** For tables whose primary key begins with the tenant. */
export function forgetsRows(db: DatabaseSync, tables: readonly string[]): ForgetRows {
  const all = tables.map((table) => {
    const columns = db
      .prepare('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk')
      .all(table);
    const key = columns.map(({ name }) => name).join(', ');
    return db.prepare(
      `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE tenant = ? LIMIT ?)`,
    );
  });
  return (tenant, most) => {
    let looked = 0;
    for (const statement of all) {
      if (looked < most) looked += Number(statement.run(tenant, most - looked).changes);
    }
    return looked;
  };
}

export interface Sweep {
  hasMore(): boolean;
  /** Removes some rows of one tenant. @returns true if there are more */
  step(): boolean;
  /** Removes all rows of this tenant. */
  all(tenant: string): void;
}

/** @param forget in this order: each begins when the one before it has ended */
export function createSweep(db: DatabaseSync, forget: readonly ForgetRows[]): Sweep {
  const next = db.prepare('SELECT tenant FROM removed_tenants WHERE swept = 0 LIMIT 1');
  const swept = db.prepare('UPDATE removed_tenants SET swept = 1 WHERE tenant = ?');
  function isDone(tenant: string): boolean {
    let most = REMOVED_ROWS_AT_ONCE;
    for (const each of forget) {
      most -= each(tenant, most);
      if (most <= 0) return false;
    }
    swept.run(tenant);
    return true;
  }
  const hasMore = (): boolean => next.get() !== undefined;
  return {
    hasMore,
    step: () => {
      const tenant = next.get()?.tenant;
      if (tenant !== undefined) isDone(String(tenant));
      return hasMore();
    },
    all: (tenant) => {
      while (!isDone(tenant));
    },
  };
}
