/** Departments: who is online, what waits, what was served today. */
import { z } from '@hono/zod-openapi';
import { openingOf, waitingLimits } from '../../actors/tenant/department-settings.ts';
import type { DepartmentView } from '../../projections/department-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { startOfDay, TimeZone } from '../frame/days.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { awaitPosition, SingleQuery } from '../frame/reading.ts';

const count = z.int();

const Department = z
  .object({
    department: z.string().nullable().openapi({ description: 'null: chats without a department' }),
    open: z.boolean().openapi({ description: 'By its opening hours, or else those of the tenant' }),
    until: z.number().nullable().openapi({
      description: 'When that changes, in ms since 1970; null if it does not',
    }),
    full: z.boolean().openapi({
      description: 'As many chats as `maxWaiting` of its settings wait, or more',
    }),
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
  } satisfies Record<keyof DepartmentView | 'open' | 'until' | 'full', z.ZodType>)
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
      const limits = waitingLimits(tenant.routing);
      const views = await readModels.departments.list({
        tenant: tenant.id,
        todaySince,
        configured,
      });
      const items = views.map((view) => ({
        ...view,
        ...openingOf(tenant.routing, view.department, deps.now()),
        full: view.waiting >= (limits.get(view.department ?? '') ?? Number.POSITIVE_INFINITY),
      }));
      return { status: 200, json: { items, todaySince, position } };
    },
  );
}
