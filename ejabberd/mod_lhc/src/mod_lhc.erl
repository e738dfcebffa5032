%%% mod_lhc: tells the xmpp-chat service what operators do. README.md says what is posted and when.
%%%
%%% This file is what ejabberd sees of the module: its options, its start and its end, and which hooks it takes.
%%%   mod_lhc_hooks    what happens in the hooks
%%%   mod_lhc_session  pings of one session, and what waits behind them (pure)
%%%   mod_lhc_seen     which messages of visitors were routed and delivered
%%%   mod_lhc_queue    events on the disk
%%%   mod_lhc_sender   events to the service
%%%   mod_lhc_json     events as text

-module(mod_lhc).
-behaviour(gen_mod).

-export([start/2, stop/1, reload/3, depends/2, mod_opt_type/1, mod_options/1, mod_doc/0]).
-export([config/1, announce/2]).

-include_lib("kernel/include/logger.hrl").

-define(VERSION, <<"1.0.0">>).
%% A key of Standard Webhooks has 24 to 64 bytes; somewhat more freedom does no harm.
-define(MIN_KEY, 16).
-define(MAX_KEY, 128).

%% What the parts of the module need to know of one virtual host.
-type config() :: #{queue := atom(), seen := atom(), dir := file:filename_all(), url := string(), key := binary(),
                    atom() => term()}.

-export_type([config/0]).

%%% ---------------------------------------------------------------- gen_mod

start(Host, Opts) ->
    set_config(Host, Opts),
    case supervisor:start_child(ejabberd_gen_mod_sup, child(Host)) of
        {ok, _} -> started(Host);
        {error, {already_started, _}} -> started(Host);
        {error, Reason} -> {error, Reason}
    end.

started(Host) ->
    [ejabberd_hooks:add(Hook, Host, mod_lhc_hooks, Function, Priority) || {Hook, Function, Priority} <- hooks()],
    announce(Host, start),
    ok.

stop(Host) ->
    [ejabberd_hooks:delete(Hook, Host, mod_lhc_hooks, Function, Priority) || {Hook, Function, Priority} <- hooks()],
    stop_child(Host),
    persistent_term:erase({?MODULE, Host}),
    ok.

reload(Host, New, _Old) ->
    Before = config(Host),
    set_config(Host, New),
    After = config(Host),
    Queue = [dir, max_queue, max_queue_size],
    case maps:with(Queue, Before) =:= maps:with(Queue, After) of
        true ->
            mod_lhc_sender:reload(Host);
        false ->
            stop_child(Host),
            {ok, _} = supervisor:start_child(ejabberd_gen_mod_sup, child(Host)),
            announce(Host, start)
    end,
    ok.

depends(_Host, _Opts) ->
    [].

child(Host) ->
    #{id => gen_mod:get_module_proc(Host, mod_lhc_sup), start => {mod_lhc_sup, start_link, [Host]},
      restart => transient, shutdown => infinity, type => supervisor}.

stop_child(Host) ->
    Id = gen_mod:get_module_proc(Host, mod_lhc_sup),
    #{queue := Queue} = config(Host),
    mod_lhc_queue:flush(Queue),
    _ = supervisor:terminate_child(ejabberd_gen_mod_sup, Id),
    _ = supervisor:delete_child(ejabberd_gen_mod_sup, Id),
    ok.

%% Priorities, measured on 23.01, 24.12 and 26.07: the archive is at 88 and carbons at 89, so an operator's message is
%% recorded (and refused) before them and taken off the wire after them; stream management sends its <a/> after
%% user_send_packet; offline messages are stored at 50.
hooks() ->
    [{user_send_packet, user_send, 80},
     {user_send_packet, user_sent, 95},
     {user_receive_packet, user_receive, 80},
     {user_receive_packet, user_received, 95},
     {sm_receive_packet, sm_receive, 45},
     {offline_message_hook, offline, 10},
     {offline_message_hook, offline_stored, 60},
     {sm_register_connection_hook, session_opened, 50},
     {sm_remove_connection_hook, session_closed, 50},
     {c2s_terminated, session_ended, 60},
     {c2s_self_presence, self_presence, 50},
     {c2s_copy_session, copy_session, 50},
     {c2s_session_resumed, session_resumed, 50},
     {c2s_handle_info, handle_info, 50},
     {register_user, register_user, 50},
     {remove_user, remove_user, 50}].

%%% ---------------------------------------------------------------- for the parts of the module

%% undefined where the module does not run.
-spec config(binary()) -> config() | undefined.
config(Host) ->
    persistent_term:get({?MODULE, Host}, undefined).

%% Says that sessions may have been lost without a word, then has each that lives say what it is.
-spec announce(binary(), start | overflow) -> ok.
announce(Host, Reason) ->
    #{queue := Queue} = config(Host),
    Members = mod_lhc_hooks:members(Host, 'module.started', [{version, ?VERSION},
                                                             {ejabberd, ejabberd_option:version()},
                                                             {reason, Reason}]),
    %% On the disk before a session is asked, so that it comes first. If there is no room the queue calls again.
    case mod_lhc_queue:append(Queue, state, Members, 10000) of
        ok -> mod_lhc_hooks:ask_sessions(Host);
        {error, Why} -> ?LOG_ERROR("mod_lhc: its start on ~ts cannot be recorded (~ts)", [Host, Why])
    end,
    ok.

