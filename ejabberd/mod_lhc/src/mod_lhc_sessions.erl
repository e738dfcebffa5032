%%% Operators' sessions: when they open and close, their presence, and the pings that show that a client still reads.

-module(mod_lhc_sessions).

%% mod_lhc:hooks/0 lists the hooks and priorities.
-export([session_opened/1, session_closed/3, session_terminated/2, feed_ends/2, self_presence/1, copy_session/2, session_resumed/1,
         heard/2, handle_info/2, take_pong/1, register_user/2, remove_user/2]).
-export([request_reports/2, send_ping/2, receiver/1]).

-include("xmpp.hrl").

%%% ---------------------------------------------------------------- accounts

%% Mnesia buffers its writes: a kill -9 forgets accounts of the last two seconds (measured). The service can create a
%% visitor's account again. It cannot create an operator's, because it does not keep the password. At this moment nobody
%% knows whether the account becomes an operator's.
register_user(User, Server) ->
    mod_lhc_log:hook(register_user, ok, fun() ->
        case mod_lhc_report:candidate(jid:make(User, Server)) of
            {_, _} -> mnesia:sync_log();
            nobody -> ok
        end
    end).

remove_user(User, Server) ->
    mod_lhc_log:hook(remove_user, ok, fun() ->
        case mod_lhc:config(jid:nameprep(Server)) of
            undefined -> ok;
            #{seen := Seen} -> mod_lhc_seen:forget_operator(Seen, jid:nodeprep(User))
        end
    end).

%%% ---------------------------------------------------------------- sessions

