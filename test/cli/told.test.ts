import { mkdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { told } from '../../src/cli/told.ts';
import { AppError } from '../../src/errors.ts';

const thrown = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return error;
  }
};

it('tells what is meant to be read, and of a defect its stack', () => {
  expect(told(new AppError('refused', 'do this'))).toBe('do this');
  expect(told(thrown(() => readFileSync('/')))).toBe(
    'EISDIR: illegal operation on a directory, read',
  );
  expect(told(thrown(() => mkdirSync('/dev/null/x')))).toMatch(/^ENOTDIR.*'\/dev\/null\/x'$/);
  const denied = Object.assign(new Error("EACCES: permission denied, mkdir '/x'"), {
    code: 'EACCES',
    syscall: 'mkdir',
  });
  expect(told(denied)).toBe(
    "EACCES: permission denied, mkdir '/x': run this as the user of the service, or as root",
  );
  expect(told(new TypeError('a defect'))).toMatch(/a defect\n {4}at /);
  expect(told('text')).toBe('text');
});
