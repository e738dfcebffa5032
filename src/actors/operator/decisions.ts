/** The commands of an operator, and the facts that each command causes. */
import { AppError } from '../../errors.ts';
import type { VisitorKey } from '../ids.ts';
import { type Core, type Decider, type DecisionContext, refuse } from '../machine/decider.ts';
import type { SeenSummary } from '../machine/idempotency.ts';
import { FIRST_TIER } from '../operator-selection.ts';
import type { Availability, ChatTerms, OperatorContext, OperatorFact } from './facts.ts';
import {
  hasSomethingToLose,
  MAX_CHATS_IN_FACT,
  OPERATOR_VERSION,
  type OperatorSnapshot,
  operatorMachine,
} from './machine.ts';
import { decidePresence, type PresenceCommand } from './presence.ts';

export type OperatorCommand =
  | {
      type: 'Register';
      lhcUserId: number | null;
      departments: string[];
      capacity: number;
      /** Left out: the first tier, no tiers by department, no languages. */
      tier?: number;
      tiers?: Readonly<Record<string, number>>;
      languages?: readonly string[];
      name: string | null;
      /** Whether the name differs from the known one. Names are personal data, so the caller compares them. */
      nameChanged: boolean;
      /** The revision that the caller has seen. Refused as `conflict` if the stream has newer facts. */
      seenRevision?: number;
    }
  /** Each request claims anew until an operator is registered, so the last fact says whose turn it is. */
  | { type: 'ClaimAccount'; adopted: boolean }
  /** Gives up the claim of this revision. Another claim since, or a registration, leaves nothing to do. */
  | { type: 'ReleaseAccountClaim'; revision: number }
  | { type: 'Remove' }
  | { type: 'ReportAccountRemoved' }
  | { type: 'RevokeLhcUser'; lhcUserId: number }
  | PresenceCommand
  /** @param departmentCapacity chats of the department that one operator may have; null: no such limit */
  | ({
      type: 'ReserveChat';
      reservation: string;
      visitor: VisitorKey;
      chatId: string;
      departmentCapacity: number | null;
    } & ChatTerms)
  | ({
      type: 'ConfirmChat';
      reservation: string | null;
      visitor: VisitorKey;
      chatId: string;
    } & ChatTerms)
  | {
      type: 'ReleaseChat';
      reservation: string | null;
      visitor: VisitorKey;
      chatId: string;
      reason: string;
    }
  /**
   * @param visitor in whose conversation; null: at the desk
   * @param command the refused command, if it was one and not a message
   * @param retraction it would have taken a message back
   */
  | {
      type: 'RefuseMessage';
      visitor: VisitorKey | null;
      messageId: string;
      reason: string;
      command?: string;
      retraction?: true;
    }
  /**
   * Writes the state down, so that the stream can be cut. It does nothing if the stream has moved since `seenRevision`:
   * the personal data is from there.
   */
  | {
      type: 'Summarise';
      seenRevision: number;
      name: string | null;
      statuses: Readonly<Record<string, string>>;
    }
  | {
      type: 'AskQuestion';
      visitor: VisitorKey | null;
      messageId: string;
      command: string;
      argument: string | null;
      visitors?: VisitorKey[];
      more?: number;
    };

type OperatorCore = Core<OperatorSnapshot>;

/** The state of an operator. */
export interface OperatorState {
  readonly availability: Availability;
  readonly context: OperatorContext;
}

export const operatorState = (core: OperatorCore): OperatorState => ({
  availability: core.snapshot.value as Availability, // the names of the machine's states
  context: core.snapshot.context,
});

/** Number of reserved and open chats. It is compared with the capacity. */
export const load = (context: OperatorContext): number => Object.keys(context.chats).length;

/** Number of reserved and open chats of a department. */
const loadOf = ({ chats }: OperatorContext, department: string): number =>
  Object.values(chats).filter((chat) => chat.department === department).length;

