/** A real LHC in the place of the double of lhc-rest.ts, set up by its back office as docs/lhc-without-extension.md says. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BackOffice, logIn } from '../../scripts/lhc/back-office.ts';
import { startLhc } from '../../scripts/lhc/real-lhc.ts';
import { createVisitor } from '../../scripts/lhc/visitor.ts';
import { setUpWithoutExtension } from '../../scripts/lhc/without-extension.ts';
import { REST_KEY, type RestLhc, WEBHOOK_KEY } from './lhc-rest.ts';

/** @param lhcDir a checkout of LHC */
export async function startRealRestLhc(lhcDir: string): Promise<RestLhc> {
  const dir = await mkdtemp(join(tmpdir(), 'lhc-rest-'));
  const lhc = await startLhc({
    lhcDir,
    dir,
    extension: false,
    departments: ['Sales'],
    operators: [
      { username: 'olga', name: 'Olga', departments: ['Sales'] },
      { username: 'bob', name: 'Bob', departments: ['Sales'] },
    ],
    settings: { webhooks: { enabled: true } },
  });
  const offices = new Map<string, BackOffice>();
  async function officeOf(username: 'olga' | 'bob'): Promise<BackOffice> {
    const office = offices.get(username) ?? (await logIn(lhc.url, lhc.operator(username)));
    offices.set(username, office);
    return office;
  }
  async function idOf(table: string, column: string, name: string): Promise<number> {
    const query = `SELECT id FROM ${table} WHERE ${column} = ? ORDER BY id DESC`;
    const [row] = await lhc.sql(query, [name]);
    if (!row) throw new Error(`${table} has no ${name}`);
    return Number(row.id);
  }
  const operators = { olga: lhc.operator('olga').id, bob: lhc.operator('bob').id };
  return {
    url: lhc.url,
    operators,
    async connect(service, tenant) {
      const office = await logIn(lhc.url, lhc.admin);
      const keys = { webhookKey: WEBHOOK_KEY, restKey: REST_KEY, from: '127.0.0.1' };
      await setUpWithoutExtension(lhc.url, office, idOf, { service, tenant, ...keys });
    },
    async webhooks(on) {
      await lhc.sql('UPDATE lh_webhook SET disabled = ?', [on ? 0 : 1]);
    },
    async visitor(text) {
      // Otherwise LHC is closed, and has a form in the place of the chat.
      await lhc.sql('UPDATE lh_userdep SET last_activity = UNIX_TIMESTAMP()');
      const visitor = createVisitor(lhc.url);
      await visitor.view('https://shop.example/shoes', 'Shoes');
      const { id } = await visitor.start(text);
      const [row] = await lhc.sql('SELECT online_user_id FROM lh_chat WHERE id = ?', [id]);
      return {
        chatId: id,
        key: String(row?.online_user_id),
        async write(more) {
          await visitor.write(more);
        },
        async end() {
          await visitor.leave(true);
        },
        screen: async () => (await visitor.fetch()).text,
      };
    },
    async rows(chatId) {
      const query = 'SELECT id, user_id, msg FROM lh_msg WHERE chat_id = ? ORDER BY id';
      const rows = await lhc.sql(query, [chatId]);
      return rows.map(({ id, user_id, msg }) => ({
        id: Number(id),
        userId: Number(user_id),
        text: msg ?? '',
      }));
    },
    async chat(chatId) {
      const [row] = await lhc.sql('SELECT status, user_id FROM lh_chat WHERE id = ?', [chatId]);
      return { status: Number(row?.status), userId: Number(row?.user_id) };
    },
    async write(operator, chatId, text) {
      await (await officeOf(operator)).write(chatId, text);
    },
    async closeChat(operator, chatId) {
      const office = await officeOf(operator);
      // LHC lets the owner close a chat, and whoever opens one that waits owns it.
      await office.open(chatId);
      await office.close(chatId);
    },
    async isOnline(operator) {
      const query = `SELECT 1 AS yes FROM lh_userdep WHERE user_id = ? AND last_activity > UNIX_TIMESTAMP() - 60`;
      return (await lhc.sql(query, [operators[operator]])).length > 0;
    },
    async close() {
      await lhc.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
