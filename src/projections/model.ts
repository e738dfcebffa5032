import type { DatabaseSync } from 'node:sqlite';
import type { ForgetRows } from './removed-tenants.ts';

/** One read model: its tables, and how a fact changes their rows. */
export interface Model<Apply> {
  /** Raise it when the schema or the effect of `apply` changes: then the rows are built again beside the old ones. */
  readonly version: number;
  /** Creates the tables, and the indexes that `apply` needs. */
  readonly schema: string;
  /**
   * The indexes that only queries need, each by its name. A build gets them when it has caught up: keeping them up to date
   * meanwhile took a third of the time.
   */
  readonly indexes?: Readonly<Record<string, string>>;
  /** Every table in `schema`. */
  readonly tables: readonly string[];
  /** A tenant was removed: what queries would see still is hidden at once. Default: nothing, as queries name their tenant. */
  readonly hide?: (db: DatabaseSync) => (tenant: string) => void;
  /** Removes what the tables have of a tenant that is gone. Default: the rows with this `tenant`. */
  readonly forget?: (db: DatabaseSync) => ForgetRows;
  /** Prepares the statements, when the tables exist. */
  readonly apply: (db: DatabaseSync) => Apply;
}