%% Kept ready, as hooks need it for every stanza.
set_config(Host, Opts) ->
    Spool = case gen_mod:get_opt(spool, Opts) of
                undefined -> filename:join(mnesia:system_info(directory), "mod_lhc");
                Path -> Path
            end,
    <<"whsec_", Key/binary>> = gen_mod:get_opt(secret, Opts),
    Plain = [batch_size, batch_bytes, max_queue, max_queue_size, connect_timeout, request_timeout, max_backoff,
             ping_interval, ping_timeout, visitor_prefix, cacertfile],
    persistent_term:put({?MODULE, Host},
                        maps:merge(maps:from_list([{Name, gen_mod:get_opt(Name, Opts)} || Name <- Plain]),
                                   #{queue => gen_mod:get_module_proc(Host, mod_lhc_queue),
                                     seen => gen_mod:get_module_proc(Host, mod_lhc_seen),
                                     dir => filename:join(Spool, Host),
                                     url => binary_to_list(gen_mod:get_opt(url, Opts)),
                                     key => base64:decode(Key),
                                     visitor_host => with_host(gen_mod:get_opt(visitor_host, Opts), Host),
                                     reserved_users => gen_mod:get_opt(reserved_users, Opts)})).

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
mod_opt_type(visitor_prefix) ->
    econf:non_empty(econf:binary());
mod_opt_type(visitor_host) ->
    econf:non_empty(econf:binary());
mod_opt_type(reserved_users) ->
    econf:list(econf:user()).

%% The error names no part of the value: it goes to the console and the log.
secret(<<"whsec_", Encoded/binary>>) ->
    try byte_size(base64:decode(Encoded)) of
        Size when Size >= ?MIN_KEY, Size =< ?MAX_KEY -> <<"whsec_", Encoded/binary>>;
        _ -> econf:fail({invalid_secret, "its key must have 24 to 64 bytes"})
    catch
        error:_ -> econf:fail({invalid_secret, "what follows whsec_ must be base64"})
    end;
secret(_) ->
    econf:fail({invalid_secret, "it must begin with whsec_"}).

mod_options(_Host) ->
    [url,
     secret,
     {spool, undefined},
     {cacertfile, undefined},
     {max_queue, 100000},
     {max_queue_size, 256 * 1024 * 1024},
     {batch_size, 100},
     {batch_bytes, 256 * 1024},
     {connect_timeout, timer:seconds(5)},
     {request_timeout, timer:seconds(15)},
     {max_backoff, timer:seconds(10)},
     {ping_interval, timer:seconds(60)},
     {ping_timeout, timer:seconds(30)},
     {visitor_prefix, <<"visitor.">>},
     {visitor_host, <<"visitors.@HOST@">>},
     {reserved_users, [<<"admin">>, <<"xmpp-chat-api">>]}].

mod_doc() ->
    #{desc =>
          ["Tells the xmpp-chat service what operators of a live support do: sessions, presence, messages to web "
           "visitors, delivery. Events are kept on the disk and posted, signed as Standard Webhooks has it, until the "
           "service has taken them."],
      opts =>
          [{url, #{value => "URL",
                   desc => ["Where events are posted: the service's '/ejabberd/events'. Required."]}},
           {secret, #{value => "whsec_...",
                      desc => ["What they are signed with (Standard Webhooks). Required."]}},
           {spool, #{value => "Directory",
                     desc => ["Where events are kept, in a folder for each virtual host. The default is 'mod_lhc' in "
                              "the folder of the Mnesia database."]}},
           {cacertfile, #{value => "Path",
                          desc => ["Authorities that may have signed the service's certificate. The default is the "
                                   "system's."]}},
           {max_queue, #{value => "Number",
                         desc => ["How many events are kept at most; then operators' messages are answered with the "
                                  "error resource-constraint. The default is 100000."]}},
           {max_queue_size, #{value => "Bytes", desc => ["The same in bytes. The default is 256 MB."]}},
           {batch_size, #{value => "Number", desc => ["Events in one post at most. The default is 100."]}},
           {batch_bytes, #{value => "Bytes", desc => ["The same in bytes. The default is 256 kB."]}},
           {connect_timeout, #{value => "timeout()", desc => ["The default is 5 seconds."]}},
           {request_timeout, #{value => "timeout()",
                               desc => ["How long the service may take to answer. The default is 15 seconds."]}},
           {max_backoff, #{value => "timeout()",
                           desc => ["The longest pause between two attempts. The default is 10 seconds."]}},
           {ping_interval, #{value => "timeout()",
                             desc => ["How often operators' clients are pinged. The default is 60 seconds."]}},
           {ping_timeout, #{value => "timeout()",
                            desc => ["How long they may take to answer. The default is 30 seconds."]}},
           {visitor_prefix, #{value => "Text",
                              desc => ["How the local parts of visitors begin. The default is 'visitor.'."]}},
           {visitor_host, #{value => "Host",
                            desc => ["The component that visitors come from where they have no accounts. The default "
                                     "is 'visitors.@HOST@'."]}},
           {reserved_users, #{value => "[User, ...]",
                              desc => ["Accounts that are neither visitors nor operators. The default is 'admin' and "
                                       "'xmpp-chat-api'."]}}]}.
