/** Carries out what an operator commands in a conversation; what cannot be done is refused with a reason for him. */
import { type Person, personOf } from '../../actors/ids.ts';
import { refuse } from '../../actors/machine/decider.ts';
import type { Hook } from '../../actors/machine/seen.ts';
import type { OperatorCommand } from '../../actors/operator/decisions.ts';
import type { TenantDirectory } from '../../actors/tenant/directory.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import type { Actors, Receiver, Transfer } from '../../runtime/ports.ts';
import type { Written } from './read.ts';

export type Command = Exclude<Written, { kind: 'message' }>;

/** Whose conversation with whom. */
export interface Ends {
  readonly operator: Extract<Person, { kind: 'operator' }>;
  readonly visitor: Extract<Person, { kind: 'visitor' }>;
}

export interface CommandOrigin {
  /** Of the message that it was written in. */
  readonly messageId: string;
  readonly commandId: string;
  readonly hook?: Hook | undefined;
}

/** The name under which a command is answered. */
export const nameOf = (written: Command): string =>
  'command' in written ? written.command : written.kind;

/** What was so already, for whom it would otherwise be silence. */
const ALREADY = {
  take: 'you have this chat already',
  decline: 'you have declined this chat already',
} as const;

/**
 * Resolves when the facts are durable; the same command id again does nothing.
 * @throws {AppError} `refused` with a reason for the operator; `not-found` for an unknown visitor; what the host throws
 */
export type CarryOut = (written: Command, ends: Ends, origin: CommandOrigin) => Promise<void>;

export function createConversation(options: {
  actors: Actors;
  tenants: TenantDirectory;
  transfer: Transfer;
}): CarryOut {
  const { actors, tenants, transfer } = options;

  async function wasDone(visitor: Ends['visitor'], origin: CommandOrigin): Promise<boolean> {
    const { commandId, hook } = origin;
    const seen = (await actors.visitor(visitor.tenant, visitor.name).state())?.seen;
    return seen !== undefined && (seen.hasCommand(commandId) || (!!hook && seen.hasHook(hook)));
  }

  /** By the name that was written, which may be the address of an operator. */
  function receiverOf(name: string, { operator }: Ends): Receiver {
    const person = personOf(name, tenants.ofHost);
    return person?.kind === 'operator' && person.tenant === operator.tenant
      ? { operator: person.name }
      : { name };
  }

  return async (written, ends, origin) => {
    const { operator, visitor } = ends;
    const { messageId, commandId, hook } = origin;
    const by = operator.name;
    const aboutOperator = async (command: OperatorCommand): Promise<void> => {
      await actors.operator(operator.tenant, by).send(command, { commandId, hook });
    };
    const aboutVisitor = (command: VisitorCommand) =>
      actors.visitor(visitor.tenant, visitor.name).send(command, { commandId, hook });

    switch (written.kind) {
      case 'take':
      case 'decline': {
        const type = written.kind === 'take' ? 'AcceptChat' : 'DeclineChat';
        const { facts } = await aboutVisitor({ type, operator: by });
        // Nothing to do: it was so already, and he is told; or this very command comes again.
        if (facts > 0 || (await wasDone(visitor, origin))) return;
        return refuse(ALREADY[written.kind]);
      }
      case 'transfer': {
        const wish = { chatId: null, from: by, to: receiverOf(written.name, ends) };
        await transfer(visitor.tenant, visitor.name, wish, { commandId, hook });
        return;
      }
      case 'close': {
        const { reason } = written;
        const command = { type: 'CloseChat', chatId: null, by: 'operator', operator: by } as const;
        await aboutVisitor({ ...command, reason });
        return;
      }
      case 'note':
        await aboutVisitor({
          type: 'AddNote',
          operator: by,
          noteId: messageId,
          body: written.text,
        });
        return;
      case 'lhc': {
        const { command, text } = written;
        await aboutVisitor({ type: 'SendOperatorCommand', operator: by, messageId, command, text });
        return;
      }
      case 'availability': {
        const away = written.command === 'away';
        await aboutOperator({ type: 'SetAvailability', away, visitor: visitor.name, messageId });
        return;
      }
      case 'question': {
        const { command, argument } = written;
        const question = { type: 'AskQuestion', visitor: visitor.name, messageId } as const;
        await aboutOperator({ ...question, command, argument });
        return;
      }
      case 'faulty':
        return refuse(written.reason);
    }
  };
}
