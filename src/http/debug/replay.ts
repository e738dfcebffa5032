/** /debug: what happened in a stream and why, step by step, with the machines of this version. Nothing here can append or send. */
import { z } from '@hono/zod-openapi';
import { AppError } from '../../errors.ts';
import type { Checkpoints } from '../../replay/checkpoints.ts';
import { viewOf } from '../../replay/event-view.ts';
import { type ActorStream, findStream } from '../../replay/fold.ts';
import { ACTOR_KINDS, machineOf } from '../../replay/machines.ts';
import { differenceBetween } from '../../replay/points.ts';
import { stepsFrom } from '../../replay/steps.ts';
import type { Access } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { EventView, StreamParams } from './events.ts';

export const DEFAULT_STEPS = 100;
export const MAX_STEPS = 500;

const json = z.unknown();
const revision = z.coerce.number().int().min(0);

export const ChangeView = z
  .object({
    path: z.array(z.union([z.string(), z.int()])),
    before: json.optional(),
    after: json.optional(),
  })
  .openapi('Change', { description: 'No `before`: it is new. No `after`: it is gone' });

export const TimerChangeView = z
  .object({ id: z.string(), before: z.number().nullable(), after: z.number().nullable() })
  .openapi('TimerChange', { description: 'Due times in ms since 1970; null: it does not run' });

export const HeldTimers = z.array(z.string()).openapi({
  description:
    'Timers that would cause no fact in this state, because a guard says no. One that is overdue and not among these is late',
});

export const StateAt = z.object({
  value: json,
  context: json,
  timers: z.record(z.string(), z.number()),
  held: HeldTimers,
  at: z.number(),
});

export const StepView = z
  .object({
    revision: z.int(),
    event: EventView,
    state: StateAt.openapi({ description: 'After the fact' }),
    taken: z
      .array(z.object({ id: z.string(), from: z.string(), to: z.string() }))
      .openapi({ description: 'Transitions by their ids in /debug/machines, states by theirs' }),
    changes: z.array(ChangeView).openapi({ description: 'Of the context' }),
    timerChanges: z.array(TimerChangeView),
    unfit: z
      .object({ reason: z.string() })
      .nullable()
      .openapi({ description: 'The machine of this version does not accept the fact' }),
  })
  .openapi('Step');

const Transition = z
  .object({
    id: z.string(),
    from: z
      .string()
      .openapi({ description: 'A state. A region or the machine: each of its states' }),
    to: z.string(),
    event: z.string().openapi({
      description: 'The type of a fact, or the id of a timer; empty: it needs neither',
    }),
    guard: z.string().nullable(),
    delay: z.string().nullable(),
    internal: z.boolean().openapi({ description: 'No state is left or entered' }),
    emits: z.array(z.string()).openapi({ description: 'Facts that the timer calls for' }),
  })
  .openapi('Transition');

const MachineView = z
  .object({
    kind: z.enum(ACTOR_KINDS),
    version: z.string(),
    regions: z.array(
      z.object({
        id: z.string(),
        states: z.array(z.object({ id: z.string(), name: z.string(), initial: z.boolean() })),
        transitions: z.array(Transition),
      }),
    ),
    anywhere: z.array(Transition).openapi({ description: 'Transitions that stand in no region' }),
    commands: z.array(z.object({ type: z.string(), schema: json })),
    facts: z.array(z.object({ type: z.string(), schema: json })).openapi({
      description: 'Schemas of `data` and `personal`; null: the fact has a whole state in it',
    }),
  })
  .openapi('Machine');

/** @throws {AppError} `not-found` */
export async function streamOfActor(
  { deps }: Pick<Api, 'deps'>,
  stream: string,
): Promise<ActorStream> {
  const found = await findStream(deps.store, stream);
  if (!found) {
    throw new AppError('not-found', 'there is no such stream, it is empty, or it is of no actor');
  }
  return found;
}

/** /debug/streams/{stream}/steps, /diff, and /debug/machines/{kind} */
export function addReplayEndpoints(api: Api, access: Access<null>, checkpoints: Checkpoints): void {
  const { deps } = api;
  const { store } = deps;
  const tag = 'Debug';

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/streams/{stream}/steps',
      operationId: 'readSteps',
      tag,
      summary: 'What each fact of a stream did to its actor',
      description: 'A page ends early if the states in it are large.',
      access,
      params: StreamParams,
      query: z.strictObject({
        from: revision.default(0),
        limit: z.coerce.number().int().min(1).max(MAX_STEPS).default(DEFAULT_STEPS),
      }),
      success: {
        status: 200,
        description: '`next` is `from` of the next page',
        schema: z.object({
          stream: z.string(),
          kind: z.enum(ACTOR_KINDS),
          machine: z.string(),
          first: z.int().openapi({ description: 'The first revision that the stream still has' }),
          last: z.int(),
          items: z.array(StepView),
          next: z.int().nullable(),
        }),
      },
      problems: [404],
    },
    async ({ params: { stream }, query }) => {
      const found = await streamOfActor(api, stream);
      const { items, next } = await stepsFrom(store, found, query, checkpoints);
      const views = items.map(async (step) => ({
        ...step,
        event: await viewOf(deps.vault.open, step.event),
      }));
      return {
        status: 200,
        json: {
          stream,
          kind: found.actor.kind,
          machine: found.decider.version,
          first: found.first,
          last: found.last,
          items: await Promise.all(views),
          next,
        },
      };
    },
  );

  const Side = z.object({ revision: z.int(), value: json });
  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/streams/{stream}/diff',
      operationId: 'compareStates',
      tag,
      summary: 'What differs between two points of a stream',
      access,
      params: StreamParams,
      query: z.strictObject({ a: revision, b: revision }),
      success: {
        status: 200,
        description: 'The states after the facts `a` and `b`',
        schema: z.object({
          a: Side,
          b: Side,
          changes: z.array(ChangeView),
          timerChanges: z.array(TimerChangeView),
        }),
      },
      problems: [404],
    },
    async ({ params: { stream }, query: { a, b } }) => {
      const found = await streamOfActor(api, stream);
      return { status: 200, json: await differenceBetween(store, found, a, b, checkpoints) };
    },
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path: '/debug/machines/{kind}',
      operationId: 'getMachine',
      tag,
      summary: 'The state chart of a kind of actor, its commands and its facts',
      access,
      params: z.object({ kind: z.enum(ACTOR_KINDS) }),
      success: { status: 200, description: 'The machine of this version', schema: MachineView },
    },
    ({ params: { kind } }) => ({ status: 200, json: machineOf(kind) }),
  );
}
