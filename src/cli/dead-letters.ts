/** `xmpp-chat dead-letters`: through the running service, because no other process may write to its log. */
import { Command } from 'commander';
import { z } from 'zod';
import { print, printJson } from './output/print.ts';
import {
  accessOf,
  anotherProgram,
  ask,
  refusalOf,
  type ServiceAccess,
  type ServiceRequest,
  withAccessOptions,
} from './service-client.ts';

const PATH = '/debug/dead-letters';

const List = z.object({
  items: z.array(
    z.object({
      id: z.string(),
      /** ms since 1970 */
      at: z.number(),
      kind: z.string(),
      /** A service of release 0.1.0 has neither. */
      type: z.string().nullish(),
      operator: z.string().nullish(),
      stream: z.string(),
      destination: z.string(),
      reason: z.string(),
    }),
  ),
  /** A service of release 0.1.0 lists all at once. */
  next: z.string().nullable().default(null),
});

/** Letters in one request. */
const PAGE_LETTERS = 200;

/** The body of an answer that does not refuse. */
async function bodyOf(access: ServiceAccess, request: ServiceRequest): Promise<unknown> {
  const answer = await ask(access, request);
  if (answer.status >= 400) throw refusalOf(answer);
  return answer.body;
}

/** Prints page by page. */
async function list(access: ServiceAccess, { tenant }: { tenant?: string }): Promise<void> {
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query = new URLSearchParams({ limit: String(PAGE_LETTERS) });
    if (tenant !== undefined) query.set('tenant', tenant);
    if (cursor !== '') query.set('cursor', cursor);
    const body = await bodyOf(access, { method: 'GET', path: `${PATH}?${query}` });
    const parsed = List.safeParse(body);
    if (!parsed.success) throw anotherProgram(access.url, 200);
    const { items, next }: z.output<typeof List> = parsed.data;
    if (items.length === 0 && cursor === '' && next === null) print('no dead letters');
    for (const { id, at, kind, type, operator, stream, destination, reason } of items) {
      const time = new Date(at).toISOString();
      const what = `${kind} ${type ?? '-'}  ${operator ?? '-'}`;
      print(`${id}  ${time}  ${what}  ${stream} -> ${destination}  ${reason}`);
    }
    cursor = next;
  }
}

export function deadLettersCommand(): Command {
  const command = withAccessOptions(new Command('dead-letters'), 'the admin token').description(
    'Dead letters: webhook events that could not be used, and effects that failed for good',
  );
  command
    .command('list', { isDefault: true })
    .description(
      'list them, the newest first: id, time, kind and type, operator, what failed where, why',
    )
    .option('--tenant <id>', 'only those of this tenant')
    .action((options: { tenant?: string }, sub: Command) => list(accessOf(sub), options));
  command
    .command('show <id>')
    .description('show one, with its content')
    .action(async (id: string, _options, sub: Command) => {
      const path = `${PATH}/${encodeURIComponent(id)}`;
      printJson(await bodyOf(accessOf(sub), { method: 'GET', path }));
    });
  command
    .command('send <id>')
    .description('send one again, as a new command or effect, out of order')
    .action(async (id: string, _options, sub: Command) => {
      const path = `${PATH}/${encodeURIComponent(id)}/send`;
      await bodyOf(accessOf(sub), { method: 'POST', path });
      print(`${id} was sent again`);
    });
  command
    .command('discard <id>')
    .description('discard one: nobody will send it')
    .action(async (id: string, _options, sub: Command) => {
      const path = `${PATH}/${encodeURIComponent(id)}`;
      await bodyOf(accessOf(sub), { method: 'DELETE', path });
      print(`${id} was discarded`);
    });
  return command;
}