/** What facts say of tiers and languages: nothing of what is usual. */
function skillsOf({
  tier = FIRST_TIER,
  tiers = {},
  languages = [],
}: Pick<Extract<OperatorCommand, { type: 'Register' }>, 'tier' | 'tiers' | 'languages'>) {
  return {
    ...(tier !== FIRST_TIER && { tier }),
    ...(Object.keys(tiers).length > 0 && { tiers: { ...tiers } }),
    ...(languages.length > 0 && { languages: [...languages] }),
  };
}

/** The order of departments says nothing. That of languages is the administrator's. */
function sameSkills(a: ReturnType<typeof skillsOf>, b: ReturnType<typeof skillsOf>): boolean {
  const textOf = ({ tier, tiers = {}, languages }: typeof a): string =>
    JSON.stringify([tier, Object.entries(tiers).sort(), languages]);
  return textOf(a) === textOf(b);
}

/** The LHC user that goes offline when this operator is removed or becomes another LHC user. */
const offlineLhcUser = ({ registered, lhcUserId }: OperatorContext, availability: Availability) =>
  registered && lhcUserId !== null && availability !== 'offline'
    ? { offlineLhcUserId: lhcUserId }
    : {};

function decideOperator(
  core: OperatorCore,
  command: OperatorCommand,
  { now }: DecisionContext,
): readonly OperatorFact[] {
  const { availability, context } = operatorState(core);
  const offline = offlineLhcUser(context, availability);
  const { chats } = context;
  switch (command.type) {
    case 'Register': {
      const { lhcUserId, departments, capacity, name, nameChanged, seenRevision } = command;
      if (seenRevision !== undefined && seenRevision !== core.revision) {
        throw new AppError('conflict', 'this operator was changed at the same time; try again');
      }
      const same =
        context.registered &&
        !nameChanged &&
        context.lhcUserId === lhcUserId &&
        context.capacity === capacity &&
        context.departments.join('\n') === departments.join('\n') &&
        sameSkills(skillsOf(context), skillsOf(command));
      if (same) return [];
      const isKnown = context.registered && context.lhcUserId === lhcUserId;
      return [
        {
          type: 'OperatorRegistered',
          data: {
            lhcUserId,
            departments,
            capacity,
            ...skillsOf(command),
            ...(!isKnown && availability !== 'offline' && { online: true, ...offline }),
          },
          personal: name === null ? undefined : { name },
        },
      ];
    }
    case 'ClaimAccount':
      return context.claim?.registered
        ? []
        : [{ type: 'OperatorAccountClaimed', data: { adopted: command.adopted } }];
    case 'ReleaseAccountClaim': {
      const { claim } = context;
      const isSame = claim?.revision === command.revision && !claim.registered;
      return isSame ? [{ type: 'OperatorAccountClaimReleased', data: {} }] : [];
    }
    case 'ReportAccountRemoved':
      return context.accountRemovalPending ? [{ type: 'OperatorAccountRemoved', data: {} }] : [];
    case 'RevokeLhcUser': {
      const { lhcUserId } = command;
      if (context.registered && context.lhcUserId === lhcUserId) {
        return refuse('this operator is registered with this LHC user', { lhcUserId });
      }
      return [{ type: 'LhcUserRevoked', data: { lhcUserId } }];
    }
    case 'OpenSession':
    case 'ChangePresence':
    case 'ReportPing':
      // Who is not registered leaves no trace. The sessions are compared with ejabberd at the registration.
      return context.registered ? decidePresence(context, command, now) : [];
    case 'CloseSession':
      return decidePresence(context, command, now);
    case 'CompareSessions': {
      const { seenRevision } = command;
      if (seenRevision !== undefined && seenRevision !== core.revision) {
        throw new AppError('conflict', 'this operator was changed at the same time; try again');
      }
      const sessions = context.registered ? command.sessions : [];
      return decidePresence(context, { ...command, sessions }, now);
    }
    case 'Summarise':
      return summarise(core, command);
    case 'ReleaseChat': {
      const { type: _type, ...data } = command;
      if (!Object.hasOwn(chats, command.chatId)) return [];
      if (chats[command.chatId]?.reservation !== command.reservation) return [];
      return [{ type: 'ChatReleased', data }];
    }
  }
  if (!context.registered) {
    throw new AppError('not-found', 'this operator is not registered');
  }
  switch (command.type) {
    case 'SetAvailability':
      return decidePresence(context, command, now);
    case 'Remove': {
      const firstChats = Object.keys(chats).slice(0, MAX_CHATS_IN_FACT);
      return [
        {
          type: 'OperatorRemoved',
          data: { ...(firstChats.length > 0 && { chats: firstChats }), ...offline },
        },
      ];
    }
    case 'ReserveChat': {
      const { type: _type, departmentCapacity, ...data } = command;
      const known = Object.hasOwn(chats, command.chatId) ? chats[command.chatId] : undefined;
      if (known?.reservation === command.reservation) return [];
      if (known) return refuse('this operator already has this chat', { chatId: command.chatId });
      if (availability !== 'available') return refuse(`this operator is ${availability}`);
      if (load(context) >= context.capacity) {
        return refuse(
          `this operator has no free place (${load(context)} of ${context.capacity} chats)`,
        );
      }
      const { department } = command;
      if (
        departmentCapacity !== null &&
        department !== null &&
        loadOf(context, department) >= departmentCapacity
      ) {
        return refuse(
          `this operator has no free place for ${department} (${loadOf(context, department)} of ${departmentCapacity} chats)`,
        );
      }
      return [{ type: 'ChatReserved', data }];
    }
    case 'ConfirmChat': {
      const { type: _type, ...data } = command;
      const known = Object.hasOwn(chats, command.chatId) ? chats[command.chatId] : undefined;
      if (known?.open && known.reservation === command.reservation) return [];
      // The reservation was released meanwhile. Nobody would release it a second time, so its place would be lost.
      if (command.reservation !== null && known?.reservation !== command.reservation) {
        return refuse('this operator no longer has this reservation', {
          reservation: command.reservation,
        });
      }
      return [{ type: 'ChatConfirmed', data }];
    }
    case 'RefuseMessage': {
      const { type: _type, ...data } = command;
      return [{ type: 'MessageRefused', data }];
    }
    case 'AskQuestion': {
      const { type: _type, ...data } = command;
      return [{ type: 'QuestionAsked', data }];
    }
  }
}

