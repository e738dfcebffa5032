%%% What an operator receives from visitors: which messages have reached a client, and repeats.

-module(mod_lhc_received).

%% mod_lhc:hooks/0 lists the hooks and priorities.
-export([drop_duplicate/1, drop_carbon/1, drop_in_room/1, ping_behind/1, drop_repeat/1, drop_offline/1, remember_stored/1]).
-export([read_stored/1]).

-include("xmpp.hrl").

%% A visitor's message with a longer id is not remembered, so its delivery is not reported. In bytes.
-define(MAX_ID_BYTES, 256).

%% Drops a second copy for the same session, before the archive and the carbons. Offline storage can hold two copies, and
%% in a cluster drop_repeat/1 on the visitor's node does not know of the first. The operator's other sessions still get
%% their copy, even if one has answered already. A room's copy comes again with the room's history, which the client asks
%% for, and otherwise only if the service repeats it.
drop_duplicate({#message{type = groupchat} = Message, #{jid := Jid} = State} = Acc) ->
    mod_lhc_log:hook(drop_duplicate, Acc, fun() ->
        case shown_message(Message, Jid) of
            {Operator, Visitor, Id, #{seen := Seen}} ->
                case mod_lhc_seen:in_session(Seen, Operator, Visitor, Id, {room, self()})
                    andalso not xmpp:has_subtag(Message, #delay{}) of
                    true -> {stop, {drop, State}};
                    false -> Acc
                end;
            nobody -> Acc
        end
    end);
drop_duplicate({#message{} = Message, #{lserver := Host, jid := Jid} = State} = Acc) ->
    mod_lhc_log:hook(drop_duplicate, Acc, fun() ->
        case visitor_message(Host, Message, Jid) of
            {{Operator, Instance}, Visitor, Id, #{seen := Seen} = Config} ->
                case mod_lhc_seen:in_session(Seen, Operator, Visitor, Id, self()) of
                    true ->
                        case mod_lhc_seen:status(Seen, Operator, Visitor, Id) of
                            {delivered, By} ->
                                mod_lhc_report:report_delivered(Host, Instance, jid:encode(Jid), Visitor, [Id], By, Config);
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

%% Drops the private copy of what this session has got, or gets, by the room of the visitor: the visitor's message, or a
%% line of the service. A session that is not in the room keeps it.
drop_in_room({#message{type = Type} = Message, State} = Acc) when Type =:= chat; Type =:= normal ->
    mod_lhc_log:hook(drop_in_room, Acc, fun() ->
        case has_from_room(direct, Message, State) of
            true -> {stop, {drop, State}};
            false -> Acc
        end
    end);
drop_in_room(Acc) ->
    Acc.

%% The same for a carbon (XEP-0280) of what another session of the operator has got.
drop_carbon({#message{meta = #{carbon_copy := true}} = Message, State} = Acc) ->
    mod_lhc_log:hook(drop_carbon, Acc, fun() ->
        case xmpp:get_subtag(Message, #carbons_received{}) of
            #carbons_received{forwarded = #forwarded{sub_els = [#message{} = Inner]}} ->
                case has_from_room(carbon, Inner, State) of
                    true -> {stop, {drop, State}};
                    false -> Acc
                end;
            _ -> Acc
        end
    end);
drop_carbon(Acc) ->
    Acc.

has_from_room(How, #message{from = #jid{luser = From}} = Message, #{lserver := Host, jid := Jid} = State) ->
    case visitor_message(Host, Message, Jid) of
        {{Operator, _}, Visitor, Id, #{seen := Seen}} ->
            case mod_lhc_seen:in_session(Seen, Operator, Visitor, Id, {room, self()}) of
                true ->
                    %% A further copy is a repeat.
                    How =:= direct andalso mod_lhc_seen:add_session(Seen, Operator, Visitor, Id, self()),
                    true;
                false -> mod_lhc_room:is_in_room(Message) andalso mod_lhc_room:is_in(From, State)
            end;
        nobody -> false
    end.

%% The message goes to the client now. Remembers that, and sends a ping behind it.
ping_behind({#message{type = groupchat} = Message, #{jid := Jid} = State} = Acc) ->
    mod_lhc_log:hook(ping_behind, Acc, fun() ->
        case shown_message(Message, Jid) of
            {Operator, Visitor, Id, #{seen := Seen}} ->
                case mod_lhc_seen:in_session(Seen, Operator, Visitor, Id, {room, self()}) of
                    true -> Acc;
                    false -> {Message, routed(Operator, Visitor, Id, {room, self()}, Seen, State)}
                end;
            nobody -> Acc
        end
    end);
ping_behind({#message{} = Message, #{lserver := Host, jid := Jid} = State} = Acc) ->
    mod_lhc_log:hook(ping_behind, Acc, fun() ->
        case visitor_message(Host, Message, Jid) of
            {{Operator, _}, Visitor, Id, #{seen := Seen}} ->
                {Message, routed(Operator, Visitor, Id, self(), Seen, State)};
            nobody -> Acc
        end
    end);
ping_behind(Acc) ->
    Acc.

routed(Operator, Visitor, Id, Taker, Seen, State) ->
    mod_lhc_seen:add_session(Seen, Operator, Visitor, Id, Taker),
    {Ping, Session} = mod_lhc_session:add_message(Visitor, Id, mod_lhc_session:of_state(State)),
    mod_lhc_sessions:send_ping(Ping, State),
    State#{mod_lhc => Session}.

%% Drops a repeat before the archive, carbons and offline storage. Runs in the sender's process, which is the only one of
%% a component, so it must never wait.
drop_repeat(#message{to = #jid{lserver = Host} = To} = Message) ->
    mod_lhc_log:hook(drop_repeat, Message, fun() ->
        case visitor_message(Host, Message, To) of
            {{Operator, Instance}, Visitor, Id, #{seen := Seen} = Config} ->
                case mod_lhc_seen:status(Seen, Operator, Visitor, Id) of
                    {delivered, By} ->
                        mod_lhc_report:report_delivered(Host, Instance, mod_lhc_report:bare(To), Visitor, [Id], By, Config),
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
                    %% Other sessions of the operator may not be in the room.
                    {read_in_room, _} -> Message;
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
    mod_lhc_log:hook(drop_offline, Acc, fun() ->
        case {mod_lhc_sent:is_recorded(Message), visitor_message(Host, Message, To)} of
            {true, _} ->
                {stop, {drop, Message}};
            {false, {{Operator, _}, Visitor, Id, #{seen := Seen}}} ->
                case mod_lhc_seen:status(Seen, Operator, Visitor, Id) of
                    offline -> {stop, {drop, Message}};
                    {delivered, _} -> {stop, {drop, Message}};
                    {read_in_room, _} -> {stop, {drop, Message}};
                    _ -> Acc
                end;
            {false, nobody} -> Acc
        end
    end);
drop_offline(Acc) ->
    Acc.

%% Remembers a message that is in offline storage: it will come out at the next login. A bounced message may be repeated.
%%
%% ejabberd looks for a session before it stores a message, and a login reads the storage when its session is there. If the
%% login comes in between, it has read the storage before the message was in it. On Mnesia it may even have deleted the
%% message unread, because the storage is written without a transaction. So whoever stores looks for a session once more.
%% If there is one, it gets the message now, and reads the storage again. Of two copies drop_duplicate/1 drops the second.
remember_stored({offlined, #message{to = #jid{lserver = Host} = To} = Message} = Acc) ->
    mod_lhc_log:hook(remember_stored, Acc, fun() ->
        case visitor_message(Host, Message, To) of
            {{Operator, _}, Visitor, Id, #{seen := Seen}} ->
                mod_lhc_seen:mark_offline(Seen, Operator, Visitor, Id),
                case mod_lhc_sessions:receiver(To) of
                    none -> ok;
                    Pid ->
                        Pid ! {mod_lhc, read_stored},
                        %% The mark lets it pass drop_repeat/1, and tells the archive that it has it already.
                        ejabberd_router:route(xmpp:put_meta(Message, from_offline, true))
                end;
            nobody -> ok
        end,
        Acc
    end);
remember_stored(Acc) ->
    Acc.

%% Reads the offline storage as a login does. Runs in the process of a session, with its state.
-spec read_stored(map()) -> ok.
read_stored(#{lserver := Host} = State) ->
    case gen_mod:is_loaded(Host, mod_offline) of
        true ->
            %% mod_offline reads it for a session whose first presence this is.
            _ = mod_offline:c2s_self_presence({#presence{type = available}, maps:remove(pres_last, State)}),
            ok;
        false -> ok
    end.

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
                        {operator, Instance} -> {{User, Instance}, mod_lhc_report:bare(From), Id, Config};
                        _ -> nobody
                    end;
                _ -> nobody
            end
    end;
visitor_message(_, _, _) ->
    nobody.

%% The same for a message of a visitor that has come to an operator of their tenant by the visitor's room. The visitor is
%% named by their address at the host.
shown_message(#message{id = Id, body = [_ | _], from = #jid{} = From} = Message, #jid{luser = User} = To)
  when Id =/= <<>>, byte_size(Id) =< ?MAX_ID_BYTES ->
    case mod_lhc_room:visitor(From) of
        {Host, Config, Visitor, Instance} ->
            case mod_lhc_room:is_shown(Message) andalso mod_lhc_tenant:party(To, Host, Config) of
                {operator, Instance} -> {User, <<Visitor/binary, "@", Host/binary>>, Id, Config};
                _ -> nobody
            end;
        none -> nobody
    end;
shown_message(_, _) ->
    nobody.
