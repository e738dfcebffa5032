/** Chat rooms of ejabberd's mod_muc, over the commands of mod_muc_admin. Tried on 23.01, 24.12 and 26.07. */
import { z } from 'zod';
import type { EjabberdRooms, Room } from '../port.ts';
import { groupchatStanza, unsubscribeStanza } from '../stanzas.ts';
import { type ApiOptions, createHttpApi } from './http-api.ts';
import type { Refusal } from './refusal.ts';

const DONE = z.literal(0);

/** @throws {AppError} from every call: `unavailable` or `refused`, as in `admin.ts` */
export function createEjabberdRooms(options: ApiOptions): EjabberdRooms {
  const api = createHttpApi(options);
  // ejabberd has no code for these; the texts are the same in all releases.
  const said =
    (words: RegExp) =>
    ({ text }: Refusal): 0 | undefined =>
      words.test(text) ? 0 : undefined;

  return {
    list: (service, take) =>
      api.names('muc_online_rooms', { service }, (rooms) =>
        take(rooms.map((jid) => jid.slice(0, jid.lastIndexOf('@')))),
      ),
    async create({ name, service }) {
      const host = service.slice(service.indexOf('.') + 1);
      await api.call('create_room', { name, service, host }, DONE, said(/^Room already exists$/));
    },
    async setOption({ name, service }, option, value) {
      await api.call('change_room_option', { name, service, option, value }, DONE);
    },
    async addMember({ name, service }, jid) {
      await api.call('set_room_affiliation', { name, service, jid, affiliation: 'member' }, DONE);
    },
    async subscribe(room, user, nick, nodes) {
      await api.call('subscribe_room', { user, nick, room: jidOf(room), nodes }, z.unknown());
    },
    async unsubscribe(room, from) {
      // ejabberd's command for it would be one more right. The answer goes to the subscriber.
      const to = jidOf(room);
      const stanza = unsubscribeStanza(from, to).toString();
      await api.call('send_stanza', { from, to, stanza }, DONE);
    },
    async invite({ name, service }, users, reason) {
      await api.call(
        'send_direct_invitation',
        { name, service, password: '', reason, users: users.join(':') },
        DONE,
      );
    },
    async say(room, from, id, body) {
      const to = jidOf(room);
      const stanza = groupchatStanza(from, to, id, body).toString();
      await api.call('send_stanza', { from, to, stanza }, DONE);
    },
    async destroy({ name, service }) {
      await api.call(
        'destroy_room',
        { name, service },
        DONE,
        said(/^Room (doesn't exists|not found)/),
      );
    },
  };
}

const jidOf = ({ name, service }: Room): string => `${name}@${service}`;
