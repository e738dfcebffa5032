%%% The hooks of ejabberd.
%%%
%%% ejabberd swallows an exception in a hook, goes on, and then acknowledges a message that was not recorded. So every
%%% hook here catches exceptions itself, and the message is answered with an error. Log lines never contain a stanza or a
%%% part of one.

-module(mod_lhc_hooks).

%% mod_lhc:hooks/0 lists the hooks and priorities.
-export([record_sent/1, drop_recorded/1, drop_duplicate/1, ping_behind/1, drop_repeat/1, drop_offline/1,
         remember_stored/1, session_opened/3, session_closed/3, session_terminated/2, self_presence/1, copy_session/2,
         session_resumed/1, handle_info/2, register_user/2, remove_user/2]).
-export([members/3, request_reports/1]).
%% For tests.
-export([requests/2, unsupported/1, replaces/1]).

-include("xmpp.hrl").
-include_lib("kernel/include/logger.hrl").

%% How long an operator's message may wait for the disk, in milliseconds. Far below 15 s, when a client's attempt to
%% resume fails.
-define(WRITE_TIMEOUT, 5000).

%%% ---------------------------------------------------------------- an operator sends (in the session's process)

%% Records a message of an operator to a visitor, and handles the answer to a ping. A message is on disk when this
%% returns; stream management acknowledges it afterwards. Only this session waits.
record_sent({#message{to = #jid{} = To, type = Type} = Message, #{lserver := Host, jid := From} = State} = Acc)
  when Type =:= chat; Type =:= normal; Type =:= headline ->
    case operator_to_visitor(Host, From, To) of
        {Operator, Visitor, Config} ->
            try record_message(Message, Operator, Visitor, Config, State)
            catch Class:Reason:Stack ->
                    log_crash(record_sent, Class, Reason, Stack),
                    case Message#message.body of
                        [] -> Acc;
                        _ -> refuse(Message, internal, State)
                    end
            end;
        nobody -> Acc
    end;
record_sent({#iq{type = Type, id = Id, to = To}, #{lserver := Host, jid := From} = State} = Acc)
  when Type =:= result; Type =:= error ->
    guarded(record_sent, Acc, fun() ->
        %% Some clients leave out the receiver of their answer. ejabberd fills in their own account then.
        case {mod_lhc_session:ping_number(Id), operator(Host, From), To} of
            {N, {_, Config}, #jid{lserver = Host}} when is_integer(N) ->
                {stop, {drop, ping_answered(N, Config, State)}};
            _ -> Acc
        end
    end);
record_sent(Acc) ->
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

record_message(Message, Operator, Visitor, #{queue := Queue} = Config, State) ->
    #{lserver := Host, jid := Jid} = State,
    From = jid:encode(Jid),
    WithId = with_id(Message),
    Requests = requests(Message#message.id, Message#message.sub_els),
    case append_message(unsupported(Message), WithId, Requests, From, Visitor, Host, Queue) of
        {error, Reason} ->
            refuse(Message, Reason, State);
        Appended ->
            {HasSignals, NewState} = report_signals(WithId, From, Operator, Visitor, Config, State),
            case Appended orelse HasSignals of
                true -> {xmpp:put_meta(WithId, mod_lhc, recorded), NewState};
                false -> {WithId, NewState}
            end
    end.

is_recorded(Message) ->
    xmpp:get_meta(Message, mod_lhc, undefined) =:= recorded.

%% true: the message is on disk; false: it has no text for a visitor.
append_message(_, #message{type = headline}, _Requests, _From, _Visitor, _Host, _Queue) ->
    false;
append_message(none, #message{body = []}, _Requests, _From, _Visitor, _Host, _Queue) ->
    false;
append_message(none, #message{id = Id, body = Body, thread = Thread, sub_els = Els}, Requests, From, Visitor, Host,
               Queue) ->
    Texts = lists:ukeysort(1, [{Lang, Text} || #text{lang = Lang, data = Text} <- Body]),
    ThreadId = case Thread of
                   #message_thread{data = Data} when Data =/= <<>> -> [{thread, Data}];
                   _ -> []
               end,
    append(Host, message,
           [{from, From}, {to, Visitor}, {id, Id}, {body, {Texts}} | ThreadId ++ replaces(Els) ++ Requests], Queue);
append_message(What, #message{id = Id}, _Requests, From, Visitor, Host, Queue) ->
    append(Host, unsupported, [{from, From}, {to, Visitor}, {id, Id}, {what, What}], Queue).

append(Host, Type, Fields, Queue) ->
    case mod_lhc_queue:append(Queue, message, members(Host, Type, Fields), ?WRITE_TIMEOUT) of
        ok -> true;
        Error -> Error
    end.

%% The id of the message that this one corrects (XEP-0308).
-spec replaces([term()]) -> [{replaces, binary()}].
replaces(Els) ->
    lists:sublist([{replaces, Id} || Xml <- encoded(Els),
                                     qualified_name(Xml) =:= {<<"urn:xmpp:message-correct:0">>, <<"replace">>},
                                     Id <- [fxml:get_tag_attr_s(<<"id">>, Xml)], Id =/= <<>>], 1).

%% The kind of content that a visitor cannot be shown. Its text, if there is one, only says that the reader's client does
%% not support it. The text of a reaction (XEP-0444) repeats the reaction, so that is an ordinary message.
-spec unsupported(message()) -> none | encrypted | retraction | reaction.
unsupported(#message{body = Body, sub_els = Els}) ->
    Otr = lists:any(fun(#text{data = <<"?OTR", _/binary>>}) -> true; (_) -> false end, Body),
    Kinds = [encrypted || Otr] ++ [unsupported(qualified_name(Xml), Xml, Body) || Xml <- encoded(Els)],
    hd([Kind || Kind <- Kinds, Kind =/= none] ++ [none]).

%% OpenPGP (XEP-0373, XEP-0027), explicit encryption (XEP-0380), OMEMO (XEP-0384) in its old and current namespace,
%% retractions (XEP-0424) in their current form and the one before version 0.4.
unsupported({<<"urn:xmpp:openpgp:0">>, <<"openpgp">>}, _, _) -> encrypted;
unsupported({<<"jabber:x:encrypted">>, <<"x">>}, _, _) -> encrypted;
unsupported({<<"urn:xmpp:eme:0">>, <<"encryption">>}, _, [_ | _]) -> encrypted;
unsupported({<<"eu.siacs.conversations.axolotl">>, <<"encrypted">>}, Xml, Body) -> omemo(Xml, Body);
unsupported({<<"urn:xmpp:omemo:", _/binary>>, <<"encrypted">>}, Xml, Body) -> omemo(Xml, Body);
unsupported({<<"urn:xmpp:message-retract:", _/binary>>, <<"retract">>}, _, _) -> retraction;
unsupported({<<"urn:xmpp:fasten:0">>, <<"apply-to">>}, Xml, _) -> if_has(<<"retract">>, Xml, retraction);
unsupported({<<"urn:xmpp:reactions:0">>, <<"reactions">>}, Xml, []) -> if_has(<<"reaction">>, Xml, reaction);
unsupported(_, _, _) -> none.

%% Without a text and without a payload the element carries only keys.
omemo(_, [_ | _]) -> encrypted;
omemo(Xml, []) -> if_has(<<"payload">>, Xml, encrypted).

if_has(Name, Xml, Kind) ->
    case fxml:get_subtag(Xml, Name) of
        false -> none;
        _ -> Kind
    end.

%% As XML, whether ejabberd has decoded the elements or not. Names and namespaces are the same on all releases; the
%% records are not.
encoded(Els) ->
    [xmpp:encode(El) || El <- Els].

qualified_name(#xmlel{name = Name} = Xml) ->
    {fxml:get_tag_attr_s(<<"xmlns">>, Xml), Name}.

%% The acknowledgements that the client requests for its message (XEP-0184, XEP-0333). None if the message had no id: the
%% client could not match them.
-spec requests(binary(), [term()]) -> [{receipt | markable, true}].
requests(<<>>, _Els) ->
    [];
requests(_Id, Els) ->
    Names = [qualified_name(Xml) || Xml <- encoded(Els)],
    [{Member, true} || {Member, Name} <- [{receipt, {<<"urn:xmpp:receipts">>, <<"request">>}},
                                          {markable, {<<"urn:xmpp:chat-markers:0">>, <<"markable">>}}],
                       lists:member(Name, Names)].

%% Reports the receipts, markers and chat states in a message. Returns whether there were any, and the session's state.
report_signals(#message{sub_els = Els, body = Body}, From, Operator, Visitor, Config, State) ->
    lists:foldl(fun(El, {Any, Acc}) ->
                        case signal(El) of
                            none -> {Any, Acc};
                            {chat_state, _} when Body =/= [] -> {Any, Acc};
                            Signal -> {true, report_signal(Signal, From, Operator, Visitor, Config, Acc)}
                        end
                end, {false, State}, Els).

signal(El) ->
    Xml = xmpp:encode(El),
    case {qualified_name(Xml), fxml:get_tag_attr_s(<<"id">>, Xml)} of
        {{<<"urn:xmpp:receipts">>, <<"received">>}, Id} when Id =/= <<>> -> {receipt, Id};
        {{<<"urn:xmpp:chat-markers:0">>, <<"received">>}, Id} when Id =/= <<>> -> {receipt, Id};
        {{<<"urn:xmpp:chat-markers:0">>, <<"displayed">>}, Id} when Id =/= <<>> -> {displayed, Id};
        {{<<"http://jabber.org/protocol/chatstates">>, <<"composing">>}, _} -> {chat_state, composing};
        {{<<"http://jabber.org/protocol/chatstates">>, <<"active">>}, _} -> {chat_state, active};
        {{<<"http://jabber.org/protocol/chatstates">>, _}, _} -> {chat_state, paused};
        _ -> none
    end.

report_signal({receipt, Id}, From, Operator, Visitor, Config, #{lserver := Host} = State) ->
    delivered(Host, From, Operator, [{Visitor, Id}], receipt, Config),
    State#{mod_lhc => mod_lhc_session:remove_message(Visitor, Id, session(State))};
report_signal({displayed, Id}, From, _Operator, Visitor, Config, #{lserver := Host} = State) ->
    report(Host, state, displayed, [{from, From}, {to, Visitor}, {id, Id}], Config),
    State;
report_signal({chat_state, Name}, From, _Operator, Visitor, Config, #{lserver := Host} = State) ->
    report(Host, ephemeral, chat_state, [{from, From}, {to, Visitor}, {state, Name}], Config),
    State.

with_id(#message{id = <<>>} = Message) ->
    Message#message{id = mod_lhc_uuid:text(mod_lhc_uuid:new())};
with_id(Message) ->
    Message.

%% Answers the message with an error, before the acknowledgement that covers it, and drops it.
refuse(#message{lang = Lang} = Message, Reason, State) ->
    Error = case Reason of
                internal ->
                    xmpp:err_internal_server_error(<<"The message could not be recorded">>, Lang);
                full ->
                    xmpp:err_resource_constraint(<<"Too many messages are waiting. Send this one again later">>, Lang);
                _ ->
                    xmpp:err_resource_constraint(<<"The message could not be recorded. Send it again later">>, Lang)
            end,
    {stop, {drop, ejabberd_c2s:send(State, xmpp:make_error(Message, Error))}}.

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

%%% ---------------------------------------------------------------- an operator receives

%% Drops a second copy for the same session, before the archive and the carbons. Offline storage can hold two copies, and
%% in a cluster drop_repeat/1 on the visitor's node does not know of the first. The operator's other sessions still get
%% their copy, even if one has answered already.
drop_duplicate({#message{} = Message, #{lserver := Host, jid := Jid} = State} = Acc) ->
    guarded(drop_duplicate, Acc, fun() ->
        case visitor_message(Host, Message, Jid) of
            {Operator, Visitor, Id, #{seen := Seen} = Config} ->
                case mod_lhc_seen:in_session(Seen, Operator, Visitor, Id, self()) of
                    true ->
                        case mod_lhc_seen:status(Seen, Operator, Visitor, Id) of
                            {delivered, By} -> report_delivered(Host, jid:encode(Jid), Visitor, [Id], By, Config);
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
            {Operator, Visitor, Id, #{seen := Seen}} ->
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
            {Operator, Visitor, Id, #{seen := Seen} = Config} ->
                case mod_lhc_seen:status(Seen, Operator, Visitor, Id) of
                    {delivered, By} ->
                        report_delivered(Host, jid:encode(jid:remove_resource(To)), Visitor, [Id], By, Config),
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
            {false, {Operator, Visitor, Id, #{seen := Seen}}} ->
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
            {Operator, Visitor, Id, #{seen := Seen}} -> mod_lhc_seen:mark_offline(Seen, Operator, Visitor, Id);
            nobody -> ok
        end,
        Acc
    end);
remember_stored(Acc) ->
    Acc.

%%% ---------------------------------------------------------------- accounts

%% Mnesia buffers its writes: a kill -9 forgets accounts of the last two seconds (measured). The service can create a
%% visitor's account again. It cannot create an operator's, because it does not keep the password.
register_user(User, Server) ->
    guarded(register_user, ok, fun() ->
        case operator(jid:nameprep(Server), jid:make(User, Server)) of
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

session_opened({_, Pid} = Sid, #jid{lserver = Host} = Jid, _Info) ->
    guarded(session_opened, ok, fun() ->
        case operator(Host, Jid) of
            {_, Config} ->
                report(Host, state, 'operator.connected', session_fields(Jid, Sid), Config),
                start_ticker(Pid, Config),
                ok;
            nobody -> ok
        end
    end).

session_closed(Sid, #jid{lserver = Host} = Jid, _Info) ->
    guarded(session_closed, ok, fun() ->
        case operator(Host, Jid) of
            {_, Config} -> report(Host, state, 'operator.disconnected', session_fields(Jid, Sid), Config);
            nobody -> ok
        end
    end).

%% Messages that the client has not confirmed may be lost, so their repeats are accepted from now on (the process itself
%% lives on for about 100 ms). Stream management has already routed or stored its unread messages again. A session that
%% was resumed elsewhere does not get here.
session_terminated(#{lserver := Host, jid := Jid, mod_lhc := Session} = State, _Reason) ->
    guarded(session_terminated, State, fun() ->
        case operator(Host, Jid) of
            {Operator, #{seen := Seen}} ->
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
        report_presence(Presence, State),
        Acc
    end);
self_presence(Acc) ->
    Acc.

%% Runs in the process that resumes the session. Its state has no session id yet, so this uses the process.
copy_session(State, #{lserver := Host, jid := Jid} = Old) ->
    guarded(copy_session, State, fun() ->
        case {operator(Host, Jid), Old} of
            {{Operator, #{seen := Seen}}, #{mod_lhc := Session, sid := {_, From}}} ->
                [mod_lhc_seen:move_session(Seen, Operator, Visitor, Id, From, self())
                 || {Visitor, Id} <- mod_lhc_session:messages(Session)],
                State#{mod_lhc => Session};
            _ -> State
        end
    end);
copy_session(State, _Old) ->
    State.

%% A resumed session has a new id, but no presence hook runs for it.
session_resumed(State) ->
    guarded(session_resumed, State, fun() ->
        report_last_presence(State),
        State
    end).

report_last_presence(#{pres_last := Presence} = State) ->
    report_presence(Presence, State);
report_last_presence(_State) ->
    ok.

report_presence(#presence{type = Type, show = Show, status = Status, priority = Priority},
                #{lserver := Host, jid := Jid, sid := Sid}) ->
    case operator(Host, Jid) of
        {_, Config} ->
            ShowField = case {Type, Show} of
                            {unavailable, _} -> unavailable;
                            {_, undefined} -> available;
                            {_, _} -> Show
                        end,
            PriorityField = case Priority of
                                undefined -> 0;
                                _ -> Priority
                            end,
            report(Host, state, 'operator.presence',
                   session_fields(Jid, Sid) ++ [{show, ShowField}, {status, xmpp:get_text(Status)},
                                                {priority, PriorityField}],
                   Config);
        nobody -> ok
    end.

session_fields(#jid{luser = User, lresource = Resource}, Sid) ->
    [{user, User}, {resource, Resource}, {session, session_id(Sid)}].

%% A session id is a time and a process, unique in a cluster. The hash hides both.
session_id(Sid) ->
    <<Id:80, _/binary>> = crypto:hash(sha256, term_to_binary(Sid)),
    iolist_to_binary(io_lib:format("~20.16.0b", [Id])).

%% Every session reports itself, so its reports and its later events are in order.
-spec request_reports(binary()) -> ok.
request_reports(Host) ->
    guarded(request_reports, ok, fun() ->
        [case ejabberd_sm:get_session_sid(User, Server, Resource) of
             {_, Pid} when node(Pid) =:= node() -> Pid ! {mod_lhc, report};
             _ -> ok
         end || {User, Server, Resource} <- ejabberd_sm:get_vh_session_list(Host),
                operator(Host, jid:make(User, Server, Resource)) =/= nobody],
        ok
    end).

%%% ---------------------------------------------------------------- messages to a session's process, pings

%% mod_ping cannot be used: from 24.12 on it does not ping clients with stream management.
handle_info(#{lserver := Host, jid := Jid} = State, {mod_lhc, Message}) ->
    {stop, guarded(handle_info, State, fun() ->
        case operator(Host, Jid) of
            {_, Config} -> handle(Message, Config, State);
            nobody -> State
        end
    end)};
handle_info(State, {mod_lhc, _}) ->
    {stop, State};
handle_info(State, _) ->
    State.

handle(report, Config, #{lserver := Host, jid := Jid, sid := Sid} = State) ->
    report(Host, state, 'operator.connected', session_fields(Jid, Sid), Config),
    report_last_presence(State),
    State#{mod_lhc_ticker => start_ticker(self(), Config)};
handle({tick, Ticker}, #{ping_interval := Interval, ping_timeout := Timeout}, State) ->
    %% A restart of the module starts a new ticker. The older one stops here.
    case maps:get(mod_lhc_ticker, State, Ticker) of
        Ticker ->
            {N, Session} = mod_lhc_session:periodic_ping(session(State)),
            send_ping(N, State),
            erlang:send_after(Timeout, self(), {mod_lhc, {deadline, N}}),
            erlang:send_after(Interval, self(), {mod_lhc, {tick, Ticker}}),
            State#{mod_lhc => Session, mod_lhc_ticker => Ticker};
        _ -> State
    end;
handle({deadline, N}, Config, #{lserver := Host, jid := Jid, sid := Sid} = State) ->
    case mod_lhc_session:unanswered(N, session(State)) of
        true -> report(Host, state, 'operator.ping_timeout', session_fields(Jid, Sid), Config);
        false -> ok
    end,
    State;
handle(_, _Config, State) ->
    State.

%% The first ping comes at a random time within the interval, so clients that logged in together are not pinged together.
start_ticker(Pid, #{ping_interval := Interval}) ->
    Ticker = make_ref(),
    erlang:send_after(rand:uniform(Interval), Pid, {mod_lhc, {tick, Ticker}}),
    Ticker.

%% Routed like a message, so it stays behind the messages before it, in the client's stream and in the queue of a session
%% that waits to be resumed.
send_ping(none, _State) ->
    ok;
send_ping(N, #{lserver := Host, jid := Jid}) ->
    ejabberd_router:route(#iq{type = get, id = mod_lhc_session:ping_id(N), from = jid:make(Host), to = Jid,
                              sub_els = [#ping{}]}).

ping_answered(N, Config, #{lserver := Host, jid := Jid, sid := Sid} = State) ->
    {Messages, IsPeriodic, Next, Session} = mod_lhc_session:answered(N, session(State)),
    delivered(Host, jid:encode(Jid), Jid#jid.luser, Messages, ping, Config),
    _ = IsPeriodic andalso report(Host, ephemeral, 'operator.ping', session_fields(Jid, Sid), Config),
    send_ping(Next, State),
    State#{mod_lhc => Session}.

session(State) ->
    case State of
        #{mod_lhc := Session} -> Session;
        _ -> mod_lhc_session:new()
    end.

%%% ---------------------------------------------------------------- delivery

%% Reports each message once, even if several clients of the operator have it. One event for each visitor.
delivered(Host, From, Operator, Messages, By, #{seen := Seen} = Config) ->
    New = [Message || {Visitor, Id} = Message <- Messages,
                      mod_lhc_seen:mark_delivered(Seen, Operator, Visitor, Id, By) =:= first],
    Visitors = lists:usort([Visitor || {Visitor, _} <- New]),
    [report_delivered(Host, From, Visitor, [Id || {V, Id} <- New, V =:= Visitor], By, Config)
     || Visitor <- Visitors],
    ok.

report_delivered(Host, From, Visitor, Ids, By, Config) ->
    report(Host, state, delivered, [{from, From}, {to, Visitor}, {ids, Ids}, {by, By}], Config).

%%% ---------------------------------------------------------------- events

report(Host, Class, Type, Fields, #{queue := Queue}) ->
    mod_lhc_queue:add(Queue, Class, members(Host, Type, Fields)).

%% An event without queueId and seq, which the queue adds.
-spec members(binary(), atom(), [mod_lhc_json:member()]) -> iodata().
members(Host, Type, Fields) ->
    Now = calendar:system_time_to_rfc3339(erlang:system_time(millisecond), [{unit, millisecond}, {offset, "Z"}]),
    mod_lhc_json:members([{at, list_to_binary(Now)}, {host, Host}, {type, Type} | Fields]).

%%% ---------------------------------------------------------------- roles

%% Sender and receiver, if an operator writes to a visitor.
operator_to_visitor(Host, From, To) ->
    case operator(Host, From) of
        {Operator, Config} ->
            case is_visitor(To, Host, Config) of
                true -> {Operator, jid:encode(jid:remove_resource(To)), Config};
                false -> nobody
            end;
        nobody -> nobody
    end.

%% Sender, receiver and id, if a visitor writes to an operator and the message can be repeated and reported: it needs a
%% text and an id.
visitor_message(Host, #message{type = Type, id = Id, body = [_ | _], from = #jid{} = From}, To)
  when Id =/= <<>>, Type =:= chat orelse Type =:= normal ->
    case operator(Host, To) of
        {Operator, Config} ->
            case is_visitor(From, Host, Config) of
                true -> {Operator, jid:encode(jid:remove_resource(From)), Id, Config};
                false -> nobody
            end;
        nobody -> nobody
    end;
visitor_message(_, _, _) ->
    nobody.

operator(Host, #jid{luser = User, lserver = Host}) when User =/= <<>> ->
    case mod_lhc:config(Host) of
        undefined -> nobody;
        #{reserved_users := Reserved} = Config ->
            case has_visitor_prefix(User, Config) orelse lists:member(User, Reserved) of
                true -> nobody;
                false -> {User, Config}
            end
    end;
operator(_, _) ->
    nobody.

is_visitor(#jid{luser = User, lserver = Server}, Host, #{visitor_host := VisitorHost} = Config) ->
    (Server =:= Host orelse Server =:= VisitorHost) andalso has_visitor_prefix(User, Config).

has_visitor_prefix(User, #{visitor_prefix := Prefix}) ->
    Size = byte_size(Prefix),
    case User of
        <<Prefix:Size/binary, _/binary>> -> true;
        _ -> false
    end.

%%% ---------------------------------------------------------------- exceptions

guarded(Hook, Default, Fun) ->
    try Fun()
    catch Class:Reason:Stack ->
            log_crash(Hook, Class, Reason, Stack),
            Default
    end.

%% Logs the places and not the terms: arguments and reasons can contain a stanza.
log_crash(Hook, Class, Reason, Stack) ->
    Kind = case Reason of
               _ when is_atom(Reason) -> Reason;
               _ when is_tuple(Reason), tuple_size(Reason) > 0, is_atom(element(1, Reason)) -> element(1, Reason);
               _ -> unknown
           end,
    Places = [{Module, Function, proplists:get_value(line, Info)} || {Module, Function, _, Info} <- Stack],
    ?LOG_ERROR("mod_lhc: ~p in ~p: ~p at ~p", [Class, Hook, Kind, lists:sublist(Places, 5)]).
