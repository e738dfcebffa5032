%%% The hooks of ejabberd.
%%%
%%% ejabberd swallows an exception in a hook, goes on, and then acknowledges a message that was not recorded. So every
%%% hook here catches exceptions itself, and the message is answered with an error. Log lines never contain a stanza or a
%%% part of one.
%%%
%%% A session is reported from the moment on when its account is an operator, and until it ends or the account is none any
%%% more. The table `sessions` has a row for each session that was reported as connected: {Sid, Instance}. So every
%%% connected session is reported as disconnected exactly once.

-module(mod_lhc_hooks).

%% mod_lhc:hooks/0 lists the hooks and priorities.
-export([border_out/1, border_in/1, limit_sent/1, record_sent/1, drop_recorded/1, drop_duplicate/1, ping_behind/1, drop_repeat/1,
         drop_offline/1, remember_stored/1, session_opened/1, session_closed/3, session_terminated/2, self_presence/1,
         copy_session/2, session_resumed/1, handle_info/2, register_user/2, remove_user/2]).
-export([members/3, request_reports/2]).

-include("xmpp.hrl").
-include_lib("kernel/include/logger.hrl").

%% How long an operator's message may wait for the disk, in milliseconds. Far below 15 s, when a client's attempt to
%% resume fails.
-define(WRITE_TIMEOUT, 5000).
%% How long what came too fast waits at least, in milliseconds.
-define(DUE_AFTER, 1000).
%% Messages in one event `delivered`.
-define(MAX_IDS, 100).
%% A visitor's message with a longer id is not remembered, so its delivery is not reported. In bytes.
-define(MAX_ID_BYTES, 256).

%%% ---------------------------------------------------------------- the border between tenants

