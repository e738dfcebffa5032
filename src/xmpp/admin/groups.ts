/**
 * Shared roster groups (mod_shared_roster). ejabberd's commands answer 0 whatever happens, even for a missing group or
 * a host that ejabberd does not serve. So every change is read back.
 */
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { splitJid } from '../jid.ts';
import type { EjabberdAdmin, TenantGroups } from '../port.ts';
import type { HttpApi } from './http-api.ts';

const DONE = z.literal(0);
const GROUP_INFO = z.array(z.object({ key: z.string(), value: z.unknown() }));
const MEMBERS = z.array(z.string());

/** `srg_add` exists from this release on. Before it, a group may display another one that does not exist. */
const FIRST_WITH_ADD = 24.06;

interface Group {
  readonly members: ReadonlySet<string>;
  readonly exists: boolean;
}

type GroupReader = (host: string, group: string) => Promise<Group>;

/** The calls of {@link EjabberdAdmin} about shared roster groups. */
export type Groups = Pick<
  EjabberdAdmin,
  | 'ensureGroups'
  | 'groupsFault'
  | 'deleteGroup'
  | 'groupMark'
  | 'markGroup'
  | 'joinGroup'
  | 'leaveGroup'
  | 'groupMembers'
>;

export function createGroups(api: HttpApi): Groups {
  const readGroup = createGroupReader(async (host, group) => {
    const [members, info] = await Promise.all([
      groupMembers(api, host, group),
      readInfo(api, host, group),
    ]);
    return { members: new Set(members), exists: info !== undefined };
  });
  return {
    ensureGroups: (host, names) => ensureGroups(api, host, names),
    groupsFault: (host, names) => groupsFault(api, host, names),
    async deleteGroup(host, group) {
      await api.call('srg_delete', { group, host }, DONE);
      if ((await readInfo(api, host, group)) === undefined) return;
      throw new AppError(
        'unavailable',
        `ejabberd did not delete the shared roster group ${group} of ${host}`,
        { host, group },
      );
    },
    groupMark: async (host, group) => markOf(await readInfo(api, host, group)),
    markGroup: (host, names, mark) => markGroup(api, host, names, mark),
    groupMembers: (host, group) => groupMembers(api, host, group),
    async joinGroup(jid, group) {
      const { user, host } = splitJid(jid);
      await api.call('srg_user_add', { user, host, group, grouphost: host }, DONE);
      const { members, exists } = await readGroup(host, group);
      // ejabberd lists members even of a group that does not exist. Nobody sees those.
      if (exists && members.has(`${user}@${host}`)) return;
      throw new AppError(
        'unavailable',
        `ejabberd did not put ${user}@${host} into the shared roster group ${group}: does the group exist?`,
        { host, group },
      );
    },
    async leaveGroup(jid, group) {
      const { user, host } = splitJid(jid);
      await api.call('srg_user_del', { user, host, group, grouphost: host }, DONE);
      const { members } = await readGroup(host, group);
      if (!members.has(`${user}@${host}`)) return;
      throw new AppError(
        'unavailable',
        `ejabberd did not take ${user}@${host} out of the shared roster group ${group}.`,
        { host, group },
      );
    },
  };
}

/**
 * Shares reads: every caller gets a read that begins after its call, and callers that wait for a group share the next
 * one. 1,000 visitors that join at the same time would otherwise each read 1,000 members.
 */
function createGroupReader(read: GroupReader): GroupReader {
  /** For each group the next read, which has not begun. */
  const next = new Map<string, Promise<Group>>();
  /** For each group the end of the read in progress. */
  const current = new Map<string, Promise<unknown>>();

  return (host, group) => {
    const key = `${group}@${host}`;
    const waiting = next.get(key);
    if (waiting) return waiting;
    const result = (current.get(key) ?? Promise.resolve()).then(() => {
      next.delete(key);
      const reading = read(host, group);
      const end = reading
        .catch(() => undefined)
        .then(() => {
          if (current.get(key) === end) current.delete(key);
        });
      current.set(key, end);
      return reading;
    });
    next.set(key, result);
    return result;
  };
}

async function groupMembers(api: HttpApi, host: string, group: string): Promise<readonly string[]> {
  return api.call('srg_get_members', { group, host }, MEMBERS);
}

interface GroupInfo {
  /** What clients show as the name of the group. */
  readonly label: string;
  /** The names of the groups that this one displays. */
  readonly displays: ReadonlySet<string>;
  readonly description: string;
}

const VISITORS_DESCRIPTION = 'Web visitors';

const newGroup = (group: string, description: string): GroupInfo => ({
  label: group,
  displays: new Set(),
  description,
});

const MARK = /\blog ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/;

