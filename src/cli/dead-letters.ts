/** `xmpp-chat dead-letters`: through the running service, because no other process may write to its log. */
import { Command } from 'commander';
import { z } from 'zod';
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
      stream: z.string(),
      destination: z.string(),
      reason: z.string(),
    }),
  ),
});

/** The body of an answer that does not refuse. */
async function bodyOf(access: ServiceAccess, request: ServiceRequest): Promise<unknown> {
  const answer = await ask(access, request);
  if (answer.status >= 400) throw refusalOf(answer);
  return answer.body;
}

async function list(access: ServiceAccess): Promise<void> {
  const parsed = List.safeParse(await bodyOf(access, { method: 'GET', path: PATH }));
  if (!parsed.success) throw anotherProgram(access.url, 200);
  const { items } = parsed.data;
  if (items.length === 0) console.log('no dead letters');
  for (const { id, at, kind, stream, destination, reason } of items) {
    const time = new Date(at).toISOString();
    console.log(`${id}  ${time}  ${kind}  ${stream} -> ${destination}  ${reason}`);
  }
}

export function deadLettersCommand(): Command {
  const command = withAccessOptions(new Command('dead-letters'), 'the admin token').description(
    'Dead letters: webhook events that could not be used, and effects that failed for good',
  );
  command
    .command('list', { isDefault: true })
    .description('list them, the newest first')
    .action((_options, sub: Command) => list(accessOf(sub)));
  command
    .command('show <id>')
    .description('show one, with its content')
    .action(async (id: string, _options, sub: Command) => {
      const path = `${PATH}/${encodeURIComponent(id)}`;
      console.log(JSON.stringify(await bodyOf(accessOf(sub), { method: 'GET', path }), null, 2));
    });
  command
    .command('send <id>')
    .description('send one again, as a new command or effect, out of order')
    .action(async (id: string, _options, sub: Command) => {
      const path = `${PATH}/${encodeURIComponent(id)}/send`;
      await bodyOf(accessOf(sub), { method: 'POST', path });
      console.log(`${id} was sent again`);
    });
  return command;
}
