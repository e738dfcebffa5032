/** Which commands of ejabberd's API the service's account may call. */
import { z } from 'zod';
import type { TenantNaming } from '../actors/ids.ts';
import { AppError } from '../errors.ts';
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import { type Finding, ok, problem } from './check.ts';
import type { TestAccount } from './test-account-name.ts';

/** From this release on `srg_create` makes nothing if a group to display does not exist (tried). */
const CREATES_NOTHING = 24.12;

/** Calls commands of the API, and notes those that its account may not call. */
export interface Rights {
  readonly used: Set<string>;
  readonly missing: Set<string>;
  /**
   * @param options.expected statuses that are fine, too
   * @returns undefined if the right is missing
   * @throws {AppError} for every other failure
   */
  use(
    command: string,
    args: Readonly<Record<string, string>>,
    options?: { readonly answer?: z.ZodType; readonly expected?: (status: number) => boolean },
  ): Promise<unknown>;
}

export function createRights(api: HttpApi): Rights {
  const used = new Set<string>();
  const missing = new Set<string>();
  return {
    used,
    missing,
    async use(command, args, { answer = z.unknown(), expected = () => false } = {}) {
      used.add(command);
      try {
        return await api.call(command, args, answer, ({ status }) =>
          expected(status) ? null : undefined,
        );
      } catch (error) {
        if (!(error instanceof AppError) || error.details.reason !== 'rights') throw error;
        missing.add(command);
        return undefined;
      }
    },
  };
}

/** @param user the API's account */
export function judgeRights(user: string, { used, missing }: Rights): Finding {
  if (missing.size === 0) return ok(`${user} may call the ${used.size} commands that were tried`);
  return problem(
    `${user} may not call ${[...missing].join(', ')}`,
    'add them to "what" of its api_permissions in ejabberd.yml (from 26.07 on also "access_rules: configure: allow" for it), then ejabberdctl reload_config',
  );
}

/** Uses the other rights in ways that change nothing but the test account. */
export async function useOtherRights(
  { api, tenant: { host } }: { readonly api: HttpApi; readonly tenant: Pick<TenantNaming, 'host'> },
  { user, group, password }: TestAccount,
  rights: Rights,
): Promise<void> {
  const notFound = (status: number): boolean => status === 404;
  await rights.use('check_account', { user, host });
  await rights.use('change_password', { user, host, newpass: password }, { expected: notFound });
  const nickname = { user, host, name: 'NICKNAME' };
  await rights.use('set_vcard', { ...nickname, content: 'doctor' });
  // Without the right to set one there is none. 23.01 answers 400 then, other releases 404.
  await rights.use('get_vcard', nickname, {
    expected: (status) => status === 404 || status === 400,
  });
  // Nobody sees the members of a group that does not exist.
  await rights.use('srg_user_add', { user, host, group, grouphost: host });
  await rights.use('srg_user_del', { user, host, group, grouphost: host });
  await rights.use('get_roster', { user, host });
  await rights.use('delete_rosteritem', { localuser: user, localhost: host, user, host });
  // There is no such group: its name is the doctor's own.
  await rights.use('srg_delete', { group, host });
  await rights.use('srg_get_members', { group, host });
  await rights.use('srg_get_info', { group, host });
  await rights.use('srg_list', { host });
  // A doctor that is killed must not leave a group, so it asks for one that cannot be made.
  const createsNothing = Number.parseFloat(await api.knownVersion()) >= CREATES_NOTHING;
  await rights.use(
    'srg_create',
    {
      group,
      host: createsNothing ? host : 'doctor.invalid',
      label: group,
      description: '',
      display: `${group}.none`,
    },
    { expected: (status) => status !== 403 },
  );
}
