%%% What is reported of an operator's session: events for the queue of their tenant.
%%%
%%% A session is reported from the moment on when its account is an operator, and until it ends or the account is none any
%%% more. The table `sessions` has a row for each session that was reported as connected: {Sid, Instance}. So every
%%% connected session is reported as disconnected exactly once.

-module(mod_lhc_report).

-export([actor/1, candidate/1]).
-export([begin_reports/3, report_session/3, end_reports/2, session_fields/1, presence_report/3]).
-export([resumed/2, stream_fields/1]).
-export([delivered/4, report_delivered/7, report/3, members/3, bare/1]).

-include("xmpp.hrl").

%% Messages in one event `delivered`.
-define(MAX_IDS, 100).

%%% ---------------------------------------------------------------- who

%% The operator of this session with their instance, and the configuration. Makes sure that the session is reported as
%% connected, if its account has just become an operator.
actor(#{lserver := Host, jid := #jid{luser = Operator} = Jid} = State) ->
    case candidate(Jid) of
        {Host, Config} ->
            case mod_lhc_tenant:operator(Jid, Host, Config) of
                none -> nobody;
                Instance ->
                    begin_reports(Instance, Config, State),
                    {{Operator, Instance}, Config}
            end;
        _ -> nobody
    end.

%% The host and the configuration of an account that can be an operator's by its name.
candidate(#jid{luser = User, lserver = Host}) when User =/= <<>> ->
    case mod_lhc:config(Host) of
        undefined -> nobody;
        #{reserved_users := Reserved, visitor_prefix := Prefix} = Config ->
            case mod_lhc_names:visitor(User, Prefix) =/= no orelse lists:member(User, Reserved) of
                true -> nobody;
                false -> {Host, Config}
            end
    end;
candidate(_) ->
    nobody.

bare(Jid) ->
    jid:encode(jid:remove_resource(Jid)).

%%% ---------------------------------------------------------------- sessions

%% Reports the session as connected, with the presence that it has, unless that was done.
begin_reports(Instance, #{sessions := Table} = Config, #{sid := Sid, jid := Jid} = State) ->
    case ets:lookup(Table, Sid) of
        [{_, Instance}] -> ok;
        Rows ->
            Rows =:= [] orelse end_reports(Sid, Jid),
            ets:insert(Table, {Sid, Instance}),
            self() ! {mod_lhc, begun},
            report_session(Instance, Config, State)
    end.

report_session(Instance, Config, State) ->
    report({Instance, state, 'operator.connected', session_fields(State)}, Config, State),
    case State of
        #{pres_last := Presence} -> report(presence_report(Presence, Instance, State), Config, State);
        _ -> ok
    end,
    ok.

end_reports(Sid, #jid{lserver = Host} = Jid) ->
    case mod_lhc:config(Host) of
        undefined -> ok;
        #{sessions := Table} = Config ->
            case ets:take(Table, Sid) of
                [{_, Instance}] ->
                    Fields = session_fields(#{jid => Jid, sid => Sid}),
                    report({Instance, state, 'operator.disconnected', Fields}, Config, #{lserver => Host});
                [] -> ok
            end
    end.

presence_report(#presence{type = Type, show = Show, status = Status, priority = Priority}, Instance, State) ->
    ShowField = case {Type, Show} of
                    {unavailable, _} -> unavailable;
                    {_, undefined} -> available;
                    {_, _} -> Show
                end,
    PriorityField = case Priority of
                        undefined -> 0;
                        _ -> Priority
                    end,
    Fields = [{show, ShowField}, {status, mod_lhc_stanza:status(Status)}, {priority, PriorityField}],
    {Instance, state, 'operator.presence', session_fields(State) ++ Fields}.

%% ejabberd lets a resource have 1,023 bytes. It is not cut, because it has to be the one that the admin API knows.
session_fields(#{jid := #jid{luser = User, lresource = Resource}, sid := Sid}) ->
    [{user, User}, {resource, Resource}, {session, session_id(Sid)}].

%% A session id is a time and a process, unique in a cluster. The hash hides both.
session_id(Sid) ->
    <<Id:80, _/binary>> = crypto:hash(sha256, term_to_binary(Sid)),
    iolist_to_binary(io_lib:format("~20.16.0b", [Id])).

%% The stream that a stanza came from: the first id of its session, and how often that was resumed (XEP-0198). Every
%% resumption gives the session a new id. On another stream of a session a client may send again what it sent before.
stream_fields(#{mod_lhc_stream := {Session, Resumptions}}) ->
    [{session, Session}, {resumptions, Resumptions}];
stream_fields(#{sid := Sid}) ->
    [{session, session_id(Sid)}, {resumptions, 0}].

%% The state of a new stream that resumes the session of an older one.
resumed(#{mod_lhc_stream := {Session, Resumptions}}, State) ->
    State#{mod_lhc_stream => {Session, Resumptions + 1}};
resumed(#{sid := Sid}, State) ->
    State#{mod_lhc_stream => {session_id(Sid), 1}};
resumed(_Old, State) ->
    State.

%%% ---------------------------------------------------------------- delivery

%% Reports each message once, even if several clients of the operator have it. One event for each visitor, unless there
%% are many messages.
delivered(Messages, By, #{seen := Seen} = Config, #{lserver := Host, jid := #jid{luser = Operator} = Jid}) ->
    New = [Message || {Visitor, Id} = Message <- Messages,
                      mod_lhc_seen:mark_delivered(Seen, Operator, Visitor, Id, By) =:= first],
    case mod_lhc_tenant:operator(Jid, Host, Config) of
        none -> ok;
        Instance ->
            [report_delivered(Host, Instance, jid:encode(Jid), Visitor, [Id || {V, Id} <- New, V =:= Visitor], By, Config)
             || Visitor <- lists:usort([Visitor || {Visitor, _} <- New])],
            ok
    end.

report_delivered(Host, Instance, From, Visitor, Ids, By, Config) when length(Ids) > ?MAX_IDS ->
    {First, Others} = lists:split(?MAX_IDS, Ids),
    report_delivered(Host, Instance, From, Visitor, First, By, Config),
    report_delivered(Host, Instance, From, Visitor, Others, By, Config);
report_delivered(Host, Instance, From, Visitor, Ids, By, Config) ->
    Fields = [{from, From}, {to, Visitor}, {ids, Ids}, {by, By}],
    report({Instance, state, delivered, Fields}, Config, #{lserver => Host}).

%%% ---------------------------------------------------------------- events

report({Instance, Class, Type, Fields}, Config, #{lserver := Host}) ->
    mod_lhc_queues:add(Config, Instance, Class, members(Host, Type, Fields)).

%% An event without queueId and seq, which the queue adds.
-spec members(binary(), atom(), [mod_lhc_json:member()]) -> iodata().
members(Host, Type, Fields) ->
    Now = calendar:system_time_to_rfc3339(erlang:system_time(millisecond), [{unit, millisecond}, {offset, "Z"}]),
    mod_lhc_json:members([{at, list_to_binary(Now)}, {host, Host}, {type, Type} | Fields]).
