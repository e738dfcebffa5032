/**
 * `npm run demo:visitor`: a visitor in the terminal, for whoever answers with an XMPP client of their own. Each line that is
 * typed goes to the operators of `make run`. What they write is printed.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../src/errors.ts';
import { askDemo, callbacksOf, type DemoCallback, readDemo } from './running-demo.ts';

/** How often the stand-in for LHC is asked for what operators have written. */
const LOOK_EVERY_MS = 500;

const visitor = `typed-${Date.now().toString(36)}`;

/** What a visitor would see of a callback; null: nothing. */
function shown({ type, data }: DemoCallback): string | null {
  const who = data.operator?.username ?? 'the service';
  if (data.message !== undefined && (type === 'chat.message' || type === 'visitor.invited')) {
    return `${who}: ${data.message.replaces === undefined ? '' : '(corrected) '}${data.message.body}`;
  }
  if (type === 'chat.accepted') return `(${who} has accepted the chat)`;
  if (type === 'chat.closed') return '(the chat is closed; what you type now begins another one)';
  return null;
}

async function play(): Promise<void> {
  const demo = readDemo();
  const at = (path: string, body: unknown) =>
    askDemo(demo, 'POST', `/v1/${demo.tenant}/visitors/${visitor}${path}`, body);
  const page = { page: 'https://shop.example/shoes', title: 'Shoes', nick: 'Nora' };
  await at('/page-views', { ...page, country: 'Germany', timezone: 'Europe/Berlin' });
  console.log(
    'You are Nora, and look at a page with shoes. Operators see you in their contact list.',
  );
  console.log('Type, and Enter sends it. Ctrl-D leaves.');

  let chats = 0;
  let messages = 0;
  let chatId: string | null = null;
  const known = new Set<string>();
  async function look(): Promise<void> {
    for (const callback of await callbacksOf(demo, visitor)) {
      if (known.has(callback.id)) continue;
      known.add(callback.id);
      const line = shown(callback);
      if (line !== null) console.log(line);
      if (callback.type === 'chat.closed') chatId = null;
    }
  }

  let left = false;
  const looking = (async () => {
    while (!left) {
      await look();
      await delay(LOOK_EVERY_MS);
    }
  })();
  const typed = (async () => {
    for await (const line of createInterface({ input: process.stdin })) {
      const body = line.trim();
      if (body === '') continue;
      messages += 1;
      const message = { id: `${visitor}-${messages}`, body };
      await look(); // whether the chat was closed meanwhile
      if (chatId === null) {
        chats += 1;
        chatId = `${visitor}-c${chats}`;
        await at('/chats', { chatId, department: 'sales', message });
      } else {
        await at('/messages', { chatId, ...message });
      }
    }
  })();
  await Promise.race([typed, looking]);
  left = true;
  await looking;
  if (chatId !== null) await at(`/chats/${chatId}/close`, { by: 'visitor' });
  await at('/timeout', {});
}

try {
  await play();
} catch (error) {
  console.error(messageOf(error));
  process.exit(1); // the terminal is still open for reading
}
