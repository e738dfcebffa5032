/** A real LHC with the extension, connected to a real service with a real ejabberd and operators' clients. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { freePorts } from '../../scripts/ejabberd/ports.ts';
import { type BackOffice, logIn } from '../../scripts/lhc/back-office.ts';
import { type Lhc, startLhc } from '../../scripts/lhc/real-lhc.ts';
import { createVisitor, type Visitor } from '../../scripts/lhc/visitor.ts';
import type { Operator, OperatorOptions } from '../support/operator.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';
import type { Tenant, World } from '../support/world.ts';

/** The departments have the ids 1 and 2 in LHC. */
export const DEPARTMENTS = ['Sales', 'Support'] as const;
const OPERATORS = [
  { username: 'olga', name: 'Olga', departments: ['Sales'] },
  { username: 'paula', name: 'Paula', departments: ['Support'] },
] as const;
const TENANT = 'shop';
/** LHC answers late on a busy machine. */
const SEEN_DEADLINE_MS = 60_000;

export type Row = Readonly<Record<string, string | null>>;

export interface Installation {
  readonly world: World;
  /** As the service knows it: `call`, `ask`, `connect`. */
  readonly tenant: Tenant;
  readonly lhc: Lhc;
  readonly callbackUrl: string;
  readonly callbackSecret: string;
  visitor(): Visitor;
  /** The key that the service knows a visitor by: the id of LHC's row. */
  keyOf(visitor: Visitor): Promise<string>;
  /** The address of a visitor's contact. */
  jidOf(visitor: Visitor): Promise<string>;
  /** An XMPP client of an operator. Resolves when the service and LHC take them for available. */
  connect(username: string, options?: Partial<OperatorOptions>): Promise<Operator>;
  /** An operator in LHC's own pages. */
  office(username: string): Promise<BackOffice>;
  /** LHC's row of a chat. */
  chat(id: number): Promise<Row>;
  /** What was said in a chat, system's lines left out: who (0: the visitor) and what. */
  said(id: number): Promise<readonly { readonly user: number; readonly text: string }[]>;
  /** Waits until a query has rows. @returns the first one */
  row(sql: string, params: readonly (string | number)[], what: string): Promise<Row>;
  /** Waits until nothing waits to be sent. */
  drained(): Promise<void>;
}

/** Runs the extension's cron again and again, until the tests are over. */
function startCron(lhc: Lhc): void {
  let over = false;
  const loop = async () => {
    while (!over) {
      // It fails while a test has killed the database.
      await lhc.cron('outbox', 'xmppchat', '10').catch(() => undefined);
    }
  };
  const ended = loop();
  afterAll(() => {
    over = true;
    return ended;
  });
}

/** @param workers of PHP-FPM */
export async function testInstallation(
  options: { readonly workers?: number; readonly modLhc?: Readonly<Record<string, unknown>> } = {},
): Promise<Installation> {
  const { http: port } = await freePorts({});
  const callbackUrl = `http://127.0.0.1:${port}/xmppchat/callback`;
  const callbackSecret = `whsec_${randomBytes(32).toString('base64')}`;
  const world = await testWorld({
    tenants: [{ id: TENANT, host: 'chat.test', settings: { callbackUrl, callbackSecret } }],
    ...(options.modLhc && { modLhc: options.modLhc }),
  });
  const tenant = world.tenant(TENANT);
  const dir = await mkdtemp(join(tmpdir(), 'lhc-'));
  const lhc = await startLhc({
    lhcDir: process.env.LHC_DIR ?? '',
    dir,
    ports: { web: port },
    workers: options.workers ?? 4,
    departments: DEPARTMENTS,
    operators: OPERATORS,
    extension: {
      settings: {
        enabled: '1',
        serviceUrl: world.url,
        tenant: TENANT,
        apiKey: tenant.apiKey,
        callbackSecret,
        shareTyping: '1',
      },
    },
  });
  afterAll(async () => {
    await lhc.stop();
    await rm(dir, { recursive: true, force: true });
  });
  startCron(lhc);
  for (const { username, name, departments } of OPERATORS) {
    const { id } = lhc.operator(username);
    await tenant.register(username, { lhcUserId: id, name, departments, capacity: 100 });
  }

  async function row(sql: string, params: readonly (string | number)[], what: string) {
    return waitFor(async () => (await lhc.sql(sql, params))[0], {
      deadlineMs: SEEN_DEADLINE_MS,
      what,
    });
  }
  async function keyOf(visitor: Visitor): Promise<string> {
    const found = await row(
      'SELECT id FROM lh_chat_online_user WHERE vid = ?',
      [visitor.vid],
      `the row of the visitor ${visitor.vid}`,
    );
    return found.id ?? '';
  }
  return {
    world,
    tenant,
    lhc,
    callbackUrl,
    callbackSecret,
    row,
    keyOf,
    visitor: () => createVisitor(lhc.url),
    jidOf: async (visitor) => tenant.visitorJid(await keyOf(visitor)),
    async connect(username, wishes = {}) {
      const client = await tenant.connect(username, wishes);
      await tenant.operatorIs(username, 'available');
      await row(
        'SELECT 1 AS online FROM lh_userdep WHERE user_id = ? AND last_activity > UNIX_TIMESTAMP() - 60',
        [lhc.operator(username).id],
        `${username} to be online in LHC`,
      );
      return client;
    },
    office: (username) => logIn(lhc.url, username === 'admin' ? lhc.admin : lhc.operator(username)),
    chat: (id) => row('SELECT * FROM lh_chat WHERE id = ?', [id], `the chat ${id}`),
    async said(id) {
      const rows = await lhc.sql(
        'SELECT user_id, msg FROM lh_msg WHERE chat_id = ? AND user_id >= 0 ORDER BY id',
        [id],
      );
      return rows.map(({ user_id, msg }) => ({ user: Number(user_id), text: msg ?? '' }));
    },
    async drained() {
      await waitFor(
        async () => {
          const [left] = await lhc.sql('SELECT COUNT(*) AS rest FROM lhc_xmppchat_outbox');
          return left?.rest === '0';
        },
        { deadlineMs: SEEN_DEADLINE_MS, what: 'the outbox to be empty' },
      );
    },
  };
}
