%%% mod_lhc reports to the xmpp-chat service what operators do. README.md lists the events.
%%%
%%% This file is the module's interface to ejabberd: options, start, stop, and the list of hooks.
%%%   mod_lhc_border   what may pass between the accounts of a host
%%%   mod_lhc_budget   how much a session may say; mod_lhc_limits, mod_lhc_bucket: the numbers (pure)
%%%   mod_lhc_sent     what an operator sends; mod_lhc_stanza: what a message says, and its bounds (pure)
%%%   mod_lhc_received what an operator receives; mod_lhc_seen: which messages were routed, stored and delivered
%%%   mod_lhc_room     rooms of chats
%%%   mod_lhc_sessions sessions, presence, pings; mod_lhc_session: the pings of one session (pure);
%%%                    mod_lhc_life: whether a client lives (pure)
%%%   mod_lhc_report   the events of all that
%%%   mod_lhc_contacts the contacts of a component; mod_lhc_contacts_iq: how the component tells them; mod_lhc_roster: they
%%%                    in operators' rosters; mod_lhc_feed: what an operator's session is told of them
%%%   mod_lhc_tenant   whose an address is; mod_lhc_names: how names are made (pure)
%%%   mod_lhc_queues   the queues of a host; mod_lhc_queue: one queue on disk; mod_lhc_usage: how full they are
%%%   mod_lhc_sender   posts the events of a queue to the service; mod_lhc_posts: a few at the same time
%%%   mod_lhc_json     the events as text
%%%   mod_lhc_log      what is logged of exceptions
%%%   mod_lhc_uuid     UUIDs

-module(mod_lhc).
-behaviour(gen_mod).

-export([start/2, stop/1, reload/3, depends/2, mod_opt_type/1, mod_options/1, mod_doc/0]).
-export([config/1, home/1, room_home/1, started_event/3, announce_overflow/2]).

-include_lib("kernel/include/logger.hrl").

-define(VERSION, <<"1.4.0">>).
-define(NS_CONTACTS, <<"urn:xmpp-chat:contacts:1">>).
%% In bytes. Standard Webhooks has keys of 24 to 64 bytes; this check is less strict.
-define(MIN_KEY, 16).
-define(MAX_KEY, 128).
%% How long module.started may wait for the disk, in milliseconds.
-define(ANNOUNCE_TIMEOUT, 10000).

%% The configuration of one virtual host, for all parts of the module.
-type config() :: #{queues := atom(), seen := atom(), dir := file:filename_all(), url := string(), key := binary(),
                    atom() => term()}.

-export_type([config/0]).

%%% ---------------------------------------------------------------- gen_mod

start(Host, Opts) ->
    %% ejabberd logs the arguments of each API call at `info`. Those of the service have passwords and messages.
    ok = logger:set_module_level(mod_http_api, notice),
    set_config(Host, Opts),
    case supervisor:start_child(ejabberd_gen_mod_sup, child(Host)) of
        {ok, _} -> started(Host);
        {error, {already_started, _}} -> started(Host);
        {error, Reason} -> {error, Reason}
    end.

started(Host) ->
    [ejabberd_hooks:add(Hook, Host, Module, Function, Priority) || {Hook, Module, Function, Priority} <- hooks()],
    [ejabberd_hooks:add(Hook, Module, Function, Priority) || {Hook, Module, Function, Priority} <- global_hooks()],
    gen_iq_handler:add_iq_handler(ejabberd_local, Host, ?NS_CONTACTS, mod_lhc_contacts_iq, process),
    mod_lhc_sessions:request_reports(Host, all),
    ok.

stop(Host) ->
    gen_iq_handler:remove_iq_handler(ejabberd_local, Host, ?NS_CONTACTS),
    [ejabberd_hooks:delete(Hook, Host, Module, Function, Priority) || {Hook, Module, Function, Priority} <- hooks()],
    gen_mod:is_loaded_elsewhere(Host, ?MODULE)
        orelse [ejabberd_hooks:delete(Hook, Module, Function, Priority) || {Hook, Module, Function, Priority} <- global_hooks()],
    stop_child(Host),
    forget_names(Host),
    persistent_term:erase({?MODULE, Host}),
    ok.

