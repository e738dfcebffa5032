/**
 * What root does in folders of others. Whoever can change a folder can put a link, or another folder, in the place of
 * what root looked at a moment before. So root becomes the owner of the folder first, and then reaches no more than they
 * do.
 */
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { isAbsolute, parse, resolve, sep } from 'node:path';
import { AppError } from '../errors.ts';

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Links on one path at most, as in Linux. */
const MOST_LINKS = 40;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * For root: the user who can change what a path leads to, or null if only root can. The path may lead past what exists.
 * For everybody else: null, because they can be fooled into nothing that the kernel does not check.
 * @throws {AppError} `refused` if a folder on the way can be changed by users who cannot be told
 */
export function userBehind(path: string): User | null {
  return process.geteuid?.() === 0 ? userOf(resolve(path)) : null;
}

/** Folder by folder, as the kernel walks. */
function userOf(path: string): User | null {
  let folder = parse(path).root;
  let left = partsOf(path);
  for (let links = 0; ; ) {
    const user = ownerOf(folder, lstatSync(folder));
    if (user) return user;
    const [name, ...rest] = left;
    if (name === undefined) return null;
    const next = resolve(folder, name);
    const found = lstatSync(next, { throwIfNoEntry: false });
    if (!found) return null; // only root can make it
    left = rest;
    if (found.isSymbolicLink()) {
      // In a folder such as /tmp anybody may have made it.
      if (found.uid !== 0) return { uid: found.uid, gid: found.gid };
      links += 1;
      if (links > MOST_LINKS) throw new AppError('refused', `${path} has too many links`);
      const target = readlinkSync(next);
      if (isAbsolute(target)) folder = parse(target).root;
      left = [...partsOf(target), ...rest];
    } else if (found.isDirectory()) {
      folder = next;
    } else {
      return found.uid === 0 ? null : { uid: found.uid, gid: found.gid };
    }
  }
}

const partsOf = (path: string): string[] => path.split(sep).filter((part) => part !== '');

/** @returns null if root alone can change what the folder holds of root's */
function ownerOf(folder: string, { uid, gid, mode }: Stats): User | null {
  if (uid !== 0) return { uid, gid };
  if ((mode & OTHERS_WRITE) === 0 || (mode & STICKY) !== 0) return null;
  throw new AppError(
    'refused',
    `${folder} belongs to root, and others can write to it: chmod go-w it, or run this command as the user of the service`,
  );
}

/**
 * The user for work in several places.
 * @throws {AppError} `refused` if they belong to different users
 */
export function userBehindAll(...paths: readonly string[]): User | null {
  const users = paths.map(userBehind).filter((user) => user !== null);
  const [first] = users;
  if (users.every(({ uid }) => uid === first?.uid)) return first ?? null;
  throw new AppError(
    'refused',
    `${paths.join(' and ')} belong to different users: run this command as the user of the service`,
  );
}

/**
 * Does work as another user, and is root again behind it. Nothing else may run in this process meanwhile.
 * @param user null: as whoever runs the command
 */
export async function asUser<T>(user: User | null, work: () => T | Promise<T>): Promise<T> {
  const { getgroups, getegid, setgroups, setegid, seteuid } = process;
  if (!user || !getgroups || !getegid || !setgroups || !setegid || !seteuid) return await work();
  const [groups, gid] = [getgroups(), getegid()];
  try {
    setgroups([user.gid]);
    setegid(user.gid);
    seteuid(user.uid);
    return await work();
  } finally {
    seteuid(0);
    setegid(gid);
    setgroups(groups);
  }
}
