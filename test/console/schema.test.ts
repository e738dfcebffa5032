import { describe, expect, test } from 'vitest';
import type { Json, JsonObject } from '../../console/src/api/debugger.ts';
import {
  type Field,
  fieldsOf,
  hintsOf,
  problemOf,
  readField,
  skeletonOf,
  startOf,
} from '../../console/src/stream/what-if/schema.ts';

const SCHEMA: JsonObject = {
  type: 'object',
  properties: {
    type: { const: 'StartChat' },
    chatId: { type: 'string', minLength: 1, maxLength: 5, pattern: '^[a-z0-9]+$' },
    nick: { type: 'string', description: 'what they call themselves' },
    department: { anyOf: [{ type: 'string' }, { type: 'null' }] },
    visits: { type: 'integer', minimum: 0, maximum: 9 },
    byLhc: { type: 'boolean' },
    by: { enum: ['visitor', 'operator'] },
    only: { const: true },
    delays: { $ref: '#/$defs/delays' },
    either: { anyOf: [{ type: 'string' }, { type: 'number' }] },
  },
  required: ['type', 'chatId', 'department', 'delays'],
  $defs: {
    delays: {
      type: 'object',
      properties: { chatIdle: { type: 'number' }, more: { type: 'string' } },
      required: ['chatIdle'],
    },
  },
};

const fields = fieldsOf(SCHEMA) ?? [];
const field = (name: string): Field => {
  const found = fields.find((each) => each.name === name);
  if (!found) throw new Error(`there is no field ${name}`);
  return found;
};

test('the fields of an object, the required ones first, without its type', () => {
  expect(
    fields.map(({ name, kind, isRequired, isNullable }) => [name, kind, isRequired, isNullable]),
  ).toEqual([
    ['chatId', 'text', true, false],
    ['department', 'text', true, true],
    ['delays', 'json', true, false],
    ['nick', 'text', false, false],
    ['visits', 'number', false, false],
    ['byLhc', 'boolean', false, false],
    ['by', 'choice', false, false],
    ['only', 'choice', false, false],
    ['either', 'json', false, false],
  ]);
  expect([field('by').choices, field('only').choices]).toEqual([['visitor', 'operator'], [true]]);
  expect(field('nick').description).toBe('what they call themselves');
});

test('what is no object with known fields is typed as a whole', () => {
  expect([fieldsOf({}), fieldsOf({ anyOf: [] })]).toEqual([null, null]);
});

const REFERS_TO_ITSELF: JsonObject = { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/a' } } };
test('a schema that refers to itself has no fields', () => {
  expect(fieldsOf(REFERS_TO_ITSELF)).toBeNull();
});

describe('what somebody types', () => {
  test.each<[string, string, Json | undefined]>([
    ['chatId', 'c1', 'c1'],
    ['department', 'null', null],
    ['department', 'sales', 'sales'],
    ['department', '', ''],
    ['nick', '', undefined],
    ['nick', ' Ann ', ' Ann '],
    ['visits', '7', 7],
    ['visits', ' ', undefined],
    ['byLhc', 'true', true],
    ['by', '"operator"', 'operator'],
    ['delays', '{"chatIdle": 5}', { chatIdle: 5 }],
    ['either', '[1]', [1]],
  ])('%s: %j is a value', (name, text, value) => {
    const typed = readField(field(name), text);
    expect(typed).toEqual(value === undefined ? { kind: 'absent' } : { kind: 'value', value });
  });

  test.each([
    ['chatId', '', 'is needed'],
    ['chatId', 'abcdef', 'may have 5 characters at most'],
    ['chatId', 'A B', 'has to match ^[a-z0-9]+$'],
    ['visits', '1.5', 'has to be a whole number'],
    ['visits', 'many', 'is not a number'],
    ['visits', '10', 'has to be 9 or less'],
    ['visits', '-1', 'has to be 0 or more'],
    ['delays', '', 'is needed'],
    ['delays', '{', 'is not JSON'],
    ['delays', '[]', 'has to be object, and is array'],
    ['delays', '{}', 'lacks chatIdle'],
    ['delays', '{"chatIdle": "x"}', 'chatIdle: has to be number, and is string'],
  ])('%s: %j %s', (name, text, problem) => {
    expect(readField(field(name), text)).toEqual({ kind: 'problem', problem });
  });
});

test('lists are checked entry by entry', () => {
  const schema = { type: 'array', items: { type: 'integer' } };
  expect([problemOf(schema, [1, 2]), problemOf(schema, [1, 'b'])]).toEqual([
    null,
    '[1]: has to be integer, and is string',
  ]);
});

test('JSON to begin with has the required parts', () => {
  expect(skeletonOf(field('delays').schema)).toEqual({ chatIdle: 0 });
});

describe('what a field begins with', () => {
  const context = {
    delays: { chatIdle: 7 },
    department: 'sales',
    chat: { id: 'c9', department: null },
  };

  test('is what the state has for it', () => {
    const hints = hintsOf(context);
    expect([startOf(field('chatId'), hints), JSON.parse(startOf(field('delays'), hints))]).toEqual([
      'c9',
      { chatIdle: 7 },
    ]);
  });

  test('is nothing, or what is nearest to it, where the state has nothing that fits', () => {
    const hints = { chatId: 'too long for this', delays: 'a text' };
    const begins = (name: string) => startOf(field(name), hints);
    expect(['chatId', 'department', 'nick', 'visits'].map(begins)).toEqual(['', 'null', '', '']);
    expect(JSON.parse(begins('delays'))).toEqual({ chatIdle: 0 });
    expect(hintsOf(null)).toEqual({});
  });
});
