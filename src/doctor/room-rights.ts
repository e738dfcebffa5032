/** Whether the service may make rooms in ejabberd, for the private chats of LHC's operators (docs/adr/0039). */
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import { createRights } from './api-rights.ts';
import { type Check, type Finding, ok, warning } from './check.ts';
import { apiProblem } from './ejabberd-api.ts';

/** No room has a name with a space, so none of the calls below does anything. */
const NO_ROOM = 'doctor of xmpp-chat';

/** Calls each command in a way that changes nothing. @param host of a tenant */
export const roomRightsCheck = (api: HttpApi, user: string, host: string): Check => ({
  name: `private chats ${host}`,
  async run() {
    const rights = createRights(api);
    const service = `conference.${host}`;
    const room = { name: NO_ROOM, service };
    const expected = (status: number): boolean => status !== 403;
    try {
      await rights.use('create_room', { ...room, host }, { expected });
      await rights.use('change_room_option', { ...room, option: 'title', value: '' }, { expected });
      const member = { jid: `doctor@${host}`, affiliation: 'member' };
      await rights.use('set_room_affiliation', { ...room, ...member }, { expected });
      const subscriber = { user: `doctor@${host}`, nick: 'doctor', nodes: '' };
      const jid = `${NO_ROOM}@${service}`;
      await rights.use('subscribe_room', { ...subscriber, room: jid }, { expected });
      const invitation = { password: '', reason: '', users: `doctor@${host}` };
      await rights.use('send_direct_invitation', { ...room, ...invitation }, { expected });
      await rights.use('destroy_room', room, { expected });
      await rights.use('muc_online_rooms', { service }, { expected });
    } catch (error) {
      return [staysInLhc(apiProblem(error).message)];
    }
    if (rights.missing.size === 0) return [ok(`${user} may make rooms for private chats`)];
    return [staysInLhc(`${user} may not call ${[...rights.missing].join(', ')}`)];
  },
});

const staysInLhc = (why: string): Finding =>
  warning(
    `private chats of operators stay in LHC: ${why.replace(/\.$/, '')}`,
    'if they should be in XMPP too: ejabberd/README.md, "Private chats of operators"',
  );
