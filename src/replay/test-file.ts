/**
 * A branch as a test: given the facts up to there, when these commands, facts and waits, then these facts, this state and
 * these timers. It runs in this repository, in test/actors. Personal data is left out or replaced.
 */
import type { z } from 'zod';
import { chartOf } from '../actors/machine/chart.ts';
import type { StoredFact } from '../actors/machine/decider.ts';
import { SCHEMAS } from '../actors/schemas.ts';
import type { JsonObject, JsonValue } from '../kit/json.ts';
import type { Action, Branch } from './branch.ts';
import { changesBetween } from './changes.ts';
import { type ActorStream, type AnyDecider, factsOf, type StreamReader } from './fold.ts';
import { type StateView, stateView } from './steps.ts';

/** More facts before the branch are given as the state that they lead to. */
export const MAX_GIVEN_FACTS = 50;

/** An action with what it led to. */
export interface Played {
  readonly action: Action;
  readonly refused: { readonly code: string; readonly reason: string } | null;
  readonly facts: readonly Pick<StoredFact, 'type' | 'data'>[];
}

interface Branched {
  readonly from: { readonly revision: number; readonly state: StateView };
  /** When the branch began, in ms since 1970. */
  readonly start: number;
  readonly played: readonly Played[];
  readonly end: Branch;
}

/** The timers that run, by the names of their delays: how long they still have, in ms. */
export function timersLeft(
  { machine }: AnyDecider,
  timers: ReadonlyMap<string, number>,
  now: number,
): Record<string, number> {
  const { regions, anywhere } = chartOf(machine);
  const delays = new Map(
    [...regions.flatMap(({ transitions }) => transitions), ...anywhere].flatMap(
      ({ event, delay }) => (delay === null ? [] : [[event, delay] as const]),
    ),
  );
  return Object.fromEntries([...timers].map(([id, due]) => [delays.get(id) ?? id, due - now]));
}

/** A fact without the memory of commands, which is of no matter for what is decided and differs with each history. */
export const withoutMemory = ({ summary: _, ...data }: JsonObject): JsonObject => data;

/** Fields with words of people. In facts they are sealed, but for the reasons that 0.1.0 wrote. */
const WORDS: ReadonlySet<string> = new Set([
  ...['body', 'text', 'nick', 'name', 'status', 'statusText', 'reason', 'argument', 'failure'],
  ...['page', 'title', 'referrer', 'country', 'city', 'timezone', 'vid'],
  ...['callbackUrl', 'callbackSecret', 'legacySecret', 'restKey', 'webhookKey'],
]);

/** `given`: words that are put in before the branch; `action`: by an action; `outcome`: what came of them. */
type Place = 'given' | 'action' | 'outcome';

/**
 * Replaces words by markers: the same words by the same marker, because decisions compare some of them. In outcomes only
 * the words of actions are replaced: all others are the machine's own.
 */
function createMask() {
  const markers = new Map<string, string>();
  const ofActions = new Set<string>();
  const marked = (key: string, text: string, place: Place): string => {
    if (place === 'outcome' && !ofActions.has(text)) return text;
    const marker = markers.get(text) ?? `${key}-${markers.size + 1}`;
    markers.set(text, marker);
    if (place === 'action') ofActions.add(text);
    return marker;
  };
  /** @param isChoice whether a field has one of a few values, which are no words */
  const masked = (
    value: JsonValue,
    place: Place,
    isChoice: (key: string) => boolean = () => false,
    key = '',
  ): JsonValue => {
    if (typeof value === 'string') {
      return WORDS.has(key) && !isChoice(key) ? marked(key, value, place) : value;
    }
    if (Array.isArray(value)) return value.map((each) => masked(each, place, isChoice, key));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(([name, item]) => [
      name,
      // The statuses of an operator's sessions, by session.
      masked(item, place, isChoice, key === 'statuses' ? 'status' : name),
    ]);
    return Object.fromEntries(entries);
  };
  return masked;
}

