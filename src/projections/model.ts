import type { DatabaseSync } from 'node:sqlite';

/** One read model: its tables, and how a fact changes their rows. */
export interface Model<Apply> {
  /** Raise it when the schema or the effect of `apply` changes: then the rows are built again beside the old ones. */
  readonly version: number;
  /** Creates the tables and their indexes. */
  readonly schema: string;
  /** Every table in `schema`. */
  readonly tables: readonly string[];
  /** Prepares the statements, when the tables exist. */
  readonly apply: (db: DatabaseSync) => Apply;
}
