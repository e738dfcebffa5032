/** Commands of a tenant's LHC: they may come alone, or several in one request (v1/batch.ts). */
import type { z } from '@hono/zod-openapi';
import type { Caller } from './auth.ts';
import { type Api, addEndpoint, type CarryOut, type Handle, type Spec } from './endpoint.ts';

/** What all their paths begin with. */
const PREFIX = '/v1/{tenant}/';

/** A command by its path. */
export interface FoundCommand {
  readonly carryOut: CarryOut<Caller>;
  /** Path parameters, unparsed. */
  readonly params: Readonly<Record<string, string>>;
}

export interface TenantCommands {
  add(method: string, path: string, carryOut: CarryOut<Caller>): void;
  /**
   * @param method upper case
   * @param path below `/v1/{tenant}/`, without a query
   * @returns `no-path` if there is no command at the path, `no-method` if there is one of another method
   */
  find(method: string, path: string): FoundCommand | 'no-path' | 'no-method';
}

export function createTenantCommands(): TenantCommands {
  const commands: { method: string; pattern: readonly string[]; carryOut: CarryOut<Caller> }[] = [];
  return {
    add(method, path, carryOut) {
      if (!path.startsWith(PREFIX)) throw new Error(`${path} is not a tenant's`);
      const pattern = path.slice(PREFIX.length).split('/');
      commands.push({ method: method.toUpperCase(), pattern, carryOut });
    },
    find(method, path) {
      const segments = path.split('/');
      const there = commands.filter(({ pattern }) => matches(pattern, segments));
      if (there.length === 0) return 'no-path';
      const command = there.find((each) => each.method === method);
      if (!command) return 'no-method';
      return { carryOut: command.carryOut, params: paramsOf(command.pattern, segments) };
    },
  };
}

const isParameter = (part: string): boolean => part.startsWith('{');

const matches = (pattern: readonly string[], segments: readonly string[]): boolean =>
  pattern.length === segments.length &&
  pattern.every((part, i) => isParameter(part) || part === segments[i]);

const paramsOf = (pattern: readonly string[], segments: readonly string[]) =>
  Object.fromEntries(
    pattern.flatMap((part, i) =>
      isParameter(part) ? [[part.slice(1, -1), segments[i] ?? '']] : [],
    ),
  );

/** Adds the endpoint of a command, which may come in a batch too. */
export function addCommand<
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
>(api: Api, spec: Spec<Caller, P, Q, B>, handle: Handle<Caller, P, Q, B>): void {
  api.commands.add(spec.method, spec.path, addEndpoint(api, spec, handle));
}
