/**
 * The configuration of a private ejabberd, and of ejabberd's image. JSON is YAML, so this needs no template and no
 * quoting rules.
 */

export interface ComponentInput {
  readonly secret: string;
  /** The domains of components. Default `visitors.{host}` of each host. */
  readonly hosts?: readonly string[];
  /** For several processes of the service: any domain, and any sender. `hosts` does not count then. */
  readonly ownDomains?: boolean;
}

export interface ConfigInput {
  readonly hosts: readonly string[];
  readonly ports: {
    readonly c2s: number;
    readonly http: number;
    readonly component: number;
    /** A port for visitors only, without TLS: for a private network. */
    readonly visitors?: number;
  };
  /** The address of every listener. Default 127.0.0.1. */
  readonly ip?: string;
  /** A PEM file with certificate and key. With it operators' clients have to use TLS. */
  readonly certfile?: string;
  /** The full JID of the account that may call the API. */
  readonly apiUser: string;
  /** Networks besides loopback from which the API may be called. */
  readonly apiFrom?: readonly string[];
  readonly component?: ComponentInput;
  /** Operators' uploads (XEP-0363): the folder for them, and the address that leads to `/upload` of the port for HTTP. */
  readonly uploads?: { readonly folder: string; readonly url: string };
  readonly streamManagement:
    | boolean
    | { readonly resumeTimeout?: number; readonly maxAckQueue?: number };
  /** Options of mod_lhc. Without them the module is not loaded. */
  readonly modLhc?: Readonly<Record<string, unknown>>;
  readonly logLevel: string;
  /** Listeners besides these. */
  readonly extraListeners?: readonly Readonly<Record<string, unknown>>[];
  /** Replaces keys of the top level. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** Replaces keys of `modules`. */
  readonly extraModules: Readonly<Record<string, unknown>>;
}

/**
 * The commands of mod_http_api that the service calls (src/xmpp/admin/admin.ts). `srg_add` exists from 24.06 on; older
 * releases ignore unknown names.
 */
export const API_COMMANDS = [
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
  'srg_delete',
  'srg_get_info',
  'srg_get_members',
  'srg_list',
  'srg_user_add',
  'srg_user_del',
  'get_roster',
  'delete_rosteritem',
  'user_sessions_info',
  'kick_session',
  'send_stanza',
  // Rooms (src/xmpp/admin/rooms.ts).
  'muc_online_rooms',
  'create_room',
  'change_room_option',
  'set_room_affiliation',
  'subscribe_room',
  'send_direct_invitation',
  'destroy_room',
] as const;

/** Options of mod_lhc for tests and benchmarks whose operators write faster than people. */
export const FAST_OPERATORS = {
  message_rate: 100_000,
  message_burst: 100_000,
  signal_rate: 100_000,
  signal_burst: 100_000,
  max_operator_share: 100,
} as const;

/** A text of 60 kB fits even if every character is escaped. */
const MAX_STANZA_BYTES = 524_288;
/**
 * What an operator's client may send: bytes a second in the long run, and at once. A text of 64 kB or a picture fits into
 * the second one. With more, ejabberd reads the connection more slowly.
 */
const OPERATOR_BYTES = { rate: 20_000, burst_size: 600_000 } as const;
/** ejabberd's default of 5 stalls a burst of logins in steps of a second (measured). */
const BACKLOG = 1024;

function listeners({ ports, hosts, component, uploads, ip, certfile }: ConfigInput): unknown[] {
  const common = { ip: ip ?? '127.0.0.1', backlog: BACKLOG };
  const c2s = {
    ...common,
    module: 'ejabberd_c2s',
    max_stanza_size: MAX_STANZA_BYTES,
    access: 'all',
  };
  const list: unknown[] = [
    {
      ...c2s,
      port: ports.c2s,
      ...(certfile && { starttls_required: true }),
      // The service logs in all visitors, so their own port has no limit. Where there is none, nobody has one.
      ...(ports.visitors !== undefined && { shaper: 'c2s_shaper' }),
    },
    ...(ports.visitors === undefined ? [] : [{ ...c2s, port: ports.visitors }]),
    {
      ...common,
      port: ports.http,
      module: 'ejabberd_http',
      request_handlers: {
        '/api': 'mod_http_api',
        '/ws': 'ejabberd_http_ws',
        ...(uploads && { '/upload': 'mod_http_upload' }),
      },
    },
  ];
  if (component) {
    const names = component.hosts ?? hosts.map((host) => `visitors.${host}`);
    list.push({
      ...common,
      port: ports.component,
      module: 'ejabberd_service',
      access: 'all',
      max_stanza_size: MAX_STANZA_BYTES,
      ...(component.ownDomains
        ? { password: component.secret, check_from: false }
        : {
            // Otherwise a connection gets the domains of all of them, and ejabberd spreads their stanzas over the
            // connections.
            global_routes: false,
            hosts: Object.fromEntries(names.map((name) => [name, { password: component.secret }])),
          }),
    });
  }
  return list;
}

