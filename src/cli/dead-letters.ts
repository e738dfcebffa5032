/** `xmpp-chat dead-letters`: asks the running service, which alone may write to its log. */
import { Command } from 'commander';
import { z } from 'zod';
import { readAccess } from '../config.ts';
import { AppError, messageOf } from '../errors.ts';

const Letter = z.object({
  id: z.string(),
  tenant: z.string().nullable(),
  /** ms since 1970 */
  at: z.number(),
  kind: z.string(),
  stream: z.string(),
  destination: z.string(),
  reason: z.string(),
});
const List = z.object({ items: z.array(Letter) });
/** RFC 9457, as the service answers. */
const Problem = z.object({ detail: z.string() });
const DEADLINE_MS = 35_000;

interface Access {
  readonly url: string;
  readonly token: string | undefined;
}

async function ask(access: Access, method: string, path: string): Promise<unknown> {
  if (!access.token) throw new AppError('invalid', 'ADMIN_TOKEN is not set; see --token');
  let response: Response;
  try {
    response = await fetch(new URL(path, access.url), {
      method,
      headers: { authorization: `Bearer ${access.token}` },
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
  } catch (error) {
    throw new AppError('unavailable', `no service answers at ${access.url}: ${messageOf(error)}`);
  }
  const body = parse(await response.text());
  const { data } = Problem.safeParse(body);
  if (!response.ok && data) throw new AppError('refused', data.detail);
  if (response.ok && body !== undefined) return body;
  throw stranger(access.url, response.status);
}

/** undefined: no JSON. */
function parse(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return undefined;
  }
}

const stranger = (url: string, status: number): AppError =>
  new AppError(
    'refused',
    `${url} answers, but not as this service does (${status}): set LISTEN as for the service, or name it with --url`,
  );

export function deadLettersCommand(): Command {
  const command = new Command('dead-letters').description(
    'What was given up: webhook events that could not be used, effects that never worked',
  );
  const access = (sub: Command): Access => {
    const known = readAccess();
    const { url, token } = sub.optsWithGlobals<{ url?: string; token?: string }>();
    return { url: url ?? known.url, token: token ?? known.token };
  };
  command
    .option('--url <url>', 'of the running service (default: LISTEN)')
    .option('--token <token>', 'the admin token (default: ADMIN_TOKEN)');
  command
    .command('list', { isDefault: true })
    .description('list them, the newest first')
    .action(async (_options, sub: Command) => {
      const service = access(sub);
      const list = List.safeParse(await ask(service, 'GET', '/debug/dead-letters'));
      if (!list.success) throw stranger(service.url, 200);
      const { items } = list.data;
      if (items.length === 0) console.log('no dead letters');
      for (const letter of items) {
        const where = `${letter.stream} -> ${letter.destination}`;
        const at = new Date(letter.at).toISOString();
        console.log(`${letter.id}  ${at}  ${letter.kind}  ${where}  ${letter.reason}`);
      }
    });
  command
    .command('show <id>')
    .description('show one, with its content')
    .action(async (id: string, _options, sub: Command) => {
      const path = `/debug/dead-letters/${encodeURIComponent(id)}`;
      console.log(JSON.stringify(await ask(access(sub), 'GET', path), null, 2));
    });
  command
    .command('send <id>')
    .description('send one again, as a new command or effect, out of order')
    .action(async (id: string, _options, sub: Command) => {
      const path = `/debug/dead-letters/${encodeURIComponent(id)}/send`;
      await ask(access(sub), 'POST', path);
      console.log(`${id} was sent again`);
    });
  return command;
}