reload(Host, New, _Old) ->
    Before = config(Host),
    forget_names(Host),
    set_config(Host, New),
    After = config(Host),
    Queue = [dir, max_queue, max_queue_size, max_tenants, max_operator_share],
    case maps:with(Queue, Before) =:= maps:with(Queue, After) of
        true ->
            mod_lhc_posts:reload(After),
            mod_lhc_sender:reload(After);
        false ->
            ok = mod_lhc_sup:restart_queues(After),
            mod_lhc_sessions:request_reports(Host, all)
    end,
    Names = [visitor_host, visitor_prefix],
    maps:with(Names, Before) =:= maps:with(Names, After) orelse mod_lhc_contacts:clear(After),
    ok.

%% Shared roster groups say who is an operator. Without mod_shared_roster nobody is, and the service's doctor says why.
depends(_Host, _Opts) ->
    [{mod_shared_roster, soft}].

child(Host) ->
    #{sup := Name} = config(Host),
    #{id => Name, start => {mod_lhc_sup, start_link, [Host]},
      restart => transient, shutdown => infinity, type => supervisor}.

stop_child(Host) ->
    #{sup := Name} = config(Host),
    _ = supervisor:terminate_child(ejabberd_gen_mod_sup, Name),
    _ = supervisor:delete_child(ejabberd_gen_mod_sup, Name),
    ok.

%% Priorities were measured on 23.01, 24.12 and 26.07. The archive is at 88 and carbons are at 89: an operator's message
%% is recorded (or refused) before them and dropped after them. Stream management sends its <a/> after user_send_packet.
%% Offline messages are stored at 50.
hooks() ->
    [{user_send_packet, mod_lhc_border, border_out, 70},
     {user_send_packet, mod_lhc_room, limit_sent, 72},
     {user_send_packet, mod_lhc_budget, limit_sent, 75},
     {user_send_packet, mod_lhc_sent, record_sent, 80},
     {user_send_packet, mod_lhc_sessions, take_pong, 80},
     {user_send_packet, mod_lhc_sent, drop_recorded, 95},
     {user_receive_packet, mod_lhc_received, drop_duplicate, 80},
     {user_receive_packet, mod_lhc_room, follow, 80},
     %% mod_carboncopy is the last one to see a carbon.
     {user_receive_packet, mod_lhc_received, drop_carbon, 85},
     %% Behind the archive and the carbons: the operator's other clients, and the archive, have what a room has too.
     {user_receive_packet, mod_lhc_received, drop_in_room, 92},
     {user_receive_packet, mod_lhc_received, ping_behind, 95},
     {sm_receive_packet, mod_lhc_border, border_in, 40},
     {sm_receive_packet, mod_lhc_received, drop_repeat, 45},
     {offline_message_hook, mod_lhc_received, drop_offline, 10},
     {offline_message_hook, mod_lhc_received, remember_stored, 60},
     %% Before stream management, which takes its own elements at 50.
     {c2s_authenticated_packet, mod_lhc_sessions, heard, 40},
     {c2s_session_opened, mod_lhc_sessions, session_opened, 50},
     {sm_remove_connection_hook, mod_lhc_sessions, session_closed, 50},
     {c2s_terminated, mod_lhc_sessions, session_terminated, 60},
     {c2s_self_presence, mod_lhc_sessions, self_presence, 50},
     {c2s_terminated, mod_lhc_sessions, feed_ends, 40},
     %% Right before ejabberd_c2s sends the presence; it does the latter at 100.
     {c2s_self_presence, mod_lhc_roster, before_broadcast, 100},
     {c2s_terminated, mod_lhc_roster, before_last_broadcast, 99},
     {user_send_packet, mod_lhc_roster, sent, 78},
     %% Behind mod_roster (50) and mod_shared_roster (70, 50), and before both for subscriptions (50, 30).
     {roster_get, mod_lhc_roster, roster_get, 80},
     {roster_get_jid_info, mod_lhc_roster, get_jid_info, 80},
     {roster_process_item, mod_lhc_roster, process_item, 60},
     {roster_in_subscription, mod_lhc_roster, in_subscription, 20},
     {roster_out_subscription, mod_lhc_roster, out_subscription, 20},
     {c2s_copy_session, mod_lhc_sessions, copy_session, 50},
     {c2s_session_resumed, mod_lhc_sessions, session_resumed, 50},
     {c2s_handle_info, mod_lhc_sessions, handle_info, 50},
     {register_user, mod_lhc_sessions, register_user, 50},
     {remove_user, mod_lhc_sessions, remove_user, 50}].

