/**
 * Whether the service may make rooms in ejabberd: for chats with several operators, which is optional, and for the private
 * chats of LHC's operators (docs/adr/0039).
 */
import { roomDomain } from '../actors/ids.ts';
import { AppError } from '../errors.ts';
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import { createRights } from './api-rights.ts';
import { type Check, type Finding, ok, warning } from './check.ts';
import { apiProblem } from './ejabberd-api.ts';

/** No room has a name with a space, so none of the calls below does anything. */
const NO_ROOM = 'doctor of xmpp-chat';

/** What stands between the service and rooms at a host. */
type Obstacle =
  /** There are none: no mod_muc, or no commands for its rooms. */
  | { readonly kind: 'none'; readonly why: string }
  | { readonly kind: 'rights'; readonly missing: readonly string[]; readonly isAll: boolean }
  | { readonly kind: 'failure'; readonly why: string };

/** Calls each command in a way that changes nothing. @returns null if rooms can be made */
async function obstacleAt(api: HttpApi, host: string): Promise<Obstacle | null> {
  const rights = createRights(api);
  const service = roomDomain(host);
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
    // Without mod_muc at the host this crashes (23.01) or is refused (24.12 and 26.07); the others answer the same.
    await rights.use('muc_online_rooms', { service });
  } catch (error) {
    return obstacleOf(error, service);
  }
  const missing = [...rights.missing];
  const isAll = missing.length === rights.used.size;
  return missing.length === 0 ? null : { kind: 'rights', missing, isAll };
}

function obstacleOf(error: unknown, service: string): Obstacle {
  if (error instanceof AppError) {
    const { reason } = error.details;
    if (reason === 'command') return { kind: 'none', why: 'ejabberd has no mod_muc_admin' };
    if (reason === 'crash' || error.code === 'refused') {
      return { kind: 'none', why: `ejabberd has no mod_muc at ${service}` };
    }
  }
  return { kind: 'failure', why: apiProblem(error).message.replace(/\.$/, '') };
}

/** Whether operators can open a room for a chat. No fault if ejabberd is not set up for it. @param host of a tenant */
export const chatRoomsCheck = (api: HttpApi, user: string, host: string): Check => ({
  name: `rooms ${host}`,
  run: async () => [judgeChatRooms(await obstacleAt(api, host), user, host)],
});

const HOW_TO = 'ejabberd/README.md, "Rooms"';

function judgeChatRooms(obstacle: Obstacle | null, user: string, host: string): Finding {
  if (!obstacle) return ok(`operators can open rooms for chats at ${roomDomain(host)}`);
  const none = `no rooms for chats at ${host}`;
  switch (obstacle.kind) {
    case 'none':
      return ok(`${none}: ${obstacle.why}. They are optional (${HOW_TO})`);
    case 'rights': {
      const why = `${user} may not call ${obstacle.missing.join(', ')}`;
      // Somebody has begun to set them up.
      if (!obstacle.isAll) return warning(`${none}: ${why}`, HOW_TO);
      return ok(`${none}: ${why}. They are optional (${HOW_TO})`);
    }
    case 'failure':
      return warning(`${none}: ${obstacle.why}`, `if operators should have them: ${HOW_TO}`);
  }
}

/** Whether private chats of LHC's operators can be in XMPP. @param host of a tenant */
export const roomRightsCheck = (api: HttpApi, user: string, host: string): Check => ({
  name: `private chats ${host}`,
  async run() {
    const obstacle = await obstacleAt(api, host);
    if (!obstacle) return [ok(`${user} may make rooms for private chats`)];
    if (obstacle.kind !== 'rights') return [staysInLhc(obstacle.why)];
    return [staysInLhc(`${user} may not call ${obstacle.missing.join(', ')}`)];
  },
});

const staysInLhc = (why: string): Finding =>
  warning(
    `private chats of operators stay in LHC: ${why}`,
    'if they should be in XMPP too: ejabberd/README.md, "Private chats of operators"',
  );
