/**
 * Shared roster groups (mod_shared_roster). Its commands answer 0 whatever happens (a group that is missing, a host
 * that is not served), so everything is read back.
 */
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { parts } from '../jid.ts';
import type { HttpApi } from './http-api.ts';

const done = z.literal(0);
const info = z.array(z.object({ key: z.string(), value: z.unknown() }));

/** `srg_add` is known from this release on; before it, groups may display some that do not exist. */
const firstWithAdd = 24.06;

interface State {
  readonly members: ReadonlySet<string>;
  readonly exists: boolean;
}

export interface Groups {
  ensureGroups(host: string, groups: { visitors: string; operators: string }): Promise<void>;
  joinGroup(jid: string, group: string): Promise<void>;
  leaveGroup(jid: string, group: string): Promise<void>;
  groupMembers(host: string, group: string): Promise<readonly string[]>;
}

/** @see {@link EjabberdAdmin} for what each promises */
export function createGroups(api: HttpApi): Groups {
  /** For each group the read that has not begun yet: all who wait for a read share it. */
  const reads = new Map<string, Promise<State>>();
  const reading = new Map<string, Promise<unknown>>();

  async function groupMembers(host: string, group: string): Promise<readonly string[]> {
    return api.call('srg_get_members', { group, host }, z.array(z.string()));
  }

  async function stateOf(host: string, group: string): Promise<State> {
    const [members, display] = await Promise.all([
      groupMembers(host, group),
      displayed(host, group),
    ]);
    return { members: new Set(members), exists: display !== undefined };
  }

  /**
   * The group as of now or later. 1,000 visitors that join at the same time would each read 1,000 members; a read
   * that begins after all of them joined serves them all.
   */
  function freshState(host: string, group: string): Promise<State> {
    const key = `${group}@${host}`;
    const waiting = reads.get(key);
    if (waiting) return waiting;
    const before = reading.get(key) ?? Promise.resolve();
    const read = before.then(() => {
      reads.delete(key);
      const current = stateOf(host, group);
      const settled = current.then(
        () => undefined,
        () => undefined,
      );
      reading.set(key, settled);
      void settled.then(() => {
        if (reading.get(key) === settled) reading.delete(key);
      });
      return current;
    });
    reads.set(key, read);
    return read;
  }

  /** The groups that this one displays; undefined when there is no such group. */
  async function displayed(host: string, group: string): Promise<string | undefined> {
    const fields = await api.call('srg_get_info', { group, host }, info);
    if (fields.length === 0) return undefined;
    const value = fields.find(({ key }) => key === 'displayed_groups')?.value;
    // A string on 23.01, a list with one element, or an Erlang term in a string: the names are all that counts.
    return JSON.stringify(value ?? '');
  }

  const shows = (found: string | undefined, group: string): boolean =>
    new Set(found?.match(/[a-z0-9_.-]+/g)).has(group);

  async function ensureGroups(
    host: string,
    { visitors, operators }: { visitors: string; operators: string },
  ): Promise<void> {
    // Both directions: with one alone the contact is listed but stays grey.
    const wanted = [
      { group: visitors, display: operators, description: 'Web visitors' },
      { group: operators, display: visitors, description: 'Operators' },
    ];
    const found = await Promise.all(wanted.map(({ group }) => displayed(host, group)));
    if (wanted.every(({ display }, index) => shows(found[index], display))) return;

    if (Number.parseFloat(await api.knownVersion()) >= firstWithAdd) {
      // From 24.12 on srg_create answers 1 and makes nothing when the displayed group does not exist.
      for (const [index, { group }] of wanted.entries()) {
        if (found[index] === undefined) await api.call('srg_add', { group, host }, z.unknown());
      }
    }
    for (const { group, display, description } of wanted) {
      await api.call('srg_create', { group, host, label: group, description, display }, z.number());
    }
    for (const { group, display } of wanted) {
      if (!shows(await displayed(host, group), display)) {
        throw new AppError(
          'unavailable',
          `ejabberd did not make the shared roster group ${group} of ${host} display ${display}: is mod_shared_roster loaded for that host?`,
          { host, group },
        );
      }
    }
  }

  async function change(
    command: 'srg_user_add' | 'srg_user_del',
    jid: string,
    group: string,
  ): Promise<void> {
    const { user, host } = parts(jid);
    await api.call(command, { user, host, group, grouphost: host }, done);
    const { members, exists } = await freshState(host, group);
    const joined = members.has(`${user}@${host}`);
    // Members of a group that does not exist are listed all the same, and seen by nobody.
    if (command === 'srg_user_add' ? joined && exists : !joined) return;
    throw new AppError(
      'unavailable',
      command === 'srg_user_del'
        ? `ejabberd did not take ${user}@${host} out of the shared roster group ${group}.`
        : `ejabberd did not put ${user}@${host} into the shared roster group ${group}: does the group exist?`,
      { host, group },
    );
  }

  return {
    ensureGroups,
    groupMembers,
    joinGroup: (jid, group) => change('srg_user_add', jid, group),
    leaveGroup: (jid, group) => change('srg_user_del', jid, group),
  };
}
