/** A tenant's two shared roster groups. Each has to display the other; otherwise contacts stay grey. */
import { z } from 'zod';
import { rosterGroups, type TenantNaming } from '../actors/ids.ts';
import { AppError } from '../errors.ts';
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { apiProblem } from './ejabberd-api.ts';

const Info = z.array(z.object({ key: z.string(), value: z.unknown() }));

const RESTART = 'restart the service: it makes and repairs its groups when it starts';

export const rosterGroupsCheck = (api: Pick<HttpApi, 'call'>, tenant: TenantNaming): Check => ({
  name: `groups ${tenant.id}`,
  async run() {
    const { host } = tenant;
    const { visitors, operators } = rosterGroups(tenant);
    const infoOf = (group: string) => api.call('srg_get_info', { group, host }, Info);
    try {
      const [visitorsInfo, operatorsInfo, members] = await Promise.all([
        infoOf(visitors),
        infoOf(operators),
        api.call('srg_get_members', { group: operators, host }, z.array(z.string())),
      ]);
      return [
        judgeGroup(host, visitors, visitorsInfo, operators),
        judgeGroup(host, operators, operatorsInfo, visitors),
        judgeMembers(tenant, operators, members.length),
      ];
    } catch (error) {
      return [judgeFailure(error, host)];
    }
  },
});

function judgeFailure(error: unknown, host: string): Finding {
  // 500 internal_error: the module is not loaded, and ejabberd does not say so (tried on 23.01).
  if (error instanceof AppError && error.details.status === 500) {
    return problem(
      error.message,
      `load mod_shared_roster for ${host} ("modules" of ejabberd/ejabberd.example.yml), then ejabberdctl reload_config. If it is loaded, ejabberd's log says why`,
    );
  }
  return apiProblem(error);
}

function judgeGroup(
  host: string,
  group: string,
  info: z.infer<typeof Info>,
  other: string,
): Finding {
  if (info.length === 0) {
    return problem(
      `the shared roster group ${group} of ${host} does not exist`,
      `${RESTART}. If that does not help, load mod_shared_roster for ${host}`,
    );
  }
  // A string on 23.01, a list or an Erlang term in a string elsewhere. Only the names matter.
  const value = info.find(({ key }) => key === 'displayed_groups')?.value;
  const text = typeof value === 'string' ? value : JSON.stringify(value ?? '');
  const displayed: readonly string[] = text.replaceAll('\\n', '\n').match(/[a-z0-9_.-]+/g) ?? [];
  if (displayed.includes(other)) return ok(`${group} displays ${other}`);
  if (displayed.length === 0 && group.startsWith('visitors')) {
    return problem(
      `${group} of ${host} displays no other group, as LHC's old Node server makes it: operators see visitors grey`,
      `${RESTART}. The members stay`,
    );
  }
  return problem(
    `${group} of ${host} does not display ${other}: operators see visitors grey or not at all`,
    `${RESTART}. Find out who changed the group`,
  );
}

function judgeMembers({ id, host }: TenantNaming, group: string, count: number): Finding {
  if (count > 0) return ok(`members of ${group}: ${count}`);
  return warning(
    `${group} of ${host} has no members: nobody sees the visitors`,
    `register operators: PUT /v1/${id}/operators/{username}`,
  );
}
