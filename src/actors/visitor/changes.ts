/**
 * The change of a visitor's context by each fact. The machine (machine.ts) calls `changesBy` once for each fact. Those of
 * chats and messages: chat-changes.ts, message-changes.ts.
 */
import { addressedAfter, NOTHING_ADDRESSED, pickedAfter } from './addressed.ts';
import { chatAfter } from './chat.ts';
import { changeChat, revokeReservation } from './chat-changes.ts';
import type { Of, VisitorDelays, VisitorEvent, VisitorPersonal } from './facts.ts';
import { isLong } from './history.ts';
import {
  type Change,
  changeReceivers,
  display,
  displayMarkable,
  keepMarkable,
  keepMessage,
  settle,
  settledOf,
  take,
} from './message-changes.ts';
import { type Facet, toldAfter } from './profile.ts';
import { endedRoom, joinedRoom, NO_ROOM, openedRoom } from './room.ts';
import type { VisitorContext, VisitorKept } from './state.ts';
import {
  endWritten,
  keepWritten,
  NOTHING_WRITTEN,
  reactToWritten,
  refuseWritten,
  retractWritten,
} from './written.ts';

/** Delays of a visitor without a fact that has any. */
export const DEFAULT_DELAYS: VisitorDelays = {
  hardTimeout: 300_000,
  cleanupAfter: 86_400_000,
  invitationTimeout: 120_000,
  offerTimeout: 60_000,
  chatIdle: 86_400_000,
};

/** The part of the context that a clean-up resets. */
const RESET_BY_CLEAN_UP = {
  delays: DEFAULT_DELAYS,
  digest: null,
  digestAt: 0,
  profileRevision: -1,
  told: {},
  department: null,
  language: null,
  account: false,
  loggedIn: false,
  failure: null,
  inviter: null,
  chat: null,
  returnedInRow: 0,
  history: null,
  endsSoon: false,
  over: 0,
  chatMessages: 0,
  firstWaiting: null,
  endedChat: null,
  markable: [],
  ...NO_ROOM,
  ...NOTHING_WRITTEN,
  ...NOTHING_ADDRESSED,
} satisfies Partial<VisitorContext>;

/** The context of a visitor without facts. */
export const EMPTY_CONTEXT: VisitorContext = {
  ...RESET_BY_CLEAN_UP,
  lastSeen: 0,
  lastChatId: null,
  chats: 0,
  lastOperator: null,
  revokedReservations: [],
  openMessages: [],
  settledMessages: [],
  displayedRevision: null,
  erasure: { generation: 0, destroyed: 0, clean: false },
};

/** Nothing is known of the visitor. */
export const isUnknown = ({ lastSeen }: Pick<VisitorContext, 'lastSeen'>): boolean =>
  lastSeen === 0;

/**
 * The first fact of a life says which data key is its own. What a process remembers of the life before may be in the log no
 * more, and EventStoreDB takes an append behind the last fact of a deleted stream.
 */
function begin(context: VisitorContext, event: Of<'VisitorArrived'>): Change {
  if (!isUnknown(context)) return {};
  const { generation = 0 } = event.data;
  return { erasure: { generation, destroyed: generation, clean: false } };
}

function arrive(context: VisitorContext, event: Of<'VisitorArrived' | 'PageViewed'>): Change {
  const { digest, department, delays, language, told = TOLD_BY_PAGE_VIEW } = event.data;
  return {
    ...(event.type === 'VisitorArrived' && begin(context, event)),
    delays,
    digest,
    digestAt: event.at,
    lastSeen: event.at,
    failure: event.type === 'VisitorArrived' ? null : context.failure,
    history: context.history ?? { revision: event.revision, at: event.at },
    chat: event.type === 'VisitorArrived' ? chatAfter(context.chat, event) : context.chat,
    department: department ?? context.department,
    language: language ?? context.language,
    // A chat that begins without a page view brings no profile.
    profileRevision: digest === null ? context.profileRevision : event.revision,
    told: digest === null ? context.told : toldAfter(context, event.revision, told),
  };
}

/** In release 0.1.0 a name of the chat came before all others, and everything else was that of the last page view. */
const TOLD_BY_PAGE_VIEW: readonly Facet[] = ['place', 'timezone', 'visits', 'vid'];

function keep(context: VisitorContext, kept: VisitorKept | undefined): Change {
  if (!kept) return {};
  const { displayedRevision = context.displayedRevision } = kept;
  return {
    ...kept,
    settledMessages: settledOf(context, kept.settledMessages),
    displayedRevision,
  };
}

/** The types of facts that have a personal part. */
const PERSONAL: Record<keyof VisitorPersonal, true> = {
  VisitorArrived: true,
  PageViewed: true,
  ChatStarted: true,
  ChatTakenInLhc: true,
  MessageWrittenInLhc: true,
  ChatTransferred: true,
  ChatClosed: true,
  VisitorMessageSent: true,
  OperatorMessageReceived: true,
  MessageReacted: true,
  OperatorMessageReacted: true,
  NoteAdded: true,
  Whispered: true,
  OperatorCommandSent: true,
  LhcAnswered: true,
  LhcRefused: true,
};

/**
 * Nothing is sent any more of what was erased: messages that were on their way count as settled. Their fingerprints go
 * too; a repeat is still known by its id.
 */
