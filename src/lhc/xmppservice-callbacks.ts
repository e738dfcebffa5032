/**
 * Callbacks in the form of the older Erlang modules of ejabberd, for an LHC with its extension `xmppservice`
 * (docs/xmppservice.md). That form has no id and no signature. What it cannot say, LHC is not told.
 */
import type { Callback } from './callback-types.ts';
import { asNewMessage } from './visitor-text.ts';

/** JIDs as LHC knows them, bare. */
export interface WireNames {
  visitor(key: string): string;
  operator(username: string): string;
}

/** A POST of the xmppservice wire. */
export interface XmppserviceRequest {
  readonly path: 'operatorstatus' | 'processmessage';
  readonly contentType: string;
  readonly body: string;
}

/** The parts of a bare JID that we made. */
function partsOf(jid: string): { user: string; server: string } {
  const at = jid.lastIndexOf('@');
  return { user: jid.slice(0, at), server: jid.slice(at + 1) };
}

const status = (content: Readonly<Record<string, string>>): XmppserviceRequest => ({
  path: 'operatorstatus',
  contentType: 'application/json',
  body: JSON.stringify(content),
});

/** The order of the fields is that of the older modules. */
function message(names: WireNames, from: string, to: string, body: string): XmppserviceRequest {
  const { user: sender, server } = partsOf(names.operator(from));
  const { user: receiver } = partsOf(names.visitor(to));
  const fields = { body, sender, receiver, server, type: 'chat', status: '' };
  return {
    path: 'processmessage',
    contentType: 'application/x-www-form-urlencoded',
    body: new URLSearchParams(fields).toString(),
  };
}

/**
 * A sign of life. LHC takes the operator for online; it does nothing for an account that it does not know.
 * @param jid bare
 */
export const pingRequest = (jid: string, resource?: string): XmppserviceRequest =>
  status({ action: 'ping', user: resource ? `${jid}/${resource}` : jid });

/**
 * The callback as the older modules would send it.
 * @returns null if it has no form there
 */
export function xmppserviceRequest(
  names: WireNames,
  callback: Pick<Callback, 'type' | 'data'>,
): XmppserviceRequest | null {
  const { type, data } = callback as Callback; // a Pick loses the link between `type` and `data`
  switch (type) {
    case 'operator.online':
    case 'operator.offline': {
      const action = type === 'operator.online' ? 'connect' : 'disconnect';
      return status({ action, ...partsOf(names.operator(data.operator.username)) });
    }
    case 'operator.alive':
      return pingRequest(names.operator(data.operator.username), data.resource);
    case 'visitor.invited':
    case 'chat.message':
      return message(names, data.operator.username, data.visitor, asNewMessage(data.message));
    case 'chat.command':
      return data.operator && message(names, data.operator.username, data.visitor, data.text);
    // A command to a visitor whose chat LHC has closed would invite them with its words. So these name the chat.
    case 'chat.note':
      return (
        data.operator &&
        message(names, data.operator.username, `${data.chatId}.chat`, `!note ${data.note.body}`)
      );
    case 'chat.closed':
      return (
        data.operator && message(names, data.operator.username, `${data.chatId}.chat`, '!close')
      );
    default:
      return null;
  }
}

/**
 * The address of one of LHC's two pages.
 * @param url `{lhcUrl}/xmppservice`, or `{lhcUrl}`, or one of the two pages
 */
export function xmppserviceUrl(url: string, path: XmppserviceRequest['path']): string {
  const address = new URL(url);
  const base = address.pathname
    .replace(/\/+$/, '')
    .replace(/\/(operatorstatus|processmessage)$/, '')
    .replace(/\/xmppservice$/, '');
  address.pathname = `${base}/xmppservice/${path}`;
  return address.href;
}
