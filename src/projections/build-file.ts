/** The file of a build of the read models: its name, its number, and what its head says. */
import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { hasCode } from '../errors.ts';
import { openDatabase, transaction } from '../sqlite/open.ts';
import type { Versions } from './models.ts';

/** "xCPr" */
const APPLICATION_ID = 0x78435072;
const SCHEMA_OF_BUILD = `
  CREATE TABLE build (
    versions TEXT NOT NULL,
    store TEXT NOT NULL,
    complete INTEGER NOT NULL
  ) STRICT;
`;

const openDatabaseOf = (file: string): DatabaseSync =>
  openDatabase(file, {
    applicationId: APPLICATION_ID,
    version: 1,
    schema: '',
    synchronous: 'NORMAL',
    secureDelete: true,
  });

/** Deletes it, with its side files. */
export const removeFile = (file: string): void => {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
};

/** @param path the files' name without a number */
export const fileOf = (path: string, number: number): string => `${path}.${number}`;

/** The numbers of the builds that have a file. @param path as of {@link fileOf} */
export function numbersAt(path: string): number[] {
  const prefix = `${basename(path)}.`;
  let names: string[];
  try {
    names = readdirSync(dirname(path));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return names
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((number) => /^[1-9][0-9]{0,14}$/.test(number))
    .map(Number);
}

export interface Header {
  readonly versions: Versions;
  readonly store: string;
  readonly complete: boolean;
}

/** @returns null if the file is not a build */
function readHeader(db: DatabaseSync): Header | null {
  const table = db.prepare(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'build'`);
  if (!table.get()) return null;
  const row = db.prepare('SELECT versions, store, complete FROM build').get();
  if (!row) return null;
  return {
    versions: JSON.parse(String(row.versions)), // Only `createFile` writes this row.
    store: String(row.store),
    complete: row.complete === 1,
  };
}

/**
 * Opens the file of a build.
 * @param store the id of the log that its rows have to be of
 * @returns null for a file that is damaged, no build, or of another log; it is deleted
 */
export function openFile(
  file: string,
  store: string,
): { readonly db: DatabaseSync; readonly header: Header } | null {
  let db: DatabaseSync;
  try {
    db = openDatabaseOf(file);
  } catch (error) {
    if (!hasCode(error, 'invalid')) throw error;
    removeFile(file);
    return null;
  }
  const header = readHeader(db);
  if (header?.store === store) return { db, header };
  db.close();
  removeFile(file);
  return null;
}

/** Makes the file of an empty build, in the place of one that may be there. */
export function createFile(file: string, { versions, store, complete }: Header): DatabaseSync {
  removeFile(file);
  const db = openDatabaseOf(file);
  transaction(db, () => {
    db.exec(SCHEMA_OF_BUILD);
    db.prepare('INSERT INTO build VALUES (?, ?, ?)').run(
      JSON.stringify(versions),
      store,
      Number(complete),
    );
  });
  return db;
}
