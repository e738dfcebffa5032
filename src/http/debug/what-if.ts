/** /debug: what would have happened. Everything stays in memory, and nothing is performed. */
import { z } from '@hono/zod-openapi';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { Action, BranchFact } from '../../replay/branch.ts';
import type { Checkpoints } from '../../replay/checkpoints.ts';
import type { ActorStream } from '../../replay/fold.ts';
import type { Step } from '../../replay/steps.ts';
import { faultsOf, MAX_ACTIONS, MAX_WAIT_MS, whatIf } from '../../replay/what-if.ts';
import type { Access } from '../frame/auth.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import { invalid } from '../frame/problem.ts';
import { StreamParams } from './events.ts';
import { StateAt, StepView, streamOfActor } from './replay.ts';

// zod's schema of any JSON refers to itself, and the document cannot have it. The body is JSON.
const json = z.unknown();
/** A command has further fields; the schema of its type checks them. */
const Command = z
  .looseObject({ type: z.string() })
  .openapi({ description: 'As in `commands` of /debug/machines/{kind}' });
const Fact = z
  .strictObject({
    type: z.string(),
    data: z.record(z.string(), json),
    personal: z.record(z.string(), json).optional(),
  })
  .openapi({ description: 'As in `facts` of /debug/machines/{kind}' });
const ActionBody = z
  .union(
    [
      z.strictObject({ command: Command }),
      z.strictObject({ fact: Fact }),
      z.strictObject({
        wait: z.int().min(0).max(MAX_WAIT_MS).openapi({ description: 'In ms. Due timers fire' }),
      }),
    ],
    { error: 'send one of {"command": {…}}, {"fact": {…}} and {"wait": ms}' },
  )
  .openapi('Action');

const Body = z.strictObject({
  at: z.union(
    [
      z.strictObject({ revision: z.int().min(0) }),
      z.strictObject({
        time: z
          .int({ error: 'has to be in ms since 1970' })
          .min(0)
          .openapi({ description: 'ms since 1970' }),
      }),
    ],
    { error: 'send {"revision": a number} or {"time": ms since 1970}' },
  ),
  actions: z.array(ActionBody).max(MAX_ACTIONS),
});

const Result = z.object({
  base: z.object({ revision: z.int(), state: StateAt }),
  items: z.array(
    z.object({
      action: ActionBody,
      refused: z.object({ code: z.string(), reason: z.string() }).nullable(),
      steps: z.array(StepView),
      effects: z
        .array(
          z.object({
            revision: z.int(),
            destination: z.string(),
            name: z.string(),
            detail: z.string().nullable(),
          }),
        )
        .openapi({ description: 'What would follow. Nothing is performed' }),
    }),
  ),
  test: z
    .string()
    .openapi({ description: 'A vitest file for test/actors, without words of people' }),
});

/** A step of a branch. Its fact has no place in the log. */
const viewOf = ({ stream, actor, decider }: ActorStream, { event, ...step }: Step<BranchFact>) => ({
  ...step,
  event: {
    ...event,
    position: '',
    stream,
    id: `what-if-${event.revision}`,
    schemaVersion: 1,
    erased: false,
    sealedBy: null,
    metadata: { ...event.metadata, tenant: actor.tenant, machine: decider.version },
  },
});

export function addWhatIfEndpoint(api: Api, access: Access<null>, checkpoints: Checkpoints): void {
  const { store, tenancy } = api.deps;
  const flavourOf = ({ actor }: ActorStream): Tenant['callbackFlavour'] =>
    tenancy.find(actor.tenant)?.callbackFlavour ?? 'native';

  addEndpoint(
    api,
    {
      method: 'post',
      path: '/debug/streams/{stream}/what-if',
      operationId: 'branch',
      tag: 'Debug',
      summary: 'What would have happened: commands, facts and time on a branch in memory',
      description:
        'The branch begins after a fact, or at a time. It is kept nowhere: send all actions each time. The answer says what each action leads to and which effects would follow; none is performed.',
      access,
      params: StreamParams,
      body: Body,
      success: { status: 200, description: 'What came of each action', schema: Result },
      problems: [404, 413],
    },
    async ({ params: { stream }, body: { at, actions: given } }) => {
      const found = await streamOfActor(api, stream);
      // JSON, as the body is. The schemas of the kind of actor say what else it is.
      const actions = given as readonly Action[];
      const faults = faultsOf(found.actor.kind, actions);
      if (faults.length > 0) {
        return invalid(faults.map((fault) => ({ ...fault, path: ['actions', ...fault.path] })));
      }
      const result = await whatIf(store, found, at, actions, flavourOf(found), checkpoints);
      const items = result.items.map((item) => ({
        ...item,
        steps: item.steps.map((step) => viewOf(found, step)),
      }));
      return { status: 200, json: { ...result, items } };
    },
  );
}
