/** Calls about visitors: they view a page, and they write. */
import { z } from 'zod';
import { onlyChatOf, personOf, type Username, type VisitorKey } from '../../actors/ids.ts';
import { AUTOMATIC } from '../../actors/machine/idempotency.ts';
import { delaysOf } from '../../actors/tenant/settings.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import { type LhcView, readLhcView } from '../../actors/visitor/lhc-view.ts';
import { AppError, isRefused } from '../../errors.ts';
import { createPageDigest } from '../../runtime/page-digest.ts';
import { fingerprint } from '../frame/commands.ts';
import { boundOf } from '../frame/crowd.ts';
import { VisitorText } from '../frame/text.ts';
import { type Called, type LhcCall, lhcCall, unused, VisitorPassword } from './call.ts';
import type { XmppserviceDeps } from './deps.ts';

/** The extension's own words for a chat that begins without a message. They are in no other language. */
export const NO_MESSAGE = 'New chat request from visitor. Reply to accept a chat';
/** Before what LHC itself answers an operator. */
const LHC_WORDS = /^\[\[System Assistant\]\]\s*/;

/** The old server showed this where LHC sent no nick. */
const DEFAULT_NICK = 'Online visitor';

const shown = {
  nick: z
    .string()
    .nullish()
    .transform((nick) => nick ?? DEFAULT_NICK),
  status: z
    .string()
    .nullish()
    .transform((status) => status ?? ''),
};

const RegisterVisitor = z.object({
  password: VisitorPassword,
  hostlogin: unused,
  group: z.string().optional(),
  ...shown,
});
const ViewPage = z.object({ pass: VisitorPassword, host: unused, ...shown });
const SendMessage = ViewPage.extend({ operator_username: z.string(), message: VisitorText });

/** Why a chat is closed of which LHC says nothing any more. */
const OVER_IN_LHC = 'over in LHC';

type Visitor = { readonly tenant: Tenant; readonly key: VisitorKey };

function visitorOf({ tenant, subject }: Called): Visitor {
  if (subject.kind !== 'visitor') {
    throw new AppError('invalid', 'is no visitor', { field: 'user' });
  }
  if (!tenant) throw new AppError('not-found', 'there is no such instance');
  return { tenant, key: subject.name };
}

/** @throws {AppError} `invalid` unless the group is the one that the tenant's people of this kind are in */
export function checkGroup(
  group: string | undefined,
  kind: 'visitors' | 'operators',
  { instance }: Tenant,
): void {
  const own = instance ? `${kind}.${instance}` : kind;
  if (group !== undefined && group.toLowerCase() !== own) {
    throw new AppError('invalid', `has to be ${own}`, { field: 'group' });
  }
}