%% What an account sends, before anything else sees it. Without an answer to the question nothing passes.
border_out({Stanza, #{lserver := Host, jid := From, lang := Lang} = State} = Acc) ->
    guarded(border_out, {stop, {drop, State}}, fun() ->
        case passes(From, xmpp:get_to(Stanza), Host) of
            true -> Acc;
            false ->
                case mod_lhc_border:answer(Stanza, Lang) of
                    none -> {stop, {drop, State}};
                    Error -> {stop, {drop, ejabberd_c2s:send(State, Error)}}
                end
        end
    end);
border_out(Acc) ->
    Acc.

%% What an account receives: from a component, and what modules of ejabberd send in the name of an account.
border_in(Stanza) ->
    guarded(border_in, {stop, drop}, fun() ->
        #jid{lserver = Host} = To = xmpp:get_to(Stanza),
        case xmpp:get_meta(Stanza, mod_lhc_border, false)
            orelse passes(xmpp:get_from(Stanza), To, Host) andalso arrives(Stanza, Host) of
            true -> Stanza;
            false ->
                case mod_lhc_border:answer(Stanza, xmpp:get_lang(Stanza)) of
                    none -> ok;
                    %% The error has to get back over the border.
                    Error -> ejabberd_router:route(xmpp:put_meta(Error, mod_lhc_border, true))
                end,
                {stop, drop}
        end
    end).

passes(#jid{} = From, #jid{} = To, Host) ->
    case mod_lhc:config(Host) of
        undefined -> true;
        Config -> mod_lhc_border:may_pass(From, To, Host, Config)
    end;
passes(_, _, _) ->
    true.

arrives(Stanza, Host) ->
    case mod_lhc:config(Host) of
        undefined -> true;
        Config -> mod_lhc_border:may_arrive(Stanza, Host, Config)
    end.

%%% ---------------------------------------------------------------- an operator sends (in the session's process)

%% Records a message of an operator to a visitor, and handles the answer to a ping. A message is on disk when this
%% returns; stream management acknowledges it afterwards. Only this session waits.
record_sent({#message{to = #jid{} = To} = Message, #{lserver := Host, jid := From} = State} = Acc) ->
    try
        case mod_lhc:config(Host) of
            undefined -> Acc;
            Config ->
                case mod_lhc_tenant:party(To, Host, Config) of
                    {visitor, Instance} ->
                        to_visitor(mod_lhc_tenant:party(From, Host, Config), Instance, Message, Config, Acc);
                    unfit ->
                        to_visitor(mod_lhc_tenant:party(From, Host, Config), unfit, Message, Config, Acc);
                    _ -> Acc
                end
        end
    catch Class:Reason:Stack ->
            mod_lhc_log:crash(record_sent, Class, Reason, Stack),
            case Message#message.body of
                [] -> Acc;
                _ -> refuse(Message, internal, State)
            end
    end;
record_sent({#iq{type = Type, id = Id, to = To}, #{lserver := Host} = State} = Acc)
  when Type =:= result; Type =:= error ->
    guarded(record_sent, Acc, fun() ->
        %% Some clients leave out the receiver of their answer. ejabberd fills in their own account then.
        case {mod_lhc_session:is_ping(Id), To} of
            {true, #jid{lserver = Host}} ->
                case actor(State) of
                    {Actor, Config} ->
                        {stop, {drop, ping_answered(mod_lhc_session:ping_number(Id), Actor, Config, State)}};
                    nobody -> Acc
                end;
            _ -> Acc
        end
    end);
record_sent(Acc) ->
    Acc.

%% A bounce goes to the visitor's session, and is not reported.
to_visitor({operator, Instance}, Instance, #message{type = Type}, _Config, Acc) when Type =:= error; Type =:= groupchat ->
    Acc;
to_visitor({operator, Instance}, Instance, Message, Config, {_, State}) ->
    begin_reports(Instance, Config, State),
    record_message(Message, Instance, Config, State);
to_visitor({operator, _}, _, Message, _Config, {_, State}) ->
    refuse(Message, nobody, State);
to_visitor(Party, _, Message, _Config, {_, State}) when Party =:= stranger; Party =:= unfit ->
    refuse(Message, stranger, State);
to_visitor(_, _, _, _Config, Acc) ->
    Acc.

%% Drops a recorded message that no session or component would receive: ejabberd would store or bounce it, and the visitor
%% gets it from the service. The archive and the carbons, which run before, have it.
drop_recorded({#message{to = To} = Message, State} = Acc) ->
    guarded(drop_recorded, Acc, fun() ->
        case is_recorded(Message) andalso not has_receiver(To) of
            true -> {stop, {drop, State}};
            false -> Acc
        end
    end);
drop_recorded(Acc) ->
    Acc.

record_message(Message, Instance, Config, State) ->
    WithId = with_id(Message),
    Content = mod_lhc_stanza:content(WithId),
    Signals = mod_lhc_stanza:signals(Message),
    %% What neither says nor signals anything costs a token too, because it is routed to the visitor.
    Bucket = case Message#message.body =/= [] orelse Content =/= none of
                 true -> message;
                 false when Signals =:= [] -> signal;
                 false -> none
             end,
    case take(Bucket, Config, State) of
        {false, Empty} when Bucket =:= message -> refuse(Message, rate, Empty);
        {false, Empty} -> {stop, {drop, Empty}};
        {true, Taken} ->
            case mod_lhc_stanza:fault(Message, maps:get(max_text_size, Config)) of
                none ->
                    case append_content(Content, Message, Instance, Config, Taken) of
                        {error, Reason} -> refuse(Message, Reason, Taken);
                        IsAppended -> report_signals(Signals, IsAppended, WithId, Instance, Config, Taken)
                    end;
                _ when Bucket =/= message -> {stop, {drop, Taken}};
                Fault -> refuse(Message, {fault, Fault}, Taken)
            end
    end.

is_recorded(Message) ->
    xmpp:get_meta(Message, mod_lhc, undefined) =:= recorded.

%% true: the message is on disk; false: it has no text for a visitor.
append_content(none, _Message, _Instance, _Config, _State) ->
    false;
append_content({Type, Fields}, #message{id = Id, to = To, sub_els = Els}, Instance, Config, State) ->
    #{lserver := Host, jid := From} = State,
    Requests = case Type of
                   message -> mod_lhc_stanza:requests(Id, Els);
                   unsupported -> []
               end,
    Event = members(Host, Type, [{from, jid:encode(From)}, {to, bare(To)} | Fields ++ Requests]),
    case mod_lhc_queues:append(Config, Instance, message, Event, ?WRITE_TIMEOUT) of
        ok -> true;
        Error -> Error
    end.

bare(Jid) ->
    jid:encode(jid:remove_resource(Jid)).

%% Reports the receipts, the marker and the chat state in a message. A message that signals too much, and says nothing, is
%% not routed either.
report_signals(Signals, IsAppended, #message{to = To} = Message, Instance, Config, State) ->
    Visitor = bare(To),
    Before = case IsAppended of
                 %% A message implies that its sender is active.
                 true -> set_limits(mod_lhc_limits:cancel({chat_state, Visitor}, limits(State)), State);
                 false -> State
             end,
    {AllNow, After} = lists:foldl(fun(Signal, {All, Acc}) ->
                                          {Now, Next} = report_signal(Signal, Visitor, Instance, Config, Acc),
                                          {All andalso Now, Next}
                                  end, {true, Before}, Signals),
    case {IsAppended orelse Signals =/= [], AllNow orelse Message#message.body =/= []} of
        {true, true} -> {xmpp:put_meta(Message, mod_lhc, recorded), After};
        {false, true} -> {Message, After};
        {_, false} -> {stop, {drop, After}}
    end.

%% Returns whether it was reported now, or need not be reported. Of what was not routed to this operator, receipts mean
%% nothing. A marker can be about a message of the time before a restart, so it is reported, but not often; the service
%% knows which messages there are.
report_signal({receipts, Ids}, Visitor, _Instance, #{seen := Seen} = Config, #{jid := #jid{luser = Operator}} = State) ->
    Session = session(State),
    case [Id || Id <- Ids, mod_lhc_session:has_message(Visitor, Id, Session)
                               orelse mod_lhc_seen:known(Seen, Operator, Visitor, Id)] of
        [] -> {true, State};
        Known ->
            case take(signal, Config, State) of
                {true, Taken} ->
                    delivered([{Visitor, Id} || Id <- Known], receipt, Config, Taken),
                    Left = lists:foldl(fun(Id, Acc) -> mod_lhc_session:remove_message(Visitor, Id, Acc) end,
                                       Session, Known),
                    {true, Taken#{mod_lhc => Left}};
                %% The answer to the ping behind the messages reports them.
                {false, Empty} -> {false, Empty}
            end
    end;
report_signal({displayed, Id}, Visitor, Instance, #{seen := Seen} = Config, #{jid := From} = State) ->
    #jid{luser = Operator} = From,
    Bucket = case mod_lhc_seen:known(Seen, Operator, Visitor, Id) of
                 true -> signal;
                 false -> slow
             end,
    Fields = [{from, jid:encode(From)}, {to, Visitor}, {id, Id}],
    admit({displayed, Visitor}, Bucket, {Instance, state, displayed, Fields}, Config, State);
report_signal({chat_state, Name}, Visitor, Instance, Config, #{jid := From} = State) ->
    Fields = [{from, jid:encode(From)}, {to, Visitor}, {state, Name}],
    admit({chat_state, Visitor}, signal, {Instance, ephemeral, chat_state, Fields}, Config, State).

with_id(#message{id = <<>>} = Message) ->
    Message#message{id = mod_lhc_uuid:text(mod_lhc_uuid:new())};
with_id(Message) ->
    Message.

%% Answers the message with an error, before the acknowledgement that covers it, and drops it. What has no text (a receipt,
%% a chat state, a bounce) is only dropped.
refuse(#message{type = error}, _Reason, State) ->
    {stop, {drop, State}};
refuse(#message{body = []} = Message, Reason, State) ->
    case mod_lhc_stanza:content(Message) of
        none -> {stop, {drop, State}};
        _ -> send_error(Message, Reason, State)
    end;
refuse(Message, Reason, State) ->
    send_error(Message, Reason, State).

send_error(#message{lang = Lang} = Message, Reason, State) ->
    {stop, {drop, ejabberd_c2s:send(State, xmpp:make_error(Message, stanza_error(Reason, Lang)))}}.

stanza_error(internal, Lang) ->
    xmpp:err_internal_server_error(<<"The message could not be recorded">>, Lang);
stanza_error(nobody, Lang) ->
    xmpp:err_item_not_found(<<"There is no visitor with this address">>, Lang);
stanza_error(stranger, Lang) ->
    xmpp:err_forbidden(<<"Only operators may write to visitors">>, Lang);
stanza_error({fault, Fault}, Lang) ->
    xmpp:err_policy_violation(Fault, Lang);
stanza_error(rate, Lang) ->
    xmpp:err_resource_constraint(<<"Too many messages at once. Send this one again in a few seconds">>, Lang);
stanza_error(share, Lang) ->
    xmpp:err_resource_constraint(<<"Too many of your messages are waiting. Send this one again later">>, Lang);
stanza_error(full, Lang) ->
    xmpp:err_resource_constraint(<<"Too many messages are waiting. Send this one again later">>, Lang);
stanza_error(_, Lang) ->
    xmpp:err_resource_constraint(<<"The message could not be recorded. Send it again later">>, Lang).

%% True if a message to the visitor would reach a session or a component. If that session ends at this moment, the message
%% goes to offline storage, where drop_offline/1 drops it.
has_receiver(#jid{luser = User, lserver = Server, lresource = Resource}) ->
    case ejabberd_router:is_my_host(Server) of
        true ->
            lists:any(fun({Priority, _}) -> is_integer(Priority) andalso Priority >= 0 end,
                      ejabberd_sm:get_user_present_resources(User, Server))
                orelse (Resource =/= <<>> andalso ejabberd_sm:get_session_pid(User, Server, Resource) =/= none);
        false ->
            ejabberd_router:is_my_route(Server)
    end.

%%% ---------------------------------------------------------------- how much a session may say

limits(#{mod_lhc_limits := Limits}) -> Limits;
limits(_) -> mod_lhc_limits:new().

set_limits(Limits, State) ->
    State#{mod_lhc_limits => Limits}.

now_ms() ->
    erlang:monotonic_time(millisecond).

take(none, _Config, State) ->
    {true, State};
take(Bucket, Config, State) ->
    {Taken, Limits} = mod_lhc_limits:take(Bucket, Config, now_ms(), limits(State)),
    {Taken, set_limits(Limits, State)}.

%% Reports now, or later in the place of an earlier report of this key that waits. Returns whether it was now.
admit(Key, Bucket, Report, Config, State) ->
    case admitted(mod_lhc_limits:admit(Key, Bucket, Report, Config, now_ms(), limits(State)), State) of
        {true, Next} ->
            report(Report, Config, State),
            {true, Next};
        Later -> Later
    end.

admitted({When, Limits}, State) ->
    When =:= first andalso look_later(),
    {When =:= now, set_limits(Limits, State)}.

look_later() ->
    erlang:send_after(?DUE_AFTER, self(), {mod_lhc, due}).

%% An operator's presence goes to all visitors of their tenant, and what is directed to a visitor's session goes to the
%% service. So of presences that come too fast the latest one counts, and of the rest there is so much a second. The
%% visitors' own sessions are the service's.
limit_sent({#presence{type = Type, to = #jid{luser = User, lserver = Host, lresource = <<>>}} = Presence,
            #{jid := #jid{luser = User, lserver = Host} = Jid} = State} = Acc)
  when Type =:= available; Type =:= unavailable ->
    guarded(limit_sent, Acc, fun() ->
        case candidate(Jid) of
            {_, Config} ->
                Held = {presence, Presence},
                Limited = case State of
                              %% An earlier one is on its way.
                              #{mod_lhc_presence := sent} -> mod_lhc_limits:hold(presence, slow, Held, limits(State));
                              _ -> mod_lhc_limits:admit(presence, slow, Held, Config, now_ms(), limits(State))
                          end,
                case admitted(Limited, State) of
                    {true, Next} -> {Presence, Next};
                    {false, Next} -> {stop, {drop, Next}}
                end;
            nobody -> Acc
        end
    end);
limit_sent({#presence{to = #jid{} = To} = Presence, State} = Acc) ->
    guarded(limit_sent, Acc, fun() -> limit_directed(Presence, To, Acc, State) end);
%% ejabberd itself answers what is for a bare JID: vCards, for example, which clients ask for by the hundred.
limit_sent({#iq{type = Type, to = #jid{lresource = Resource} = To, lang = Lang} = Iq, State} = Acc)
  when Resource =/= <<>>, Type =:= get orelse Type =:= set ->
    guarded(limit_sent, Acc, fun() ->
        case limit_directed(Iq, To, Acc, State) of
            {stop, {drop, Empty}} ->
                Error = xmpp:err_resource_constraint(<<"Too many requests at once">>, Lang),
                {stop, {drop, ejabberd_c2s:send(Empty, xmpp:make_error(Iq, Error))}};
            Next -> Next
        end
    end);
limit_sent(Acc) ->
    Acc.

limit_directed(Stanza, #jid{luser = To}, Acc, #{jid := Jid} = State) ->
    case candidate(Jid) of
        {_, #{visitor_prefix := Prefix} = Config} ->
            case mod_lhc_names:visitor(To, Prefix) =/= no andalso take(directed, Config, State) of
                false -> Acc;
                {true, Taken} -> {Stanza, Taken};
                {false, Empty} -> {stop, {drop, Empty}}
            end;
        nobody -> Acc
    end.

%%% ---------------------------------------------------------------- an operator receives

%% Drops a second copy for the same session, before the archive and the carbons. Offline storage can hold two copies, and
%% in a cluster drop_repeat/1 on the visitor's node does not know of the first. The operator's other sessions still get
%% their copy, even if one has answered already.
drop_duplicate({#message{} = Message, #{lserver := Host, jid := Jid} = State} = Acc) ->
    guarded(drop_duplicate, Acc, fun() ->
        case visitor_message(Host, Message, Jid) of
            {{Operator, Instance}, Visitor, Id, #{seen := Seen} = Config} ->
                case mod_lhc_seen:in_session(Seen, Operator, Visitor, Id, self()) of
                    true ->
                        case mod_lhc_seen:status(Seen, Operator, Visitor, Id) of
                            {delivered, By} ->
                                report_delivered(Host, Instance, jid:encode(Jid), Visitor, [Id], By, Config);
                            _ -> ok
                        end,
                        {stop, {drop, State}};
                    false -> Acc
                end;
            nobody -> Acc
        end
    end);
drop_duplicate(Acc) ->
    Acc.

%% The message goes to the client now. Remembers that, and sends a ping behind it.
ping_behind({#message{} = Message, #{lserver := Host, jid := Jid} = State} = Acc) ->
    guarded(ping_behind, Acc, fun() ->
        case visitor_message(Host, Message, Jid) of
            {{Operator, _}, Visitor, Id, #{seen := Seen}} ->
                mod_lhc_seen:add_session(Seen, Operator, Visitor, Id, self()),
                {Ping, Session} = mod_lhc_session:add_message(Visitor, Id, session(State)),
                send_ping(Ping, State),
                {Message, State#{mod_lhc => Session}};
            nobody -> Acc
        end
    end);
ping_behind(Acc) ->
    Acc.

%% Drops a repeat before the archive, carbons and offline storage. Runs in the sender's process, which is the only one of
%% a component, so it must never wait.
drop_repeat(#message{to = #jid{lserver = Host} = To} = Message) ->
    guarded(drop_repeat, Message, fun() ->
        case visitor_message(Host, Message, To) of
            {{Operator, Instance}, Visitor, Id, #{seen := Seen} = Config} ->
                case mod_lhc_seen:status(Seen, Operator, Visitor, Id) of
                    {delivered, By} ->
                        report_delivered(Host, Instance, bare(To), Visitor, [Id], By, Config),
                        {stop, drop};
                    {routed, Pids} ->
                        %% A session that ends routes its unread messages again, from its own process. Otherwise the
                        %% message is with a session that will report it when its client answers.
                        case lists:delete(self(), Pids) of
                            [] -> Message;
                            _ -> {stop, drop}
                        end;
                    offline ->
                        case xmpp:get_meta(Message, from_offline, false) of
                            false -> {stop, drop};
                            _ -> Message
                        end;
                    unknown -> Message
                end;
            nobody -> Message
        end
    end);
drop_repeat(Stanza) ->
    Stanza.

%% No session took the message. A repeat of a stored message is not stored again. An operator's message was recorded
%% already; the visitor's session ended after drop_recorded/1.
drop_offline({_Action, #message{to = #jid{lserver = Host} = To} = Message} = Acc) ->
    guarded(drop_offline, Acc, fun() ->
        case {is_recorded(Message), visitor_message(Host, Message, To)} of
            {true, _} ->
                {stop, {drop, Message}};
            {false, {{Operator, _}, Visitor, Id, #{seen := Seen}}} ->
                case mod_lhc_seen:status(Seen, Operator, Visitor, Id) of
                    offline -> {stop, {drop, Message}};
                    {delivered, _} -> {stop, {drop, Message}};
                    _ -> Acc
                end;
            {false, nobody} -> Acc
        end
    end);
drop_offline(Acc) ->
    Acc.

%% Remembers a message that is in offline storage: it will come out at the next login. A bounced message may be repeated.
remember_stored({offlined, #message{to = #jid{lserver = Host} = To} = Message} = Acc) ->
    guarded(remember_stored, Acc, fun() ->
        case visitor_message(Host, Message, To) of
            {{Operator, _}, Visitor, Id, #{seen := Seen}} -> mod_lhc_seen:mark_offline(Seen, Operator, Visitor, Id);
            nobody -> ok
        end,
        Acc
    end);
remember_stored(Acc) ->
    Acc.

%%% ---------------------------------------------------------------- accounts

%% Mnesia buffers its writes: a kill -9 forgets accounts of the last two seconds (measured). The service can create a
%% visitor's account again. It cannot create an operator's, because it does not keep the password. At this moment nobody
%% knows whether the account becomes an operator's.
register_user(User, Server) ->
    guarded(register_user, ok, fun() ->
        case candidate(jid:make(User, Server)) of
            {_, _} -> mnesia:sync_log();
            nobody -> ok
        end
    end).

remove_user(User, Server) ->
    guarded(remove_user, ok, fun() ->
        case mod_lhc:config(jid:nameprep(Server)) of
            undefined -> ok;
            #{seen := Seen} -> mod_lhc_seen:forget_operator(Seen, jid:nodeprep(User))
        end
    end).

%%% ---------------------------------------------------------------- sessions

session_opened(#{jid := Jid} = State) ->
    guarded(session_opened, State, fun() ->
        case candidate(Jid) of
            {Host, Config} ->
                case mod_lhc_tenant:fresh_operator(Jid, Host, Config) of
                    none -> ok;
                    Instance -> begin_reports(Instance, Config, State)
                end,
                State#{mod_lhc_ticker => start_ticker(Config)};
            nobody -> State
        end
    end).

%% Runs in any process: for a resumed session in that of the new one.
session_closed(Sid, Jid, _Info) ->
    guarded(session_closed, ok, fun() -> end_reports(Sid, Jid) end).

%% Reports the session as connected, with the presence that it has, unless that was done.
begin_reports(Instance, #{sessions := Table} = Config, #{sid := Sid, jid := Jid} = State) ->
    case ets:lookup(Table, Sid) of
        [{_, Instance}] -> ok;
        Rows ->
            Rows =:= [] orelse end_reports(Sid, Jid),
            ets:insert(Table, {Sid, Instance}),
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

%% Messages that the client has not confirmed may be lost, so their repeats are accepted from now on (the process itself
%% lives on for about 100 ms). Stream management has already routed or stored its unread messages again. A session that
%% was resumed elsewhere does not get here.
session_terminated(#{jid := #jid{luser = Operator} = Jid, mod_lhc := Session} = State, _Reason) ->
    guarded(session_terminated, State, fun() ->
        case candidate(Jid) of
            {_, #{seen := Seen}} ->
                [mod_lhc_seen:remove_session(Seen, Operator, Visitor, Id, self())
                 || {Visitor, Id} <- mod_lhc_session:messages(Session)];
            nobody -> ok
        end,
        State
    end);
session_terminated(State, _Reason) ->
    State.

%% Runs in the session's process, with its state. set_presence_hook and unset_presence_hook have no session id.
self_presence({#presence{type = Type} = Presence, State} = Acc) when Type =:= available; Type =:= unavailable ->
    guarded(self_presence, Acc, fun() ->
        Next = maps:remove(mod_lhc_presence, State),
        case actor(Next) of
            {{_, Instance}, Config} -> report(presence_report(Presence, Instance, Next), Config, Next);
            nobody -> ok
        end,
        {Presence, Next}
    end);
self_presence(Acc) ->
    Acc.

%% Runs in the process that resumes the session. Its state has no session id yet, so this uses the process.
copy_session(State, #{jid := #jid{luser = Operator} = Jid} = Old) ->
    guarded(copy_session, State, fun() ->
        case {candidate(Jid), Old} of
            {{_, #{seen := Seen}}, #{mod_lhc := Session, sid := {_, From}}} ->
                [mod_lhc_seen:move_session(Seen, Operator, Visitor, Id, From, self())
                 || {Visitor, Id} <- mod_lhc_session:messages(Session)],
                with_limits_of(Old, State#{mod_lhc => Session});
            {{_, _}, _} -> with_limits_of(Old, State);
            _ -> State
        end
    end);
copy_session(State, _Old) ->
    State.

with_limits_of(Old, State) ->
    Limits = limits(Old),
    mod_lhc_limits:is_holding(Limits) andalso look_later(),
    set_limits(Limits, State).

%% A resumed session has a new id, but neither c2s_session_opened nor a presence hook runs for it.
session_resumed(State) ->
    session_opened(State).

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

%% Every session reports itself, so its reports and its later events are in order. `all`: the module has just started, so
%% nothing was reported. Otherwise the sessions of this tenant report themselves again.
-spec request_reports(binary(), mod_lhc_names:instance() | all) -> ok.
request_reports(Host, all) ->
    guarded(request_reports, ok, fun() ->
        [case ejabberd_sm:get_session_sid(User, Server, Resource) of
             {_, Pid} when node(Pid) =:= node() -> Pid ! {mod_lhc, begin_reports};
             _ -> ok
         end || {User, Server, Resource} <- ejabberd_sm:get_vh_session_list(Host),
                candidate(jid:make(User, Server, Resource)) =/= nobody],
        ok
    end);
request_reports(Host, Instance) ->
    guarded(request_reports, ok, fun() ->
        #{sessions := Table} = mod_lhc:config(Host),
        [case is_process_alive(Pid) of
             true -> Pid ! {mod_lhc, report_again};
             %% It was killed, so no hook ran. The receiver has forgotten it.
             false -> ets:delete(Table, Sid)
         end || [{_, Pid} = Sid] <- ets:match(Table, {'$1', Instance}), node(Pid) =:= node()],
        ok
    end).

%%% ---------------------------------------------------------------- messages to a session's process, pings

%% mod_ping cannot be used: from 24.12 on it does not ping clients with stream management.
handle_info(#{jid := Jid} = State, {mod_lhc, Message}) ->
    {stop, guarded(handle_info, State, fun() ->
        case candidate(Jid) of
            {Host, Config} -> handle(Message, Host, Config, State);
            nobody -> State
        end
    end)};
handle_info(State, {mod_lhc, _}) ->
    {stop, State};
handle_info(State, _) ->
    State.

handle(begin_reports, _Host, _Config, State) ->
    session_opened(State);
handle(report_again, Host, Config, #{jid := Jid} = State) ->
    case mod_lhc_tenant:operator(Jid, Host, Config) of
        none -> ok;
        Instance -> report_session(Instance, Config, State)
    end,
    State;
handle({tick, Ticker}, Host, #{ping_interval := Interval} = Config, #{jid := Jid, sid := Sid} = State) ->
    %% A restart of the module starts a new ticker. The older one stops here.
    case maps:get(mod_lhc_ticker, State, Ticker) of
        Ticker ->
            erlang:send_after(Interval, self(), {mod_lhc, {tick, Ticker}}),
            case mod_lhc_tenant:fresh_operator(Jid, Host, Config) of
                none ->
                    end_reports(Sid, Jid),
                    State;
                Instance ->
                    begin_reports(Instance, Config, State),
                    ping(Config, State)
            end;
        _ -> State
    end;
handle({deadline, N}, _Host, _Config, State) ->
    case {mod_lhc_session:unanswered(N, session(State)), actor(State)} of
        {true, {{_, Instance}, Config}} ->
            report({Instance, state, 'operator.ping_timeout', session_fields(State)}, Config, State);
        _ -> ok
    end,
    State;
%% What came too fast.
handle(due, _Host, Config, State) ->
    {Due, AreOthers, Limits} = mod_lhc_limits:due(Config, now_ms(), limits(State)),
    AreOthers andalso look_later(),
    Actor = actor(State),
    lists:foldl(fun({presence, Presence}, Acc) ->
                        send_presence(Presence),
                        Acc#{mod_lhc_presence => sent};
                   (Report, Acc) ->
                        Actor =/= nobody andalso report(Report, Config, State),
                        Acc
                end, set_limits(Limits, State), Due);
handle(_, _Host, _Config, State) ->
    State.

%% As if the client sent it now. In another process, because this one has to answer; without a report of a failure, which
%% would have the presence's text.
send_presence(Presence) ->
    Session = self(),
    spawn(fun() ->
        try ejabberd_c2s:set_presence(Session, Presence)
        catch _:_ -> ok
        end
    end).

%% The first ping comes at a random time within the interval, so clients that logged in together are not pinged together.
start_ticker(#{ping_interval := Interval}) ->
    Ticker = make_ref(),
    erlang:send_after(rand:uniform(Interval), self(), {mod_lhc, {tick, Ticker}}),
    Ticker.

ping(#{ping_timeout := Timeout}, State) ->
    {N, Session} = mod_lhc_session:periodic_ping(session(State)),
    send_ping(N, State),
    erlang:send_after(Timeout, self(), {mod_lhc, {deadline, N}}),
    State#{mod_lhc => Session}.

%% Routed like a message, so it stays behind the messages before it, in the client's stream and in the queue of a session
%% that waits to be resumed.
send_ping(none, _State) ->
    ok;
send_ping(N, #{lserver := Host, jid := Jid}) ->
    ejabberd_router:route(#iq{type = get, id = mod_lhc_session:ping_id(N), from = jid:make(Host), to = Jid,
                              sub_els = [#ping{}]}).

ping_answered(N, {_, Instance}, Config, State) ->
    {Messages, IsPeriodic, Next, Session} = mod_lhc_session:answered(N, session(State)),
    delivered(Messages, ping, Config, State),
    IsPeriodic andalso report({Instance, ephemeral, 'operator.ping', session_fields(State)}, Config, State),
    send_ping(Next, State),
    State#{mod_lhc => Session}.

session(State) ->
    case State of
        #{mod_lhc := Session} -> Session;
        _ -> mod_lhc_session:new()
    end.

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

%%% ---------------------------------------------------------------- roles

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

%% Receiver, sender and id, if a visitor writes to an operator of their tenant and the message can be repeated and
%% reported: it needs a text and an id.
visitor_message(Host, #message{type = Type, id = Id, body = [_ | _], from = #jid{} = From}, #jid{luser = User} = To)
  when Id =/= <<>>, byte_size(Id) =< ?MAX_ID_BYTES, Type =:= chat orelse Type =:= normal ->
    case mod_lhc:config(Host) of
        undefined -> nobody;
        Config ->
            case mod_lhc_tenant:party(From, Host, Config) of
                {visitor, Instance} ->
                    case mod_lhc_tenant:party(To, Host, Config) of
                        {operator, Instance} -> {{User, Instance}, bare(From), Id, Config};
                        _ -> nobody
                    end;
                _ -> nobody
            end
    end;
visitor_message(_, _, _) ->
    nobody.

%%% ---------------------------------------------------------------- exceptions

guarded(Hook, Default, Fun) ->
    try Fun()
    catch Class:Reason:Stack ->
            mod_lhc_log:crash(Hook, Class, Reason, Stack),
            Default
    end.