session_opened(#{jid := Jid} = State) ->
    mod_lhc_log:hook(session_opened, State, fun() ->
        case mod_lhc_report:candidate(Jid) of
            {Host, Config} ->
                Instance = mod_lhc_tenant:fresh_operator(Jid, Host, Config),
                Instance =:= none orelse mod_lhc_report:begin_reports(Instance, Config, State),
                Next = mod_lhc_feed:follow(Instance, Config, State),
                Next#{mod_lhc_ticker => start_ticker(Config), mod_lhc_life => mod_lhc_life:new(now_ms())};
            nobody -> State
        end
    end).

%% Runs in any process: for a resumed session in that of the new one.
session_closed(Sid, Jid, _Info) ->
    mod_lhc_log:hook(session_closed, ok, fun() -> mod_lhc_report:end_reports(Sid, Jid) end).

%% Messages that the client has not confirmed may be lost, so their repeats are accepted from now on (the process itself
%% lives on for about 100 ms). Stream management has already routed or stored its unread messages again. A session that
%% was resumed elsewhere does not get here.
session_terminated(#{jid := #jid{luser = Operator} = Jid, mod_lhc := Session} = State, _Reason) ->
    mod_lhc_log:hook(session_terminated, State, fun() ->
        case mod_lhc_report:candidate(Jid) of
            {_, #{seen := Seen}} ->
                [mod_lhc_seen:remove_session(Seen, Operator, Visitor, Id, self())
                 || {Visitor, Id} <- mod_lhc_session:messages(Session)];
            nobody -> ok
        end,
        State
    end);
session_terminated(State, _Reason) ->
    State.

%% Before stream management ends the process of a session that another process has resumed.
feed_ends(#{jid := Jid} = State, _Reason) ->
    mod_lhc_log:hook(feed_ends, State, fun() ->
        case mod_lhc_report:candidate(Jid) of
            {_, Config} -> mod_lhc_feed:leave(Config, State);
            nobody -> ok
        end,
        State
    end);
feed_ends(State, _Reason) ->
    State.

%% Runs in the session's process, with its state. set_presence_hook and unset_presence_hook have no session id.
self_presence({#presence{type = Type} = Presence, State} = Acc) when Type =:= available; Type =:= unavailable ->
    mod_lhc_log:hook(self_presence, Acc, fun() ->
        Next = maps:remove(mod_lhc_presence, State),
        case mod_lhc_report:actor(Next) of
            {{_, Instance}, Config} ->
                Report = mod_lhc_report:presence_report(Presence, Instance, Next),
                mod_lhc_report:report(Report, Config, Next),
                case {Type, Next} of
                    {available, #{pres_last := _}} -> {Presence, Next};
                    {available, _} -> {Presence, mod_lhc_feed:available(Config, Next)};
                    {unavailable, _} -> {Presence, Next}
                end;
            nobody -> {Presence, Next}
        end
    end);
self_presence(Acc) ->
    Acc.

%% The session that gets what is sent to this account: one of the highest priority, which may not be below 0.
-spec receiver(#jid{}) -> pid() | none.
receiver(#jid{luser = User, lserver = Server}) ->
    case lists:sort(ejabberd_sm:get_user_present_resources(User, Server)) of
        [] -> none;
        Present ->
            case lists:last(Present) of
                {Priority, Resource} when Priority >= 0 -> ejabberd_sm:get_session_pid(User, Server, Resource);
                _ -> none
            end
    end.

%% Runs in the process that resumes the session. Its state has no session id yet, so this uses the process.
copy_session(State, #{jid := #jid{luser = Operator} = Jid} = Old) ->
    mod_lhc_log:hook(copy_session, State, fun() ->
        case {mod_lhc_report:candidate(Jid), mod_lhc_report:resumed(Old, State), Old} of
            {nobody, _, _} -> State;
            {{_, #{seen := Seen} = Config}, New, #{mod_lhc := Session, sid := {_, From}}} ->
                [mod_lhc_seen:move_session(Seen, Operator, Visitor, Id, From, self())
                 || {Visitor, Id} <- mod_lhc_session:messages(Session)],
                carried(Old, Config, New#{mod_lhc => Session});
            {{_, Config}, New, _} -> carried(Old, Config, New)
        end
    end);
copy_session(State, _Old) ->
    State.

carried(Old, Config, State) ->
    mod_lhc_room:copy(Old, mod_lhc_budget:copy(Old, mod_lhc_feed:resume(Old, Config, State))).

%% A resumed session has a new id, but neither c2s_session_opened nor a presence hook runs for it.
session_resumed(State) ->
    session_opened(State).

%% Every session reports itself, so its reports and its later events are in order. `all`: the module has just started, so
%% nothing was reported. Otherwise the sessions of this tenant report themselves again.
-spec request_reports(binary(), mod_lhc_names:instance() | all) -> ok.
request_reports(Host, all) ->
    mod_lhc_log:hook(request_reports, ok, fun() ->
        [case ejabberd_sm:get_session_sid(User, Server, Resource) of
             {_, Pid} when node(Pid) =:= node() -> Pid ! {mod_lhc, begin_reports};
             _ -> ok
         end || {User, Server, Resource} <- ejabberd_sm:get_vh_session_list(Host),
                mod_lhc_report:candidate(jid:make(User, Server, Resource)) =/= nobody],
        ok
    end);
request_reports(Host, Instance) ->
    mod_lhc_log:hook(request_reports, ok, fun() ->
        #{sessions := Table} = mod_lhc:config(Host),
        [case is_process_alive(Pid) of
             true -> Pid ! {mod_lhc, report_again};
             %% It was killed, so no hook ran. The receiver has forgotten it.
             false -> ets:delete(Table, Sid)
         end || [{_, Pid} = Sid] <- ets:match(Table, {'$1', Instance}), node(Pid) =:= node()],
        ok
    end).

%%% ---------------------------------------------------------------- signs of life, messages to a session's process, pings

%% The client has sent a stanza, or an acknowledgement of stream management.
heard(#{mod_lhc_life := Life} = State, _Packet) ->
    mod_lhc_log:hook(heard, State, fun() ->
        {WasSilent, Next} = mod_lhc_life:heard(now_ms(), Life),
        WasSilent andalso report_life('operator.ping', State),
        State#{mod_lhc_life := Next}
    end);
heard(State, _Packet) ->
    State.

report_life(Type, State) ->
    case mod_lhc_report:actor(State) of
        {{_, Instance}, Config} ->
            Class = case Type of 'operator.ping' -> ephemeral; _ -> state end,
            mod_lhc_report:report({Instance, Class, Type, mod_lhc_report:session_fields(State)}, Config, State);
        nobody -> ok
    end.

now_ms() ->
    erlang:monotonic_time(millisecond).

%% mod_ping cannot be used: from 24.12 on it does not ping clients with stream management.
handle_info(#{jid := Jid} = State, {mod_lhc, Message}) ->
    {stop, mod_lhc_log:hook(handle_info, State, fun() ->
        case mod_lhc_report:candidate(Jid) of
            {Host, Config} -> handle(Message, Host, Config, State);
            nobody -> State
        end
    end)};
handle_info(State, {mod_lhc, _}) ->
    {stop, State};
handle_info(State, _) ->
    State.

handle(begin_reports, _Host, _Config, State) ->
    session_opened(mod_lhc_feed:begin_again(State));
handle(begun, Host, Config, #{jid := Jid} = State) ->
    mod_lhc_feed:follow(mod_lhc_tenant:operator(Jid, Host, Config), Config, State);
handle({contacts, Instance, News}, _Host, Config, State) ->
    mod_lhc_feed:told(Instance, News, Config, State);
handle(contacts_due, _Host, Config, State) ->
    mod_lhc_feed:due(Config, State);
handle(report_again, Host, Config, #{jid := Jid} = State) ->
    case mod_lhc_tenant:operator(Jid, Host, Config) of
        none -> ok;
        Instance -> mod_lhc_report:report_session(Instance, Config, State)
    end,
    State;
handle({tick, Ticker}, Host, #{ping_interval := Interval} = Config, #{jid := Jid, sid := Sid} = State) ->
    %% A restart of the module starts a new ticker. The older one stops here.
    case maps:get(mod_lhc_ticker, State, Ticker) of
        Ticker ->
            erlang:send_after(Interval, self(), {mod_lhc, {tick, Ticker}}),
            case mod_lhc_tenant:fresh_operator(Jid, Host, Config) of
                none ->
                    mod_lhc_report:end_reports(Sid, Jid),
                    mod_lhc_feed:follow(none, Config, State);
                Instance ->
                    mod_lhc_report:begin_reports(Instance, Config, State),
                    ping(Config, mod_lhc_feed:follow(Instance, Config, State))
            end;
        _ -> State
    end;
handle({deadline, N, Sent}, _Host, Config, #{mod_lhc_life := Life} = State) ->
    case mod_lhc_session:unanswered(N, mod_lhc_session:of_state(State)) of
        true ->
            {Verdict, Next} = mod_lhc_life:judge(Sent, now_ms(), Config, Life),
            judged(Verdict, State#{mod_lhc_life := Next});
        false -> State
    end;
handle(due, _Host, Config, State) ->
    mod_lhc_budget:due(Config, State);
handle(read_stored, _Host, _Config, State) ->
    mod_lhc_received:read_stored(State),
    State;
handle(_, _Host, _Config, State) ->
    State.

judged(early, State) ->
    State;
judged(alive, State) ->
    report_life('operator.ping', State),
    State;
%% Stream management ends a session by its own time-outs, and lets the client resume it until then. Without it, ejabberd
%% would notice a connection that broke silently when TCP gives up, after some 15 minutes.
judged(dead, #{mgmt_state := Managed} = State) when Managed =:= active; Managed =:= pending ->
    judged(silent, State);
judged(dead, #{lang := Lang} = State) ->
    ejabberd_c2s:send(State, xmpp:serr_connection_timeout(<<"Nothing heard from this client">>, Lang));
judged(silent, State) ->
    report_life('operator.ping_timeout', State),
    State.

%% The first ping comes at a random time within the interval, so clients that logged in together are not pinged together.
start_ticker(#{ping_interval := Interval}) ->
    Ticker = make_ref(),
    erlang:send_after(rand:uniform(Interval), self(), {mod_lhc, {tick, Ticker}}),
    Ticker.

ping(#{ping_timeout := Timeout}, State) ->
    {N, Session} = mod_lhc_session:periodic_ping(mod_lhc_session:of_state(State)),
    send_ping(N, State),
    erlang:send_after(Timeout, self(), {mod_lhc, {deadline, N, now_ms()}}),
    State#{mod_lhc => Session}.

%% Routed like a message, so it stays behind the messages before it, in the client's stream and in the queue of a session
%% that waits to be resumed.
send_ping(none, _State) ->
    ok;
send_ping(N, #{lserver := Host, jid := Jid}) ->
    ejabberd_router:route(#iq{type = get, id = mod_lhc_session:ping_id(N), from = jid:make(Host), to = Jid,
                              sub_els = [#ping{}]}).

%% The answer to a ping, which nobody else has to see.
take_pong({#iq{type = Type, id = Id, to = To}, #{lserver := Host} = State} = Acc)
  when Type =:= result; Type =:= error ->
    mod_lhc_log:hook(take_pong, Acc, fun() ->
        %% Some clients leave out the receiver of their answer. ejabberd fills in their own account then.
        case {mod_lhc_session:is_ping(Id), To} of
            {true, #jid{lserver = Host}} ->
                case mod_lhc_report:actor(State) of
                    {_, Config} ->
                        {stop, {drop, ping_answered(mod_lhc_session:ping_number(Id), Config, State)}};
                    nobody -> Acc
                end;
            _ -> Acc
        end
    end);
take_pong(Acc) ->
    Acc.

ping_answered(N, Config, State) ->
    {Messages, IsPeriodic, Next, Session} = mod_lhc_session:answered(N, mod_lhc_session:of_state(State)),
    mod_lhc_report:delivered(Messages, ping, Config, State),
    IsPeriodic andalso report_life('operator.ping', State),
    send_ping(Next, State),
    State#{mod_lhc => Session}.
