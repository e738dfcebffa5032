/** What `make run` has started, for the scripts that play somebody: where it is, a request to it, and its callbacks. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../src/errors.ts';
import type { Demo } from './run.ts';

/** @throws {AppError} `invalid`, with what to do, if nothing has been started in this folder yet */
export function readDemo(): Demo {
  const path = join(process.env.DATA_DIR || 'data', 'demo.json');
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Demo; // as scripts/run.ts wrote it
  } catch {
    throw new AppError(
      'invalid',
      `${path} does not exist: start "make run" first, in another terminal`,
    );
  }
}

/**
 * One request to the service.
 *
 * @returns the answer's JSON; null for an empty one
 * @throws {AppError} `unavailable` if the service refuses it or is not there
 */
export async function askDemo(
  demo: Demo,
  method: string,
  path: string,
  body?: unknown,
  token = demo.apiKey,
) {
  const answer = await fetch(demo.api + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch(() => {
    throw new AppError('unavailable', `${demo.api} does not answer: is "make run" running?`);
  });
  const text = await answer.text();
  if (!answer.ok) throw new AppError('unavailable', `${method} ${path}: ${answer.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
}

export interface DemoCallback {
  readonly id: string;
  readonly type: string;
  readonly data: {
    readonly visitor?: string;
    readonly operator?: { readonly username: string };
    readonly reason?: string | null;
    readonly message?: {
      readonly body: string;
      readonly replaces?: string;
      readonly files?: readonly unknown[];
    };
  };
}

/** The callbacks about one visitor that the stand-in for LHC still has, the oldest first. */
export async function callbacksOf(demo: Demo, visitor: string): Promise<DemoCallback[]> {
  const all = (await (await fetch(demo.lhc)).json()) as DemoCallback[]; // as scripts/demo-lhc.ts keeps them
  return all.filter(({ data }) => data.visitor === visitor);
}