function eraseAll(context: VisitorContext, generation: number): Change {
  const { openMessages, erasure } = context;
  const open = openMessages.map(({ id }) => id);
  const { settledMessages } = { ...context, ...settle(context, open) };
  return {
    erasure: { ...erasure, generation, clean: true },
    openMessages: [],
    settledMessages: settledMessages.map(([hash, revision]) => [hash, revision]),
    written: [],
    writtenBefore: context.writtenBefore || context.written.length > 0,
  };
}

/** A stream that was deleted begins anew with no more than this. */
const forget = ({ before, generation }: Of<'RetentionApplied'>['data']): Change =>
  generation === undefined
    ? { over: before }
    : { ...EMPTY_CONTEXT, erasure: { generation, destroyed: generation, clean: true } };

/** The change of the context by a fact. */
export function changesBy(before: VisitorContext, event: VisitorEvent): Change {
  const { erasure } = before;
  if (!erasure.clean || !(event.type in PERSONAL)) return changeOf(before, event);
  return { erasure: { ...erasure, clean: false }, ...changeOf(before, event) };
}

function changeOf(context: VisitorContext, event: VisitorEvent): Change {
  const change = changeBy(context, event);
  const addressed = addressedAfter(context, event);
  const picked = pickedAfter(context, event);
  if (addressed === context.addressed && picked === context.picked) return change;
  return { addressed, picked, ...change };
}

function changeBy(context: VisitorContext, event: VisitorEvent): Change {
  switch (event.type) {
    case 'VisitorArrived':
    case 'PageViewed':
      return arrive(context, event);
    case 'AccountReady':
      return { account: true, failure: null };
    case 'LoggedIn':
      return { loggedIn: true, account: true, failure: null };
    case 'LoggedOut':
      return { loggedIn: false };
    case 'SessionFailed':
      return { loggedIn: false, failure: event.data.reason };
    case 'Invited':
      return { inviter: event.data.operator };
    case 'ChatStarted':
    case 'ChatOffered':
    case 'ChatAssigned':
    case 'ChatAccepted':
    case 'ChatUnassigned':
    case 'ChatTransferred':
    case 'ChatTakenInLhc':
    case 'VisitorNotified':
      return changeChat(context, event);
    case 'ChatClosed':
      return {
        ...changeChat(context, event),
        ...endWritten(context),
        ...endedRoom(context, event.revision),
      };
    case 'RoomOpened':
      return openedRoom(event);
    case 'RoomJoined':
      return joinedRoom(context, event);
    case 'RoomClosed':
      return endedRoom(context, event.revision);
    case 'Whispered':
      return keepWritten(context, event);
    case 'VisitorMessageSent':
      return keepMessage(context, event);
    case 'ReservationRevoked':
      return revokeReservation(context.revokedReservations, event.data.reservation);
    case 'OperatorMessageReceived':
      return { ...keepMarkable(context, event), ...keepWritten(context, event) };
    case 'OperatorMessageRetracted':
      return retractWritten(context, event);
    case 'OperatorMessageReacted':
      return reactToWritten(context, event);
    case 'LhcRefused':
      return refuseWritten(context, event);
    case 'OperatorMessageDisplayed':
      return displayMarkable(context, event.data.messageId);
    case 'MessageTaken':
      return take(context, event.data.messageIds);
    case 'MessageDelivered':
      return { ...settle(context, event.data.messageIds), returnedInRow: 0 };
    case 'MessageFailed': {
      const { messageId, returned } = event.data;
      const returnedInRow = context.returnedInRow + (returned ? 1 : 0);
      return { ...settle(context, [messageId]), returnedInRow };
    }
    case 'MessageDisplayed':
      return display(context, event.data.messageId);
    case 'MessageAddressed': {
      const { messageId, operator, inOpening } = event.data;
      // It was shown to them, and is no stanza of its own.
      return inOpening ? {} : changeReceivers(context, messageId, (to) => [...to, operator]);
    }
    case 'MessageReturned': {
      const { messageId, operator } = event.data;
      return changeReceivers(context, messageId, (to) => to.filter((each) => each !== operator));
    }
    // Reactors send these to LHC or to the operator.
    case 'OperatorMessageAccepted':
    case 'MessageReacted':
    case 'NoteAdded':
    case 'OperatorCommandSent':
    case 'LhcAnswered':
    case 'MessageWrittenInLhc':
    // The inviter stays: LHC may still show the invitation.
    case 'InvitationExpired':
      return {};
    case 'TimedOut':
      return { chat: chatAfter(context.chat, event), endsSoon: isLong(context, event) };
    // Messages stay open, because ejabberd may still deliver those that wait there. `kept` makes a stream that was
    // truncated before this fact fold to the same state.
    case 'CleanedUp':
      return {
        lastSeen: event.data.lastSeen,
        ...keep(context, event.data.kept),
        ...RESET_BY_CLEAN_UP,
        ...event.data.silent,
      };
    case 'PersonalDataErased':
      return eraseAll(context, event.data.generation);
    case 'DataKeyDestroyed':
      return { erasure: { ...context.erasure, destroyed: event.data.generation } };
    case 'RetentionApplied':
      return forget(event.data);
  }
}
