/** `xmpp-chat visitors`: erases a visitor, and writes what is kept about one, through the running service. */
import { Command } from 'commander';
import { z } from 'zod';
import { AppError, messageOf } from '../errors.ts';
import { print, printJson, printPart } from './output/print.ts';
import {
  accessOf,
  anotherProgram,
  ask,
  refusalOf,
  type ServiceAccess,
  withAccessOptions,
} from './service-client.ts';

/** The service may read its whole log. It sends what it finds, and silence for so long is a failure. */
const SILENCE_MS = 120_000;

const Erased = z.looseObject({
  revision: z.number(),
  erased: z.object({ generation: z.number(), dataKeys: z.string() }),
});

const pathOf = (tenant: string, key: string): string =>
  `/v1/${encodeURIComponent(tenant)}/visitors/${encodeURIComponent(key)}`;

async function erase(
  access: ServiceAccess,
  tenant: string,
  key: string,
  { yes, json }: { readonly yes?: true; readonly json?: true },
): Promise<void> {
  // A slip in the key would erase another person.
  if (!yes) {
    throw new AppError(
      'refused',
      `this erases everything personal of visitor ${key} of ${tenant}, and closes their chat. Nobody can undo it: say --yes ("xmpp-chat visitors data ${tenant} ${key}" shows what is kept)`,
    );
  }
  const path = `${pathOf(tenant, key)}?erase=true`;
  const answer = await ask(access, { method: 'DELETE', path });
  if (answer.status >= 400) throw refusalOf(answer);
  if (json) return printJson(answer.body);
  const { data } = Erased.safeParse(answer.body);
  if (!data) throw anotherProgram(access.url, answer.status);
  print(`visitor ${key} of ${tenant} is erased`);
  print(
    data.erased.dataKeys === 'destroyed'
      ? 'the data keys are destroyed; every process and file forgets the rest within a minute'
      : 'the data keys are destroyed as soon as the event store takes it; nothing opens any more',
  );
  print(
    'not erased: backups, what clients and archives of operators hold, and the rows of LHC (docs/operations.md, Erasing a person)',
  );
}

/** Writes the lines as they come. @throws {AppError} if the service ended before the last one */
async function data({ url, token }: ServiceAccess, tenant: string, key: string): Promise<void> {
  const silence = new AbortController();
  const heard = setTimeout(() => silence.abort(), SILENCE_MS);
  let last = '';
  try {
    const response = await fetch(new URL(`${pathOf(tenant, key)}/data`, url), {
      headers: { authorization: `Bearer ${token}` },
      signal: silence.signal,
    });
    if (response.status >= 400) {
      const body: unknown = await response.json().catch(() => null);
      const requestId = response.headers.get('x-request-id');
      throw refusalOf({ status: response.status, body, requestId, retryAfterMs: undefined });
    }
    const decoder = new TextDecoder();
    for await (const part of response.body ?? []) {
      heard.refresh();
      const text = decoder.decode(part, { stream: true });
      last = (last + text).slice(-END_CHARACTERS);
      await printPart(text);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError(
      'unavailable',
      `the service at ${url} gave no whole answer: ${messageOf(error)}`,
    );
  } finally {
    clearTimeout(heard);
  }
  if (!last.trimEnd().split('\n').at(-1)?.startsWith('{"kind":"end"')) {
    throw new AppError('unavailable', 'what was written is not complete: ask again');
  }
}

/** The end of the answer that is looked at. The last line has counts alone. */
const END_CHARACTERS = 1_000;

export function visitorsCommand(): Command {
  const command = withAccessOptions(
    new Command('visitors'),
    "the admin token, or the tenant's key",
  ).description('Visitors: what is kept about one, and its erasure');
  command
    .command('erase <tenant> <key>')
    .description('erase everything personal of a visitor, for good')
    .option('--yes', 'yes, erase it')
    .option('--json', "print the service's answer")
    .action((tenant: string, key: string, options: { yes?: true; json?: true }, sub: Command) =>
      erase(accessOf(sub), tenant, key, options),
    );
  command
    .command('data <tenant> <key>')
    .description('write everything that is kept about a visitor, as JSON lines')
    .action((tenant: string, key: string, _options, sub: Command) =>
      data(accessOf(sub), tenant, key),
    );
  return command;
}
