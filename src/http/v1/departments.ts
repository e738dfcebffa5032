/** Departments: who is online, what waits, what was served today. */
import { z } from '@hono/zod-openapi';
import type { DepartmentView } from '../../projections/department-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { startOfDay, TimeZone } from '../frame/days.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { awaitPosition, SingleQuery } from '../frame/reading.ts';

const count = z.int();

const Department = z
  .object({
    department: z.string().nullable().openapi({ description: 'null: chats without a department' }),
    operators: z.object({ online: count, available: count, away: count, busy: count }).openapi({
      description:
        'Operators that serve the department. Operators that list no department serve all',
    }),
    freePlaces: count.openapi({ description: 'Chats that available operators could take now' }),
    waiting: count.openapi({ description: 'Chats that no operator has accepted' }),
    offered: count.openapi({ description: 'Waiting chats that are offered to operators now' }),
    longestWaitingSince: z
      .number()
      .nullable()
      .openapi({ description: 'When the oldest waiting chat started, in ms since 1970' }),
    active: count,
    chatsToday: count.openapi({ description: 'Chats that started today' }),
    servedToday: count.openapi({ description: 'Chats of today that an operator accepted' }),
    missedToday: count.openapi({
      description: 'Chats of today that closed before any operator accepted',
    }),
  } satisfies Record<keyof DepartmentView, z.ZodType>)
  .openapi('Department');

const Departments = z.object({
  items: z.array(Department),
  todaySince: z.number().openapi({ description: 'ms since 1970' }),
  position: z.string().nullable(),
});

export function addDepartmentsEndpoint(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { readModels } = deps;
  addEndpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/departments',
      operationId: 'listDepartments',
      tag: 'Operators',
      summary: 'Departments: who is online, what waits, what was served today',
      description:
        "All departments of operators, of chats and of the tenant's settings, in order of their names.",
      access,
      query: SingleQuery.extend({ timezone: TimeZone }),
      success: { status: 200, description: 'All departments', schema: Departments },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      const position = await awaitPosition(deps, query);
      const todaySince = startOfDay(deps.now(), query.timezone);
      const configured = Object.fromEntries(
        Object.entries(tenant.routing.departments).map(([name, { capacity }]) => [
          name,
          capacity ?? null,
        ]),
      );
      const items = await readModels.departments.list({
        tenant: tenant.id,
        todaySince,
        configured,
      });
      return { status: 200, json: { items, todaySince, position } };
    },
  );
}
