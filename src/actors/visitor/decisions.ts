/** The commands of a visitor, and the facts that each command causes. */
import { AppError } from '../../errors.ts';
import { type Core, type Decider, type DecisionContext, refuse } from '../machine/decider.ts';
import type { SeenSummary } from '../machine/idempotency.ts';
import { type AddressMessage, addressMessage } from './addressing.ts';
import { isUnknown } from './changes.ts';
import { invitationEnd, timedOut } from './chat-facts.ts';
import { decidePlacement, type PlacementCommand } from './chat-placement.ts';
import { type ConversationCommand, decideConversation } from './conversation.ts';
import { aboutOf, decideReport, type VisitorReport } from './effect-reports.ts';
import type { VisitorDelays, VisitorFact } from './facts.ts';
import { isTooLong } from './history.ts';
import { decideHistoryEnd, type HistoryEndCommand, keptState, silentEnd } from './history-end.ts';
import { decideInLhc, type LhcCommand } from './in-lhc.ts';
import { VISITOR_VERSION, type VisitorSnapshot, visitorMachine } from './machine.ts';
import { facetsOf, type Profile } from './profile.ts';
import { decideRoom, type RoomCommand, withOwnerInRoom } from './room.ts';
import { isSent } from './sent-messages.ts';
import type { VisitorContext, VisitorState } from './state.ts';

export type VisitorCommand =
  | {
      type: 'ViewPage';
      /** Fingerprint of the profile. Machines compare it and never see personal data. */
      digest: string;
      department: string | null;
      /** BCP 47; null if nobody says it. */
      language?: string | null;
      delays: VisitorDelays;
      profile: Profile;
    }
  /** A visitor who is not online arrives by this command. */
  | (Extract<ConversationCommand, { type: 'StartChat' }> & { delays: VisitorDelays })
  | Exclude<ConversationCommand, { type: 'StartChat' }>
  | AddressMessage
  | PlacementCommand
  | LhcCommand
  | RoomCommand
  | { type: 'TimeOut' }
  | HistoryEndCommand
  | VisitorReport;

/** The same page again within this time causes no fact. */
export const SAME_PAGE_MS = 30_000;

type VisitorCore = Core<VisitorSnapshot>;

/** A visitor's state by its regions. */
export const visitorState = (core: VisitorCore): VisitorState => {
  // The regions' names are those of the machine; xstate types a parallel value the same way.
  const { presence, conversation, offer } = core.snapshot.value as Omit<VisitorState, 'context'>;
  return { presence, conversation, offer, context: core.snapshot.context };
};

interface Arrival {
  readonly digest: string | null;
  readonly department: string | null;
  readonly language?: string | null | undefined;
  readonly delays: VisitorDelays;
}

const visitorArrived = (
  context: VisitorContext,
  { digest, department, language, delays }: Arrival,
  profile?: Profile,
): VisitorFact => {
  const { generation } = context.erasure;
  return {
    type: 'VisitorArrived',
    data: {
      digest,
      department,
      delays,
      ...(language && { language }),
      ...(profile && { told: facetsOf(profile) }),
      ...(isUnknown(context) && generation > 0 && { generation }),
    },
    personal: profile,
  };
};

const arrivesByChat = (
  context: VisitorContext,
  delays: VisitorDelays,
  department: string | null,
): VisitorFact => visitorArrived(context, { digest: null, department, delays });

function viewPage(
  core: VisitorCore,
  command: Extract<VisitorCommand, { type: 'ViewPage' }>,
  { now }: DecisionContext,
): VisitorFact[] {
  const { presence, conversation, context } = visitorState(core);
  const { revision } = core;
  const { digest, department, language, delays, profile } = command;
  if (conversation === 'none' && isTooLong(context, { revision, at: now })) {
    const moved = department ?? context.department;
    return [
      silentEnd(context),
      visitorArrived(
        context,
        { digest, department: moved, language: language ?? context.language, delays },
        profile,
      ),
    ];
  }
  if (presence !== 'online') {
    return [visitorArrived(context, { digest, department, language, delays }, profile)];
  }
  // A reload causes no fact. If `hardTimeout` is short, it must not expire while the visitor reloads pages.
  const within = Math.min(SAME_PAGE_MS, delays.hardTimeout / 2);
  const moved =
    (department !== null && department !== context.department) ||
    (language && language !== context.language);
  if (digest === context.digest && !moved && now - context.digestAt < within) return [];
  const told = facetsOf(profile);
  const data = { digest, department, delays, ...(language && { language }), told };
  return [{ type: 'PageViewed', data, personal: profile }];
}

