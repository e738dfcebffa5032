import { mkdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { errorText } from '../../src/cli/error-text.ts';
import { AppError } from '../../src/errors.ts';

const thrown = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return error;
  }
};

it('prints our own errors as they are, and defects with their stack', () => {
  expect(errorText(new AppError('refused', 'do this'))).toBe('do this');
  expect(errorText(thrown(() => readFileSync('/')))).toBe(
    'EISDIR: illegal operation on a directory, read',
  );
  expect(errorText(thrown(() => mkdirSync('/dev/null/x')))).toMatch(/^ENOTDIR.*'\/dev\/null\/x'$/);
  const denied = Object.assign(new Error("EACCES: permission denied, mkdir '/x'"), {
    code: 'EACCES',
    syscall: 'mkdir',
  });
  expect(errorText(denied)).toBe(
    "EACCES: permission denied, mkdir '/x': run this as the user of the service, or as root",
  );
  expect(errorText(thrown(() => mkdirSync('/dev')))).toMatch(
    /^EEXIST.*'\/dev': name another one, or remove it first$/,
  );
  expect(errorText(new TypeError('a defect'))).toMatch(/a defect\n {4}at /);
  expect(errorText('text')).toBe('text');
});