/** As the service's default `files.maxBytes`. */
const UPLOAD_MAX_BYTES = 10_485_760;
/** Megabytes of one account: above the second number old files go until there is the first. */
const UPLOAD_QUOTA_MB = { soft: 400, hard: 500 } as const;
/** A visitor's widget shows an operator's link for as long, where LHC has no copy. */
const UPLOAD_MAX_DAYS = 30;

function modules({
  streamManagement,
  modLhc,
  uploads,
  extraModules,
}: ConfigInput): Record<string, unknown> {
  const sm = typeof streamManagement === 'object' ? streamManagement : {};
  return {
    mod_admin_extra: {},
    // Visitors' pictures, for all clients: in the vCard, as a hash in the presence (mod_vcard_xupdate), and copied to
    // PEP (mod_avatar, which needs mod_pubsub with the plugin `pep`).
    mod_avatar: {},
    mod_caps: {},
    mod_pubsub: {
      plugins: ['flat', 'pep'],
      force_node_config: { 'storage:bookmarks': { access_model: 'whitelist' } },
    },
    mod_vcard_xupdate: {},
    // An operator's client may block a visitor (XEP-0191).
    mod_blocking: {},
    mod_carboncopy: {},
    mod_disco: {},
    mod_http_api: {},
    mod_last: {},
    // Rooms of chats, and private chats of LHC's operators. Only the service makes rooms, by the API. Nobody reserves a
    // nick there, such as that of a visitor, who could not be let in then.
    mod_muc: { access_create: 'configure', access_register: 'none' },
    mod_muc_admin: {},
    mod_offline: {},
    // Only answers pings. mod_lhc pings operators, and visitors' sessions ping the server.
    mod_ping: { send_pings: false },
    mod_privacy: {},
    mod_private: {},
    mod_roster: { versioning: true },
    mod_shared_roster: {},
    mod_time: {},
    mod_vcard: {},
    mod_version: { show_os: false },
    ...(streamManagement === false
      ? {}
      : {
          mod_stream_mgmt: {
            // A client that reads its contacts after the login answers late.
            ack_timeout: 180,
            resume_timeout: sm.resumeTimeout ?? 60,
            max_ack_queue: sm.maxAckQueue ?? 5000,
            // What the old session of a client that was restarted had not read goes to its new one, or is stored. With
            // ejabberd's default it comes back as an error, and no operator reads it.
            resend_on_timeout: true,
          },
        }),
    ...(modLhc === undefined ? {} : { mod_lhc: modLhc }),
    ...(uploads && {
      mod_http_upload: {
        docroot: uploads.folder,
        put_url: uploads.url,
        max_size: UPLOAD_MAX_BYTES,
        // Or no page of another address can upload, such as the web client (CORS). The address is secret and for one file.
        custom_headers: {
          'Access-Control-Allow-Origin': '*',
          'Access-Control-Allow-Methods': 'GET,HEAD,PUT,OPTIONS',
          'Access-Control-Allow-Headers': 'Content-Type',
        },
      },
      mod_http_upload_quota: { max_days: UPLOAD_MAX_DAYS },
    }),
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
    // ejabberd's cache keeps the failure of a registration beside another one of the same name, such as a repeat after a
    // time-out. Then no login works for an hour (findings/ejabberd-register-poisons-cache.sh). It makes nothing faster.
    auth_use_cache: false,
    // ejabberd's default. With `scram` every PLAIN login and API call costs 4,096 hashes: 1,000 logins took 10 s instead
    // of 2 s, 1,000 registrations 17 s instead of 2 s (measured on 23.01). The spool has mode 0700.
    auth_password_format: 'plain',
    acl: {
      local: { user_regexp: '' },
      near: { ip: ['127.0.0.0/8', '::1/128', ...(input.apiFrom ?? [])] },
      api: { user: [input.apiUser] },
    },
    access_rules: {
      local: { allow: 'local' },
      // From 26.07 on the API's account needs this for each host that a call names (else 403 with code 32).
      configure: { allow: 'api' },
    },
    // Nothing in this system needs another server, and mod_lhc's promises end at the server.
    s2s_access: 'none',
    shaper: { operators: OPERATOR_BYTES },
    shaper_rules: {
      max_user_sessions: 10,
      max_user_offline_messages: 1000,
      c2s_shaper: 'operators',
      ...(input.uploads && {
        soft_upload_quota: UPLOAD_QUOTA_MB.soft,
        hard_upload_quota: UPLOAD_QUOTA_MB.hard,
      }),
    },
    // Least rights: only this account, only from this machine or the named networks, only these commands.
    api_permissions: {
      'the service': {
        from: ['mod_http_api'],
        who: { access: { allow: [{ acl: 'api' }, { acl: 'near' }] } },
        what: [...API_COMMANDS],
      },
    },
    listen: [...listeners(input), ...(input.extraListeners ?? [])],
    modules: modules(input),
    ...input.extra,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
