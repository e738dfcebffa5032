/** Who else can read the places with secrets: TENANTS_FILE, `.env`, DATA_DIR. The disk check looks at service-secret. */
import { statSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { type Check, type Finding, ok, warning } from './check.ts';

interface Mode {
  readonly path: string;
  readonly mode: number;
  /** The group of the file. */
  readonly gid: number;
  readonly isFolder: boolean;
}

const OTHERS = 0o007;
const GROUP = 0o070;
const GROUP_WRITES = 0o020;

export const fileModesCheck = ({
  dataDir,
  secretFiles,
}: Pick<Config, 'dataDir' | 'secretFiles'>): Check => ({
  name: 'files',
  async run() {
    const modes = [dataDir, ...secretFiles].flatMap((path): Mode[] => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found
        ? [{ path, mode: found.mode, gid: found.gid, isFolder: found.isDirectory() }]
        : [];
    });
    return judgeModes(modes, process.getegid?.());
  },
});

/** @param ownGroup of the user of the service, which may read: root gives files to it */
export function judgeModes(modes: readonly Mode[], ownGroup: number | undefined): Finding[] {
  const open = modes.flatMap((one) => {
    const who = whoElse(one, ownGroup);
    return who === null ? [] : [exposed(one, who)];
  });
  if (open.length > 0 || modes.length === 0) return open;
  return [ok(`nobody else can read ${modes.map(({ path }) => path).join(', ')}`)];
}

function whoElse({ mode, gid }: Mode, ownGroup: number | undefined): string | null {
  if ((mode & OTHERS) !== 0) return 'every user of this machine';
  if ((mode & GROUP) === 0) return null;
  return gid === ownGroup && (mode & GROUP_WRITES) === 0 ? null : 'its group';
}

const exposed = ({ path, mode, isFolder }: Mode, who: string): Finding =>
  warning(
    `${path} has mode ${(mode & 0o777).toString(8)}: ${who} can get at the secrets in it`,
    `chmod ${isFolder ? 700 : 600} ${path}. It has to belong to the user of the service. Change the secrets if somebody may have read them`,
  );
