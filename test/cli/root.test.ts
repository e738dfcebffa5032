/** What root does in the folder of the service's user, who may be an attacker. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asUser, userBehind, userBehindAll } from '../../src/backup/user.ts';
import { runChecks } from '../../src/doctor/check.ts';
import { diskCheck } from '../../src/doctor/disk.ts';
import { openEventStore } from '../../src/eventstore/open.ts';
import { temporaryFolder } from '../support/folder.ts';
import { dataDirOf, run } from './backups.ts';

const SLOW = { timeout: 120_000 };
/** Any user and group but root: they need no name. */
const [UID, GID] = [54_321, 54_322];
const isRoot = process.geteuid?.() === 0;
/** What only root may read and change. */
const SECRET = 'only root may read this line, and nobody may change it';

const root = temporaryFolder('root');
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;

/** A folder of the service's user in a folder of root. */
function folderOf(uid: number, gid: number): string {
  folders += 1;
  const path = join(root, String(folders));
  mkdirSync(path);
  chmodSync(path, 0o755);
  chownSync(path, uid, gid);
  return path;
}

function giveAway(path: string): void {
  chownSync(path, UID, GID);
  if (!statSync(path).isDirectory()) return;
  for (const name of readdirSync(path)) giveAway(join(path, name));
}

const ownersOf = (dir: string): string[] =>
  readdirSync(dir, { recursive: true }).map((name) => {
    const { uid, gid } = lstatSync(join(dir, String(name)));
    return `${name} ${uid}:${gid}`;
  });
const foreign = (dir: string): string[] =>
  ownersOf(dir).filter((line) => !line.endsWith(` ${UID}:${GID}`));

it('nobody but root becomes another user', async () => {
  if (!isRoot) {
    expect(userBehind('/')).toBeNull();
    expect(userBehind(root)).toBeNull();
  }
  expect(await asUser(null, () => process.geteuid?.())).toBe(process.geteuid?.());
});