/** Whether a field of a schema is a choice among a few values. */
function choicesOf(schema: z.ZodType | undefined): (key: string) => boolean {
  const shape = (schema as { shape?: Record<string, { _zod: { values?: Set<unknown> } }> }).shape; // of an object
  return (key) => shape?.[key]?._zod.values !== undefined;
}

const line = (value: unknown): string => JSON.stringify(value);

/** @param reader to read the facts before the branch */
export async function testOf(
  reader: StreamReader,
  { stream, actor: { kind }, decider, first }: ActorStream,
  { from, start, played, end }: Branched,
): Promise<string> {
  const { commands, facts: factSchemas } = SCHEMAS[kind];
  const mask = createMask();
  const dataOf = ({ type, data }: Pick<StoredFact, 'type' | 'data'>, place: Place): JsonValue =>
    mask(withoutMemory(data), place, choicesOf(factSchemas[type]?.data));
  const isShort = from.revision - first < MAX_GIVEN_FACTS;
  const now = start > from.state.at ? `, ${start}` : '';

  const given: string[] = [];
  if (isShort) {
    given.push('  // ms since the fact before (the first: since 1970), type, data');
    given.push(`  const branch = given(${line(kind)}, ${first}, [`);
    let at = 0;
    for await (const fact of factsOf(reader, stream, first)) {
      if (fact.revision > from.revision) break;
      const data = line(dataOf(fact, 'given'));
      given.push(`    [${fact.metadata.at - at}, ${line(fact.type)}, ${data}],`);
      at = fact.metadata.at;
    }
    given.push(`  ]${now});`);
  } else {
    const { value, context, timers, at } = from.state;
    given.push(`  // ${from.revision - first + 1} facts led to this state.`);
    given.push(`  const branch = givenState(${line(decider.version)}, {`);
    given.push(`    revision: ${from.revision},`, `    at: ${at},`, `    value: ${line(value)},`);
    given.push(`    timers: ${line(timers)},`, '    context: {');
    for (const [key, item] of Object.entries(context)) {
      given.push(`      ${line(key)}: ${line(mask(item, 'given', undefined, key))},`);
    }
    given.push('    },', `  }${now});`);
  }

  const steps = played.flatMap(({ action, refused, facts }) => {
    const call =
      'command' in action
        ? `command(${line(mask(action.command, 'action', choicesOf(commands[action.command.type])))})`
        : 'wait' in action
          ? `wait(${action.wait})`
          : `fact(${line(action.fact.type)}, ${line(dataOf(action.fact, 'action'))})`;
    if (refused) return [`  expect(() => branch.${call}).toThrow(${line(refused.reason)});`];
    if (facts.length === 0) return [`  expect(branch.${call}).toEqual([]);`];
    return [
      `  expect(branch.${call}).toEqual([`,
      ...facts.map((fact) => `    [${line(fact.type)}, ${line(dataOf(fact, 'outcome'))}],`),
      '  ]);',
    ];
  });

  const { state } = end.folded;
  const { value, context } = stateView(decider.machine, state);
  // A context has the words of facts that were given, and of actions.
  const changes = changesBetween(mask(from.state.context, 'given'), mask(context, 'given'));
  return [
    '/**',
    ` * What if: a branch of ${stream} after revision ${from.revision}, with ${decider.version}.`,
    ' * Save it in test/actors, with a name that ends with .test.ts. Words of people are replaced by markers.',
    ' */',
    "import { expect, test } from 'vitest';",
    `import { ${isShort ? 'given' : 'givenState'} } from './branch.ts';`,
    '',
    `test(${line(`${kind}: what if, after revision ${from.revision}`)}, () => {`,
    '  // Given',
    ...given,
    '',
    '  // When, then',
    ...steps,
    `  expect(branch.value()).toEqual(${line(value)});`,
    `  expect(branch.timers()).toEqual(${line(timersLeft(decider, state.core.timers, end.now))}); // ms left`,
    changes.length === 0
      ? '  expect(branch.changes()).toEqual([]);'
      : `  expect(branch.changes()).toEqual([\n${changes.map((each) => `    ${line(each)},`).join('\n')}\n  ]);`,
    '});',
    '',
  ].join('\n');
}
