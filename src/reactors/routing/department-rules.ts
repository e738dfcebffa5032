/** What the settings of a tenant say about a department: the policy, the capacity, and whose turn it is. */
import type { Policy, Rule } from '../../actors/operator-selection.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { RoundRobin } from './round-robin-position.ts';

const departmentSettings = ({ routing }: Tenant, department: string | null) =>
  department === null ? undefined : routing.departments[department];

/** @param department null: none */
export const policyOf = (tenant: Tenant, department: string | null): Policy =>
  departmentSettings(tenant, department)?.policy ?? tenant.routing.policy;

/** True if some department may ask several operators at once. */
export const usesBroadcast = ({ routing }: Tenant): boolean =>
  [routing, ...Object.values(routing.departments)].some(({ policy }) => policy === 'broadcast');

/** The rule of the next pick for a chat of this department. */
export function ruleOf(
  {
    tenant,
    roundRobin,
    random,
  }: {
    readonly tenant: Tenant;
    readonly roundRobin: Pick<RoundRobin, 'lastPick'>;
    readonly random: () => number;
  },
  department: string | null,
): Rule {
  const policy = policyOf(tenant, department);
  return {
    policy,
    departmentCapacity: departmentSettings(tenant, department)?.capacity ?? null,
    lastPicked: policy === 'round-robin' ? roundRobin.lastPick(tenant.id, department) : null,
    random: random(),
  };
}
