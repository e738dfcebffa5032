%%% What happens in ejabberd's hooks.
%%%
%%% ejabberd swallows an exception in a hook and goes on, and then acknowledges a message that nobody recorded: so each
%%% hook here catches its own, and the message is answered with an error instead. Nothing that is logged holds a stanza
%%% or a part of it.

-module(mod_lhc_hooks).

%% Hooks; mod_lhc:hooks/0 says which is which.
-export([user_send/1, user_sent/1, user_receive/1, user_received/1, sm_receive/1, offline/1, offline_stored/1,
         session_opened/3, session_closed/3, session_ended/2, self_presence/1, copy_session/2, session_resumed/1, handle_info/2,
         register_user/2, remove_user/2]).
-export([members/3, ask_sessions/1, asked/2, unsupported/1, replaces/1]).

-include("xmpp.hrl").
-include_lib("kernel/include/logger.hrl").

%% How long an operator's message may wait for the disk. Far below 15 s, when a client's attempt to resume gives up.
-define(WRITE_TIMEOUT, 5000).

%%% ---------------------------------------------------------------- an operator sends (its session's process)

%% Records what an operator says to a visitor. Returns after the message is on the disk: stream management
%% acknowledges it later, and only this session waits.
user_send({#message{to = #jid{} = To, type = Type} = Message, #{lserver := Host, jid := From} = State} = Acc)
  when Type =:= chat; Type =:= normal; Type =:= headline ->
    case parties(Host, From, To) of
        {Operator, Visitor, Config} ->
            try send_to_visitor(Message, Operator, Visitor, Config, State)
            catch Class:Reason:Stack ->
                    crashed(user_send, Class, Reason, Stack),
                    case Message#message.body of
                        [] -> Acc;
                        _ -> refuse(Message, internal, State)
                    end
            end;
        nobody -> Acc
    end;
user_send({#iq{type = Type, id = Id, to = To}, #{lserver := Host, jid := From} = State} = Acc)
  when Type =:= result; Type =:= error ->
    guarded(user_send, Acc, fun() ->
        %% Some clients name nobody in their answer, which ejabberd takes for their own account.
        case {mod_lhc_session:ping_number(Id), operator(Host, From), To} of
            {N, {_, Config}, #jid{lserver = Host}} when is_integer(N) ->
                {stop, {drop, pong(N, Config, State)}};
            _ -> Acc
        end
    end);
user_send(Acc) ->
    Acc.

%% Takes what is recorded off the wire when there is nobody to take it: ejabberd would store it or bounce it, and the
%% visitor gets it from the service. After the archive and the carbons, so both have it.
user_sent({#message{to = To} = Message, State} = Acc) ->
    guarded(user_sent, Acc, fun() ->
        case xmpp:get_meta(Message, mod_lhc, undefined) of
            undefined -> Acc;
            recorded ->
                case takes_messages(To) of
                    true -> Acc;
                    false -> {stop, {drop, State}}
                end
        end
    end);
user_sent(Acc) ->
    Acc.

send_to_visitor(Message, Operator, Visitor, #{queue := Queue} = Config, State) ->
    #{lserver := Host, jid := Jid} = State,
    From = jid:encode(Jid),
    Named = with_id(Message),
    Asked = asked(Message#message.id, Message#message.sub_els),
    case record(unsupported(Message), Named, Asked, From, Visitor, Host, Queue) of
        {error, Reason} ->
            refuse(Message, Reason, State);
        Recorded ->
            {Marked, Told} = marks(Named, From, Operator, Visitor, Config, State),
            case Recorded orelse Marked of
                true -> {xmpp:put_meta(Named, mod_lhc, recorded), Told};
                false -> {Named, Told}
            end
    end.

%% true: on the disk; false: there is no text.
record(_, #message{type = headline}, _Asked, _From, _Visitor, _Host, _Queue) ->
    false;
record(none, #message{body = []}, _Asked, _From, _Visitor, _Host, _Queue) ->
    false;
record(none, #message{id = Id, body = Body, thread = Thread, sub_els = Els}, Asked, From, Visitor, Host, Queue) ->
    Texts = lists:ukeysort(1, [{Lang, Text} || #text{lang = Lang, data = Text} <- Body]),
    ThreadId = case Thread of
                   #message_thread{data = Data} when Data =/= <<>> -> [{thread, Data}];
                   _ -> []
               end,
    append(Host, message, [{from, From}, {to, Visitor}, {id, Id}, {body, {Texts}} | ThreadId ++ replaces(Els) ++ Asked],
           Queue);
record(What, #message{id = Id}, _Asked, From, Visitor, Host, Queue) ->
    append(Host, unsupported, [{from, From}, {to, Visitor}, {id, Id}, {what, What}], Queue).

append(Host, Type, Fields, Queue) ->
    case mod_lhc_queue:append(Queue, message, members(Host, Type, Fields), ?WRITE_TIMEOUT) of
        ok -> true;
        Error -> Error
    end.

%% Which message it corrects (XEP-0308).
-spec replaces([term()]) -> [{replaces, binary()}].
replaces(Els) ->
    lists:sublist([{replaces, Id} || Xml <- encoded(Els), named(Xml) =:= {<<"urn:xmpp:message-correct:0">>, <<"replace">>},
                                     Id <- [fxml:get_tag_attr_s(<<"id">>, Xml)], Id =/= <<>>], 1).

%% What means something to clients and cannot be shown to a visitor. Its text, if there is one, only says that whoever
%% reads it has the wrong client; a reaction's (XEP-0444) says the same as the reaction, so that is a message.
-spec unsupported(message()) -> none | encrypted | retraction | reaction.
unsupported(#message{body = Body, sub_els = Els}) ->
    Otr = lists:any(fun(#text{data = <<"?OTR", _/binary>>}) -> true; (_) -> false end, Body),
    Kinds = [encrypted || Otr] ++ [unsupported(named(Xml), Xml, Body) || Xml <- encoded(Els)],
    hd([Kind || Kind <- Kinds, Kind =/= none] ++ [none]).

%% OpenPGP (XEP-0373, XEP-0027), what names its encryption (XEP-0380), OMEMO (XEP-0384) as clients have it and as it is
%% now, retractions (XEP-0424) as they are now and as they were until version 0.4.
unsupported({<<"urn:xmpp:openpgp:0">>, <<"openpgp">>}, _, _) -> encrypted;
unsupported({<<"jabber:x:encrypted">>, <<"x">>}, _, _) -> encrypted;
unsupported({<<"urn:xmpp:eme:0">>, <<"encryption">>}, _, [_ | _]) -> encrypted;
unsupported({<<"eu.siacs.conversations.axolotl">>, <<"encrypted">>}, Xml, Body) -> omemo(Xml, Body);
unsupported({<<"urn:xmpp:omemo:", _/binary>>, <<"encrypted">>}, Xml, Body) -> omemo(Xml, Body);
unsupported({<<"urn:xmpp:message-retract:", _/binary>>, <<"retract">>}, _, _) -> retraction;
unsupported({<<"urn:xmpp:fasten:0">>, <<"apply-to">>}, Xml, _) -> if_has(<<"retract">>, Xml, retraction);
unsupported({<<"urn:xmpp:reactions:0">>, <<"reactions">>}, Xml, []) -> if_has(<<"reaction">>, Xml, reaction);
unsupported(_, _, _) -> none.

%% Without a text and a payload it carries nothing but keys.
omemo(_, [_ | _]) -> encrypted;
omemo(Xml, []) -> if_has(<<"payload">>, Xml, encrypted).

if_has(Name, Xml, Kind) ->
    case fxml:get_subtag(Xml, Name) of
        false -> none;
        _ -> Kind
    end.

%% As XML, whether ejabberd has decoded it or not: names and namespaces do not change from release to release.
encoded(Els) ->
    [xmpp:encode(El) || El <- Els].

named(#xmlel{name = Name} = Xml) ->
    {fxml:get_tag_attr_s(<<"xmlns">>, Xml), Name}.

%% What the client wants to hear of its message (XEP-0184, XEP-0333). Nothing where it gave no id: it could not tell which
%% message is meant.
-spec asked(binary(), [term()]) -> [{receipt | markable, true}].
asked(<<>>, _Els) ->
    [];
asked(_Id, Els) ->
    Names = [named(Xml) || Xml <- encoded(Els)],
    [{Member, true} || {Member, Name} <- [{receipt, {<<"urn:xmpp:receipts">>, <<"request">>}},
                                          {markable, {<<"urn:xmpp:chat-markers:0">>, <<"markable">>}}],
                       lists:member(Name, Names)].

%% Receipts, markers and chat states of the message: whether there were any, and the session's new state.
marks(#message{sub_els = Els, body = Body}, From, Operator, Visitor, Config, State) ->
    lists:foldl(fun(El, {Any, Acc}) ->
                        case mark(El) of
                            none -> {Any, Acc};
                            {chat_state, _} when Body =/= [] -> {Any, Acc};
                            Mark -> {true, report_mark(Mark, From, Operator, Visitor, Config, Acc)}
                        end
                end, {false, State}, Els).

mark(El) ->
    #xmlel{name = Name} = Xml = xmpp:encode(El),
    case {fxml:get_tag_attr_s(<<"xmlns">>, Xml), Name, fxml:get_tag_attr_s(<<"id">>, Xml)} of
        {<<"urn:xmpp:receipts">>, <<"received">>, Id} when Id =/= <<>> -> {receipt, Id};
        {<<"urn:xmpp:chat-markers:0">>, <<"received">>, Id} when Id =/= <<>> -> {receipt, Id};
        {<<"urn:xmpp:chat-markers:0">>, <<"displayed">>, Id} when Id =/= <<>> -> {displayed, Id};
        {<<"http://jabber.org/protocol/chatstates">>, <<"composing">>, _} -> {chat_state, composing};
        {<<"http://jabber.org/protocol/chatstates">>, <<"active">>, _} -> {chat_state, active};
        {<<"http://jabber.org/protocol/chatstates">>, _, _} -> {chat_state, paused};
        _ -> none
    end.

report_mark({receipt, Id}, From, Operator, Visitor, Config, #{lserver := Host} = State) ->
    delivered(Host, From, Operator, [{Visitor, Id}], receipt, Config),
    State#{mod_lhc => mod_lhc_session:received(Visitor, Id, session(State))};
report_mark({displayed, Id}, From, _Operator, Visitor, Config, #{lserver := Host} = State) ->
    report(Host, state, displayed, [{from, From}, {to, Visitor}, {id, Id}], Config),
    State;
report_mark({chat_state, Name}, From, _Operator, Visitor, Config, #{lserver := Host} = State) ->
    report(Host, ephemeral, chat_state, [{from, From}, {to, Visitor}, {state, Name}], Config),
    State.

with_id(#message{id = <<>>} = Message) ->
    <<A:32, B:16, C:16, D:16, E:48>> = crypto:strong_rand_bytes(16),
    Id = io_lib:format("~8.16.0b-~4.16.0b-4~3.16.0b-~4.16.0b-~12.16.0b",
                       [A, B, C band 16#fff, (D band 16#3fff) bor 16#8000, E]),
    Message#message{id = iolist_to_binary(Id)};
with_id(Message) ->
    Message.

%% The operator sees that it was not taken. Sent before the acknowledgement that covers the message.
refuse(#message{lang = Lang} = Message, Reason, State) ->
    Error = case Reason of
                internal -> xmpp:err_internal_server_error(<<"The message could not be recorded">>, Lang);
                full -> xmpp:err_resource_constraint(<<"Too many messages are waiting, send it again later">>, Lang);
                _ -> xmpp:err_resource_constraint(<<"The message could not be recorded, send it again later">>, Lang)
            end,
    {stop, {drop, ejabberd_c2s:send(State, xmpp:make_error(Message, Error))}}.

%% Whether a stanza to the visitor reaches a session or a component. A session that ends right now still gets its
%% message stored: offline/1 sees to that.
takes_messages(#jid{luser = User, lserver = Server, resource = Resource} = To) ->
    case ejabberd_router:is_my_host(Server) of
        true ->
            lists:any(fun({Priority, _}) -> is_integer(Priority) andalso Priority >= 0 end,
                      ejabberd_sm:get_user_present_resources(User, Server))
                orelse (Resource =/= <<>>
                        andalso ejabberd_sm:get_session_pid(User, Server, To#jid.lresource) =/= none);
        false ->
            ejabberd_router:is_my_route(Server)
    end.

%%% ---------------------------------------------------------------- an operator receives

%% Drops a second copy for the same session: two can come out of offline storage at once, and in a cluster sm_receive/1
%% on the visitor's node knew nothing of it. Other sessions of the operator get theirs, though one may have answered
%% already. Before the archive and the carbons.
user_receive({#message{} = Message, #{lserver := Host, jid := Jid} = State} = Acc) ->
    guarded(user_receive, Acc, fun() ->
        case from_visitor(Host, Message, Jid) of
            {Operator, Visitor, Id, #{seen := Seen} = Config} ->
                case mod_lhc_seen:has(Seen, Operator, Visitor, Id, self()) of
                    true ->
                        case mod_lhc_seen:place(Seen, Operator, Visitor, Id) of
                            {delivered, By} -> report_delivered(Host, jid:encode(Jid), Visitor, [Id], By, Config);
                            _ -> ok
                        end,
                        {stop, {drop, State}};
                    false -> Acc
                end;
            nobody -> Acc
        end
    end);
user_receive(Acc) ->
    Acc.

%% The message goes to the client now: remember that, and send a ping behind it.
user_received({#message{} = Message, #{lserver := Host, jid := Jid} = State} = Acc) ->
    guarded(user_received, Acc, fun() ->
        case from_visitor(Host, Message, Jid) of
            {Operator, Visitor, Id, #{seen := Seen}} ->
                mod_lhc_seen:routed(Seen, Operator, Visitor, Id, self()),
                {Ping, Session} = mod_lhc_session:routed(Visitor, Id, session(State)),
                ping(Ping, State),
                {Message, State#{mod_lhc => Session}};
            nobody -> Acc
        end
    end);
user_received(Acc) ->
    Acc.

%% Drops a repeat before archive, carbons and offline storage see it. In the sender's process: for components that is
%% their only one, so nothing here waits.
sm_receive(#message{to = #jid{lserver = Host} = To} = Message) ->
    guarded(sm_receive, Message, fun() ->
        case from_visitor(Host, Message, To) of
            {Operator, Visitor, Id, #{seen := Seen} = Config} ->
                case mod_lhc_seen:place(Seen, Operator, Visitor, Id) of
                    {delivered, By} ->
                        report_delivered(Host, jid:encode(jid:remove_resource(To)), Visitor, [Id], By, Config),
                        {stop, drop};
                    {routed, Pids} ->
                        %% A session that ends routes again, from its own process, what its client has not read. What
                        %% lives elsewhere is reported when that session answers.
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
sm_receive(Stanza) ->
    Stanza.

%% Nobody was there. A repeat of what is stored is not stored again; what an operator sent was recorded already, and
%% the visitor's session ended between user_sent/1 and here.
offline({_Action, #message{to = #jid{lserver = Host} = To} = Message} = Acc) ->
    guarded(offline, Acc, fun() ->
        case {xmpp:get_meta(Message, mod_lhc, undefined), from_visitor(Host, Message, To)} of
            {recorded, _} ->
                {stop, {drop, Message}};
            {_, {Operator, Visitor, Id, #{seen := Seen}}} ->
                case mod_lhc_seen:place(Seen, Operator, Visitor, Id) of
                    offline -> {stop, {drop, Message}};
                    {delivered, _} -> {stop, {drop, Message}};
                    _ -> Acc
                end;
            _ -> Acc
        end
    end);
offline(Acc) ->
    Acc.

%% Only what is in offline storage: it comes out of it at the next login. What is bounced may be sent again.
offline_stored({offlined, #message{to = #jid{lserver = Host} = To} = Message} = Acc) ->
    guarded(offline_stored, Acc, fun() ->
        case from_visitor(Host, Message, To) of
            {Operator, Visitor, Id, #{seen := Seen}} -> mod_lhc_seen:stored(Seen, Operator, Visitor, Id);
            nobody -> ok
        end,
        Acc
    end);
offline_stored(Acc) ->
    Acc.

%% Mnesia keeps what it was given in a buffer: a kill -9 forgets accounts of the last two seconds (measured), and nobody
%% can make an operator's anew, since its password is kept nowhere. Visitors' are made again by the service.
register_user(User, Server) ->
    guarded(register_user, ok, fun() ->
        case operator(jid:nameprep(Server), jid:make(User, Server)) of
            {_, _} -> mnesia:sync_log();
            nobody -> ok
        end
    end).

remove_user(User, Server) ->
    guarded(remove_user, ok, fun() ->
        Host = jid:nameprep(Server),
        case mod_lhc:config(Host) of
            undefined -> ok;
            #{seen := Seen} -> mod_lhc_seen:forget(Seen, jid:nodeprep(User))
        end
    end).

%%% ---------------------------------------------------------------- sessions

session_opened({_, Pid} = Sid, #jid{lserver = Host} = Jid, _Info) ->
    guarded(session_opened, ok, fun() ->
        case operator(Host, Jid) of
            {_, Config} ->
                report(Host, state, 'operator.connected', session_members(Jid, Sid), Config),
                start_ticking(Pid, Config),
                ok;
            nobody -> ok
        end
    end).

session_closed(Sid, #jid{lserver = Host} = Jid, _Info) ->
    guarded(session_closed, ok, fun() ->
        case operator(Host, Jid) of
            {_, Config} -> report(Host, state, 'operator.disconnected', session_members(Jid, Sid), Config);
            nobody -> ok
        end
    end).

%% What its client has not answered may be lost, so a repeat is welcome from now on. The process itself lives on for
%% some 100 ms. After stream management has routed or stored again what it had; a session that was resumed elsewhere
%% does not come here.
session_ended(#{lserver := Host, jid := Jid, mod_lhc := Session} = State, _Reason) ->
    guarded(session_ended, State, fun() ->
        case operator(Host, Jid) of
            {Operator, #{seen := Seen}} ->
                [mod_lhc_seen:left(Seen, Operator, Visitor, Id, self())
                 || {Visitor, Id} <- mod_lhc_session:waiting(Session)];
            nobody -> ok
        end,
        State
    end);
session_ended(State, _Reason) ->
    State.

%% The session's own process and state: set_presence_hook and unset_presence_hook know no session id.
self_presence({#presence{type = Type} = Presence, State} = Acc) when Type =:= available; Type =:= unavailable ->
    guarded(self_presence, Acc, fun() ->
        report_presence(Presence, State),
        Acc
    end);
self_presence(Acc) ->
    Acc.

%% Runs in the process that takes over. Its session has no id yet, its process is known.
copy_session(State, #{lserver := Host, jid := Jid} = Old) ->
    guarded(copy_session, State, fun() ->
        case {operator(Host, Jid), Old} of
            {{Operator, #{seen := Seen}}, #{mod_lhc := Session, sid := {_, From}}} ->
                [mod_lhc_seen:moved(Seen, Operator, Visitor, Id, From, self())
                 || {Visitor, Id} <- mod_lhc_session:waiting(Session)],
                State#{mod_lhc => Session};
            _ -> State
        end
    end);
copy_session(State, _Old) ->
    State.

%% No presence hook runs at a resume, though the session has a new id.
session_resumed(State) ->
    guarded(session_resumed, State, fun() ->
        case State of
            #{pres_last := Presence} -> report_presence(Presence, State);
            _ -> ok
        end,
        State
    end).

report_presence(#presence{type = Type, show = Show, status = Status, priority = Priority},
                #{lserver := Host, jid := Jid, sid := Sid}) ->
    case operator(Host, Jid) of
        {_, Config} ->
            Name = case {Type, Show} of
                       {unavailable, _} -> unavailable;
                       {_, undefined} -> available;
                       {_, _} -> Show
                   end,
            Level = case Priority of
                        undefined -> 0;
                        _ -> Priority
                    end,
            report(Host, state, 'operator.presence',
                   session_members(Jid, Sid) ++ [{show, Name}, {status, xmpp:get_text(Status)}, {priority, Level}],
                   Config);
        nobody -> ok
    end.

session_members(#jid{luser = User, lresource = Resource}, Sid) ->
    [{user, User}, {resource, Resource}, {session, session_id(Sid)}].

%% A session id is a time and a process: unique in a cluster, and nobody's business as such.
session_id(Sid) ->
    <<Id:80, _/binary>> = crypto:hash(sha256, term_to_binary(Sid)),
    iolist_to_binary(io_lib:format("~20.16.0b", [Id])).

%% Each session tells of itself, so that what it tells and what happens to it meanwhile have an order.
-spec ask_sessions(binary()) -> ok.
ask_sessions(Host) ->
    guarded(ask_sessions, ok, fun() ->
        [case ejabberd_sm:get_session_sid(User, Server, Resource) of
             {_, Pid} when node(Pid) =:= node() -> Pid ! {mod_lhc, tell};
             _ -> ok
         end || {User, Server, Resource} <- ejabberd_sm:get_vh_session_list(Host),
                operator(Host, jid:make(User, Server, Resource)) =/= nobody],
        ok
    end).

%%% ---------------------------------------------------------------- pings

%% mod_ping is of no use here: from 24.12 on it sends clients with stream management no pings.
handle_info(#{lserver := Host, jid := Jid} = State, {mod_lhc, What}) ->
    {stop, guarded(handle_info, State, fun() ->
        case operator(Host, Jid) of
            {_, Config} -> handle(What, Config, State);
            nobody -> State
        end
    end)};
handle_info(State, {mod_lhc, _}) ->
    {stop, State};
handle_info(State, _) ->
    State.

handle(tell, Config, #{lserver := Host, jid := Jid, sid := Sid} = State) ->
    report(Host, state, 'operator.connected', session_members(Jid, Sid), Config),
    case State of
        #{pres_last := Presence} -> report_presence(Presence, State);
        _ -> ok
    end,
    State#{mod_lhc_ticker => start_ticking(self(), Config)};
handle({tick, Ticker}, #{ping_interval := Interval, ping_timeout := Timeout}, State) ->
    %% A restart of the module begins to tick anew; the older ticker stops at its next turn.
    case maps:get(mod_lhc_ticker, State, Ticker) of
        Ticker ->
            {N, Session} = mod_lhc_session:tick(session(State)),
            ping(N, State),
            erlang:send_after(Timeout, self(), {mod_lhc, {deadline, N}}),
            erlang:send_after(Interval, self(), {mod_lhc, {tick, Ticker}}),
            State#{mod_lhc => Session, mod_lhc_ticker => Ticker};
        _ -> State
    end;
handle({deadline, N}, Config, #{lserver := Host, jid := Jid, sid := Sid} = State) ->
    case mod_lhc_session:overdue(N, session(State)) of
        true -> report(Host, state, 'operator.ping_timeout', session_members(Jid, Sid), Config);
        false -> ok
    end,
    State;
handle(_, _Config, State) ->
    State.

%% The first ping at any time within the interval: clients that came back together are not pinged together.
start_ticking(Pid, #{ping_interval := Interval}) ->
    Ticker = make_ref(),
    erlang:send_after(rand:uniform(Interval), Pid, {mod_lhc, {tick, Ticker}}),
    Ticker.

%% Routed, not sent: so it is behind what was routed before, in the client's stream and in the queue of a session that
%% is to be resumed.
ping(none, _State) ->
    ok;
ping(N, #{lserver := Host, jid := Jid}) ->
    ejabberd_router:route(#iq{type = get, id = mod_lhc_session:ping_id(N), from = jid:make(Host), to = Jid,
                              sub_els = [#ping{}]}).

pong(N, Config, #{lserver := Host, jid := Jid, sid := Sid} = State) ->
    {Messages, Alive, Next, Session} = mod_lhc_session:answered(N, session(State)),
    delivered(Host, jid:encode(Jid), Jid#jid.luser, Messages, ping, Config),
    _ = Alive andalso report(Host, ephemeral, 'operator.ping', session_members(Jid, Sid), Config),
    ping(Next, State),
    State#{mod_lhc => Session}.

session(State) ->
    case State of
        #{mod_lhc := Session} -> Session;
        _ -> mod_lhc_session:new()
    end.

%%% ---------------------------------------------------------------- delivery

%% Reports each message once, though several clients of the operator have it: one event for each visitor.
delivered(Host, From, Operator, Messages, By, #{seen := Seen} = Config) ->
    First = [Message || {Visitor, Id} = Message <- Messages,
                        mod_lhc_seen:delivered(Seen, Operator, Visitor, Id, By) =:= first],
    Visitors = lists:usort([Visitor || {Visitor, _} <- First]),
    [report_delivered(Host, From, Visitor, [Id || {V, Id} <- First, V =:= Visitor], By, Config)
     || Visitor <- Visitors],
    ok.

report_delivered(Host, From, Visitor, Ids, By, Config) ->
    report(Host, state, delivered, [{from, From}, {to, Visitor}, {ids, Ids}, {by, By}], Config).

%%% ---------------------------------------------------------------- events

report(Host, Class, Type, Fields, #{queue := Queue}) ->
    mod_lhc_queue:add(Queue, Class, members(Host, Type, Fields)).

%% An event without its number and its queue: those it gets in the queue.
-spec members(binary(), atom(), [mod_lhc_json:member()]) -> iodata().
members(Host, Type, Fields) ->
    Now = calendar:system_time_to_rfc3339(erlang:system_time(millisecond), [{unit, millisecond}, {offset, "Z"}]),
    mod_lhc_json:members([{at, list_to_binary(Now)}, {host, Host}, {type, Type} | Fields]).

%%% ---------------------------------------------------------------- who is who

%% An operator writes to a visitor.
parties(Host, From, To) ->
    case operator(Host, From) of
        {Operator, Config} ->
            case visitor(To, Host, Config) of
                true -> {Operator, jid:encode(jid:remove_resource(To)), Config};
                false -> nobody
            end;
        nobody -> nobody
    end.

%% A visitor's message that can be repeated and reported: with a text and an id.
from_visitor(Host, #message{type = Type, id = Id, body = [_ | _], from = #jid{} = From}, To)
  when Id =/= <<>>, Type =:= chat orelse Type =:= normal ->
    case operator(Host, To) of
        {Operator, Config} ->
            case visitor(From, Host, Config) of
                true -> {Operator, jid:encode(jid:remove_resource(From)), Id, Config};
                false -> nobody
            end;
        nobody -> nobody
    end;
from_visitor(_, _, _) ->
    nobody.

operator(Host, #jid{luser = User, lserver = Host}) when User =/= <<>> ->
    case mod_lhc:config(Host) of
        undefined -> nobody;
        #{reserved_users := Reserved} = Config ->
            case begins_visitor(User, Config) orelse lists:member(User, Reserved) of
                true -> nobody;
                false -> {User, Config}
            end
    end;
operator(_, _) ->
    nobody.

visitor(#jid{luser = User, lserver = Server}, Host, #{visitor_host := VisitorHost} = Config) ->
    (Server =:= Host orelse Server =:= VisitorHost) andalso begins_visitor(User, Config).

begins_visitor(User, #{visitor_prefix := Prefix}) ->
    Size = byte_size(Prefix),
    case User of
        <<Prefix:Size/binary, _/binary>> -> true;
        _ -> false
    end.

%%% ---------------------------------------------------------------- exceptions

guarded(Where, Otherwise, Fun) ->
    try Fun()
    catch Class:Reason:Stack ->
            crashed(Where, Class, Reason, Stack),
            Otherwise
    end.

%% Where, not what: the arguments in a stack and the terms in a reason can hold a stanza.
crashed(Where, Class, Reason, Stack) ->
    Kind = case Reason of
               _ when is_atom(Reason) -> Reason;
               _ when is_tuple(Reason), tuple_size(Reason) > 0, is_atom(element(1, Reason)) -> element(1, Reason);
               _ -> unknown
           end,
    Places = [{Module, Function, proplists:get_value(line, Info)} || {Module, Function, _, Info} <- Stack],
    ?LOG_ERROR("mod_lhc: ~p in ~p: ~p at ~p", [Class, Where, Kind, lists:sublist(Places, 5)]).