%% Hooks of the whole server, once for all hosts.
global_hooks() ->
    [{component_send_packet, mod_lhc_contacts_iq, mark, 50},
     {filter_packet, mod_lhc_border, border_routed, 50}].

%%% ---------------------------------------------------------------- for the parts of the module

%% undefined if the module does not run on this host.
-spec config(binary()) -> config() | undefined.
config(Host) ->
    persistent_term:get({?MODULE, Host}, undefined).

%% The host that has visitors at this server: the host of that component, or else the server itself.
-spec home(binary()) -> binary().
home(Server) ->
    persistent_term:get({?MODULE, visitor_host, Server}, Server).

%% The host whose rooms of chats are at this server; none if it has no such rooms.
-spec room_home(binary()) -> binary() | none.
room_home(Server) ->
    persistent_term:get({?MODULE, room_host, Server}, none).

%% The event module.started: sessions of this tenant may have ended without a report.
-spec started_event(binary(), mod_lhc_names:instance(), start | overflow) -> iodata().
started_event(Host, Instance, Reason) ->
    mod_lhc_report:members(Host, 'module.started', [{version, ?VERSION}, {ejabberd, ejabberd_option:version()},
                                                   {reason, Reason}, {instance, Instance}]).

%% Events of this tenant's sessions were lost. Reports module.started, then makes the sessions report themselves.
-spec announce_overflow(binary(), mod_lhc_names:instance()) -> ok.
announce_overflow(Host, Instance) ->
    Event = started_event(Host, Instance, overflow),
    %% It has to be on disk before the first session reports itself. If the queue is full, it calls again later.
    case mod_lhc_queues:append(config(Host), Instance, state, Event, ?ANNOUNCE_TIMEOUT) of
        ok -> mod_lhc_sessions:request_reports(Host, Instance);
        {error, Why} -> ?LOG_ERROR("mod_lhc: the event module.started of ~ts cannot be written (~ts)", [Host, Why])
    end,
    ok.

%% In a persistent term, because the hooks read it for every stanza.
set_config(Host, Opts) ->
    Spool = case gen_mod:get_opt(spool, Opts) of
                undefined -> filename:join(mnesia:system_info(directory), "mod_lhc");
                Path -> Path
            end,
    <<"whsec_", Key/binary>> = gen_mod:get_opt(secret, Opts),
    Plain = [batch_size, batch_bytes, max_queue, max_queue_size, connect_timeout, request_timeout, max_backoff,
             ping_interval, ping_timeout, ping_grace, silence_timeout, visitor_prefix, cacertfile, max_tenants,
             max_operator_share, max_text_size, message_rate, message_burst, signal_rate, signal_burst,
             max_contacts],
    Processes = [{sup, mod_lhc_sup}, {queues, mod_lhc_queues_table}, {queues_proc, mod_lhc_queues}, {tenants_sup, mod_lhc_tenants_sup},
                 {posts, mod_lhc_posts}, {seen, mod_lhc_seen}, {members, mod_lhc_members},
                 {sessions, mod_lhc_sessions}, {contacts, mod_lhc_contacts_table}, {feeds, mod_lhc_feeds_table},
                 {contacts_proc, mod_lhc_contacts}],
    Names = maps:from_list([{Name, gen_mod:get_module_proc(Host, Base)} || {Name, Base} <- Processes]),
    VisitorHost = with_host(gen_mod:get_opt(visitor_host, Opts), Host),
    RoomHost = with_host(gen_mod:get_opt(room_host, Opts), Host),
    persistent_term:put({?MODULE, visitor_host, VisitorHost}, Host),
    persistent_term:put({?MODULE, room_host, RoomHost}, Host),
    persistent_term:put({?MODULE, Host},
                        maps:merge(maps:from_list([{Name, gen_mod:get_opt(Name, Opts)} || Name <- Plain]),
                                   Names#{dir => filename:join(Spool, Host),
                                     url => binary_to_list(gen_mod:get_opt(url, Opts)),
                                     key => base64:decode(Key),
                                     visitor_host => VisitorHost,
                                     room_host => RoomHost,
                                     trusted_hosts => gen_mod:get_opt(trusted_hosts, Opts),
                                     reserved_users => gen_mod:get_opt(reserved_users, Opts)})).

