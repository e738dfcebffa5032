%%% Lets a few senders of a virtual host post at the same time. The others wait in line, so tenants take turns.
%%%
%%% Each place has an HTTP client of its own (a profile of httpc), with one connection.

-module(mod_lhc_posts).
-behaviour(gen_server).

-export([start_link/1, reload/1, enter/1, leave/2, may_log/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, format_status/1]).

%% Posts of one host at the same time.
-define(PLACES, 8).
%% Lines about failures of all tenants together, a second and at once.
-define(LOG_RATE, 0.2).
-define(LOG_BURST, 10).

-record(state, {host :: binary(),
                free :: [atom()],
                busy = #{} :: #{reference() => atom()},
                line = queue:new() :: queue:queue(gen_server:from()),
                log :: mod_lhc_bucket:bucket()}).

start_link(Host) ->
    #{posts := Name} = mod_lhc:config(Host),
    gen_server:start_link({local, Name}, ?MODULE, Host, []).

%% Applies a changed configuration to the connections.
-spec reload(mod_lhc:config()) -> ok.
reload(#{posts := Name}) ->
    gen_server:cast(Name, reload).

%% Waits for a place. Returns the profile of httpc to post with, and a ticket.
-spec enter(mod_lhc:config()) -> {atom(), reference()}.
enter(#{posts := Name}) ->
    gen_server:call(Name, enter, infinity).

-spec leave(mod_lhc:config(), reference()) -> ok.
leave(#{posts := Name}, Ticket) ->
    gen_server:cast(Name, {leave, Ticket}).

%% True if a line about a failure may be logged. With many tenants, an outage of the service would fill the log.
-spec may_log(mod_lhc:config()) -> boolean().
may_log(#{posts := Name}) ->
    gen_server:call(Name, may_log).

init(Host) ->
    {ok, _} = application:ensure_all_started(inets),
    {ok, _} = application:ensure_all_started(ssl),
    process_flag(trap_exit, true),
    Profiles = [gen_mod:get_module_proc(Host, list_to_atom("mod_lhc_http_" ++ integer_to_list(N)))
                || N <- lists:seq(1, ?PLACES)],
    [restart(Profile, Host) || Profile <- Profiles],
    {ok, #state{host = Host, free = Profiles, log = mod_lhc_bucket:new()}}.

handle_call(Request, From, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> call(Request, From, State) end).

handle_cast(Request, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> cast(Request, State) end).

handle_info(Message, State) ->
    mod_lhc_log:guarded(?MODULE, State, fun() -> info(Message, State) end).

terminate(_Reason, #state{free = Free, busy = Busy}) ->
    [inets:stop(httpc, Profile) || Profile <- Free ++ maps:values(Busy)],
    ok.

format_status(Status) ->
    mod_lhc_log:status(Status).

-if(?OTP_RELEASE < 25).
-export([format_status/2]).
format_status(_, _) ->
    mod_lhc_log:status().
-endif.

call(enter, From, #state{line = Line} = State) ->
    {noreply, fill(State#state{line = queue:in(From, Line)})};
call(may_log, _From, #state{log = Bucket} = State) ->
    {MayLog, Next} = mod_lhc_bucket:take(?LOG_RATE, ?LOG_BURST, erlang:monotonic_time(millisecond), Bucket),
    {reply, MayLog, State#state{log = Next}}.

cast({leave, Ticket}, #state{busy = Busy, free = Free} = State) ->
    case maps:take(Ticket, Busy) of
        {Profile, Others} ->
            demonitor(Ticket, [flush]),
            {noreply, fill(State#state{busy = Others, free = [Profile | Free]})};
        error -> {noreply, State}
    end;
cast(reload, #state{host = Host, free = Free, busy = Busy} = State) ->
    [set_options(Profile, Host) || Profile <- Free ++ maps:values(Busy)],
    {noreply, State}.

%% The sender has ended, perhaps in the middle of a post. Its connection may still deliver the answer to that.
info({'DOWN', Ticket, process, _, _}, #state{host = Host, busy = Busy, free = Free} = State) ->
    case maps:take(Ticket, Busy) of
        {Profile, Others} ->
            restart(Profile, Host),
            {noreply, fill(State#state{busy = Others, free = [Profile | Free]})};
        error -> {noreply, State}
    end;
info(_, State) ->
    {noreply, State}.

fill(#state{free = []} = State) ->
    State;
fill(#state{free = [Profile | Free], busy = Busy, line = Line} = State) ->
    case queue:out(Line) of
        {{value, {Pid, _} = From}, Others} ->
            Ticket = monitor(process, Pid),
            gen_server:reply(From, {Profile, Ticket}),
            fill(State#state{free = Free, busy = Busy#{Ticket => Profile}, line = Others});
        {empty, _} -> State
    end.

restart(Profile, Host) ->
    _ = inets:stop(httpc, Profile),
    case inets:start(httpc, [{profile, Profile}]) of
        {ok, _} -> ok;
        {error, {already_started, _}} -> ok
    end,
    set_options(Profile, Host).

%% Socket options in a request would switch off keep-alive, which costs four fifths of the speed.
set_options(Profile, Host) ->
    #{request_timeout := Timeout} = mod_lhc:config(Host),
    ok = httpc:set_options([{socket_opts, [{nodelay, true}, {send_timeout, Timeout}]},
                            {max_sessions, 1}, {cookies, disabled}], Profile).