function decideVisitor(
  core: VisitorCore,
  command: VisitorCommand,
  decision: DecisionContext,
): readonly VisitorFact[] {
  const state = visitorState(core);
  const { presence, context } = state;
  if (command.type === 'ViewPage') return viewPage(core, command, decision);
  if (command.type === 'StartChat') {
    const chat = decideConversation(state, command, decision);
    if (presence === 'online') return chat;
    const { delays, department } = command;
    return [arrivesByChat(context, delays, department ?? context.department), ...chat];
  }
  if (command.type === 'AddressMessage') {
    const facts = addressMessage(context, command, decision);
    if (presence === 'online' || facts.length === 0) return facts;
    const { delays, department } = command;
    return [arrivesByChat(context, delays, department ?? context.department), ...facts];
  }
  if (command.type === 'SendMessage' && presence === 'timedOut') {
    // A chat waited while the visitor was away.
    const message = decideConversation(state, command, decision);
    if (message.length === 0) return [];
    return [arrivesByChat(context, context.delays, context.department), ...message];
  }
  if (presence === 'unknown') {
    if (command.type === 'Forget') return [];
    throw new AppError('not-found', 'this visitor is not known; they have viewed no page yet');
  }
  switch (command.type) {
    case 'TimeOut':
      if (presence !== 'online') return [];
      if (context.chat?.accepted) {
        const { id: chatId } = context.chat;
        return refuse(`chat ${chatId} is open; close it first`, { chatId });
      }
      return [...invitationEnd(state), timedOut(context)];
    case 'CleanUp':
    case 'ErasePersonalData':
    case 'ReportDataKeyDestroyed':
    case 'ApplyRetention':
    case 'Forget':
      return decideHistoryEnd(core, state, command, decision);
    case 'ReportAccountReady':
    case 'ReportLoggedIn':
    case 'ReportLoggedOut':
    case 'ReportSessionFailed':
    case 'ReportMessageTaken':
    case 'ReportMessageDelivered':
    case 'ReportMessageFailed':
    case 'ReportMessageDisplayed':
    case 'ReportOperatorMessageAccepted':
    case 'ReportOperatorMessageDisplayed':
      return decideReport(context, command);
    case 'AssignChat':
    case 'OfferChat':
    case 'UnassignChat':
    case 'AcceptChat':
    case 'DeclineChat':
    case 'TransferChat':
    case 'RevokeReservation':
    case 'OverflowChat':
    case 'NotifyVisitor':
      return decidePlacement(context, command);
    case 'SetOwner':
    case 'WriteInLhc':
      return decideInLhc(context, command);
    case 'OpenRoom':
    case 'CloseRoom':
    case 'Whisper':
      return decideRoom(context, command);
    default:
      return decideConversation(state, command, decision);
  }
}

export const visitorDecider: Decider<VisitorCommand, VisitorSnapshot> = {
  version: VISITOR_VERSION,
  machine: visitorMachine,
  decide: (core, command, decision) =>
    withOwnerInRoom(core.snapshot.context, decideVisitor(core, command, decision)),
  aboutOf: ({ snapshot: { context } }, command) => aboutOf(context, command),
  checkRepeat(core, command) {
    if (command.type === 'StartChat' || command.type === 'SendMessage') {
      isSent(core.snapshot.context, command, command.chatId);
    }
  },
  patient: new Set([
    'RetentionApplied',
    'PageViewed',
    'MessageTaken',
    'MessageDelivered',
    'MessageDisplayed',
  ]),
  // The stream may be truncated before this fact, so the fact has what later decisions need.
  complete: (fact, state) =>
    fact.type === 'CleanedUp'
      ? {
          ...fact,
          data: {
            ...fact.data,
            summary: state.seen.summary(),
            kept: keptState(state.core.snapshot.context),
          },
        }
      : fact,
  summaryOf: (fact) =>
    fact.type === 'CleanedUp' && fact.data.summary
      ? (fact.data.summary as unknown as SeenSummary) // written by `complete` above
      : null,
};
