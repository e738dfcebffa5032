/**
 * Sets an LHC up for a service without the extension, by its back office, step by step as
 * docs/lhc-without-extension.md says. `webhooks.enabled` is a setting of LHC's file, so the caller has set it.
 */
import { readFile } from 'node:fs/promises';
import { AppError } from '../../src/errors.ts';
import type { BackOffice } from './back-office.ts';

export interface WithoutExtension {
  /** The service's address. */
  readonly service: string;
  readonly tenant: string;
  readonly webhookKey: string;
  readonly restKey: string;
  /** The service's address as LHC sees it: the key is for nobody else. LHC wants this field filled. */
  readonly from: string;
  /** Rights to leave out of {@link RIGHTS}, as `module.function`. */
  readonly without?: readonly string[];
}

/** The user of the REST key. */
export const REST_USER = 'xmpp-chat';

/** The rights of that user, by LHC's modules. */
export const RIGHTS: Readonly<Record<string, readonly string[]>> = {
  lhchat: [
    'use',
    'allowopenremotechat',
    'allowcloseremote',
    'allowtransferdirectly',
    'metamsgenabled',
    'whispermode',
  ],
  lhrestapi: ['updatelastactivity'],
  lhuser: ['userlist'],
};

/** The events of LHC whose webhooks tell the service of a chat. */
export const EVENTS: readonly string[] = [
  'chat.chat_started',
  'chat.addmsguser',
  'chat.web_add_msg_admin',
  'chat.close',
  'chat.accept',
  'chat.chat_owner_changed',
  'chat.chat_transfer_accepted',
  'chat.explicitly_closed',
];

const example = (name: string): Promise<string> =>
  readFile(new URL(`../../examples/lhc-without-extension/${name}`, import.meta.url), 'utf8');

/** @param idOf the id of the row of a table of LHC with this name */
export async function setUpWithoutExtension(
  lhc: string,
  office: BackOffice,
  idOf: (table: string, column: string, name: string) => Promise<number>,
  options: WithoutExtension,
): Promise<void> {
  const { service, tenant, webhookKey, restKey, from, without = [] } = options;
  const change = async (path: string, fields: Parameters<BackOffice['post']>[1]) => {
    const { status, text } = await office.post(path, fields);
    if (status !== 302) throw new AppError('refused', `${path}: ${status} ${errorsIn(text)}`);
  };

  await change('permission/newrole', { Name: REST_USER, Save_role: 'Save' });
  const role = await idOf('lh_role', 'name', REST_USER);
  for (const [module, functions] of Object.entries(RIGHTS)) {
    const given = functions.filter((each) => !without.includes(`${module}.${each}`));
    if (given.length === 0) continue;
    await office.post(`permission/editrole/${role}`, {
      Module: module,
      Limitation: '',
      'ModuleFunction[]': given,
      Store_policy: 'Save',
    });
  }
  await change('user/newgroup', { Name: REST_USER, Save_group: 'Save' });
  const group = await idOf('lh_group', 'name', REST_USER);
  await office.post(`user/editgroup/${group}`, { AssignRoles: 'Assign', 'RoleID[]': role });
  await change('user/new', {
    Username: REST_USER,
    Password: restKey,
    Password1: restKey,
    Email: `${REST_USER}@example.org`,
    Name: 'Support',
    Surname: '',
    'DefaultGroup[]': group,
    all_departments: 'on',
    UserTimeZone: 'default',
    Update_account: 'Save',
  });
  const user = await idOf('lh_users', 'username', REST_USER);
  await change('abstract/new/RestAPIKey', {
    AbstractInput_user_id: user,
    AbstractInput_api_key: restKey,
    AbstractInput_ip_restrictions: from,
    AbstractInput_active: 1,
    SaveClient: 'Save',
  });

  const call = (await example('rest-call.json'))
    .replace('https://xmpp-chat.example.com', service)
    .replace('TENANT', tenant)
    .replace('WEBHOOK_KEY', webhookKey);
  await change('genericbot/newrestapi', {
    name: REST_USER,
    description: '',
    configuration: JSON.stringify(JSON.parse(call)),
    Save_bot: 'Save',
  });
  const restCall = await idOf('lh_generic_bot_rest_api', 'name', REST_USER);
  await importBot(lhc, office, await example('bot.json'), restCall);
  const bot = await idOf('lh_generic_bot_bot', 'nick', REST_USER);
  const trigger = await idOf('lh_generic_bot_trigger', 'name', 'A chat has changed');
  for (const event of EVENTS) {
    await change('webhooks/new', {
      name: event,
      event,
      type: 0,
      delay: 0,
      configuration: '',
      bot_id: bot,
      AbstractInput_trigger_id: trigger,
      Save_action: 'Save',
    });
  }
}

/** The form of a file. */
async function importBot(
  lhc: string,
  office: BackOffice,
  bot: string,
  restCall: number,
): Promise<void> {
  const page = (await office.get('genericbot/import')).text;
  const form = new FormData();
  form.set('csfr_token', /name="csfr_token" value="([^"]+)"/.exec(page)?.[1] ?? '');
  form.set('rest_api', String(restCall));
  form.set('UploadFileAction', 'Import');
  form.set('botfile', new Blob([bot], { type: 'application/json' }), 'bot.json');
  const answer = await fetch(`${lhc}/site_admin/genericbot/import`, {
    method: 'POST',
    body: form,
    headers: {
      'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Chrome/120',
      cookie: [...office.cookies()].map(([name, value]) => `${name}=${value}`).join('; '),
    },
    signal: AbortSignal.timeout(60_000),
  });
  if (!answer.ok) throw new AppError('refused', `LHC did not import the bot: ${answer.status}`);
}

/** What a page of LHC says in its red box. */
const errorsIn = (page: string): string =>
  [...page.matchAll(/alert-danger[^>]*>(.*?)<\/div>/gs)]
    .map(([, text]) => text?.replaceAll(/<[^>]*>|\s+/g, ' ').trim())
    .join('; ');
