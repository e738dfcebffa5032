/** People who work in LHC's own pages, in rows of read models: two columns, and one field of a view (docs/adr/0044). */
import type { SQLOutputValue } from 'node:sqlite';

export interface InLhc {
  /** 0 and -1: LHC itself; -2: a bot. */
  readonly lhcUserId: number;
  /** As LHC gave it; null if it gave none, or if the visitor was erased. */
  readonly name: string | null;
}

/** For the definition of a table. */
export const IN_LHC_COLUMNS = `lhc_user_id INTEGER,
      lhc_name TEXT,`;
/** For a query whose rows {@link withInLhc} reads. */
export const IN_LHC_SELECTED = 'lhc_user_id AS lhcUserId, lhc_name AS lhcName';

/** The row with the field `inLhc` instead of its columns. */
export function withInLhc<R extends Record<string, SQLOutputValue>>(row: R) {
  const { lhcUserId, lhcName, ...rest } = row;
  const inLhc = typeof lhcUserId === 'number' ? { lhcUserId, name: lhcName ?? null } : null;
  return { ...rest, inLhc };
}
