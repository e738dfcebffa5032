/** What is wrong with settings, files and requests, in the words of this project and not of the schema library. */
import type { z } from 'zod';

/** The words for types of JSON that the schema library has. */
const TYPES: Readonly<Record<string, string>> = {
  string: 'a text in quotes',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list in [ ]',
  object: 'an object in { }',
  record: 'an object in { }',
};

/** Words for what a schema has none of its own for. To be given to `safeParse` as `error`. Secrets are never quoted. */
export function inOurWords(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'is required'
        : `has to be ${TYPES[issue.expected] ?? 'something else'}${quotesOf(issue)}`;
    case 'too_small':
      return isNumber(issue.origin)
        ? `has to be at least ${issue.minimum}`
        : `has to have at least ${issue.minimum} ${unitOf(issue.origin)}`;
    case 'too_big':
      return isNumber(issue.origin)
        ? `has to be at most ${issue.maximum}`
        : `has at most ${issue.maximum} ${unitOf(issue.origin)}`;
    case 'invalid_value':
      return `has to be one of ${issue.values.join(', ')}`;
    case 'unrecognized_keys':
      return `there is no setting ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`;
    case 'invalid_key':
      // A setting whose name is free, such as a date: what the schema of the name says.
      return issue.issues[0]?.message ?? 'has an unusable name';
    default:
      return 'is not allowed';
  }
}

/** A number in quotes is the usual slip. */
const quotesOf = ({ input, expected }: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidType>): string =>
  typeof input === 'string' && ['number', 'int', 'boolean'].includes(expected)
    ? ', without quotes'
    : '';

const isNumber = (origin: string): boolean => origin === 'number' || origin === 'int';
const unitOf = (origin: string): string => (origin === 'string' ? 'characters' : 'entries');
