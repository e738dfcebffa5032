/** The build of the web client: which files it has. `npm run build:web-client` makes it (web-client/vite.config.ts). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** Types of what the build has. A file of another type is not served. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['js', 'text/javascript; charset=utf-8'],
  ['css', 'text/css; charset=utf-8'],
  ['json', 'application/json; charset=utf-8'],
  ['txt', 'text/plain; charset=utf-8'],
  ['svg', 'image/svg+xml'],
  ['png', 'image/png'],
  ['mp3', 'audio/mpeg'],
  ['ogg', 'audio/ogg'],
  ['ttf', 'font/ttf'],
]);

const BuildFile = z.object({
  /** A hash of all files: addresses have it, so browsers keep what they have loaded. */
  id: z.string().regex(/^[0-9a-f]{16}$/),
  /** Paths within the folder. */
  files: z.array(z.string().regex(/^[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)*$/)),
});

export interface Build {
  readonly id: string;
  readonly files: ReadonlySet<string>;
}

/** @returns null if nobody has built it @throws if what is there is no build */
export async function readBuild(folder: string): Promise<Build | null> {
  let text: string;
  try {
    text = await readFile(join(folder, 'build.json'), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  const { data, error } = BuildFile.safeParse(JSON.parse(text));
  if (!data) throw new Error(`web-client/dist/build.json: ${error.message}`);
  return { id: data.id, files: new Set(data.files) };
}

/** @returns undefined for a type that is not served */
export const typeOf = (path: string): string | undefined => TYPES.get(path.split('.').pop() ?? '');
