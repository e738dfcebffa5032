/** What the private folder of an LHC keeps from start to start: passwords and ports. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../ejabberd/ports.ts';
import { writePrivate } from '../generated-files.ts';

export interface Kept {
  readonly adminPassword: string;
  readonly databasePassword: string;
  readonly ports: { readonly web: number; readonly shop: number; readonly database: number };
  readonly operators: Readonly<Record<string, string>>;
}

const secret = (): string => randomBytes(15).toString('hex');

interface Wishes {
  readonly ports?: { readonly web?: number; readonly shop?: number };
  readonly operators?: readonly { readonly username: string }[];
}

/**
 * The passwords and ports of this folder, made at its first start. They are in `rig.json` (mode 600).
 * @throws {AppError} `unavailable` naming a wished port that is in use
 */
export async function keep(dir: string, options: Wishes): Promise<Kept> {
  const path = join(dir, 'rig.json');
  const before = existsSync(path)
    ? (JSON.parse(await readFile(path, 'utf8')) as Kept) // as written below
    : undefined;
  async function port(given: number | undefined, last: number | undefined): Promise<number> {
    if (given !== undefined) return (await freePorts({ http: given })).http;
    const same = last === undefined ? null : await freePorts({ http: last }).catch(() => null);
    return (same ?? (await freePorts({}))).http;
  }
  const names = (options.operators ?? []).map(({ username }) => username);
  const kept: Kept = {
    adminPassword: before?.adminPassword ?? secret(),
    databasePassword: before?.databasePassword ?? secret(),
    ports: {
      web: await port(options.ports?.web, before?.ports.web),
      shop: await port(options.ports?.shop, before?.ports.shop),
      database: await port(undefined, before?.ports.database),
    },
    operators: {
      ...Object.fromEntries(names.map((name) => [name, secret()])),
      ...before?.operators,
    },
  };
  writePrivate(dir, 'rig.json', `${JSON.stringify(kept, null, 2)}\n`);
  return kept;
}