export function visitorCalls(deps: XmppserviceDeps): LhcCall[] {
  const { actors, digestKey, newId, operatorAccounts, tenants } = deps;
  const digestOf = createPageDigest(digestKey);
  const send = ({ tenant, key }: Visitor, command: VisitorCommand) =>
    actors.visitor(tenant.id, key).send(command, { commandId: `${AUTOMATIC}${newId()}` });

  async function admit({ tenant, key }: Visitor, withChat: boolean): Promise<void> {
    const bound = await boundOf(deps, tenant, key, withChat);
    if (!bound) return;
    const { setting } = bound;
    throw new AppError(
      'overloaded',
      `this tenant has no place for another visitor now (${setting}: ${tenant[setting]})`,
    );
  }

  /** LHC says nothing when a chat ends. The next page view has no word for the chat any more. */
  async function endChat(visitor: Visitor, { chatId, isOpen }: LhcView): Promise<void> {
    if (chatId === null || isOpen) return;
    const state = await actors.visitor(visitor.tenant.id, visitor.key).state();
    if (state?.context.chat?.id !== chatId) return;
    await send(visitor, { type: 'CloseChat', chatId, by: 'system', reason: OVER_IN_LHC }).catch(
      (error: unknown) => {
        if (!isRefused(error)) throw error; // it has ended meanwhile, or another one is open
      },
    );
  }

  async function viewPage(visitor: Visitor, view: LhcView): Promise<void> {
    const { tenant, key } = visitor;
    const { profile, department, said } = view;
    const digest = digestOf(tenant.id, key, department, profile, said);
    const delays = delaysOf(tenant);
    await send(visitor, { type: 'ViewPage', digest, department, delays, profile });
  }

  /**
   * True for a visitor who was known by their chat alone, which is over. LHC registers them once more to tell the operator
   * that it has closed the chat: they must not appear again.
   */
  async function isOver({ tenant, key }: Visitor, { isOpen }: LhcView): Promise<boolean> {
    const chatId = onlyChatOf(key);
    if (chatId === null || isOpen) return false;
    const context = (await actors.visitor(tenant.id, key).state())?.context;
    return context?.chat === null && context.lastChatId === chatId;
  }

  async function showPage(called: Called, nick: string, status: string): Promise<void> {
    const visitor = visitorOf(called);
    const view = readLhcView(nick, status);
    if (await isOver(visitor, view)) return;
    await admit(visitor, false);
    await viewPage(visitor, view);
    await endChat(visitor, view);
  }

  /** The operator whom LHC addresses. They are registered from now on, if LHC knows them and we did not. */
  async function operatorOf({ tenant }: Visitor, jid: string): Promise<Username> {
    const person = /^[!-~]+$/.test(jid) ? personOf(jid, tenants.ofHost) : null;
    if (person?.kind !== 'operator' || person.tenant !== tenant.id || jid.includes('/')) {
      throw new AppError('invalid', 'is no operator of this tenant, as user@host', {
        field: 'operator_username',
      });
    }
    await operatorAccounts.adopt(tenant.id, person.name);
    return person.name;
  }

  async function sendMessage(
    called: Called,
    { nick, status, message, operator_username }: z.output<typeof SendMessage>,
  ): Promise<void> {
    const visitor = visitorOf(called);
    const { tenant, key } = visitor;
    await admit(visitor, true);
    const view = readLhcView(nick, status);
    const chatId = view.chatId ?? onlyChatOf(key);
    if (chatId === null) {
      throw new AppError('invalid', 'has no chat: " #" and its number belong at the end', {
        field: 'nick',
      });
    }
    const operator = await operatorOf(visitor, operator_username);
    const isAnswer = LHC_WORDS.test(message);
    if (!isAnswer || !(await isOver(visitor, view))) await viewPage(visitor, view);
    if (isAnswer) {
      // Neither the visitor's words, nor a sign that LHC has given the operator the chat.
      const text = message.replace(LHC_WORDS, '');
      await send(visitor, { type: 'AnswerOperator', operator, text });
      return;
    }
    const isEmpty = message === '' || message === NO_MESSAGE;
    await send(visitor, {
      type: 'AddressMessage',
      operator,
      chatId,
      department: view.department,
      nick: view.profile.nick,
      message: isEmpty
        ? null
        : {
            id: newId(),
            body: message,
            digest: fingerprint(digestKey, ['addressed', tenant.id, key, message]),
          },
      delays: delaysOf(tenant),
    });
  }

  const common = { makesInstance: 'once', urgent: false } as const;
  return [
    lhcCall({
      ...common,
      path: '/xmpp-register-online-visitor',
      about: 'user',
      text: false,
      body: RegisterVisitor,
      async carryOut(called, { group, nick, status }) {
        if (called.tenant) checkGroup(group, 'visitors', called.tenant);
        await showPage(called, nick, status);
      },
    }),
    lhcCall({
      ...common,
      path: '/xmpp',
      about: 'jid',
      text: true,
      body: ViewPage,
      carryOut: (called, { nick, status }) => showPage(called, nick, status),
    }),
    lhcCall({
      ...common,
      path: '/xmpp-send-message',
      about: 'jid',
      text: true,
      urgent: true,
      body: SendMessage,
      carryOut: sendMessage,
    }),
  ];
}
