/** Departments: who is there, who waits, what was served today. */
import { z } from '@hono/zod-openapi';
import type { DepartmentView } from '../../projections/department-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { startOfDay, TimeZone } from '../frame/days.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import { awaitPosition, OneQuery } from '../frame/reading.ts';

const count = z.int();

const Department = z
  .object({
    department: z.string().nullable().openapi({ description: 'null: chats for none' }),
    operators: z
      .object({ online: count, available: count, away: count, busy: count })
      .openapi({ description: 'That serve it; who names no department serves all' }),
    freePlaces: count.openapi({ description: 'Chats that available operators could be given now' }),
    waiting: count.openapi({ description: 'Chats that nobody has answered' }),
    offered: count.openapi({ description: 'Those of them that operators are asked to answer' }),
    longestWaitingSince: z
      .number()
      .nullable()
      .openapi({ description: 'When the oldest of them was begun, ms since 1970' }),
    active: count,
    chatsToday: count.openapi({ description: 'Begun today; those answered, and closed without' }),
    servedToday: count,
    missedToday: count,
  } satisfies Record<keyof DepartmentView, z.ZodType>)
  .openapi('Department');

const Departments = z.object({
  items: z.array(Department),
  todaySince: z.number().openapi({ description: 'ms since 1970' }),
  position: z.string().nullable(),
});

/** The endpoint of departments. */
export function departments(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { projections } = deps;
  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/departments',
      operationId: 'listDepartments',
      tag: 'Operators',
      summary: 'Departments: who is online, what waits, what was served today',
      description: "Those of operators, of chats, and of the tenant's settings, by name.",
      access,
      query: OneQuery.extend({ timezone: TimeZone }),
      success: { status: 200, description: 'All of them', schema: Departments },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      await awaitPosition(deps, query);
      const position = projections.position();
      const todaySince = startOfDay(deps.now(), query.timezone);
      const named = Object.fromEntries(
        Object.entries(tenant.routing.departments).map(([name, { capacity }]) => [
          name,
          capacity ?? null,
        ]),
      );
      const items = projections.departments.list({ tenant: tenant.id, todaySince, named });
      return { status: 200, json: { items, todaySince, position } };
    },
  );
}