forget_names(Host) ->
    #{visitor_host := VisitorHost, room_host := RoomHost} = config(Host),
    persistent_term:erase({?MODULE, visitor_host, VisitorHost}),
    persistent_term:erase({?MODULE, room_host, RoomHost}),
    ok.

with_host(Template, Host) ->
    iolist_to_binary(string:replace(Template, <<"@HOST@">>, Host, all)).

%%% ---------------------------------------------------------------- options

mod_opt_type(url) ->
    econf:url();
mod_opt_type(secret) ->
    econf:and_then(econf:binary(), fun secret/1);
mod_opt_type(spool) ->
    econf:directory(write);
mod_opt_type(cacertfile) ->
    econf:file();
mod_opt_type(max_queue) ->
    econf:pos_int();
mod_opt_type(max_queue_size) ->
    econf:pos_int();
mod_opt_type(max_tenants) ->
    econf:int(1, 10000);
mod_opt_type(max_operator_share) ->
    econf:int(1, 100);
mod_opt_type(max_contacts) ->
    econf:int(1, 100000);
mod_opt_type(max_text_size) ->
    econf:int(1, 1024 * 1024);
mod_opt_type(message_rate) ->
    econf:pos_int();
mod_opt_type(message_burst) ->
    econf:pos_int();
mod_opt_type(signal_rate) ->
    econf:pos_int();
mod_opt_type(signal_burst) ->
    econf:pos_int();
mod_opt_type(batch_size) ->
    econf:int(1, 10000);
mod_opt_type(batch_bytes) ->
    econf:pos_int();
mod_opt_type(connect_timeout) ->
    econf:timeout(second);
mod_opt_type(request_timeout) ->
    econf:timeout(second);
mod_opt_type(max_backoff) ->
    econf:timeout(second);
mod_opt_type(ping_interval) ->
    econf:timeout(second);
mod_opt_type(ping_timeout) ->
    econf:timeout(second);
mod_opt_type(ping_grace) ->
    econf:timeout(second);
mod_opt_type(silence_timeout) ->
    econf:timeout(second, infinity);
mod_opt_type(visitor_prefix) ->
    econf:non_empty(econf:binary());
mod_opt_type(visitor_host) ->
    econf:non_empty(econf:binary());
mod_opt_type(room_host) ->
    econf:non_empty(econf:binary());
mod_opt_type(reserved_users) ->
    econf:list(econf:user());
mod_opt_type(trusted_hosts) ->
    econf:list(econf:domain()).

%% An error must not contain the value, because errors go to the console and the log. Longer texts would be wrapped there.
secret(<<"whsec_", Encoded/binary>>) ->
    try byte_size(base64:decode(Encoded)) of
        Size when Size >= ?MIN_KEY, Size =< ?MAX_KEY -> <<"whsec_", Encoded/binary>>;
        _ -> econf:fail({invalid_secret, "the key must have 24 to 64 bytes"})
    catch
        error:_ -> econf:fail({invalid_secret, "whsec_ must be followed by base64"})
    end;
secret(_) ->
    econf:fail({invalid_secret, "the secret must begin with whsec_"}).

mod_options(_Host) ->
    [url,
     secret,
     {spool, undefined},
     {cacertfile, undefined},
     {max_queue, 100000},
     {max_queue_size, 256 * 1024 * 1024},
     {max_tenants, 500},
     {max_operator_share, 25},
     {max_contacts, 5000},
     {max_text_size, 64 * 1024},
     {message_rate, 5},
     {message_burst, 60},
     {signal_rate, 20},
     {signal_burst, 200},
     {batch_size, 100},
     {batch_bytes, 256 * 1024},
     {connect_timeout, timer:seconds(5)},
     {request_timeout, timer:seconds(15)},
     {max_backoff, timer:seconds(10)},
     {ping_interval, timer:seconds(60)},
     {ping_timeout, timer:seconds(30)},
     {ping_grace, timer:minutes(3)},
     {silence_timeout, timer:minutes(5)},
     {visitor_prefix, <<"visitor.">>},
     {visitor_host, <<"visitors.@HOST@">>},
     {room_host, <<"conference.@HOST@">>},
     {reserved_users, [<<"admin">>, <<"xmpp-chat-api">>]},
     {trusted_hosts, []}].