/**
 * A summary as JSON at most, without the memory of commands. A larger one is not written: the operator has more than a
 * thousand chats just now.
 */
export const MAX_SUMMARY_BYTES = 384 * 1024;

function summarise(
  core: OperatorCore,
  { seenRevision, name, statuses }: Extract<OperatorCommand, { type: 'Summarise' }>,
): readonly OperatorFact[] {
  const { availability, context } = operatorState(core);
  if (core.revision < 0 || core.revision !== seenRevision) return [];
  // Timers that run are not part of a summary: they end soon.
  const losesSoon = availability === 'offline' && !context.gone && hasSomethingToLose(context);
  if (context.presencePaused || losesSoon) return [];
  const cut = context.summaryRevision < 0 ? null : context.summaryRevision;
  const fact: OperatorFact = {
    type: 'OperatorSummarised',
    data: { cut, state: availability, kept: context },
    personal: { ...(name !== null && { name }), statuses },
  };
  const bytes = Buffer.byteLength(JSON.stringify([fact.data, fact.personal]));
  return bytes > MAX_SUMMARY_BYTES ? [] : [fact];
}

export const operatorDecider: Decider<OperatorCommand, OperatorSnapshot> = {
  version: OPERATOR_VERSION,
  machine: operatorMachine,
  decide: decideOperator,
  complete: (fact, state) =>
    fact.type === 'OperatorSummarised'
      ? { ...fact, data: { ...fact.data, summary: state.seen.summary() } }
      : fact,
  summaryOf: (fact) =>
    fact.type === 'OperatorSummarised'
      ? (fact.data.summary as unknown as SeenSummary) // written by `complete` above
      : null,
};
