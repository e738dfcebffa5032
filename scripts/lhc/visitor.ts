/** A visitor of a site with LHC's widget: the requests of the widget's script, without a browser. */
import { AppError } from '../../src/errors.ts';

const CALL_DEADLINE_MS = 60_000;

export interface WidgetAnswer {
  readonly status: number;
  readonly text: string;
  /** The body as JSON; null if it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON of LHC; a wrong shape fails where it is read
  readonly json: any;
}

export interface Chat {
  readonly id: number;
  readonly hash: string;
}

export interface StartOptions {
  /** Default: 1. */
  readonly department?: number;
  /** Default: Anna. */
  readonly name?: string;
  /** Answers an invitation. */
  readonly invitation?: boolean;
}

export interface Visitor {
  /** LHC's id of this browser; empty before the first page. */
  readonly vid: string;
  /** The chat that was started last. */
  readonly chat: Chat | undefined;
  /** Opens a page. @returns the settings of the widget, with `isOnline` */
  view(page: string, title?: string): Promise<WidgetAnswer>;
  /** @throws {AppError} `refused` with LHC's answer if no chat was started */
  start(question: string, options?: StartOptions): Promise<Chat>;
  write(text: string): Promise<WidgetAnswer>;
  /** The rows above an id, as HTML. @param last the id of the last known row */
  fetch(last?: number): Promise<WidgetAnswer>;
  status(): Promise<WidgetAnswer>;
  /** Types a text without sending it. */
  type(text: string): Promise<WidgetAnswer>;
  /** Clicks a reaction below a message: it comes, or goes if it was there. @param name LHC's own, as `thumb` */
  react(messageId: number, name: string, value: string): Promise<WidgetAnswer>;
  /** Asks whether there is an invitation. */
  checkInvitation(): Promise<WidgetAnswer>;
  invitation(): Promise<WidgetAnswer>;
  /** Closes the window: the visitor may come back. @param ended for good */
  leave(ended?: boolean): Promise<WidgetAnswer>;
}

/** @param lhc LHC's address */
export function createVisitor(lhc: string): Visitor {
  let vid = '';
  let chat: Chat | undefined;

  async function call(path: string, body?: unknown): Promise<WidgetAnswer> {
    const form = body instanceof URLSearchParams;
    const answer = await fetch(`${lhc}/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: {
        // LHC does not track what does not look like a browser.
        'user-agent':
          'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36',
        // A kept connection may be closed by the other side at the moment of the next request.
        connection: 'close',
        ...(body !== undefined && !form && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: form ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(CALL_DEADLINE_MS),
    });
    const text = await answer.text();
    return { status: answer.status, text, json: jsonOf(text) };
  }
  function theChat(): Chat {
    if (!chat) throw new AppError('invalid', 'this visitor has not started a chat');
    return chat;
  }
  return {
    get vid() {
      return vid;
    },
    get chat() {
      return chat;
    },
    async view(page, title = '') {
      const asked = new URLSearchParams({
        l: page,
        dt: title,
        tz: '2',
        ...(vid !== '' && { vid }),
      });
      const answer = await call(`widgetrestapi/settings?${asked}`);
      vid = answer.json?.vid ?? vid;
      return answer;
    },
    async start(question, { department = 1, name = 'Anna', invitation = false } = {}) {
      const time = Math.floor(Date.now() / 1000);
      const captcha = (await call(`captcha/captchastring/fake/${time}`, {})).json?.result;
      const answer = await call('widgetrestapi/submitonline', {
        vid,
        mode: 'widget',
        department: [String(department)],
        ...(invitation && { invitation_id: 0 }),
        fields: {
          jsvar: {},
          [`captcha_${captcha}`]: time,
          tscaptcha: time,
          Username: name,
          Question: question,
          URLRefer: '//shop.example/shoes',
          r: '',
        },
      });
      const { id, hash } = answer.json?.chatData ?? {};
      if (!id || !hash) {
        throw new AppError(
          'refused',
          `no chat was started: ${answer.status} ${answer.text.slice(0, 300)}`,
        );
      }
      chat = { id: Number(id), hash: String(hash) };
      return chat;
    },
    write: (msg) => call('widgetrestapi/addmsguser', { ...theChat(), msg, mn: 0 }),
    react(messageId, name, value) {
      const { id, hash } = theChat();
      const clicked = { id: messageId, payload: value, 'payload-id': name };
      return call(`genericbot/buttonclicked/${id}/${hash}/(type)/reactions`, clicked);
    },
    fetch(last = 0) {
      const { id, hash } = theChat();
      return call('widgetrestapi/fetchmessages', {
        chat_id: id,
        hash,
        lmgsid: last,
        theme: null,
        active_widget: true,
      });
    },
    status() {
      const { id, hash } = theChat();
      return call('widgetrestapi/checkchatstatus', {
        chat_id: id,
        hash,
        mode: 'widget',
        theme: null,
      });
    },
    type(text) {
      const { id, hash } = theChat();
      return call(`chat/usertyping/${id}/${hash}/true`, new URLSearchParams({ msg: text }));
    },
    checkInvitation: () => call(`widgetrestapi/checkinvitation?vid=${vid}`),
    invitation: () => call(`widgetrestapi/getinvitation?vid=${vid}`),
    leave(ended = false) {
      const { id, hash } = theChat();
      const how = ended ? '/(eclose)/t' : '';
      return call(`chat/chatwidgetclosed/(hash)/${id}_${hash}${how}`, new URLSearchParams());
    },
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