/** @returns undefined if there is no such group */
async function readInfo(api: HttpApi, host: string, group: string): Promise<GroupInfo | undefined> {
  const fields = await api.call('srg_get_info', { group, host }, GROUP_INFO);
  if (fields.length === 0) return undefined;
  const textOf = (field: string): string => {
    const value = fields.find(({ key }) => key === field)?.value ?? '';
    return Array.isArray(value) ? value.join('\n') : String(value);
  };
  return {
    label: textOf('label') || group,
    // 23.01 has a line break between names, 24.12 and 26.07 have a line break, a comma and a space.
    displays: new Set(
      textOf('displayed_groups')
        .split(/\n(?:, )?/)
        .filter((name) => name !== ''),
    ),
    description: textOf('description'),
  };
}

/** The log that the members of a group belong to. It stands in the description: groups have no other field for it. */
const markOf = (info: GroupInfo | undefined): string | null =>
  MARK.exec(info?.description ?? '')?.[1] ?? null;

/** A line break, written as backslash and n (findings/ejabberd-display-list.sh). */
const BETWEEN_NAMES = '\\n';

/**
 * Makes a group, or writes over one that exists. What an administrator chose for it stays: its label, its description, and
 * further groups to display.
 */
async function writeGroup(
  api: HttpApi,
  host: string,
  { group, shows }: { readonly group: string; readonly shows: readonly string[] },
  { label, displays, description }: GroupInfo,
): Promise<void> {
  const about = { group, host, label, description };
  const all = [...new Set([...displays, ...shows])];
  const done = await api.call(
    'srg_create',
    { ...about, display: all.join(BETWEEN_NAMES) },
    z.number(),
  );
  // From 24.12 on it writes nothing if one of them does not exist.
  if (done !== 0) {
    await api.call('srg_create', { ...about, display: shows.join(BETWEEN_NAMES) }, z.number());
  }
}

async function markGroup(
  api: HttpApi,
  host: string,
  { visitors: group, operators: display }: { visitors: string; operators: string },
  mark: string,
): Promise<void> {
  const info = (await readInfo(api, host, group)) ?? newGroup(group, VISITORS_DESCRIPTION);
  const { description } = info;
  const marked = MARK.test(description)
    ? description.replace(MARK, `log ${mark}`)
    : `${description || VISITORS_DESCRIPTION}, log ${mark}`;
  await writeGroup(api, host, { group, shows: [display] }, { ...info, description: marked });
  if (markOf(await readInfo(api, host, group)) === mark) return;
  throw new AppError(
    'unavailable',
    `ejabberd did not keep the description of the shared roster group ${group} of ${host}`,
    { host, group },
  );
}

async function groupsFault(
  api: HttpApi,
  host: string,
  { visitors, operators, operatorsSeeEachOther = false }: TenantGroups,
): Promise<string | null> {
  const wanted = [
    [visitors, operators],
    [operators, visitors],
    ...(operatorsSeeEachOther ? [[operators, operators]] : []),
  ];
  for (const [group = '', display = ''] of wanted) {
    const info = await readInfo(api, host, group);
    if (!info) return `${host} has no shared roster group ${group}`;
    if (!info.displays.has(display))
      return `the group ${group} of ${host} does not display ${display}`;
  }
  return null;
}

async function ensureGroups(
  api: HttpApi,
  host: string,
  { visitors, operators, operatorsSeeEachOther = false }: TenantGroups,
): Promise<void> {
  // Both directions: with one alone the contact is listed and its presence is not seen.
  const groups = [
    { group: visitors, shows: [operators], description: VISITORS_DESCRIPTION },
    {
      group: operators,
      shows: operatorsSeeEachOther ? [visitors, operators] : [visitors],
      description: 'Operators',
    },
  ];
  const isMade = (shows: readonly string[], info: GroupInfo | undefined): boolean =>
    info !== undefined && shows.every((each) => info.displays.has(each));
  const found = await Promise.all(groups.map(({ group }) => readInfo(api, host, group)));
  if (groups.every(({ shows }, index) => isMade(shows, found[index]))) return;

  if (Number.parseFloat(await api.knownVersion()) >= FIRST_WITH_ADD) {
    // From 24.12 on srg_create answers 1 and creates nothing if the displayed group does not exist.
    for (const [index, { group }] of groups.entries()) {
      if (found[index] === undefined) await api.call('srg_add', { group, host }, z.unknown());
    }
  }
  for (const [index, { group, shows, description }] of groups.entries()) {
    const info = found[index] ?? newGroup(group, description);
    await writeGroup(api, host, { group, shows }, info);
  }
  for (const { group, shows } of groups) {
    if (!isMade(shows, await readInfo(api, host, group))) {
      throw new AppError(
        'unavailable',
        `ejabberd did not make the shared roster group ${group} of ${host} display ${shows.join(' and ')}: is mod_shared_roster loaded for that host?`,
        { host, group },
      );
    }
  }
}
