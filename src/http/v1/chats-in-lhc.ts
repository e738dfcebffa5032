/** What LHC says of people who work in its own pages: who of them has a chat, and what they write (docs/adr/0044). */
import { z } from '@hono/zod-openapi';
import { ChatId, VisitorKey } from '../../actors/ids.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { ACCEPTED, answerCommand, identifiedBy, originOf } from '../frame/commands.ts';
import type { Api } from '../frame/endpoint.ts';
import { addCommand } from '../frame/tenant-commands.ts';
import { OperatorMessage, SetOwner } from './visitor-bodies.ts';

const VisitorChat = z.object({ key: VisitorKey, chatId: ChatId });

export function addChatsInLhc(api: Api, access: Access<Caller>): void {
  const { lhcPeople } = api.deps;
  const identified = identifiedBy(api);
  const tag = 'Visitors';
  const path = '/v1/{tenant}/visitors/{key}';

  addCommand(
    api,
    {
      method: 'post',
      path: `${path}/chats/{chatId}/owner`,
      operationId: 'setOwner',
      tag,
      summary: 'Somebody has the chat in LHC',
      description: `LHC says who has the chat: they opened it, took a transfer, or were given it. A registered operator with a
client in XMPP has it there, whatever their capacity. Anybody else has it in LHC: offers to operators are withdrawn, and the
visitor's messages go to nobody in XMPP until an operator takes the chat (\`!take\`). LHC gets no callback about what it
says here. The same again changes nothing, and nor does it for a chat that is over.`,
      access,
      params: VisitorChat,
      body: SetOwner,
      command: true,
      urgent: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { chatId, key } = call.params;
      const { lhcUserId, accepted, name } = call.body;
      const wish = { chatId, lhcUserId, accepted, name: name || undefined };
      const work = lhcPeople.owner(call.caller.tenant.id, key, wish, originOf(api, call));
      return answerCommand(api, 'SetOwner', work);
    },
  );

  addCommand(
    api,
    {
      method: 'post',
      path: `${path}/chats/{chatId}/operator-messages`,
      operationId: 'sendOperatorMessage',
      tag,
      summary: 'Somebody wrote to the visitor in LHC',
      description: `An operator who has the chat in XMPP reads it as a line of the service with the name, and it is in the
transcript. Whoever writes into a chat that nobody has answered has it then, as by \`owner\`. LHC gets no callback.`,
      access,
      params: VisitorChat,
      body: OperatorMessage,
      command: true,
      urgent: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { caller, params, body } = call;
      const { chatId, key } = params;
      const { lhcUserId, name } = body;
      const message = identified(caller, key, { id: body.id, body: body.body });
      const { id, body: text } = message;
      const wish = { chatId, id, body: text, lhcUserId, name: name || undefined };
      const work = lhcPeople.message(caller.tenant.id, key, wish, originOf(api, call, message));
      return answerCommand(api, 'WriteInLhc', work);
    },
  );
}
