/** The configuration of a private ejabberd. JSON is YAML, so no template and no quoting rules are needed. */

export interface ConfigInput {
  readonly hosts: readonly string[];
  readonly ports: {
    readonly c2s: number;
    readonly http: number;
    readonly component: number;
    /** Of its own for the service's logins of visitors, never with TLS: for a private network. */
    readonly visitors?: number;
  };
  /** The address that all listen on. Default 127.0.0.1. */
  readonly ip?: string;
  /** Operators' clients have to use TLS, with the certificate and key in this file. */
  readonly certfile?: string;
  /** Full JID of the account that may call the API. */
  readonly apiUser: string;
  /** Networks that it may call from, beside loopback. */
  readonly apiFrom?: readonly string[];
  readonly component?: { readonly secret: string; readonly hosts?: readonly string[] };
  readonly streamManagement:
    | boolean
    | { readonly resumeTimeout?: number; readonly maxAckQueue?: number };
  /** Options of mod_lhc; left out: the module is not loaded. */
  readonly modLhc?: Readonly<Record<string, unknown>>;
  readonly logLevel: string;
  /** Merged over the top level, and over `modules`, key by key. */
  readonly extra: Readonly<Record<string, unknown>>;
  readonly extraModules: Readonly<Record<string, unknown>>;
}

/**
 * What the service asks of mod_http_api, and nothing more (src/xmpp/admin/admin.ts). `srg_add` exists from 24.06 on; older
 * releases do not mind a name that they do not know.
 */
export const apiCommands = [
  'status',
  'register',
  'unregister',
  'check_account',
  'change_password',
  'registered_users',
  'registered_vhosts',
  'get_vcard',
  'set_vcard',
  'srg_add',
  'srg_create',
  'srg_get_info',
  'srg_get_members',
  'srg_list',
  'srg_user_add',
  'srg_user_del',
  'user_sessions_info',
  'kick_session',
  'send_stanza',
] as const;

/** Bigger than a 60 kB text whose every character is escaped. */
const maxStanzaSize = 524_288;

function listeners({ ports, hosts, component, ip, certfile }: ConfigInput): unknown[] {
  // The default backlog of 5 stalls a burst of logins in steps of a second (measured).
  const common = { ip: ip ?? '127.0.0.1', backlog: 1024 };
  const c2s = {
    ...common,
    module: 'ejabberd_c2s',
    max_stanza_size: maxStanzaSize,
    access: 'all',
  };
  const list: unknown[] = [
    { ...c2s, port: ports.c2s, ...(certfile && { starttls_required: true }) },
    ...(ports.visitors === undefined ? [] : [{ ...c2s, port: ports.visitors }]),
    {
      ...common,
      port: ports.http,
      module: 'ejabberd_http',
      request_handlers: { '/api': 'mod_http_api', '/ws': 'ejabberd_http_ws' },
    },
  ];
  if (component) {
    const names = component.hosts ?? hosts.map((host) => `visitors.${host}`);
    list.push({
      ...common,
      port: ports.component,
      module: 'ejabberd_service',
      access: 'all',
      max_stanza_size: maxStanzaSize,
      hosts: Object.fromEntries(names.map((name) => [name, { password: component.secret }])),
    });
  }
  return list;
}

function modules({ streamManagement, modLhc, extraModules }: ConfigInput): Record<string, unknown> {
  const sm = typeof streamManagement === 'object' ? streamManagement : {};
  return {
    mod_admin_extra: {},
    // Visitors' pictures, three ways: with the vCard, by its hash in their presence (mod_vcard_xupdate), and from the
    // vCard into PEP (mod_avatar, which needs mod_pubsub with its plugin `pep`).
    mod_avatar: {},
    mod_caps: {},
    mod_pubsub: {
      plugins: ['flat', 'pep'],
      force_node_config: { 'storage:bookmarks': { access_model: 'whitelist' } },
    },
    mod_vcard_xupdate: {},
    mod_carboncopy: {},
    mod_disco: {},
    mod_http_api: {},
    mod_last: {},
    mod_offline: {},
    // Answers pings, sends none: mod_lhc pings operators itself, and a visitor's session pings for itself.
    mod_ping: { send_pings: false },
    mod_privacy: {},
    mod_private: {},
    mod_roster: {},
    mod_shared_roster: {},
    mod_time: {},
    mod_vcard: {},
    mod_version: { show_os: false },
    ...(streamManagement === false
      ? {}
      : {
          mod_stream_mgmt: {
            resume_timeout: sm.resumeTimeout ?? 60,
            max_ack_queue: sm.maxAckQueue ?? 5000,
          },
        }),
    ...(modLhc === undefined ? {} : { mod_lhc: modLhc }),
    ...extraModules,
  };
}

/** The text of `ejabberd.yml`. */
export function renderConfig(input: ConfigInput): string {
  const config = {
    hosts: input.hosts,
    loglevel: input.logLevel,
    ...(input.certfile && { certfiles: [input.certfile] }),
    auth_method: ['internal'],
    // ejabberd's default. With `scram` it hashes 4,096 times for every PLAIN login and every API call with credentials:
    // 1,000 logins took 10 s instead of 2, 1,000 registrations 17 s instead of 2 (measured, 23.01). The spool is 0700.
    auth_password_format: 'plain',
    acl: {
      local: { user_regexp: '' },
      near: { ip: ['127.0.0.0/8', '::1/128', ...(input.apiFrom ?? [])] },
      api: { user: [input.apiUser] },
    },
    access_rules: {
      local: { allow: 'local' },
      // From 26.07 on an account that calls the API needs this for each host that it names (403 code 32 otherwise).
      configure: { allow: 'api' },
    },
    shaper_rules: { max_user_sessions: 10, max_user_offline_messages: 1000 },
    // The service's account and nobody else, from this machine (or its network), only what the service calls.
    api_permissions: {
      'the service': {
        from: ['mod_http_api'],
        who: { access: { allow: [{ acl: 'api' }, { acl: 'near' }] } },
        what: [...apiCommands],
      },
    },
    listen: listeners(input),
    modules: modules(input),
    ...input.extra,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