mod_doc() ->
    #{desc =>
          ["Reports to the xmpp-chat service what operators of a live support do: sessions, presence, messages to web "
           "visitors, delivery. Events are stored on disk and posted, signed according to Standard Webhooks, until the "
           "service has accepted them."],
      opts =>
          [{url, #{value => "URL",
                   desc => ["The address that events are posted to: '/ejabberd/events' of the service. Required."]}},
           {secret, #{value => "whsec_...",
                      desc => ["The secret that signs the posts (Standard Webhooks). Required."]}},
           {spool, #{value => "Directory",
                     desc => ["The folder of stored events, with a folder for each virtual host. The default is "
                              "'mod_lhc' in the folder of the Mnesia database."]}},
           {cacertfile, #{value => "Path",
                          desc => ["The authorities that may have signed the service's certificate. The default is the "
                                   "system's list."]}},
           {max_queue, #{value => "Number",
                         desc => ["The maximum number of stored events of all tenants of the host. A tenant may use a "
                                  "part of it. When that is full, operators' messages are answered with the error "
                                  "resource-constraint. The default is 100000."]}},
           {max_queue_size, #{value => "Bytes",
                              desc => ["The maximum size of stored events, with the same effect. The default is "
                                       "256 MB."]}},
           {max_tenants, #{value => "Number",
                           desc => ["The maximum number of tenants of the host. The default is 500."]}},
           {max_operator_share, #{value => "Percent",
                                  desc => ["The part of their tenant's stored events that may be about one operator. "
                                           "The default is 25."]}},
           {max_contacts, #{value => "Number",
                            desc => ["The maximum number of a tenant's visitors without accounts that its operators have "
                                     "as contacts. The default is 5000."]}},
           {max_text_size, #{value => "Bytes",
                             desc => ["The maximum size of a message's texts. Longer messages are answered with the "
                                      "error policy-violation. The default is 64 kB."]}},
           {message_rate, #{value => "Number",
                            desc => ["How many messages a session may send to visitors in a second, in the long run. "
                                     "The default is 5."]}},
           {message_burst, #{value => "Number", desc => ["How many it may send at once. The default is 60."]}},
           {signal_rate, #{value => "Number",
                           desc => ["How many receipts, markers and chat states of a session are reported in a second, "
                                    "in the long run. The default is 20."]}},
           {signal_burst, #{value => "Number", desc => ["How many are reported at once. The default is 200."]}},
           {batch_size, #{value => "Number", desc => ["The maximum number of events in one post. The default is 100."]}},
           {batch_bytes, #{value => "Bytes", desc => ["The maximum size of one post. The default is 256 kB."]}},
           {connect_timeout, #{value => "timeout()",
                               desc => ["The time limit for a connection to the service. The default is 5 seconds."]}},
           {request_timeout, #{value => "timeout()",
                               desc => ["The time limit for the service's answer. The default is 15 seconds."]}},
           {max_backoff, #{value => "timeout()",
                           desc => ["The longest wait between two attempts. The default is 10 seconds."]}},
           {ping_interval, #{value => "timeout()",
                             desc => ["The time between two pings of an operator's client. The default is 60 seconds."]}},
           {ping_timeout, #{value => "timeout()",
                            desc => ["The time limit for the answer to a ping. The default is 30 seconds."]}},
           {ping_grace, #{value => "timeout()",
                          desc => ["How long a session must have lasted before an unanswered ping counts. After its "
                                   "login a client may be busy with its contacts. The default is 3 minutes."]}},
           {silence_timeout, #{value => "timeout()",
                               desc => ["A client without stream management that sends nothing at all for this time is "
                                        "disconnected. The default is 5 minutes."]}},
           {visitor_prefix, #{value => "Text",
                              desc => ["The beginning of the local parts of visitors. The default is 'visitor.'."]}},
           {visitor_host, #{value => "Host",
                            desc => ["The component of visitors without accounts. The default is 'visitors.@HOST@'."]}},
           {room_host, #{value => "Host",
                         desc => ["The service of mod_muc that has the rooms of chats. The default is 'conference.@HOST@'."]}},
           {reserved_users, #{value => "[User, ...]",
                              desc => ["Accounts that are neither visitors nor operators, and may write to both. The default is 'admin' and "
                                       "'xmpp-chat-api'."]}},
           {trusted_hosts, #{value => "[Host, ...]",
                             desc => ["Other hosts of this server, components and other servers whose addresses may write "
                                      "to visitors and operators of all tenants of the host, and they to them. The "
                                      "default is none."]}}]}.
