import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Statements by name. Each is prepared when it is first used, so their tables may be created after this call. */
export function prepareLazily<Name extends string>(
  db: DatabaseSync,
  queries: Readonly<Record<Name, string>>,
): (name: Name) => StatementSync {
  const prepared = new Map<Name, StatementSync>();
  return (name) => {
    let statement = prepared.get(name);
    if (!statement) {
      statement = db.prepare(queries[name]);
      prepared.set(name, statement);
    }
    return statement;
  };
}
