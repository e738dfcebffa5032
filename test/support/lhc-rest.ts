/**
 * An LHC without the extension, for the flavour `rest`: a double of its REST API and its webhooks over real HTTP, or a real
 * LHC (real-lhc-rest.ts). Both stand behind a proxy that sees every request of the service, and can lose answers.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const REST_USER = 'xmpp-chat';
export const REST_KEY = 'rest-key-of-acme-0123456789';
export const WEBHOOK_KEY = 'webhook-key-of-acme-0123456789';

/** The settings of a tenant with such an LHC. @param url of LHC */
export const restTenant = (url: string) => ({
  callbackFlavour: 'rest',
  callbackUrl: url,
  restUser: REST_USER,
  restKey: REST_KEY,
  webhookKey: WEBHOOK_KEY,
  // Visitors are heard of by their chats alone.
  hardTimeout: 1_800,
});

export interface Row {
  readonly id: number;
  /** 0 the visitor, -1 LHC itself, else an operator. */
  readonly userId: number;
  readonly text: string;
}

/** A visitor with a chat. */
export interface RestVisitor {
  readonly chatId: number;
  /** Their key in the service. */
  readonly key: string;
  write(text: string): Promise<void>;
  /** Ends the chat for good. */
  end(): Promise<void>;
  /** What they can read of the chat, as one text. */
  screen(): Promise<string>;
}

/** What tests do with an LHC, whichever it is. */
export interface RestLhc {
  readonly url: string;
  /** Ids of LHC's users. */
  readonly operators: { readonly olga: number; readonly bob: number };
  /** From now on its webhooks go to the service. */
  connect(service: string, tenant: string): Promise<void>;
  /** Switches its webhooks off, or on again. */
  webhooks(on: boolean): Promise<void>;
  visitor(text: string): Promise<RestVisitor>;
  rows(chatId: number): Promise<readonly Row[]>;
  chat(chatId: number): Promise<{ readonly status: number; readonly userId: number }>;
  /** An operator works in LHC's own pages. */
  write(operator: 'olga' | 'bob', chatId: number, text: string): Promise<void>;
  closeChat(operator: 'olga' | 'bob', chatId: number): Promise<void>;
  isOnline(operator: 'olga' | 'bob'): Promise<boolean>;
  close(): Promise<void>;
}

export interface RestProxy {
  readonly url: string;
  /** Views that were asked for, in order, with their forms. */
  readonly requests: readonly { readonly view: string; readonly form: URLSearchParams }[];
  /** LHC carries out the next requests to this view, and their answers are lost. */
  lose(view: string, times: number): void;
  close(): Promise<void>;
}

