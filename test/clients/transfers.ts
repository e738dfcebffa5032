/** Many transfers to the client: of each, every line that was said, and the line that introduces it, has to be there. */
import { waitFor } from '../support/wait.ts';
import type { Stage } from './play.ts';
import { SUPPORT } from './rig.ts';

const STEP_DEADLINE_MS = 60_000;
/** A line that has not come after this time counts as lost: the others came within a second. */
const LINE_DEADLINE_MS = 20_000;

/** @returns what is missing, one line for each transfer that lost something */
export async function transfers(
  { rig: { tenant, paula }, client }: Stage,
  count: number,
): Promise<string[]> {
  const lost: string[] = [];
  for (let n = 1; n <= count; n++) {
    const key = `t${n}`;
    const jid = tenant.visitorJid(key);
    const said = [`Question ${n}.`, `Answer ${n}.`, `Thanks ${n}.`, `Welcome ${n}.`] as const;
    await tenant.view(key, {
      page: `https://shop.test/${n}`,
      title: 'Shoes',
      nick: `Visitor ${n}`,
    });
    await waitFor(() => client.contact(jid), { deadlineMs: STEP_DEADLINE_MS, what: 'the contact' });
    await tenant.ask('POST', `/visitors/${key}/chats`, {
      chatId: `c${key}`,
      department: SUPPORT,
      message: { id: `${key}-1`, body: said[0] },
    });
    await paula.waitFor(({ messages }) => messages.some(({ body }) => body.includes(said[0])));
    const answered = async (body: string) => {
      paula.send(jid, body);
      await tenant.callback('chat.message', ({ message }) => message.body === body);
    };
    await answered(said[1]);
    await tenant.ask('POST', `/visitors/${key}/messages`, { id: `${key}-2`, body: said[2] });
    await answered(said[3]);
    paula.send(jid, '!transfer olga');
    await tenant.callback(
      'chat.transferred',
      ({ visitor, operator }) => visitor === key && operator?.username === 'olga',
      STEP_DEADLINE_MS,
    );
    const wanted = [...said, `#c${key}`];
    let missing: readonly string[] = wanted;
    await waitFor(
      async () => {
        const shown = (await client.messages(jid)).join('\n');
        missing = wanted.filter((text) => !shown.includes(text));
        return missing.length === 0;
      },
      { deadlineMs: LINE_DEADLINE_MS, every: 100 },
    ).catch(() => lost.push(`transfer ${n}: not shown: ${missing.join(' | ')}`));
    await tenant.ask('POST', `/visitors/${key}/chats/c${key}/close`, { by: 'visitor' });
    await tenant.ask('POST', `/visitors/${key}/timeout`, {});
  }
  return lost;
}
