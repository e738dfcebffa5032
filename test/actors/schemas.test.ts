/** The schemas of commands and facts say what their types say. */
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { ActorKind } from '../../src/actors/ids.ts';
import type { FactSchema } from '../../src/actors/machine/schemas.ts';
import type { OperatorCommand } from '../../src/actors/operator/decisions.ts';
import type { OperatorFacts, OperatorPersonal } from '../../src/actors/operator/facts.ts';
import type { OPERATOR_COMMANDS, OPERATOR_FACTS } from '../../src/actors/operator/schemas.ts';
import { SCHEMAS } from '../../src/actors/schemas.ts';
import type {
  TenantCommand,
  TenantFacts,
  TenantPersonal,
} from '../../src/actors/tenant/machine.ts';
import type { TENANT_COMMANDS, TENANT_FACTS } from '../../src/actors/tenant/schemas.ts';
import type { VisitorCommand } from '../../src/actors/visitor/decisions.ts';
import type { VisitorFacts, VisitorPersonal } from '../../src/actors/visitor/facts.ts';
import type { VISITOR_COMMANDS, VISITOR_FACTS } from '../../src/actors/visitor/schemas.ts';
import { ACTOR_KINDS, machineOf } from '../../src/replay/machines.ts';
import { history } from '../replay/memory-log.ts';
import { goldenNames } from './golden.ts';
import {
  OPERATOR_COMMANDS as OPERATOR_SAMPLES,
  TENANT_COMMANDS as TENANT_SAMPLES,
  VISITOR_COMMANDS as VISITOR_SAMPLES,
} from './states.ts';

// `satisfies` holds that what a schema lets in is of the type. This holds that it lets in everything of the type: an
// optional field that a schema has forgotten is no error for `satisfies`. All fields count as required here.
type Whole<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Whole<Item>[]
    : { readonly [K in keyof T]-?: Whole<T[K]> };
type Lacking<Given, T> = [Whole<T>, Whole<Given>] extends [Whole<Given>, Whole<T>] ? never : T;
type Output<S> = S extends z.ZodType<infer T> ? T : never;

type CommandsLacking<S, C extends { type: string }> = {
  [K in C['type'] & keyof S]: Lacking<Output<S[K]>, Extract<C, { type: K }>>;
}[C['type'] & keyof S];
type DataOf<S> = S extends { data: infer D } ? Output<D> : never;
type PersonalOf<S> = S extends { personal: infer P } ? Output<P> : never;
type FactsLacking<S, Facts, Personal, Partly extends string = never> = {
  [K in Exclude<keyof Facts & keyof S, Partly>]:
    | Lacking<DataOf<S[K]>, Facts[K]>
    | (K extends keyof Personal ? Lacking<PersonalOf<S[K]>, Personal[K]> : never);
}[Exclude<keyof Facts & keyof S, Partly>];

type Nothing<T extends never> = T;
/** It does not compile if a schema lacks something of its type. */
type Complete = [
  Nothing<CommandsLacking<typeof VISITOR_COMMANDS, VisitorCommand>>,
  Nothing<CommandsLacking<typeof OPERATOR_COMMANDS, OperatorCommand>>,
  Nothing<CommandsLacking<typeof TENANT_COMMANDS, TenantCommand>>,
  Nothing<FactsLacking<typeof VISITOR_FACTS, VisitorFacts, VisitorPersonal, 'CleanedUp'>>,
  Nothing<
    FactsLacking<typeof OPERATOR_FACTS, OperatorFacts, OperatorPersonal, 'OperatorSummarised'>
  >,
  Nothing<FactsLacking<typeof TENANT_FACTS, TenantFacts, TenantPersonal>>,
];

const SAMPLES: Record<ActorKind, Readonly<Record<string, { readonly type: string }>>> = {
  visitor: VISITOR_SAMPLES,
  operator: OPERATOR_SAMPLES,
  tenant: TENANT_SAMPLES,
};

describe.each(ACTOR_KINDS)('the schemas of a %s', (kind) => {
  const { commands, facts } = SCHEMAS[kind];

  it('take each command of the tests, and refuse it with a field that is not known', () => {
    for (const [name, command] of Object.entries(SAMPLES[kind])) {
      if (command.type === 'Wake') continue;
      const schema = commands[command.type] ?? expect.unreachable(command.type);
      expect(schema.safeParse(command).error?.issues ?? [], name).toEqual([]);
      expect(schema.safeParse({ ...command, colour: 'red' }).success, name).toBe(false);
    }
  });

  it('take each recorded fact', () => {
    const names = goldenNames().filter((each) => each.startsWith(`history-${kind}`));
    for (const { type, data } of names.flatMap((each) => history(each.slice('history-'.length)))) {
      const schema: FactSchema | null = facts[type] ?? null;
      if (!schema || type === 'CleanedUp') continue;
      expect(schema.data.safeParse(data).error?.issues ?? [], type).toEqual([]);
    }
  });

  it('are in the description of its machine, as JSON Schema', () => {
    const machine = machineOf(kind);
    expect(machine.commands.map(({ type }) => type)).toEqual(Object.keys(commands));
    expect(machine.commands.every(({ schema }) => schema?.type === 'object')).toBe(true);
    // Every fact that moves the machine is there, and no other.
    const moves = new Set(
      [...machine.regions, { transitions: machine.anywhere }].flatMap(({ transitions }) =>
        transitions.filter(({ event, delay }) => event && !delay).map(({ event }) => event),
      ),
    );
    moves.delete('presencePause'); // a timer of no state
    expect(new Set(machine.facts.map(({ type }) => type))).toEqual(moves);
  });
});

it('lack nothing that their types have', () => {
  const lacking: Complete[number][] = []; // the compiler has found nothing
  expect(lacking).toEqual([]);
});

it('name what is wrong', () => {
  const { ViewPage, AssignChat } = SCHEMAS.visitor.commands;
  expect(ViewPage?.safeParse({ type: 'ViewPage', digest: 1 }).error?.issues[0]?.path).toEqual([
    'digest',
  ]);
  const assign = { chatId: 'c', operator: 'Not A Name', reservation: null, reason: 'random' };
  expect(AssignChat?.safeParse({ type: 'AssignChat', ...assign }).success).toBe(false);
});
