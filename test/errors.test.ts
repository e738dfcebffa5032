import { expect, it } from 'vitest';
import {
  AppError,
  type ErrorCode,
  hasCode,
  isActorFailure,
  isPermanent,
  isRefused,
  isRejected,
  isTransient,
} from '../src/errors.ts';

const PREDICATES = { isRefused, isRejected, isTransient, isPermanent, isActorFailure };

it.each<[ErrorCode, readonly (keyof typeof PREDICATES)[]]>([
  ['invalid', ['isPermanent']],
  ['unauthorized', []],
  ['not-found', ['isRejected', 'isPermanent']],
  ['refused', ['isRefused', 'isRejected', 'isPermanent']],
  ['conflict', []],
  ['too-large', ['isPermanent']],
  ['overloaded', ['isTransient', 'isActorFailure']],
  ['unavailable', ['isTransient']],
  ['unfit', ['isPermanent', 'isActorFailure']],
  ['timeout', ['isTransient']],
])('%s: %j', (code, expected) => {
  const error = new AppError(code, 'why');
  const holding = Object.entries(PREDICATES).filter(([, predicate]) => predicate(error));
  expect(holding.map(([name]) => name)).toEqual(expected);
  expect(hasCode(error, code)).toBe(true);
});

it('knows no other errors', () => {
  for (const other of [new Error('refused'), { code: 'refused' }, 'refused', null]) {
    expect(Object.values(PREDICATES).some((predicate) => predicate(other))).toBe(false);
  }
});
