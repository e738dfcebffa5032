/** Whispers in rooms of chats: private messages between colleagues, who read them beside what the visitor gets. */
import type { ConversePrivate } from './converse.min.js';

/** Buttons of a private message that lead into the field of the room, whose words the visitor gets. */
const LEAD_INTO_ROOM: ReadonlySet<string> = new Set(['reply', 'quote']);

/**
 * A private message goes out in the name of the client, as the server sets it. Converse.js 14.0.0 writes the address in the
 * room there. ejabberd ends the connection at that, and the message is lost
 * (findings/converse-room-private-message-ends-stream.sh).
 *
 * Its *Reply* of a private message sets the cursor into the field of the room, so the answer would reach the visitor.
 */
export function keepWhispersPrivate({ api }: ConversePrivate): void {
  api.listen.on('createMessageStanza', (_chat, data) => {
    data.stanza.tree().removeAttribute('from');
    return data;
  });
  api.listen.on('getMessageActionButtons', (actions, buttons) =>
    actions.model.get('type') === 'chat' && actions.closest('converse-muc')
      ? buttons.filter(({ name }) => !LEAD_INTO_ROOM.has(name))
      : buttons,
  );
}
