/** What the page tells Converse.js. */
import type { PageSettings } from '../../src/http/web-client/page.ts';

/** Default: the WebSocket of the host that the page comes from. */
export function websocketOf({ websocket }: Pick<PageSettings, 'websocket'>, page: string): string {
  if (websocket !== null) return websocket;
  const url = new URL('/ws', page);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/**
 * Plugins that are not loaded: encryption, which no visitor's side has (docs/clients.md); an archive and bookmarks, which
 * this ejabberd does not have; making of accounts; and push by other servers.
 */
const WITHOUT = [
  'converse-omemo',
  'converse-omemo-views',
  'converse-mam',
  'converse-mam-views',
  'converse-bookmarks',
  'converse-bookmark-views',
  'converse-bosh',
  'converse-register',
  'converse-push',
];

/** @param page its address @param plugin of ours, by its name */
export function converseSettings(
  settings: PageSettings,
  page: string,
  plugin: string,
): Record<string, unknown> {
  const { host, language, assets } = settings;
  return {
    assets_path: assets,
    view_mode: 'fullscreen',
    ...(language !== null && { i18n: language }),
    blacklisted_plugins: WITHOUT,
    whitelisted_plugins: [plugin],

    // The login: a username and a password, at this host alone.
    authentication: 'login',
    locked_domain: host,
    websocket_url: websocketOf(settings, page),
    discover_connection_methods: false,
    allow_registration: false,
    // "This is a trusted device" is there, and not ticked: then nothing stays in the browser.
    allow_user_trust_override: 'off',
    clear_cache_on_logout: true,
    // Another client of the operator says for itself whether they are there.
    synchronize_availability: false,

    // The contacts are the visitors. The service says who is one.
    allow_contact_requests: false,
    allow_contact_removal: false,
    show_self_in_roster: false,

    // Visitors' links stay links: what a browser fetches by itself tells its address to whoever has the link.
    render_media: false,
    embed_3rd_party_media_players: false,
    fetch_url_headers: false,
    show_message_avatar: true,
    visible_toolbar_buttons: {
      call: false,
      clear: false,
      emoji: true,
      location: false,
      spoiler: false,
    },

    // Lists of other sites for suggestions, and pictures of emoji from one.
    autocomplete_providers_url: null,
    xmpp_providers_url: null,
    emoji_image_path: `${assets}/`,
    use_system_emojis: true,

    // Rooms are those of chats, to which the service invites (docs/adr/0062). By default Converse.js wants nothing of what was
    // said before; ejabberd keeps the last 20 messages. Who is let in, and is not there, is not listed: the visitor is one.
    auto_join_on_invite: false,
    muc_respect_autojoin: false,
    muc_history_max_stanzas: 20,
    muc_fetch_members: false,
    allow_bookmarks: false,
    muc_search_service: null,

    play_sounds: true,
    sounds_path: `${assets}/sounds/`,
    show_desktop_notifications: true,
    notification_icon: `${assets}/icon.png`,
    // The number of unread messages is in the title.
    show_tab_notifications: false,
  };
}