async function listen(
  handle: (request: IncomingMessage, body: Buffer, response: ServerResponse) => Promise<void>,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      handle(request, Buffer.concat(chunks), response).catch(() => response.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const viewOf = (url: string): string => url.replace(/^\/restapi\//, '').replace(/[?/].*$/, '');

export async function startRestProxy(lhc: string): Promise<RestProxy> {
  const requests: { view: string; form: URLSearchParams }[] = [];
  const losing = new Map<string, number>();
  const server = await listen(async (request, body, response) => {
    const { url = '/', method = 'GET', headers } = request;
    const view = viewOf(url);
    requests.push({ view, form: new URLSearchParams(body.toString()) });
    const answer = await fetch(`${lhc}${url}`, {
      method,
      headers: {
        authorization: headers.authorization ?? '',
        ...(headers['content-type'] !== undefined && { 'content-type': headers['content-type'] }),
        connection: 'close',
      },
      ...(method === 'POST' && { body: new Uint8Array(body) }),
      redirect: 'manual',
    });
    const text = Buffer.from(await answer.arrayBuffer());
    const left = losing.get(view) ?? 0;
    if (left > 0) {
      losing.set(view, left - 1);
      response.destroy();
      return;
    }
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text);
  });
  return {
    ...server,
    requests,
    lose: (view, times) => void losing.set(view, times),
  };
}

/** The rows of one chat of the double. */
interface DoubleChat {
  readonly id: number;
  readonly visitor: number;
  status: number;
  status_sub: number;
  user_id: number;
  readonly rows: {
    id: number;
    user_id: number;
    msg: string;
    meta_msg: string;
    name_support: string;
    whisper: boolean;
  }[];
}

/** LHC's users in the double. */
const USERS = { olga: 2, bob: 3 } as const;
const isUser = (id: number): boolean => Object.values(USERS).some((each) => each === id);

export async function startRestDouble(): Promise<RestLhc> {
  const chats = new Map<number, DoubleChat>();
  const activeAt = new Map<number, number>();
  let messages = 0;
  let hook: { url: string; on: boolean } | null = null;

  async function changed({ id }: DoubleChat): Promise<void> {
    if (!hook?.on) return;
    await fetch(hook.url, {
      method: 'POST',
      headers: { authorization: `Bearer ${WEBHOOK_KEY}`, 'content-type': 'application/json' },
      body: `{"chat": ${id}}`,
      signal: AbortSignal.timeout(1_000),
    }).catch(() => undefined); // as LHC, which does not look at the answer
  }
  function add(chat: DoubleChat, user_id: number, msg: string, meta: object = {}) {
    messages += 1;
    const meta_msg = Object.keys(meta).length > 0 ? JSON.stringify({ content: meta }) : '';
    const name_support = user_id === USERS.bob ? 'Bob' : 'Olga';
    const row = { id: messages, user_id, msg, meta_msg, name_support, whisper: 'whisper' in meta };
    chat.rows.push(row);
    return row;
  }
  function chatWith(id: unknown): DoubleChat {
    const chat = chats.get(Number(id));
    if (!chat) throw new Error('Chat could not be found!');
    return chat;
  }
  const shown = ({ id, visitor, status, status_sub, user_id, rows }: DoubleChat) => ({
    id,
    status,
    status_sub,
    user_id,
    online_user_id: visitor,
    last_msg_id: rows.at(-1)?.id ?? 0,
    dep_id: 1,
    nick: 'Anna',
    department_name: 'Sales',
    online_user: {
      current_page: 'https://shop.example/shoes',
      page_title: 'Shoes',
      referrer: '',
      user_country_name: 'Latvia',
      city: 'Riga',
      total_visits: 3,
      vid: 'a1b2c3',
    },
  });

  /** LHC's addmsgadmin, as far as the service uses it (modules/lhrestapi/addmsgadmin.php). */
  async function addMessage(form: URLSearchParams): Promise<object> {
    const chat = chatWith(form.get('chat_id'));
    const text = (form.get('msg') ?? '').trim();
    const user = Number(form.get('user_id') ?? 5);
    if (text === '') throw new Error('Please enter a message!');
    if (user !== 5 && !isUser(user)) {
      throw new Error('Operator with provided user_id could not be found!');
    }
    const whisper = form.get('sender') === 'whisper';
    const mark = form.get('debug_meta_msg');
    const meta = { ...(mark && { debug: { content: mark } }), ...(whisper && { whisper: true }) };
    if (text.startsWith('!') && !whisper) {
      if (text.startsWith('!info')) return { error: false, r: INFO, msg: null };
      if (text.startsWith('!transferforce ')) {
        chat.user_id = text.endsWith('bob') ? USERS.bob : USERS.olga;
      }
      const row = add(chat, -1, `[b]Olga[/b]: ${text} || Done`, meta);
      return { error: false, r: '', msg: row };
    }
    const row = add(chat, user, text, meta);
    if (chat.status === 0 && !whisper) {
      add(chat, -1, 'Olga has accepted the pending chat by sending a message!');
      Object.assign(chat, { status: 1, user_id: user });
    }
    await changed(chat);
    return { error: false, r: '', msg: row };
  }

  async function answer(url: URL, form: URLSearchParams): Promise<object> {
    const [view = '', id] = url.pathname.replace('/restapi/', '').split('/');
    switch (view) {
      case 'chatscount':
        return { list_count: chats.size, error: false };
      case 'chat':
        return { error: false, result: shown(chatWith(id)) };
      case 'chats': {
        const open = (url.searchParams.get('status_ids') ?? '').split(',').map(Number);
        const above = url.searchParams.get('id_gt');
        const list = [...chats.values()]
          .filter((chat) => (above === null ? open.includes(chat.status) : chat.id > Number(above)))
          .reverse()
          .slice(Number(url.searchParams.get('offset') ?? 0))
          .slice(0, Number(url.searchParams.get('limit')));
        return { list: list.map(shown), error: false };
      }
      case 'fetchchatmessages': {
        const after = Number(url.searchParams.get('last_message_id'));
        const { rows } = chatWith(url.searchParams.get('chat_id'));
        return { error: false, result: { messages: rows.filter((row) => row.id > after) } };
      }
      case 'addmsgadmin':
        return addMessage(form);
      case 'setchatstatus': {
        const chat = chatWith(form.get('chat_id'));
        if (chat.status !== 2) {
          chat.status = Number(form.get('status'));
          add(chat, -1, 'Support has closed the chat!');
          await changed(chat);
        }
        return { error: false, result: 'Status changed!' };
      }
      case 'getuser': {
        const user = Number(url.searchParams.get('user_id'));
        const [username] = Object.entries(USERS).find(([, each]) => each === user) ?? [];
        return { error: false, result: { username } };
      }
      case 'updatelastactivity':
        activeAt.set(Number(id), Date.now());
        return { error: false, result: { update: true } };
      default:
        throw new Error(`the double has no view ${view}`);
    }
  }

  const right = `Basic ${Buffer.from(`${REST_USER}:${REST_KEY}`).toString('base64')}`;
  const server = await listen(async (request, body, response) => {
    const send = (status: number, json: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    try {
      if (request.headers.authorization !== right) throw new Error('Authorization failed!');
      const url = new URL(request.url ?? '/', 'http://lhc');
      send(200, await answer(url, new URLSearchParams(body.toString())));
    } catch (error) {
      send(400, { error: true, result: error instanceof Error ? error.message : '' });
    }
  });

  return {
    url: server.url,
    operators: USERS,
    async connect(service, tenant) {
      hook = { url: `${service}/lhc/webhooks/${tenant}`, on: true };
    },
    async webhooks(on) {
      if (hook) hook.on = on;
    },
    async visitor(text) {
      const id = chats.size + 1;
      const chat: DoubleChat = { id, visitor: id, status: 0, status_sub: 0, user_id: 0, rows: [] };
      chats.set(id, chat);
      add(chat, 0, text);
      await changed(chat);
      return {
        chatId: id,
        key: String(id),
        async write(more) {
          add(chat, 0, more);
          await changed(chat);
        },
        async end() {
          chat.status_sub = 3;
          await changed(chat);
        },
        screen: async () =>
          chat.rows
            .filter(({ user_id, whisper }) => user_id !== -1 && !whisper)
            .map(({ msg }) => msg)
            .join('\n'),
      };
    },
    rows: async (chatId) =>
      chatWith(chatId).rows.map(({ id, user_id, msg }) => ({ id, userId: user_id, text: msg })),
    async chat(chatId) {
      const { status, user_id } = chatWith(chatId);
      return { status, userId: user_id };
    },
    async write(operator, chatId, text) {
      const chat = chatWith(chatId);
      // LHC's webhook of an operator's message goes out before its transaction ends.
      await changed(chat);
      add(chat, USERS[operator], text);
      if (chat.status === 0) Object.assign(chat, { status: 1, user_id: USERS[operator] });
    },
    async closeChat(_operator, chatId) {
      const chat = chatWith(chatId);
      await changed(chat);
      chat.status = 2;
      add(chat, -1, 'Olga has closed the chat!');
    },
    isOnline: async (operator) => activeAt.has(USERS[operator]),
    close: server.close,
  };
}

const INFO =
  '<div class="message-row system-response"><div class="msg-date">18:09:39</div><i><span class="usr-tit sys-tit">System assistant</span>Department - Sales<br />\nCurrent page - &quot;Shoes&quot;</i></div>';