// CI runs as root. Everybody else cannot become another user, so there is nothing to test.
describe.runIf(isRoot)('root', SLOW, () => {
  let backup: string;
  let victim: string;
  beforeAll(async () => {
    chmodSync(root, 0o755);
    const { dir, store } = await dataDirOf(200);
    await store.close();
    backup = join(folderOf(0, 0), 'backup');
    expect(await run(dir, ['backup', backup])).toMatchObject({ code: 0 });
    victim = join(root, 'victim');
    writeFileSync(victim, SECRET, { mode: 0o600 });
  });

  it('reads a log beside which nothing can be written, as on a read-only medium', async () => {
    const dir = folderOf(0, 0);
    const path = join(dir, 'events.db');
    cpSync(join(backup, 'events.db'), path);
    chmodSync(path, 0o644);
    const head = () =>
      asUser({ uid: UID, gid: GID }, async () => {
        const store = await openEventStore(`sqlite:${path}`, { besideWriter: () => undefined });
        try {
          return await store.head();
        } finally {
          await store.close();
        }
      });
    expect(await head()).not.toBeNull();
    expect(readdirSync(dir)).toEqual(['events.db']);
    // What stands in a write-ahead log would be missed.
    writeFileSync(`${path}-wal`, 'something');
    await expect(head()).rejects.toThrow('copy both files');
  });

  it('restores as the owner of the folder, to whom everything belongs', async () => {
    const dir = folderOf(UID, GID);
    const put = await run(dir, ['restore', backup]);
    expect(put, put.output).toMatchObject({ code: 0 });
    expect(foreign(dir)).toEqual([]);
    expect(readdirSync(dir)).toEqual(expect.arrayContaining(['events.db', 'service-secret']));
    const again = await run(dir, ['restore', '--force', backup]);
    expect(again, again.output).toMatchObject({ code: 0 });
    expect(foreign(dir)).toEqual([]);
    const deep = join(dir, 'deep', 'data');
    expect(await run(deep, ['restore', backup])).toMatchObject({ code: 0 });
    expect(foreign(dir)).toEqual([]);
  });

  it.each([
    'events.db.restoring',
    'service-secret.restoring',
    'service-secret',
    'events.db',
    'events.db-wal',
    'events.db.lock',
    'process.lock',
  ])('restores through no link: %s', async (name) => {
    const dir = folderOf(UID, GID);
    symlinkSync(victim, join(dir, name));
    const { code, output } = await run(dir, ['restore', '--force', backup]);
    expect(output).not.toContain(SECRET);
    expect(output).not.toMatch(/^ +at /m);
    if (code !== 0) expect(output).toContain(name);
    expect(readFileSync(victim, 'utf8')).toBe(SECRET);
    expect(lstatSync(victim)).toMatchObject({ uid: 0, gid: 0, mode: 0o100600 });
    if (code === 0) expect(readdirSync(dir)).toContain('events.db');
  });

  it('restores into no folder that a link leads to', async () => {
    const own = folderOf(UID, GID);
    const closed = folderOf(0, 0);
    symlinkSync(closed, join(own, 'data'));
    const { code } = await run(join(own, 'data'), ['restore', backup]);
    expect(code).toBe(1);
    expect(readdirSync(closed)).toEqual([]);
    // A link of root's own is not theirs.
    const home = folderOf(UID, GID);
    const link = join(folderOf(0, 0), 'data');
    symlinkSync(home, link);
    expect(await run(link, ['restore', backup])).toMatchObject({ code: 0 });
    expect(foreign(home)).toEqual([]);
  });

  it('is not outrun by somebody who changes files meanwhile', async () => {
    const dir = folderOf(UID, GID);
    const script = `while :; do for name in events.db service-secret process.lock; do
      ln -sf ${victim} ${dir}/$name.restoring; rm -f ${dir}/$name.restoring
      ln -sf ${victim} ${dir}/$name; rm -f ${dir}/$name; done; done`;
    const attacker = spawn('/bin/sh', ['-c', script], { uid: UID, gid: GID, stdio: 'ignore' });
    try {
      for (let n = 0; n < 3; n += 1) await run(dir, ['restore', '--force', backup]);
    } finally {
      attacker.kill('SIGKILL');
      await once(attacker, 'close');
    }
    expect(readFileSync(victim, 'utf8')).toBe(SECRET);
    expect(lstatSync(victim)).toMatchObject({ uid: 0, gid: 0, mode: 0o100600 });
    expect(foreign(dir)).toEqual([]);
  });

  it("reads a backup of somebody else with that person's rights", async () => {
    const theirs = folderOf(UID, GID);
    for (const name of readdirSync(backup)) {
      const content = readFileSync(join(backup, name));
      writeFileSync(join(theirs, name), content, { mode: 0o600 });
    }
    giveAway(theirs);
    const dir = folderOf(UID, GID);
    expect(await run(dir, ['restore', theirs])).toMatchObject({ code: 0 });
    const bytes = SECRET.length;
    const path = join(theirs, 'manifest.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8'));
    const sha256 = Buffer.from(
      await crypto.subtle.digest('SHA-256', new TextEncoder().encode(SECRET)),
    ).toString('hex');
    manifest.files = manifest.files.map((file: { name: string }) =>
      file.name === 'service-secret' ? { ...file, bytes, sha256 } : file,
    );
    writeFileSync(path, JSON.stringify(manifest));
    rmSync(join(theirs, 'service-secret'));
    symlinkSync(victim, join(theirs, 'service-secret'));
    const target = folderOf(UID, GID);
    const { code, output } = await run(target, ['restore', theirs]);
    expect(code).toBe(1);
    expect(output).toMatch(/EACCES|permission/);
    expect(readdirSync(target)).toEqual([]);
    expect((await run(target, ['backup', '--verify', theirs])).code).toBe(1);
  });

  it('backs up what the owner of the folder can read', async () => {
    const { dir, store } = await dataDirOf(50);
    await store.close();
    const theirs = folderOf(UID, GID);
    for (const name of readdirSync(dir)) {
      writeFileSync(join(theirs, name), readFileSync(join(dir, name)), { mode: 0o600 });
    }
    giveAway(theirs);
    const target = join(folderOf(0, 0), 'copy');
    const taken = await run(theirs, ['backup', target]);
    expect(taken, taken.output).toMatchObject({ code: 0 });
    // The backup belongs to root, and what is left in the folder to its owner.
    expect(ownersOf(target).every((line) => line.endsWith(' 0:0'))).toBe(true);
    expect(foreign(theirs)).toEqual([]);

    rmSync(join(theirs, 'service-secret'));
    symlinkSync(victim, join(theirs, 'service-secret'));
    const refused = join(folderOf(0, 0), 'copy');
    expect(await run(theirs, ['backup', refused])).toMatchObject({
      code: 1,
      output: expect.stringMatching(/EACCES/),
    });
    expect(existsSync(refused)).toBe(false);
  });

  it('does not work where others can change folders of root', async () => {
    const open = folderOf(0, 0);
    chmodSync(open, 0o777);
    const { code, output } = await run(join(open, 'data'), ['restore', backup]);
    expect(code).toBe(1);
    expect(output).toMatch(/others can write to it: chmod go-w/);
    expect(() => userBehindAll(folderOf(UID, GID), folderOf(UID + 1, GID))).toThrow(/different/);
    expect(userBehind('/tmp/is/not/there')).toBeNull();
    expect(userBehind('/etc/passwd')).toBeNull();
  });

  it('finds as the doctor what the user of the service cannot read', async () => {
    const dataDir = folderOf(UID, GID);
    const log = join(dataDir, 'events.db');
    writeFileSync(log, '', { mode: 0o600 });
    const config = { dataDir, eventStore: `sqlite:${log}`, serviceSecrets: undefined };
    const faults = async () =>
      (await asUser(userBehind(dataDir), () => runChecks([diskCheck(config)])))
        .filter(({ message }) => message.includes('cannot read and write'))
        .map(({ message }) => message);
    expect(await faults()).toEqual([expect.stringContaining(log)]);
    giveAway(log);
    expect(await faults()).toEqual([]);
  });

  it('is root again after the work, and not during it', async () => {
    const groups = process.getgroups?.();
    const user = { uid: UID, gid: GID };
    await asUser(user, () => {
      expect([process.geteuid?.(), process.getegid?.()]).toEqual([UID, GID]);
      expect(process.getgroups?.()).toEqual([GID]);
      expect(() => readFileSync(victim)).toThrow(/EACCES/);
    });
    await expect(asUser(user, () => Promise.reject(new Error('it failed')))).rejects.toThrow();
    expect([process.geteuid?.(), process.getegid?.()]).toEqual([0, 0]);
    expect(process.getgroups?.()).toEqual(groups);
    expect(readFileSync(victim, 'utf8')).toBe(SECRET);
  });
});
